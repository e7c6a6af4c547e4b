"""`python -m bench.heartbeat serve`: the server, and in its loop a heart that beats every millisecond.

On SIGUSR1 it writes down the longest pause between two beats since the last time, as JSON beside its data directory: in seconds of
CPU that the loop's thread took, which is what the pause would be on a machine of our own, and by the clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from api import serving
from api.cli import main
from api.parts import assembled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.databases import Source
    from api.parts import Parts
    from api.settings import Settings
    from api.tokens import RootSecrets

BEAT_SECONDS = 0.001
FILE_SUFFIX = ".pauses"


class Heart:
    """Beats in the running loop until it is stopped."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._cpu = self._clock = 0.0
        self._beaten = time.thread_time(), time.monotonic()
        self._timer = self._loop.call_soon(self._beat)

    def stop(self) -> None:
        """No more."""
        self._timer.cancel()

    def write_down(self) -> None:
        """The longest pauses, and begin anew."""
        told = Path(os.environ["PARLEY_DATA_DIR"]).with_suffix(FILE_SUFFIX)
        whole = told.with_suffix(".new")
        whole.write_text(json.dumps({"cpu": self._cpu, "clock": self._clock}))
        whole.replace(told)
        self._cpu = self._clock = 0.0

    def _beat(self) -> None:
        now = time.thread_time(), time.monotonic()
        self._cpu = max(self._cpu, now[0] - self._beaten[0])
        self._clock = max(self._clock, now[1] - self._beaten[1])
        self._beaten = now
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)


@asynccontextmanager
async def beating(settings: Settings, source: Source, roots: RootSecrets) -> AsyncIterator[Parts]:
    """The parts of a worker, and the heart beside them."""
    async with assembled(settings, source, roots) as parts:
        heart = Heart()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heart.write_down)
        try:
            yield parts
        finally:
            heart.stop()


if __name__ == "__main__":
    with mock.patch.object(serving, "assembled", beating):
        sys.exit(main(sys.argv[1:]))
