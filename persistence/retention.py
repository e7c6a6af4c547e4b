"""What is deleted when, by age: what nothing needs any more.

Accounts that nobody can sign in to are erased by `domain.privacy.deleting`, under locks; here go what is left of them and of those
that their users deleted, and the records of safety.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from domain.chat import MESSAGES_KEPT
from domain.figures import FIGURES_KEPT
from domain.franking import DISCLOSED_WITHIN
from domain.keys.bundle import CLAIMS_KEPT
from domain.safety.retention import (
    DEVICE_OF_DELETED_KEPT,
    DEVICES_KEPT,
    GRAVEST_WORDS_KEPT,
    RECORDS_KEPT,
    SESSIONS_KEPT,
    WORDS_KEPT,
    WORDS_OF_DISMISSED_KEPT,
)
from persistence.privacy import PRESERVED_CATEGORIES, REFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH: Final = 5000
"""Rows of a rule's own table, or rooms, in one statement: others' locks and the disk get their turn in between."""

SEATS_KEPT: Final = DISCLOSED_WITHIN + timedelta(days=1)
"""Franking tags are accepted for so long, and whoever reports must have been a member: seats outlive that."""

_UNREFERRED = " AND ".join(
    f"NOT EXISTS (SELECT FROM {table} WHERE {column} = a.id)"
    for table, _, column in (reference.partition(".") for reference in REFERENCES)
    if table != "head"
)
_RECORD_DUE = """
    c.decided_at < :before AND c.words_wiped_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM appeal WHERE case_id = c.id) AND NOT EXISTS (SELECT FROM suspension WHERE case_id = c.id)
    AND NOT EXISTS (SELECT FROM warning WHERE case_id = c.id)
"""


def _ago(age: timedelta) -> str:
    return f"(CAST(:before AS timestamptz) - interval '{age.days} days')"


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
    "minute_figures": (
        FIGURES_KEPT,
        """
            DELETE FROM minute_figures WHERE minute IN (
                SELECT minute FROM minute_figures WHERE minute < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
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
    # What a room was called, and what two had in common there, when somebody of them is gone: nobody is shown it any more.
    "room_words": (
        timedelta(),
        """
            UPDATE room SET name = NULL, shared_interests = '{}' WHERE id IN (
                SELECT r.id FROM account a JOIN member m ON m.user_id = a.id JOIN room r ON r.id = m.room_id
                WHERE a.deleted_at IS NOT NULL AND r.closed_at < :before
                  AND (r.name IS NOT NULL OR r.shared_interests <> '{}')
                LIMIT :batch FOR UPDATE OF r SKIP LOCKED)
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
    # Words go before the records of them. An appeal against a suspension that goes on for ever may come late: then they go again.
    "words": (
        timedelta(),
        f"""
            WITH due AS MATERIALIZED (
                SELECT c.id FROM moderation_case c CROSS JOIN LATERAL (
                    SELECT greatest(c.decided_at, max(decided_at)) AS at, count(*) FILTER (WHERE status = 'OPEN') AS open
                    FROM appeal WHERE case_id = c.id
                ) AS last
                WHERE c.decided_at < {_ago(WORDS_OF_DISMISSED_KEPT)}
                  AND (c.words_wiped_at IS NULL OR c.words_wiped_at <= last.at) AND last.open = 0
                  AND last.at < CASE
                    WHEN EXISTS (SELECT FROM report u WHERE u.case_id = c.id AND u.status = 'UPHELD'
                                                        AND u.category IN ({PRESERVED_CATEGORIES}))
                    THEN {_ago(GRAVEST_WORDS_KEPT)}
                    WHEN c.status = 'DISMISSED' THEN {_ago(WORDS_OF_DISMISSED_KEPT)}
                    ELSE {_ago(WORDS_KEPT)} END
                LIMIT :batch FOR UPDATE OF c SKIP LOCKED
            ), disclosed AS (
                DELETE FROM evidence WHERE report_id IN (SELECT id FROM report WHERE case_id IN (SELECT id FROM due))
            ), reported AS (
                UPDATE report SET comment = NULL WHERE case_id IN (SELECT id FROM due) AND comment IS NOT NULL
            ), warned AS (
                UPDATE warning SET reason = '' WHERE case_id IN (SELECT id FROM due)
            ), appealed AS (
                UPDATE appeal SET statement = '', reason = NULL WHERE case_id IN (SELECT id FROM due)
            )
            UPDATE moderation_case c SET reason = NULL, words_wiped_at = {_ago(timedelta())} FROM due WHERE c.id = due.id
        """,  # noqa: S608  # ages of ours
    ),
    # While a suspension lasts, an appeal against it says that there was one: there is no second.
    "appeal": (
        RECORDS_KEPT,
        """
            DELETE FROM appeal WHERE id IN (
                SELECT a.id FROM appeal a JOIN suspension s ON s.id = a.suspension_id
                WHERE a.decided_at < :before AND coalesce(s.lifted_at, s.ends_at) < :before
                LIMIT :batch FOR UPDATE OF a SKIP LOCKED)
        """,
    ),
    "suspension": (
        RECORDS_KEPT,
        """
            DELETE FROM suspension WHERE id IN (
                SELECT id FROM suspension s
                WHERE coalesce(lifted_at, ends_at) < :before
                  AND NOT EXISTS (SELECT FROM appeal WHERE suspension_id = s.id) LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    "warning": (
        RECORDS_KEPT,
        """
            DELETE FROM warning WHERE id IN (
                SELECT id FROM warning WHERE at < :before LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    "report": (
        RECORDS_KEPT,
        f"""
            DELETE FROM report WHERE id IN (
                SELECT r.id FROM report r JOIN moderation_case c ON c.id = r.case_id
                WHERE {_RECORD_DUE} LIMIT :batch FOR UPDATE OF r SKIP LOCKED)
        """,  # noqa: S608  # a condition of ours
    ),
    "moderation_case": (
        RECORDS_KEPT,
        f"""
            DELETE FROM moderation_case WHERE id IN (
                SELECT c.id FROM moderation_case c
                WHERE {_RECORD_DUE} AND NOT EXISTS (SELECT FROM report WHERE case_id = c.id)
                LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,  # noqa: S608  # a condition of ours
    ),
    "session": (
        SESSIONS_KEPT,
        """
            DELETE FROM session WHERE id IN (
                SELECT id FROM session s
                WHERE created_at < :before AND NOT EXISTS (SELECT FROM refresh_token WHERE session_id = s.id)
                LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # The device of a deleted account: a suspension that may still come of a case binds it.
    "account_device": (
        DEVICE_OF_DELETED_KEPT,
        """
            UPDATE account SET device_id = NULL WHERE id IN (
                SELECT id FROM account a
                WHERE deleted_at < :before AND device_id IS NOT NULL
                  AND NOT EXISTS (SELECT FROM moderation_case WHERE subject_id = a.id AND decided_at IS NULL)
                LIMIT :batch FOR UPDATE SKIP LOCKED)
        """,
    ),
    # A tombstone that nothing refers to, with its head. Nothing new does after a day: there is no session, and no report comes.
    # An operator's stays as long as the audit log, which would else say of every look at evidence that nobody took it.
    "account": (
        DEVICE_OF_DELETED_KEPT,
        f"""
            WITH due AS MATERIALIZED (
                SELECT a.id FROM account a
                WHERE a.deleted_at < :before AND {_UNREFERRED} AND NOT EXISTS (SELECT FROM audit_entry WHERE actor_id = a.id)
                LIMIT :batch FOR UPDATE SKIP LOCKED
            ), heads AS (
                DELETE FROM head WHERE user_id IN (SELECT id FROM due)
            )
            DELETE FROM account WHERE id IN (SELECT id FROM due)
        """,  # noqa: S608  # a condition of ours
    ),
    "device": (
        DEVICES_KEPT,
        """
            DELETE FROM device WHERE id IN (
                SELECT id FROM device d
                WHERE created_at < :before AND NOT EXISTS (SELECT FROM account WHERE device_id = d.id)
                  AND NOT EXISTS (SELECT FROM suspension WHERE device_id = d.id) LIMIT :batch FOR UPDATE SKIP LOCKED)
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
