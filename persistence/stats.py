"""The public figures, counted by one query that all readers of all workers share."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
import asyncio
import math
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
from persistence.tasks import retrieved

FRESH_SECONDS: Final = 1.0
TOGETHER_SECONDS: Final = 0.1
"""Those who begin to wait within so much of each other wait together: a timer and a look for all of them, not for each."""
SHARE: Final = 10
"""Counting takes at most one part in so many of the time, of all workers together: in an hour of hundreds of thousands of matches
the figures get older than a second instead of loading the database."""
POLL_SECONDS: Final = 0.1
"""How often those look who have no figures yet, while another worker makes the first."""
LOCK_KEY: Final = 0x66696775726573
"""Who counts holds this advisory lock, for the one statement."""


class FiguresRow(Row, table=True):
    """The figures as they were counted last, by whichever worker did: one row, `id` 1."""

    __tablename__ = "figures"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    counted_at: datetime = Field(sa_type=Timestamp)
    """A second before the figures are due to be counted again, by the database's clock: when they were counted, or later where that
    took long."""
    online: int
    waiting: int
    in_call: int
    open_rooms: int
    matches_last_hour: int
    median_wait_seconds: float | None = None


FIGURES: Final = "online, waiting, in_call, open_rooms, matches_last_hour, median_wait_seconds"
READ = text(f"""
    SELECT {FIGURES}, extract(epoch FROM clock_timestamp() - counted_at)::float8 AS age FROM figures WHERE id = 1
""")  # noqa: S608  # names of ours
# Counts only in its turn, because the counts ask for it: whoever comes while another one counts is told nothing, and uses what is
# there. The connections of a dead worker are nobody's, though it may not have been reaped yet. An open room always has somebody
# inside: the last to leave closes it.
COUNT = text(f"""
    WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock({LOCK_KEY}) AS mine)
    INSERT INTO figures (id, counted_at, {FIGURES})
    SELECT 1, statement_timestamp() + greatest(
               interval '0', {SHARE} * (clock_timestamp() - statement_timestamp()) - interval '{FRESH_SECONDS} seconds'),
           here.online, queue.waiting, seats.in_call, seats.open_rooms, hour.matches, hour.median
    FROM turn,
         LATERAL (SELECT count(DISTINCT c.user_id) AS online
                  FROM connection c JOIN worker w ON w.incarnation = c.worker
                  WHERE turn.mine AND w.lease_until > clock_timestamp()) AS here,
         LATERAL (SELECT count(*) AS waiting FROM ticket WHERE turn.mine AND status = 'WAITING') AS queue,
         LATERAL (SELECT count(DISTINCT user_id) AS in_call, count(DISTINCT room_id) AS open_rooms
                  FROM member WHERE turn.mine AND left_at IS NULL) AS seats,
         LATERAL (SELECT count(DISTINCT room_id) AS matches,
                         percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM matched_at - enqueued_at)) AS median
                  FROM ticket WHERE turn.mine AND matched_at > :since) AS hour
    WHERE turn.mine
    ON CONFLICT (id) DO UPDATE SET
        counted_at = excluded.counted_at, online = excluded.online, waiting = excluded.waiting, in_call = excluded.in_call,
        open_rooms = excluded.open_rooms, matches_last_hour = excluded.matches_last_hour,
        median_wait_seconds = excluded.median_wait_seconds
    RETURNING {FIGURES}
""")  # noqa: S608  # names and numbers of ours


class DatabaseStats:
    """See `ports.StatsSource`. `reading` opens a connection in autocommit, as `Database.reading` does.

    The figures are shared by all workers: one counts, at most once a second, and the others read. Asks only when asked, and once
    for all who ask at the same time; nothing runs when nobody asks. `monotonic` and `sleep` are in seconds. `now`
    raises `Unavailable` when the database does not answer.
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
        self._latest: Stats | None = None
        self._fresh_until = 0.0
        self._looking: asyncio.Task[Stats] | None = None
        self._waiters: list[asyncio.Future[Stats | None]] = []
        """Those who wait together, the last who began to; `_joining_until` they were joined."""
        self._joining_until = -math.inf
        self._telling: set[asyncio.Task[None]] = set()

    async def now(self) -> Stats:
        if self._latest is not None and self._monotonic() < self._fresh_until:
            return self._latest
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="stats")
            self._looking.add_done_callback(self._finished)
        # Shielded: one who hangs up does not take the figures from the others.
        return await asyncio.shield(self._looking)

    async def next(self, seen: Stats) -> Stats:
        while True:
            now = self._monotonic()
            if now >= self._joining_until:
                self._joining_until = now + TOGETHER_SECONDS
                self._waiters = []
                telling = asyncio.create_task(self._tell(self._waiters), name="stats later")
                self._telling.add(telling)
                telling.add_done_callback(self._telling.discard)
            # A future each and not a shielded task: one who hangs up takes nothing from the others, for half the price.
            waiter: asyncio.Future[Stats | None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            figures = await waiter
            if figures is not None and figures != seen:
                return figures

    async def _tell(self, waiters: list[asyncio.Future[Stats | None]]) -> None:
        """At least a second later for the last who joined: the figures, or None while the database is away."""
        await self._sleep(FRESH_SECONDS + TOGETHER_SECONDS)
        figures: Stats | None = None
        fault: Exception | None = None
        try:
            figures = await self.now()
        except Unavailable:
            pass
        except Exception as error:  # noqa: BLE001  # a bug, of which those are told who wait
            fault = error
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(figures) if fault is None else waiter.set_exception(fault)

    async def _look(self) -> Stats:
        # Counted from the beginning, so that a reader who comes once a second finds them old again.
        began = self._monotonic()
        while True:
            async with self._reading() as connection:
                row = (await connection.execute(READ)).one_or_none()
                if row is None or row.age >= FRESH_SECONDS:
                    since = self._clock() - timedelta(hours=1)
                    row = (await connection.execute(COUNT, {"since": since})).one_or_none() or row
            if row is not None:
                break
            await self._sleep(POLL_SECONDS)
        self._latest = Stats(
            online=row.online,
            waiting=row.waiting,
            in_call=row.in_call,
            open_rooms=row.open_rooms,
            matches_last_hour=row.matches_last_hour,
            median_wait_seconds=None if row.median_wait_seconds is None else round(row.median_wait_seconds, 3),
        )
        self._fresh_until = began + FRESH_SECONDS
        return self._latest

    def _finished(self, task: asyncio.Task[Stats]) -> None:
        self._looking = None
        retrieved(task)
