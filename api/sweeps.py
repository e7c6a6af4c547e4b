"""The sweeps over people who are not there: who is away, who is lost, who stopped typing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from api import loops
from domain import presence
from domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from uuid import UUID

    from domain.ports import Clock, Transact, UnitOfWork

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
LAPSE: Final = timedelta(seconds=5)
"""Between the beginnings of two sweeps that succeeded: then the database was away or nobody led, and who was detached meanwhile
could not come back.
"""


class Sweeps:
    """Acts on users who have no connection, until it is stopped. The leader's; any number may run against one database.

    `read` runs outside of a transaction, as `Database.read` does. `resume` is what holds are prolonged by after a lapse.
    """

    def __init__(self, *, transact: Transact, read: Transact, clock: Clock, resume: timedelta) -> None:
        self._transact = transact
        self._read = read
        self._clock = clock
        self._resume = resume

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sweeps for as long as the context is open."""
        async with loops.running("presence sweep", SWEEP_SECONDS, self.sweep):
            yield

    async def sweep(self) -> None:
        """Shows who is away, takes the seats of those who are lost, clears what nobody types any more."""
        began, since = await self._read(lambda uow: uow.connections.begin_sweep())
        now = self._clock()
        if since is not None and since > LAPSE:
            await self._transact(lambda uow: uow.connections.prolong_holds(now + self._resume))
        await self._each("away", lambda uow: uow.connections.away(now - presence.AWAY_AFTER), presence.show_away)
        await self._each("lost", lambda uow: uow.connections.lost(now), presence.lose)
        await self._each("typing", lambda uow: uow.rooms.typing_lapsed(now), presence.lapse_typing)
        await self._transact(lambda uow: uow.connections.settle(now))
        await self._read(lambda uow: uow.connections.end_sweep(began))

    async def _each(
        self,
        name: str,
        find: Callable[[UnitOfWork], Awaitable[Sequence[UUID]]],
        act: Callable[..., Awaitable[None]],
    ) -> None:
        """Each one found is looked at again under locks, in a unit of its own: it may have changed since."""

        async def one(subject: UUID) -> None:
            await self._transact(lambda uow: act(uow, subject, now=self._clock()))

        try:
            found = await self._read(find)
        except Unavailable:
            log.warning("a sweep found the database away", sweep=name)
        else:
            await loops.each(name, found, one)
