"""All that belongs to an account, in every table: what becomes of it when the account is deleted."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.safety.retention import PRESERVED
from persistence.holdings import holdings

REFERENCES: Final[Mapping[str, str]] = {
    "appeal.decided_by": "Stays: who decided is part of the record.",
    "appeal.user_id": "Stays with the case, until retention.",
    "block.blocked_id": "Deleted.",
    "block.blocker_id": "Deleted.",
    "connection.user_id": "Goes with its socket, which is closed.",
    "head.user_id": "Stays as long as the account: whoever acts on it locks it.",
    "key_bundle.user_id": "Deleted, with its one-time keys.",
    "key_claim.claimer_id": "Deleted.",
    "key_claim.owner_id": "Deleted.",
    "member.user_id": "Stays without the name: member IDs stand in reports and in what others have of a room.",
    "moderation_case.claimed_by": "Stays: who decides is part of the record.",
    "moderation_case.decided_by": "Stays: who decided is part of the record.",
    "moderation_case.subject_id": "Stays, until retention.",
    "operator_token.user_id": "Deleted, with the role.",
    "report.reporter_id": "Null.",
    "report.subject_id": "Stays with the case, until retention.",
    "session.user_id": "Deleted, with its tokens.",
    "suspension.lifted_by": "Stays: who lifted it is part of the record.",
    "suspension.user_id": "Stays, until retention: it binds the device.",
    "ticket.user_id": "Stays without its wishes for a day: the matcher follows its end, the figures count it.",
    "warning.user_id": "Stays with the case, until retention.",
}
"""What refers to an account, and what becomes of it when that is deleted. A tombstone goes when none of these is left but its head;
a foreign key that is not in here fails a test.
"""

PRESERVED_CATEGORIES: Final = ", ".join(f"'{category}'" for category in sorted(PRESERVED))
"""For SQL."""
STILL_NEEDED: Final = f"""
    (c.decided_at IS NULL
     OR EXISTS (SELECT FROM appeal a WHERE a.case_id = c.id AND a.status = 'OPEN')
     OR EXISTS (SELECT FROM suspension s WHERE s.case_id = c.id AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > :now))
     OR EXISTS (SELECT FROM report u WHERE u.case_id = c.id AND u.status = 'UPHELD' AND u.category IN ({PRESERVED_CATEGORIES})))
"""  # noqa: S608  # categories of ours
"""Whether somebody may still have to judge, or to answer for, what was reported in the case `c`: then the words of a report outlast
its reporter's account, for as long as retention lets them.
"""

# In an order that no foreign key forbids. The matcher does not notice a deleted bar, and does not have to: one of the two is gone.
_ERASE = tuple(
    text(statement)
    for statement in (
        "DELETE FROM message WHERE sender_id IN (SELECT id FROM member WHERE user_id = :user)",
        "DELETE FROM one_time_key WHERE user_id = :user",
        "DELETE FROM key_bundle WHERE user_id = :user",
        "DELETE FROM key_claim WHERE claimer_id = :user OR owner_id = :user",
        "DELETE FROM refresh_token WHERE session_id IN (SELECT id FROM session WHERE user_id = :user)",
        "DELETE FROM session WHERE user_id = :user",
        "DELETE FROM block WHERE blocker_id = :user OR blocked_id = :user",
        "DELETE FROM pair_bar WHERE low_id = :user OR high_id = :user",
        "UPDATE ticket SET interests = '{}', languages = '{}' WHERE user_id = :user",
        f"""
            WITH spoken AS (
                SELECT r.id, {STILL_NEEDED} AS needed FROM report r JOIN moderation_case c ON c.id = r.case_id
                WHERE r.reporter_id = :user
            ), disclosed AS (
                DELETE FROM evidence WHERE report_id IN (SELECT id FROM spoken WHERE NOT needed)
            )
            UPDATE report SET reporter_id = NULL, comment = CASE WHEN needed THEN comment END
            FROM spoken WHERE report.id = spoken.id
        """,  # noqa: S608  # a condition of ours
        "UPDATE account SET display_name = '', deleted_at = :now WHERE id = :user",
    )
)
_UNNAME = text("UPDATE member SET display_name = '' WHERE user_id = :user RETURNING room_id")
_ABANDONED = text("""
    SELECT id FROM account a
    WHERE created_at < :before AND deleted_at IS NULL AND operator_role IS NULL
      AND NOT EXISTS (SELECT FROM session WHERE user_id = a.id)
    ORDER BY created_at LIMIT :limit
""")


class PrivacyRepository:
    """`ports.Privacy` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection, touched: set[UUID]) -> None:
        self._connection = connection
        self._touched = touched
        """Where the unit of work collects the rooms that the `Directory` has to forget."""

    async def erase(self, user_id: UUID, now: datetime) -> None:
        self._touched.update(await self._connection.scalars(_UNNAME, {"user": user_id}))
        for statement in _ERASE:
            await self._connection.execute(statement, {"user": user_id, "now": now})

    async def abandoned(self, before: datetime, limit: int) -> Sequence[UUID]:
        return list(await self._connection.scalars(_ABANDONED, {"before": before, "limit": limit}))

    async def held(self, user_id: UUID) -> Mapping[str, Any]:
        return await holdings(self._connection, user_id)
