"""One user's mutations over HTTP take turns: nobody takes all connections of the pool while waiting for their own inbox."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domain.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

AT_ONCE = 2
"""With one on each of five sockets, that is seven of the ten connections of the pool."""
WAITING = 32
RETRY_SECONDS = 1.0


@dataclass(slots=True)
class _Turn:
    permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    wanted: int = 0


class Turns:
    """Who may go on now. Users who want nothing take no place."""

    def __init__(self) -> None:
        self._turns: dict[UUID, _Turn] = {}

    def __len__(self) -> int:
        """Users with a mutation under way."""
        return len(self._turns)

    @asynccontextmanager
    async def of(self, user_id: UUID) -> AsyncIterator[None]:
        """The user's turn, in the order of asking. Raises `RateLimited` when too many wait already."""
        turn = self._turns.setdefault(user_id, _Turn())
        if turn.wanted >= AT_ONCE + WAITING:
            raise RateLimited(RETRY_SECONDS)
        turn.wanted += 1
        try:
            async with turn.permits:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[user_id]
