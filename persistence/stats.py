"""The public figures, counted by one query that many readers share."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.errors import Unavailable
from domain.ports import Clock
from domain.stats import Stats
from persistence.base import Row, Timestamp

FRESH_SECONDS: Final = 1.0
SHARE: Final = 10
"""Counting takes at most one part in so many of the time: in an hour of hundreds of thousands of matches the figures get older
than a second instead of loading the database."""


class FiguresRow(Row, table=True):
    """The figures as they were counted last, by whichever worker did: one row, `id` 1."""

    __tablename__ = "figures"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    counted_at: datetime = Field(sa_type=Timestamp)
    online: int
    waiting: int
    in_call: int
    open_rooms: int
    matches_last_hour: int
    median_wait_seconds: float | None = None


# An open room always has somebody inside: the last to leave closes it.
COUNT = text("""
    SELECT (SELECT count(DISTINCT user_id) FROM connection) AS online,
           (SELECT count(*) FROM ticket WHERE status = 'WAITING') AS waiting,
           seats.in_call, seats.open_rooms, hour.matches, hour.median
    FROM (SELECT count(DISTINCT user_id) AS in_call, count(DISTINCT room_id) AS open_rooms
          FROM member WHERE left_at IS NULL) AS seats,
         (SELECT count(DISTINCT room_id) AS matches,
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM matched_at - enqueued_at)) AS median
          FROM ticket WHERE matched_at > :since) AS hour
""")


class DatabaseStats:
    """See `ports.StatsSource`. `reading` opens a connection for reading, as `Database.reading` does.

    Counts only when asked, and once for all who ask at the same time; nothing runs when nobody asks. `monotonic` and `sleep` are in
    seconds. `now` raises `Unavailable` when the database does not answer.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._counted: Stats | None = None
        self._fresh_until = 0.0
        self._counting: asyncio.Task[Stats] | None = None

    async def now(self) -> Stats:
        if self._counted is not None and self._monotonic() < self._fresh_until:
            return self._counted
        if self._counting is None:
            self._counting = asyncio.create_task(self._count(), name="stats")
            self._counting.add_done_callback(self._finished)
        # Shielded: one who hangs up does not take the figures from the others.
        return await asyncio.shield(self._counting)

    async def next(self, seen: Stats) -> Stats:
        while True:
            await self._sleep(FRESH_SECONDS)
            try:
                figures = await self.now()
            except Unavailable:
                continue
            if figures != seen:
                return figures

    async def _count(self) -> Stats:
        began = self._monotonic()
        async with self._reading() as connection:
            row = (await connection.execute(COUNT, {"since": self._clock() - timedelta(hours=1)})).one()
        self._counted = Stats(
            online=row.online,
            waiting=row.waiting,
            in_call=row.in_call,
            open_rooms=row.open_rooms,
            matches_last_hour=row.matches,
            median_wait_seconds=None if row.median is None else round(float(row.median), 3),
        )
        # Counted from the beginning, so that a reader who comes once a second finds them old again.
        took = self._monotonic() - began
        self._fresh_until = began + max(FRESH_SECONDS, SHARE * took)
        return self._counted

    def _finished(self, task: asyncio.Task[Stats]) -> None:
        self._counting = None
        if not task.cancelled():
            task.exception()  # It was for those who asked; they may have gone.
