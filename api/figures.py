"""Each minute's figures are written down when it ends: by whoever leads, so that its samples are taken once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api import loops
from domain.figures import FigureResolution
from persistence.figures import record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.ports import Clock, StatsSource

LOOK_SECONDS: Final = 1.0
"""How often somebody looks at the clock; the database is asked once a minute."""
SAMPLED_WITHIN: Final = timedelta(seconds=15)
"""How long after the end of a minute what is there still says what was there at its end."""


class Recorder:
    """A duty of the leader. A minute that ended while nobody led, or the database was away, has its counts and no samples."""

    def __init__(
        self,
        reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        stats: StatsSource,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._stats = stats
        self._clock = clock
        self._recorded: datetime | None = None
        """The beginning of the last minute that this worker wrote down."""

    async def look(self) -> None:
        """Writes down the minute that ended last, and what is missing before it, unless that was done. Raises `Unavailable`."""
        now = self._clock()
        end = FigureResolution.MINUTE.begin(now)
        ended = end - FigureResolution.MINUTE.length
        if ended == self._recorded:
            return
        sample = await self._stats.now() if now - end < SAMPLED_WITHIN else None
        async with self._reading() as connection:
            await record(connection, ended, sample)
        self._recorded = ended

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks again and again while the context is open."""
        async with loops.running("figures", LOOK_SECONDS, self.look):
            yield
