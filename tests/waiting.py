"""How tests wait: for a condition, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable

DEADLINE = 25.0
"""Seconds after which what a test waits for is taken for lost: below the half minute after which readers look by themselves. No
promise: a test that promises a time measures it.
"""


async def until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Waits until the condition, which may be a coroutine function, is true. Raises `TimeoutError` after so many seconds."""
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if await met if isawaitable(met) else met:
                return
            await asyncio.sleep(0.002)
