"""Uvicorn as Parley runs it: on sockets that we opened, drained on the way out, quiet about signals."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import uvicorn

from api.uvicorn_http import ParleyHTTPProtocol

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterator

    from uvicorn import Config

CONNECTIONS = 65_536
"""File descriptors that a server is worth: far more users than one process serves."""

ARRIVAL_POLL_SECONDS = 0.02


class Server(uvicorn.Server):
    """A server that tells when it is ready, and drains before it closes.

    Uvicorn by itself closes every connection at once, and all clients come back in the same moment. What was accepted is heard
    and answered first. A second Ctrl-C ends the draining.
    """

    def __init__(self, config: Config, *, ready: Callable[[], None], drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain = drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        draining = asyncio.ensure_future(self._drain())
        while not draining.done() and not self.force_exit:
            await asyncio.wait({draining}, timeout=0.1)
        draining.cancel()
        while (  # noqa: ASYNC110  # Uvicorn's own list has nothing to wait for
            not self.force_exit and any(map(_has_just_come, self.server_state.connections))
        ):
            await asyncio.sleep(ARRIVAL_POLL_SECONDS)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn raises the signal again once it has stopped. Ours still has a database to stop, and was asked nicely.
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def _has_just_come(connection: object) -> bool:
    """Accepted before we stopped accepting, with its request still on the way: closed now, it would be lost unheard."""
    return isinstance(connection, ParleyHTTPProtocol) and connection.has_just_come


def allow_many_connections() -> None:
    """Lets this process hold as many connections as the system lets it have, up to `CONNECTIONS`: the usual default of 1,024
    file descriptors is fewer than one stranger opens.
    """
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(OSError, ValueError):  # macOS has a limit below the one that it tells.
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
