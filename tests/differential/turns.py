"""What waits goes on in an order of our choosing: one at a time, and the next only when nothing else can move.

So resolvers that wait finish in the same order under any executor, however many steps of the loop each takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar
from zlib import crc32

T = TypeVar("T")


class Turns:
    """Whoever waits is let go by rank, which `seed` and the waiter's name decide."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._waiting: list[tuple[int, str, asyncio.Future[None]]] = []

    async def wait(self, name: str) -> None:
        """Until it is this one's turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((crc32(f"{self._seed}/{name}".encode()), name, turn))
        await turn

    async def run(self, work: Awaitable[T]) -> T:
        """Does the work, giving everybody their turn, and then lets what it left behind finish too.

        Raises `AssertionError` if the work waits for something that is no turn.
        """
        task = asyncio.ensure_future(work)
        while await self._still() and (self._waiting or not task.done()):
            assert self._waiting, "nothing moves and nobody waits for a turn"
            self._waiting.sort(key=lambda waiting: waiting[:2])
            _, _, turn = self._waiting.pop(0)
            if not turn.done():
                turn.set_result(None)
        return task.result()

    async def _still(self) -> bool:
        """Returns, True, when nothing in the loop can move but by a turn."""
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # there is no other way to see it
        while True:
            await asyncio.sleep(0)
            if not ready:
                return True
