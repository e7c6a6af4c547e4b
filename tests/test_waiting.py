"""What tests wait and measure with."""

from __future__ import annotations

import asyncio
import time

from tests.waiting import TICK, Stopwatch


async def test_a_stopwatch_counts_what_is_waited_for() -> None:
    """A promise that is broken has to be seen as broken."""
    with Stopwatch() as watch:
        for _ in range(50):
            await asyncio.sleep(TICK)
        assert watch.seconds >= 50 * TICK * 0.99


async def test_a_stopwatch_leaves_out_what_the_machine_stood_still() -> None:
    """A failure that is the machine's own teaches people not to look at failures."""
    began = time.monotonic()
    with Stopwatch() as watch:
        await asyncio.sleep(TICK)
        time.sleep(1.0)  # noqa: ASYNC251  # nothing of this process runs meanwhile
        await asyncio.sleep(TICK)
        assert watch.seconds <= time.monotonic() - began - 0.9
