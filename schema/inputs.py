"""How clients write what resolvers are given."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

import strawberry

from domain.errors import NotFound

T = TypeVar("T")


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


def given(value: T | None) -> T | None:
    """A nullable input field: left out and null are the same. (Left out is `strawberry.UNSET`; a default of None would be published.)"""
    return None if value is strawberry.UNSET else value
