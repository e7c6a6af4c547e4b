"""A network between two parts of Parley that can be cut, stalled and delayed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int] | Path
"""Host and port, or the path of a Unix socket."""


@dataclass
class Weather:
    """What the network does just now. Times are the event loop's."""

    delay: float = 0.0
    """Seconds by which what is sent arrives later, on average."""
    stalled_until: float = 0.0


class Link:
    """Passes connections to `port` on to wherever `target` leads, which may not be there."""

    def __init__(self, target: Callable[[], Address], chances: random.Random) -> None:
        self.weather = Weather()
        self.port = 0
        self._target = target
        self._chances = chances
        self._ends: set[_End] = set()
        self._server: asyncio.Server | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listens on a free port."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _End(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cuts all, and listens no more."""
        if self._server is not None:
            self._server.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        self.cut()

    @property
    def open_now(self) -> int:
        """Connections."""
        return len(self._ends) // 2

    def cut(self) -> None:
        """Drops every connection, and what is under way in it."""
        for end in tuple(self._ends):
            end.abort()

    def stall(self, seconds: float) -> None:
        """Lets nothing pass for so long. No connection is lost by it."""
        self.weather.stalled_until = asyncio.get_running_loop().time() + seconds

    def due(self) -> float:
        """When what is sent now arrives, by the loop's clock."""
        now = asyncio.get_running_loop().time()
        late = self.weather.delay * self._chances.uniform(0.5, 1.5) if self.weather.delay else 0.0
        return max(now + late, self.weather.stalled_until)

    def accepted(self, near: _End) -> None:
        """Somebody connected: connects them on."""
        self._ends.add(near)
        task = asyncio.create_task(self._connect(near))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def lost(self, end: _End) -> None:
        """One side of a connection is gone."""
        self._ends.discard(end)

    async def _connect(self, near: _End) -> None:
        loop = asyncio.get_running_loop()
        far = _End(self, near)
        try:
            target = self._target()
            if isinstance(target, Path):
                await loop.create_unix_connection(lambda: far, str(target))
            else:
                await loop.create_connection(lambda: far, *target)
        except OSError:
            near.abort()
            return
        self._ends.add(far)
        near.join(far)


class _End(asyncio.Protocol):
    """One side of a connection. What it reads goes to `_other` in its order, at its time. Nothing here is large: there is no limit
    to what waits.
    """

    def __init__(self, link: Link, other: _End | None = None) -> None:
        self._link = link
        self._other = other
        self._accepted = other is None
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        """What this side read and the other has not got yet; None is the end."""
        self._timer: asyncio.TimerHandle | None = None

    def join(self, other: _End) -> None:
        """The way on is open."""
        self._other = other
        if self._transport is None or self._transport.is_closing():
            other.abort()
        self._pump()

    def abort(self) -> None:
        """Drops this side, and with it the other."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio's own docs have it
        self._transport = transport
        if self._accepted:
            self._link.accepted(self)

    def data_received(self, data: bytes) -> None:
        self._put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.lost(self)
        if exc is None:
            self._put(None)
        else:
            self._waiting.clear()
            if self._other is not None:
                self._other.abort()

    def _put(self, data: bytes | None) -> None:
        self._waiting.append((self._link.due(), data))
        if self._timer is None:
            self._pump()

    def _pump(self) -> None:
        """Hands on what is due, and comes back for the rest."""
        self._timer = None
        other = self._other
        if other is None or other._transport is None:
            return  # `join` comes back.
        loop = asyncio.get_running_loop()
        while self._waiting:
            due, data = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._pump)
                return
            self._waiting.popleft()
            if data is None:
                other._transport.close()
                return
            if not other._transport.is_closing():
                other._transport.write(data)
