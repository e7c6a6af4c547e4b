"""What is deleted when: nothing is kept longer than something needs it, and no table grows without bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

RULES: Final = {
    # A bucket that is full again says the same as none.
    "rate_limit": "DELETE FROM rate_limit WHERE full_at < :now",
    # The matcher follows changes over an overlap of seconds; an hour is beyond any clock that is wrong.
    "pair_bar": "DELETE FROM pair_bar WHERE until < CAST(:now AS timestamptz) - interval '1 hour'",
    # A reuse of an expired token cannot be told from an unknown one: both are refused.
    "refresh_token": "DELETE FROM refresh_token WHERE expires_at < :now",
    # Reports may be made up to a day after two people parted; matches and tickets of the last hour are counted in the stats.
    "ticket": """
        DELETE FROM ticket WHERE id IN (
            SELECT id FROM ticket
            WHERE status <> 'WAITING' AND changed_at < CAST(:now AS timestamptz) - interval '25 hours' LIMIT 10000)
    """,
    # Franking tags are accepted for 30 days, and whoever reports must have been a member: seats outlive that by a day.
    "member": """
        DELETE FROM member WHERE room_id IN (
            SELECT id FROM room WHERE closed_at < CAST(:now AS timestamptz) - interval '31 days' ORDER BY closed_at LIMIT 5000)
    """,
    "room": """
        DELETE FROM room WHERE closed_at < CAST(:now AS timestamptz) - interval '31 days'
            AND NOT EXISTS (SELECT FROM member WHERE room_id = room.id)
            AND NOT EXISTS (SELECT FROM ticket WHERE room_id = room.id)
    """,
}
"""In an order that no foreign key forbids. Each runs by itself, so that one that fails hinders no other."""


async def purge(reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]], now: datetime) -> dict[str, int]:
    """Deletes what is due and returns how many rows of each table went."""
    gone = {}
    for table, statement in RULES.items():
        async with reading() as connection:
            gone[table] = (await connection.execute(text(statement), {"now": now})).rowcount
    return gone
