"""Somebody may have begun to wait: the matcher is told, on whichever worker it runs.

A poke may be lost, because the matcher looks every `matcher.TICK_SECONDS` anyway.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from api import loops

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from persistence.bus import Bus

log = structlog.get_logger(__name__)

CHANNEL: Final = "matcher"
POKE_SECONDS: Final = 0.02
"""Between two pokes on the bus: whatever happens meanwhile is one."""
RETRY_SECONDS: Final = 1.0


class Pokes:
    """Pokes the matcher. While this worker leads, that is its own; otherwise the leader hears of it through the bus."""

    def __init__(self, bus: Bus, matcher: Callable[[], None]) -> None:
        self._bus = bus
        self._matcher = matcher
        self._here = 0
        """How many leaderships are open here: one may begin while the one before ends."""
        self._due = asyncio.Event()

    def poke(self) -> None:
        """See the module. Cheap, and coalesced."""
        if self._here:
            self._matcher()
        else:
            self._due.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tells other workers' matchers for as long as the context is open."""
        async with loops.running("pokes", POKE_SECONDS, self._tell):
            yield

    @asynccontextmanager
    async def heeded(self) -> AsyncIterator[None]:
        """The matcher runs here for as long as the context is open: it hears everybody's pokes."""
        self._here += 1
        try:
            async with loops.running("pokes heeded", RETRY_SECONDS, self._listen):
                yield
        finally:
            self._here -= 1

    async def _tell(self) -> None:
        await self._due.wait()
        self._due.clear()
        try:
            await self._bus.publish(CHANNEL, "")
        except Exception as error:  # noqa: BLE001  # the matcher looks by itself
            log.debug("poke lost", error=type(error).__name__)

    async def _listen(self) -> None:
        async with self._bus.subscribe(CHANNEL) as messages:
            async for _ in messages:
                self._matcher()
