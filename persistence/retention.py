"""What is deleted when, by age: what nothing needs any more.

Accounts, devices, sessions and heads are not in it yet: when those may go is decided with the deletion of accounts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from domain.chat import MESSAGES_KEPT
from domain.franking import DISCLOSED_WITHIN
from domain.keys.bundle import CLAIMS_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH: Final = 5000
"""Rows of a rule's own table, or rooms, in one statement: others' locks and the disk get their turn in between."""

SEATS_KEPT: Final = DISCLOSED_WITHIN + timedelta(days=1)
"""Franking tags are accepted for so long, and whoever reports must have been a member: seats outlive that."""

RULES: Final = {
    # A bucket that is full again says the same as none.
    "rate_limit": (
        timedelta(),
        """
            DELETE FROM rate_limit WHERE key IN (
                SELECT key FROM rate_limit WHERE full_at < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # The matcher follows changes over an overlap of seconds; an hour is beyond any clock that is wrong.
    "pair_bar": (
        timedelta(hours=1),
        """
            DELETE FROM pair_bar WHERE (low_id, high_id, kind) IN (
                SELECT low_id, high_id, kind FROM pair_bar
                WHERE until < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # A reuse of an expired token cannot be told from an unknown one: both are refused.
    "refresh_token": (
        timedelta(),
        """
            DELETE FROM refresh_token WHERE token_hash IN (
                SELECT token_hash FROM refresh_token WHERE expires_at < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # A repeated claim gets the same bundle for a day, and for as long no key that was handed out is taken again.
    "key_claim": (
        CLAIMS_KEPT,
        """
            DELETE FROM key_claim WHERE (claimer_id, member_id, request_id) IN (
                SELECT claimer_id, member_id, request_id FROM key_claim
                WHERE claimed_at < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # Reports may be made up to a day after two people parted; matches and tickets of the last hour are counted in the stats.
    "ticket": (
        timedelta(hours=25),
        """
            DELETE FROM ticket WHERE id IN (
                SELECT id FROM ticket
                WHERE status <> 'WAITING' AND changed_at < :before LIMIT :batch)
        """,
    ),
    # What a room said is nobody's any more; the messages of a closed room went with its closing.
    "message": (
        MESSAGES_KEPT,
        """
            DELETE FROM message WHERE (room_id, seq) IN (
                SELECT room_id, seq FROM message
                WHERE sent_at < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    "member": (
        SEATS_KEPT,
        """
            DELETE FROM member WHERE room_id IN (
                SELECT id FROM room r
                WHERE closed_at < :before
                  AND EXISTS (SELECT FROM member WHERE room_id = r.id) LIMIT :batch)
        """,
    ),
    "room": (
        SEATS_KEPT,
        """
            DELETE FROM room WHERE id IN (
                SELECT id FROM room r
                WHERE closed_at < :before
                  AND NOT EXISTS (SELECT FROM member WHERE room_id = r.id)
                  AND NOT EXISTS (SELECT FROM ticket WHERE room_id = r.id) LIMIT :batch)
        """,
    ),
}
"""After which age, and how; in an order that no foreign key forbids."""


async def purge(
    reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]], now: datetime, *, batch: int = BATCH
) -> dict[str, int]:
    """Deletes all that is due and returns how many rows of each table went."""
    gone = dict.fromkeys(RULES, 0)
    for table, (age, statement) in RULES.items():
        while True:
            async with reading() as connection:
                rows = (await connection.execute(text(statement), {"before": now - age, "batch": batch})).rowcount
            gone[table] += rows
            if rows < batch:
                break
    return gone
