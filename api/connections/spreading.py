"""Work that may wait, spread over the loop's turns: whoever sends a flood waits for it, and nobody else does."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SECONDS_A_TURN = 0.005


class Spread:
    """A little of it in each turn of the loop, for all connections together, in the order in which it came."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = False

    def add(self, work: Callable[[], None]) -> None:
        """Do it later: a millisecond's work, which raises nothing."""
        self._waiting.append(work)
        self._come()

    def _come(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        end = time.monotonic() + SECONDS_A_TURN
        try:
            for _ in range(len(self._waiting)):  # What these add is for the next turn.
                self._waiting.popleft()()
                if time.monotonic() > end:
                    break
        finally:
            self._due = False
            self._come()


_spreads: WeakKeyDictionary[asyncio.AbstractEventLoop, Spread] = WeakKeyDictionary()


def spread_of(loop: asyncio.AbstractEventLoop) -> Spread:
    """The one of this loop."""
    spread = _spreads.get(loop)
    if spread is None:
        spread = _spreads[loop] = Spread(loop)
    return spread
