"""What operators are to see of safety in `/metrics`: counted by whoever leads, so that the workers together tell it once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api import loops
from persistence.oversight import during, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.ports import Clock
    from persistence.oversight import Period, Waiting

LOOK_SECONDS: Final = 15.0
"""Prometheus asks about as often."""
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What waits, and what happened on the last day."""

    queue: Waiting
    day: Period


class Oversight:
    """A duty of the leader. `seen` is None for who does not lead, and before the first look."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]], clock: Clock) -> None:
        self.seen: Seen | None = None
        self._reading = reading
        self._clock = clock

    async def look(self) -> None:
        """Counts anew. Raises `Unavailable`."""
        now = self._clock()
        async with self._reading() as connection:
            self.seen = Seen(await waiting(connection, now), await during(connection, now - DAY, now))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks again and again while the context is open, and has seen nothing afterwards."""
        try:
            async with loops.running("oversight", LOOK_SECONDS, self.look):
                yield
        finally:
            self.seen = None
