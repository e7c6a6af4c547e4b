"""Everything that is held about a user, for that user to read and to take elsewhere (GDPR, articles 15 and 20)."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from domain.errors import Unauthenticated

if TYPE_CHECKING:
    from domain.ports import Clock, RateLimits, Transact

EXPORTS_OF_USER: Final = 5
"""Exports that a user may have at once, and then over each `EXPORTS_PERIOD`: each may be megabytes."""
EXPORTS_PERIOD: Final = timedelta(days=1)

NOTES: Final = (
    "Messages are encrypted: what they say is known to your devices, not to this service.",
    "Of other people you see the IDs of members that you have seen before. Bytes are written in base64, times in UTC.",
    "Of messages and of what you disclosed the newest are in here in full, up to 4 MiB each, and of the others the length.",
    "Lists that had to end early are named under left_off.",
    "Not in here: reports about you, who made them, who blocked you, and keyed hashes of your tokens, which say nothing.",
    "Not in here either, because it is forgotten within minutes: events on their way to you, signals, counters of limits.",
)
"""What the reader should know."""


async def export(read: Transact, limits: RateLimits, user_id: UUID, *, clock: Clock) -> str:
    """A JSON document of all that is held about the user: at most some 20 MB, however much that is.

    It is read by several statements, so what changes meanwhile is in it or not. Raises `RateLimited`, and `Unauthenticated` for
    a deleted account.
    """
    await limits.take(f"exports:{user_id}", burst=EXPORTS_OF_USER, period=EXPORTS_PERIOD)
    held = await read(lambda uow: uow.privacy.held(user_id))
    if not held:
        raise Unauthenticated
    document = {"exported_at": clock(), "notes": NOTES, **held}
    return json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
