"""The database's clock, as far as a process can know it: several hosts write times that others compare with their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable


EPOCH: Final = datetime.fromtimestamp(0, UTC)


class SharedClock:
    """UTC in whole milliseconds, as `utc_now`, by the clock of the database that was observed last.

    Between observations it goes by the monotonic clock, so a host whose own clock is wrong or is set does no harm. An observation
    moves it only as far as it proves it wrong: the database's answer was true at some moment while it was asked. Before
    the first it is the host's clock.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead: float | None = None
        """Seconds since 1970 at the zero of the monotonic clock."""
        self._told = utc_now()
        self._told_ms = 0
        """What was told last, and its milliseconds since 1970: a busy process asks several times in each."""

    def __call__(self) -> datetime:
        if self._ahead is None:
            return utc_now()
        now_ms = int((self._ahead + self._monotonic()) * 1000)
        if now_ms != self._told_ms:
            self._told_ms = now_ms
            self._told = EPOCH + timedelta(milliseconds=now_ms)
        return self._told

    def observe(self, then: datetime, took: float) -> None:
        """The database said `then`, in answer to something that was asked `took` seconds ago."""
        least = then.timestamp() - self._monotonic()
        most = least + took
        self._ahead = (least + most) / 2 if self._ahead is None else min(max(self._ahead, least), most)
