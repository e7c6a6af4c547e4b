"""The figures of each minute, written once it has ended and read for plots."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.figures import FigurePoint
from domain.stats import Stats
from persistence.base import Row, Timestamp

FILLED: Final = timedelta(hours=1)
"""How far back minutes are counted that nobody recorded when they ended. What is older stays a gap."""
RECOUNTED: Final = 2
"""Minutes before the last one that are counted once more, for what was committed late: a statement may take 20 s."""


class MinuteFiguresRow(Row, table=True):
    """A minute. The first four are null unless somebody looked when it ended; what happened in it is counted whenever that is."""

    __tablename__ = "minute_figures"

    minute: datetime = Field(primary_key=True, sa_type=Timestamp)
    """When it began."""
    online: int | None = None
    waiting: int | None = None
    in_call: int | None = None
    open_rooms: int | None = None
    matches: int
    median_wait_seconds: float | None = None
    reports: int
    dismissals: int
    warnings: int
    suspensions: int
    holds: int
    appeals: int


_SAMPLED: Final = ("online", "waiting", "in_call", "open_rooms")
_SUMMED: Final = ("reports", "dismissals", "warnings", "suspensions", "holds", "appeals")
_COUNTED: Final = ("matches", "median_wait_seconds", *_SUMMED)


def _within(column: str) -> str:
    return f"{column} >= m.minute AND {column} < m.minute + interval '1 minute'"


# In the order of the minutes, so that two who write at once wait for each other instead of in a circle. Each count is a short range
# of an index.
_RECORD = text(f"""
    INSERT INTO minute_figures (minute, {", ".join(_SAMPLED + _COUNTED)})
    SELECT m.minute, {", ".join(f"CASE WHEN m.minute = :ended THEN CAST(:{name} AS integer) END" for name in _SAMPLED)},
           matched.count, matched.median, reported.count, decided.dismissals, decided.warnings, decided.suspensions,
           held.count, appealed.count
    FROM (SELECT coalesce(min(minute), :ended) AS minute
          FROM (SELECT minute FROM minute_figures WHERE minute < :ended ORDER BY minute DESC LIMIT {RECOUNTED}) AS last
         ) AS known,
         generate_series(greatest(known.minute, :oldest), :ended, interval '1 minute') AS m (minute),
         LATERAL (SELECT count(DISTINCT room_id),
                         percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM matched_at - enqueued_at)) AS median
                  FROM ticket WHERE {_within("matched_at")}) AS matched,
         LATERAL (SELECT count(*) FROM report WHERE {_within("created_at")}) AS reported,
         LATERAL (SELECT count(*) FILTER (WHERE decision = 'DISMISS') AS dismissals,
                         count(*) FILTER (WHERE decision = 'WARN') AS warnings,
                         count(*) FILTER (WHERE decision = 'SUSPEND') AS suspensions
                  FROM moderation_case WHERE {_within("decided_at")}) AS decided,
         LATERAL (SELECT count(*) FROM audit_entry WHERE {_within("at")} AND action = 'USER_HELD') AS held,
         LATERAL (SELECT count(*) FROM appeal WHERE {_within("created_at")}) AS appealed
    ORDER BY m.minute
    ON CONFLICT (minute) DO UPDATE SET
        {", ".join(f"{name} = coalesce(minute_figures.{name}, excluded.{name})" for name in _SAMPLED)},
        {", ".join(f"{name} = excluded.{name}" for name in _COUNTED)}
""")  # noqa: S608  # names and numbers of ours
# In the order of `FigurePoint`.
_BETWEEN = text(f"""
    SELECT at, count(*), {", ".join(f"avg({name})::float8" for name in _SAMPLED)}, {", ".join(f"max({name})" for name in _SAMPLED)},
           sum(matches)::int, min(median_wait_seconds) FILTER (WHERE 2 * so_far >= matched),
           {", ".join(f"sum({name})::int" for name in _SUMMED)}
    FROM (SELECT *, sum(matches) OVER (PARTITION BY at ORDER BY median_wait_seconds, minute) AS so_far,
                 sum(matches) OVER (PARTITION BY at) AS matched
          FROM (SELECT *, date_bin(:length, minute, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS at
                FROM minute_figures WHERE minute >= :since AND minute < :until) AS binned) AS ranked
    GROUP BY at ORDER BY at
""")  # noqa: S608  # names of ours


async def record(connection: AsyncConnection, ended: datetime, sample: Stats | None) -> None:
    """Writes down the minute that ended last, which began at `ended`, with what was there at its end, if anybody looked.

    Those of the last hour that nobody wrote down are counted as well, and the last two once more. Any number may do it, at once or
    one after the other: a sample that is there stays, and counts are always of the whole minute.
    """
    values = {name: None if sample is None else getattr(sample, name) for name in _SAMPLED}
    oldest = ended - FILLED + timedelta(minutes=1)
    await connection.execute(_RECORD, {"ended": ended, "oldest": oldest, **values})


class FigureRepository:
    """`ports.Figures` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def between(self, since: datetime, until: datetime, length: timedelta) -> Sequence[FigurePoint]:
        values = {"since": since, "until": until, "length": length}
        # By place: by name, a day of minutes would take three times as long.
        return [FigurePoint(*row) for row in await self._connection.execute(_BETWEEN, values)]
