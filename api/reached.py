"""Who was told of their match: noted in memory at once, and in the database a moment later."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from api import loops
from domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.ports import Clock, Transact

log = structlog.get_logger(__name__)

REACHED_SECONDS: Final = 0.1
REACHED_AT_ONCE: Final = 1000
REACHED_KEPT: Final = 50_000
"""Members whose note is remembered as written, the newest: 5 MB. Noting an older one again writes nothing new."""


class Reached:
    """Notes which members were reached, and writes that down in batches, each member once.

    Memory is bounded by what was noted since the database last answered: members exist only because it did.
    """

    def __init__(self, *, transact: Transact, clock: Clock) -> None:
        self._transact = transact
        self._clock = clock
        self._noted: dict[UUID, None] = {}
        self._written: dict[UUID, None] = {}
        self._some = asyncio.Event()

    def note(self, member_id: UUID) -> None:
        """The member was told of its match, or asked about its room. See `schema.context.Services.reached`."""
        if member_id not in self._written and member_id not in self._noted:
            self._noted[member_id] = None
            self._some.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes for as long as the context is open, and what is left when it ends."""
        try:
            async with loops.running("reached", REACHED_SECONDS, self._next):
                yield
        finally:
            if self._noted:
                try:
                    await self.write()
                except Unavailable:
                    log.warning("who was reached could not be written", members=len(self._noted))

    async def write(self) -> None:
        """Writes one batch. Raises what the database raises, and then the batch is still noted."""
        batch = list(self._noted)[:REACHED_AT_ONCE]
        now = self._clock()
        await self._transact(lambda uow: uow.rooms.mark_reached(batch, now))
        for member_id in batch:
            del self._noted[member_id]
            self._written[member_id] = None
        while len(self._written) > REACHED_KEPT:
            del self._written[next(iter(self._written))]

    async def _next(self) -> None:
        self._some.clear()
        if not self._noted:
            await self._some.wait()
            return
        await self.write()
