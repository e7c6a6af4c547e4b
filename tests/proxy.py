"""A cable between a client and a server that a test can cut, tie off or move to another server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CHUNK = 1 << 16


class Proxy:
    """Carries bytes between its own address and `target`: a port of this host, or the path of a Unix socket."""

    def __init__(self, target: int | Path) -> None:
        self.target = target
        self.carries = asyncio.Event()
        """Cleared: connections are accepted and what comes over them is swallowed, until it is set again."""
        self.carries.set()
        self.connections = 0
        """How many were made through it."""
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Resets every connection; new ones can be made."""
        for writer in self._open:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection until either side ends it."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            if isinstance(self.target, Path):
                back, forth = await asyncio.open_unix_connection(self.target)
            else:
                back, forth = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(forth)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, forth))
                    both.create_task(self._carry(back, writer))
            finally:
                self._open.discard(forth)
                forth.transport.abort()
        except (OSError, ExceptionGroup):
            pass  # The ends see it for themselves.
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def end(self) -> None:
        """Cuts, and waits until nothing of it is left."""
        self.carries.set()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(_CHUNK):
            await self.carries.wait()
            sink.write(chunk)
            await sink.drain()
        raise ConnectionResetError


@asynccontextmanager
async def proxy(
    target: int | Path, *, path: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy on a Unix socket at `path`, or on a free port of 127.0.0.1, which is the second value; with TLS in front."""
    cable = Proxy(target)
    if path is not None:
        server = await asyncio.start_unix_server(cable.accept, path)
    else:
        server = await asyncio.start_server(cable.accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield cable, 0 if path is not None else int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await cable.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
