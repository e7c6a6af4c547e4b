"""The matcher's loop: reads what changed, lets the pool propose, commits in batches. And its sweep, which ends the tickets and
matches of people who are not there.

The pool only proposes and the commit decides under locks, so a matcher that is stale, or one of several, is harmless.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from api.loops import cancelled
from domain.errors import Unavailable
from domain.matchmaking.commit import MOST_PAIRS, Refusal, Refused, commit_pairs
from domain.matchmaking.losses import REACHED_WITHIN, end_unreached, expire_ticket
from domain.matchmaking.pool import Pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.pool import Pair, PoolTicket
    from domain.ports import Clock, Transact, UnitOfWork

    Bar = tuple[UUID, UUID, datetime | None]

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.2
"""Between looks when nobody pokes: also how late somebody is seen whose poke was lost."""
SHORTEST_PAUSE_SECONDS: Final = 0.01
SWEEP_SECONDS: Final = 1.0
SUSPECTED_BEFORE: Final = timedelta(seconds=SWEEP_SECONDS)
"""How long before its end is due a ticket or match is first noticed, so that noticing twice costs no time."""
STALE_SECONDS: Final = 3.0
FULL_LOOK_SECONDS: Final = 0.5
OVERLAP: Final = timedelta(seconds=2)
"""How far behind the last look the next begins. A change is stamped when it is written and seen when it is committed, so
changes do not appear in the order of their stamps."""
SHORT_OVERLAP: Final = timedelta(milliseconds=100)
"""The same for the looks between two full ones: under load they come one after another, and the overlap is most of what they
read. The next full look finds what took longer to commit."""
RELOAD_SECONDS: Final = 30.0
BUSY_LOOK_SECONDS: Final = 0.4
"""Between two looks while the pool has more to propose."""
COMMITS_AT_ONCE: Final = 2
"""PostgreSQL works on one while the other is made ready here: two cores are busy where one waited for the other."""
WORTH_A_COMMIT: Final = 32
"""Pairs: fewer are not divided."""
EFFORT: Final = 20_000
"""Tickets that the pool looks at in one turn: some 20 ms, for the loop serves sockets too."""
REFUSED_FOR: Final = timedelta(milliseconds=500)
"""How long a refused pair is not proposed again: what refused it is read meanwhile. A pair that became legal still meets
within a second."""
FAILED_FOR: Final = timedelta(seconds=5)
LONGEST_BACKOFF_SECONDS: Final = 2.0
HEALTHY_SECONDS: Final = 5.0


class Matcher:
    """Matches whoever waits, until it is stopped. Any number may run against one database.

    The counters are for `/metrics`; `pool.refusals` counts refusals by reason.
    """

    def __init__(self, *, transact: Transact, read: Transact, clock: Clock, new_id: Callable[[], UUID]) -> None:
        self.pool = Pool()
        self.matches = 0
        self.tick_errors = 0
        self.sweep_errors = 0
        self.expired = 0
        """Tickets ended because their users were not there."""
        self.lost = 0
        """Matches ended because a side was not reached."""
        self.last_tick: datetime | None = None
        """When the last tick that succeeded ended."""
        self._transact = transact
        self._read = read
        self._clock = clock
        self._new_id = new_id
        self._now: datetime | None = None
        self._poked = asyncio.Event()
        self._suspects: frozenset[UUID] = frozenset()
        """Users and rooms of which the last sweep found that somebody is not there."""
        self._swept_at = 0.0
        self._spared_until = 0.0
        """Until when, by the loop's clock, no match ends because a side was not reached."""
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._known: set[UUID] = set()
        """IDs of waiting tickets whose users' bars the pool was given; what changes about those is read by its stamp."""
        self._read_at: datetime | None = None
        """The database's time of the last look; None before the first and after a failure."""
        self._look_at = self._full_look_at = self._reload_at = 0.0
        """When, by the loop's clock, the next look is due although the pool is busy, the next with the whole overlap, and the next
        full load."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Matches for as long as the context is open."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Returns at once: what the first look fails at is retried. What an earlier start saw is not relied on."""
        self._read_at, self._suspects = None, frozenset()
        # Who was reached may have died with the worker that was about to write it down, perhaps with all of them: those who are
        # back have as long to ask about their room as they had at first.
        self._spared_until = asyncio.get_running_loop().time() + REACHED_WITHIN.total_seconds()
        self._tasks = (
            asyncio.create_task(self._match_forever(), name="matcher"),
            asyncio.create_task(self._sweep_forever(), name="matcher-sweep"),
        )

    async def stop(self) -> None:
        """Returns when nothing runs any more; a commit that is under way completes by itself."""
        tasks, self._tasks = self._tasks, ()
        await cancelled(tasks)
        self.pool.reload((), (), self._present())

    def poke(self) -> None:
        """Somebody may have begun to wait: looks at once. Cheap, and coalesced."""
        self._poked.set()

    def healthy(self, now: datetime) -> bool:
        """Whether a tick succeeded lately."""
        return self.last_tick is not None and (now - self.last_tick).total_seconds() < HEALTHY_SECONDS

    async def tick(self) -> None:
        """Reads what changed and commits some of what the pool proposes."""
        # While there is more to propose than can be committed it is not asked at every turn whether there is still more: what has
        # changed meanwhile is refused by the commit.
        if not self.pool.busy or self._read_at is None or asyncio.get_running_loop().time() >= self._look_at:
            self._poked.clear()
            await self._look()
        pairs = self.pool.propose(self._present(), COMMITS_AT_ONCE * MOST_PAIRS, EFFORT)
        if pairs:
            size = max(WORTH_A_COMMIT, math.ceil(len(pairs) / COMMITS_AT_ONCE))
            batches = [pairs[first : first + size] for first in range(0, len(pairs), size)]
            try:
                for outcome in await asyncio.gather(*map(self._commit, batches), return_exceptions=True):
                    if outcome is not None:
                        self._look_at = 0.0
                        raise outcome
            finally:
                for pair in pairs:  # Those that were settled or refused are not held out any more, and not touched.
                    self.pool.give_back(pair)
        self.last_tick = self._clock()

    async def sweep(self) -> None:
        """Ends the tickets and matches of people who are not there: of whom the last sweep, a moment ago, found it already.

        After an outage of the database, or when this process stood still, what shows that they are there is still on its way.
        """
        suspects, self._suspects = self._suspects, frozenset()
        now, began = self._clock(), asyncio.get_running_loop().time()
        if began - self._swept_at > STALE_SECONDS:
            suspects = frozenset()
        unattended = await self._read(lambda uow: uow.tickets.unattended(now + SUSPECTED_BEFORE))
        unreached = await self._read(lambda uow: uow.rooms.unreached(now + SUSPECTED_BEFORE - REACHED_WITHIN))
        for user_id in suspects.intersection(unattended):
            self.expired += await self._ended(partial(expire_ticket, user_id=user_id, now=now))
        for room_id in suspects.intersection(unreached) if began >= self._spared_until else ():
            if await self._ended(partial(end_unreached, room_id=room_id, new_id=self._new_id, clock=self._clock)):
                self.lost += 1
                self.poke()
        self._suspects, self._swept_at = frozenset((*unattended, *unreached)), began

    # ---------------------------------------------------------------------------------------- inside

    async def _match_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001  # whatever it was, people wait: the next tick loads everything
                self.tick_errors += 1
                self._read_at = None
                _report("tick failed", error)
                await asyncio.sleep(min(LONGEST_BACKOFF_SECONDS, TICK_SECONDS * 2.0**failures))
                failures = min(failures + 1, 10)
            else:
                failures = 0
                await self._pause()

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001  # the next sweep finds what this one did not get to
                self.sweep_errors += 1
                _report("sweep failed", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _pause(self) -> None:
        """Until the pool may have something to propose: at once, after a poke, when a bar ends, or with the next tick."""
        delay = 0.0 if self.pool.busy else TICK_SECONDS
        wake = self.pool.next_wake()
        if wake is not None and not self.pool.busy:
            delay = min(delay, max(SHORTEST_PAUSE_SECONDS, (wake - self._present()).total_seconds()))
        if delay == 0.0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._poked.wait()

    def _present(self) -> datetime:
        """The time, which never runs backwards: the pool relies on it."""
        now = self._clock()
        self._now = now if self._now is None else max(now, self._now)
        return self._now

    async def _look(self) -> None:
        """Tells the pool what changed since the last look, or everything."""
        loop_time = asyncio.get_running_loop().time()
        self._look_at = loop_time + BUSY_LOOK_SECONDS
        since: datetime | None = None
        if self._read_at is not None and loop_time < self._reload_at:
            since = self._read_at - (OVERLAP if loop_time >= self._full_look_at else SHORT_OVERLAP)
        full = since is None or loop_time >= self._full_look_at
        known: set[UUID] = set() if since is None else self._known

        async def read(uow: UnitOfWork) -> tuple[datetime, Sequence[PoolTicket], Sequence[UUID], Sequence[Bar]]:
            time, waiting, ended = await uow.tickets.changed_since(since)
            new = {ticket.user_id for ticket in waiting if ticket.id not in known}
            return time, waiting, ended, await uow.bars.changed_since(since, new) if new or full else ()

        time, waiting, ended, bars = await self._read(read)
        now = self._present()
        if since is None:
            self.pool.reload(waiting, bars, now)
            self._known = {ticket.id for ticket in waiting}
            self._reload_at = loop_time + RELOAD_SECONDS
        else:
            for one, other, until in bars:
                self.pool.bar(one, other, until)
            for ticket in waiting:
                self.pool.put(ticket, now)
            # Afterwards: one that ended while it was read is in both.
            for ticket_id in ended:
                self.pool.remove(ticket_id)
            self._known.update(ticket.id for ticket in waiting)
            self._known.difference_update(ended)
        if full:
            self._full_look_at = loop_time + FULL_LOOK_SECONDS
        self._read_at = time

    async def _commit(self, pairs: Sequence[Pair]) -> None:
        """Commits the pairs in one transaction or, should one of them make it fail, the halves of them."""
        try:
            results = await self._transact(partial(commit_pairs, pairs=pairs, new_id=self._new_id, clock=self._clock))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # one bad pair hurts nobody else
            if len(pairs) > 1:
                middle = len(pairs) // 2
                await self._commit(pairs[:middle])
                await self._commit(pairs[middle:])
                return
            _report("a pair cannot be matched", error)
            results = [Refused(Refusal.FAILED)]
        now = self._present()
        for pair, result in zip(pairs, results, strict=True):
            if isinstance(result, Refused):
                self._refuse(pair, result, now)
            else:
                self.matches += 1
                self.pool.settle(pair)

    def _refuse(self, pair: Pair, refused: Refused, now: datetime) -> None:
        if refused.reason is Refusal.BARRED:
            # Known by its own end from here on, and lifted when the bar is.
            self.pool.bar(pair.first.user_id, pair.second.user_id, refused.until)
        self.pool.refuse(pair, refused.reason, now + (FAILED_FOR if refused.reason is Refusal.FAILED else REFUSED_FOR))

    async def _ended(self, work: Callable[[UnitOfWork], Awaitable[object]]) -> bool:
        try:
            return bool(await self._transact(work))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  # one that fails does not keep the others waiting
            self.sweep_errors += 1
            _report("somebody who is not there cannot be removed", error)
            return False


def _report(event: str, error: Exception) -> None:
    """An outage says so in one line; a fault of ours with its traceback."""
    if isinstance(error, Unavailable):
        log.warning(event, error=type(error).__name__)
    else:
        log.error(event, exc_info=error)
