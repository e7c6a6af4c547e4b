"""What was reported and decided, in numbers: for those who run the service, and for those who ask them to account for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import RowMapping, TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Reported:
    """Reports of one category that stand alike now. `verified` is whether a disclosed message was proved."""

    category: str
    status: str
    verified: bool
    count: int


@dataclass(frozen=True, slots=True)
class Suspended:
    """Suspensions alike. `lasts` is how long they were meant to, to the minute, None for good; `lifted` is how many of them ended
    before.
    """

    scope: str
    automated: bool
    lasts: timedelta | None
    count: int
    lifted: int


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, of those things that were done: None when none was."""

    median: timedelta | None
    slowest_tenth: timedelta | None
    """Nine of ten took no longer."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`: what was received, begun and decided then, as it stands now."""

    since: datetime
    until: datetime
    reports: Sequence[Reported]
    cases_opened: int
    decisions: Mapping[str, int]
    """Cases, by what was decided."""
    deciding: Times
    """From the first report of a case to its decision."""
    suspensions: Sequence[Suspended]
    holds_dropped: int
    """Suspensions by a rule whose case was dismissed, or overturned on appeal: as far as anybody knows, mistakes."""
    appeals: int
    """Received."""
    outcomes: Mapping[str, int]
    """Appeals, by what was decided."""
    appealing: Times

    @property
    def holds(self) -> int:
        """Suspensions by a rule."""
        return sum(suspended.count for suspended in self.suspensions if suspended.automated)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for an operator."""

    cases: Mapping[int, int]
    """Undecided ones, by priority."""
    oldest: timedelta | None
    """Since when the one of them that waits longest does."""
    appeals: int


_REPORTS: Final = text("""
    SELECT category, status, verified, count(*) AS count FROM report
    WHERE created_at >= :since AND created_at < :until
    GROUP BY category, status, verified ORDER BY category, status, verified
""")
_OPENED: Final = text("SELECT count(*) FROM moderation_case WHERE opened_at >= :since AND opened_at < :until")
_DECISIONS: Final = text("""
    SELECT decision, count(*) FROM moderation_case WHERE decided_at >= :since AND decided_at < :until GROUP BY decision
""")
_SUSPENSIONS: Final = text("""
    SELECT scope, automated, date_trunc('minute', ends_at - starts_at + interval '30 seconds') AS lasts,
           count(*) AS count, count(lifted_at) AS lifted
    FROM suspension
    WHERE starts_at >= :since AND starts_at < :until
    GROUP BY scope, automated, lasts ORDER BY scope, automated, lasts
""")
_HOLDS_DROPPED: Final = text("""
    SELECT count(*) FROM suspension s JOIN moderation_case c ON c.id = s.case_id
    WHERE s.automated AND s.starts_at >= :since AND s.starts_at < :until AND c.status IN ('DISMISSED', 'OVERTURNED')
""")
_APPEALS: Final = text("SELECT count(*) FROM appeal WHERE created_at >= :since AND created_at < :until")
_OUTCOMES: Final = text("""
    SELECT status, count(*) FROM appeal WHERE decided_at >= :since AND decided_at < :until GROUP BY status
""")


def _times(table: str, begun: str) -> TextClause:
    return text(f"""
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY decided_at - {begun}) AS median,
               percentile_disc(0.9) WITHIN GROUP (ORDER BY decided_at - {begun}) AS slowest_tenth
        FROM {table} WHERE decided_at >= :since AND decided_at < :until
    """)  # noqa: S608  # names of ours


_DECIDING: Final = _times("moderation_case", "opened_at")
_APPEALING: Final = _times("appeal", "created_at")
_QUEUE: Final = text("""
    SELECT priority, count(*) AS count, min(opened_at) AS oldest FROM moderation_case
    WHERE status IN ('OPEN', 'CLAIMED') GROUP BY priority ORDER BY priority
""")
_OPEN_APPEALS: Final = text("SELECT count(*) FROM appeal WHERE status = 'OPEN'")


async def during(connection: AsyncConnection, since: datetime, until: datetime) -> Period:
    """What happened from `since` on and before `until`. What retention has deleted is missing."""
    values = {"since": since, "until": until}

    async def rows(statement: TextClause) -> Sequence[RowMapping]:
        return (await connection.execute(statement, values)).mappings().all()

    async def count(statement: TextClause) -> int:
        return int((await connection.execute(statement, values)).scalar_one())

    async def times(statement: TextClause) -> Times:
        row = (await connection.execute(statement, values)).one()
        return Times(row.median, row.slowest_tenth)

    return Period(
        since=since,
        until=until,
        reports=[Reported(**row) for row in await rows(_REPORTS)],
        cases_opened=await count(_OPENED),
        decisions={row["decision"]: row["count"] for row in await rows(_DECISIONS)},
        deciding=await times(_DECIDING),
        suspensions=[Suspended(**row) for row in await rows(_SUSPENSIONS)],
        holds_dropped=await count(_HOLDS_DROPPED),
        appeals=await count(_APPEALS),
        outcomes={row["status"]: row["count"] for row in await rows(_OUTCOMES)},
        appealing=await times(_APPEALING),
    )


async def waiting(connection: AsyncConnection, now: datetime) -> Waiting:
    """What waits for an operator at `now`."""
    queue = (await connection.execute(_QUEUE)).mappings().all()
    return Waiting(
        cases={row["priority"]: row["count"] for row in queue},
        oldest=max((now - row["oldest"] for row in queue), default=None),
        appeals=int((await connection.execute(_OPEN_APPEALS)).scalar_one()),
    )
