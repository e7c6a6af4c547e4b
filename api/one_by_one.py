"""What must not run twice at once in this process takes turns, by key."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class OneByOne:
    """See `ports.OneByOne`. Keys that nobody wants take no place."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}

    def __len__(self) -> int:
        """Keys that somebody has or waits for."""
        return len(self._turns)

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """See `ports.OneByOne`."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
