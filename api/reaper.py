"""What dead workers leave behind is released: their users are detached, and have `LOST_WORKER_RESUME` to come back."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from api import loops
from domain import presence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from domain.ports import Clock, Transact

log = structlog.get_logger(__name__)

REAP_SECONDS: Final = 1.0
REAPED_AT_ONCE: Final = 500
"""Users in one transaction: their heads are locked for some 20 ms."""


class Reaper:
    """Reaps workers whose lease has ended. The leader's; several at once, and one that comes back in the middle, do no harm.

    `steady` tells whether this worker renewed its own lease for a full term: after an outage of the database all leases have ended,
    and those who live must have the time to say so.
    """

    def __init__(self, *, transact: Transact, read: Transact, clock: Clock, steady: Callable[[], bool]) -> None:
        self.reaped = 0
        """Workers; for `/metrics`."""
        self._transact = transact
        self._read = read
        self._clock = clock
        self._steady = steady

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks once a second for as long as the context is open."""
        async with loops.running("reaper", REAP_SECONDS, self.look):
            yield

    async def look(self) -> None:
        """Reaps who is dead now."""
        if self._steady():
            for worker in await self._read(lambda uow: uow.connections.other_workers(dead=True)):
                await self._reap(worker, dead=False)

    async def take_over(self) -> None:
        """Reaps all other workers, which are known to be gone. Nobody could come back since: whatever is held for anybody detached
        is held until `LOST_WORKER_RESUME` from now at least.
        """
        for worker in await self._read(lambda uow: uow.connections.other_workers(dead=False)):
            await self._reap(worker, dead=True)
        until = self._clock() + presence.LOST_WORKER_RESUME
        await self._transact(lambda uow: uow.connections.prolong_holds(until))

    async def _reap(self, worker: UUID, *, dead: bool) -> None:
        await self._transact(lambda uow: uow.connections.condemn(worker, dead=dead))
        users = 0
        while batch := await self._read(lambda uow: uow.connections.held_by(worker, REAPED_AT_ONCE)):
            work = partial(presence.reap, worker=worker, user_ids=batch, now=self._clock())
            if not await self._transact(work):
                log.warning("a worker came back while it was reaped", worker=str(worker))
                return
            users += len(batch)
        # One that attached somebody just now is not buried: the next look finds it.
        if await self._transact(lambda uow: uow.connections.bury(worker)):
            self.reaped += 1
            log.warning("a worker was reaped", worker=str(worker), users=users)
