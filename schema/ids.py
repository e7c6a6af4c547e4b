"""IDs as the API writes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID

from domain.errors import NotFound

IDS_KEPT: Final = 4096
"""IDs whose parsing is remembered, of about 200 bytes each: those who signal to each other name the same few again and again."""


@lru_cache(IDS_KEPT)
def known_id(text: str) -> UUID:
    """The ID in the form in which we give it out. Anything else names nothing, like an ID that nobody has: raises `NotFound`.

    Python's own parser also takes braces, capitals and URNs: a client that mangles IDs shall notice at once.
    """
    try:
        parsed = UUID(text)
    except ValueError:
        raise NotFound from None
    if str(parsed) != text:
        raise NotFound
    return parsed
