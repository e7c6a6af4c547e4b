"""What must not run all at once in this process takes turns, by key."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

RETRY_SECONDS = 1.0


@dataclass(slots=True)
class _Turn:
    permits: asyncio.Semaphore
    wanted: int = 0


class Turns:
    """Lets `at_once` of each key go on, and `waiting` more wait. As it is made without arguments it is `ports.OneByOne`.

    Keys that nobody wants take no place. `refused` counts since the start.
    """

    def __init__(self, at_once: int = 1, waiting: float = math.inf) -> None:
        self.refused = 0
        self._at_once = at_once
        self._most = at_once + waiting
        self._turns: dict[Hashable, _Turn] = {}

    def __len__(self) -> int:
        """Keys that somebody has or waits for."""
        return len(self._turns)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """The key's turn, in the order of asking. Raises `RateLimited` when too many wait already."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = _Turn(asyncio.Semaphore(self._at_once))
        if turn.wanted >= self._most:
            self.refused += 1
            raise RateLimited(RETRY_SECONDS)
        turn.wanted += 1
        try:
            async with turn.permits:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
