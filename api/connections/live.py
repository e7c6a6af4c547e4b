"""All sockets of this process, for limits, shutdown and metrics."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

from api.connections.closing import Close
from api.connections.eager import EagerTasks

if TYPE_CHECKING:
    from uuid import UUID

    from api.gate import LiveSocket


LIMITS = (
    "strangers_of_network", "sockets_of_user", "operations_of_socket", "mutations_of_socket", "mutation_bytes_of_socket",
    "frame", "body", "values",
)  # fmt: skip
"""Of which refusals are counted here."""


class LiveSockets:
    """The registry. The plain attributes are counters since the start, to be read whenever metrics are scraped."""

    def __init__(self) -> None:
        self._all: set[LiveSocket] = set()
        self._by_user: dict[UUID, dict[LiveSocket, None]] = {}
        self._strangers: Counter[str] = Counter()
        self.eager = EagerTasks()
        """For operations of all sockets."""
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False
        """New handshakes are refused with 503."""
        self.accepted = 0
        self.refused_origins = 0
        self.refusals: Counter[str] = Counter(dict.fromkeys(LIMITS, 0))
        """What was too much for a network, a user, a socket or a request, by limit."""
        self.delivered = 0
        """`next` frames written."""
        self.aborted_slow = 0
        """Sockets dropped because what was written made no progress."""
        self.aborted_silent = 0
        """Sockets dropped because nothing arrived, not even a pong."""
        self.closed: Counter[int] = Counter()
        """Sockets that we closed, by code."""

    def __len__(self) -> int:
        return len(self._all)

    @property
    def operations(self) -> int:
        """Operations that run or wait now, over all sockets."""
        return sum(socket.operations for socket in self._all)

    def strangers(self, network: str) -> int:
        """How many sockets of the network there are on which nobody is signed in (yet)."""
        return self._strangers[network]

    def add(self, socket: LiveSocket) -> None:
        """A handshake was accepted."""
        self.accepted += 1
        self._all.add(socket)
        self._strangers[socket.network] += 1
        self._empty.clear()

    def admit(self, socket: LiveSocket, user_id: UUID, limit: int) -> None:
        """A socket is a user's. One too many closes the user's oldest, not the newest.

        Whoever reloads a page or changes networks leaves dead sockets behind that we do not know to be dead yet, and
        must not be locked out by them. The code is one that clients do not retry: six tabs would push each other out
        for ever.
        """
        self._no_stranger(socket)
        mine = self._by_user.setdefault(user_id, {})
        mine[socket] = None
        for oldest in tuple(mine)[: max(0, len(mine) - limit)]:
            del mine[oldest]
            self.refusals["sockets_of_user"] += 1
            oldest.close(Close.TOO_MANY, "Too many sockets of this user: a newer one took the place of this one.")

    def discard(self, socket: LiveSocket) -> None:
        """A socket has gone, with all its tasks."""
        self._all.discard(socket)
        if socket.caller is None:
            self._no_stranger(socket)
        else:
            mine = self._by_user.get(socket.caller.user_id, {})
            mine.pop(socket, None)
            if not mine:
                self._by_user.pop(socket.caller.user_id, None)
        if not self._all:
            self._empty.set()

    async def close_all(
        self, code: int = Close.RESTART, reason: str = "The server restarts.", *, over: float = 10.0
    ) -> None:
        """Accept no more, and close all in random order, spread over so many seconds. Returns when all have gone.

        Clients come back at once, and all together would be a stampede on the workers that are left. A socket that
        resists is aborted by its protocol within seconds; cancel this to stop waiting.
        """
        self.draining = True
        sockets = list(self._all)
        random.shuffle(sockets)
        steps = max(1, min(len(sockets), int(over * 20)))
        for step in range(steps):
            for socket in sockets[step::steps]:
                socket.close(code, reason)
            if step + 1 < steps:
                await asyncio.sleep(over / steps)
        await self._empty.wait()

    def _no_stranger(self, socket: LiveSocket) -> None:
        self._strangers[socket.network] -= 1
        if not self._strangers[socket.network]:
            del self._strangers[socket.network]
