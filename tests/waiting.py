"""How tests wait: for a condition, never for a time; and how they measure what was promised to take no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from inspect import isawaitable
from types import TracebackType
from typing import Self

DEADLINE = 25.0
"""Seconds after which what a test waits for is taken for lost: below the half minute after which readers look by themselves. No
promise: a test that promises a time measures it.
"""
TICK = 0.02
"""Seconds between two looks at the clock."""


class Stopwatch:
    """Seconds as this process lives through them. While the machine stands still, as shared ones do for seconds, it stands still
    too: a server is promised to be quick when it may run.

    For use inside a running loop. Time in which the test itself keeps the loop is not counted either.
    """

    def __enter__(self) -> Self:
        self._counted, self._ticked = 0.0, time.monotonic()
        self._ticking = asyncio.get_running_loop().create_task(self._tick(), name="stopwatch")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticking.cancel()

    @property
    def seconds(self) -> float:
        """Since it was started. Of a tick that came late no more counts than twice what it should have taken."""
        return self._counted + min(time.monotonic() - self._ticked, 2 * TICK)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._counted, self._ticked = self.seconds, time.monotonic()


async def until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Waits until the condition, which may be a coroutine function, is true. Raises `TimeoutError` after so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if await met if isawaitable(met) else met:
                return
            await asyncio.sleep(0.002)
