"""Uvicorn as Parley runs it: on sockets that we opened, drained on the way out, quiet about signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from api.refusal import Refusal

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from uvicorn import Config

CONNECTIONS = 65_536
"""File descriptors that a server is worth: far more users than one process serves."""

BACKLOG = 2048
"""Connections that may wait to be accepted: everyone comes back at once after a restart."""


class Server(uvicorn.Server):
    """A server that tells when it is ready, and drains before it closes.

    Uvicorn by itself closes every connection at once, and all clients come back in the same moment. A second Ctrl-C ends
    the draining.
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
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn raises the signal again once it has stopped. Ours still has a database to stop, and was asked nicely.
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


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


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that listen on `host`; on every interface, IPv4 and IPv6, for an empty one. Raises `Refusal`."""
    with contextlib.ExitStack() as opened:
        sockets = []
        for family, address in _addresses(host, port):
            listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit it; on sockets that it did not open itself asyncio leaves it off, which costs 40 ms an answer.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((address, port))
                listener.listen(BACKLOG)
            except OSError as error:
                if not host and family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                    continue  # A machine without IPv6 still has all of its interfaces.
                raise _refused(error, host, port) from error
            listener.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            sockets.append(listener)
        yield sockets


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    if not host:
        families = [(socket.AF_INET, "0.0.0.0")]  # noqa: S104  # two people anywhere on the network
        return families + ([(socket.AF_INET6, "::")] if socket.has_ipv6 else [])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        msg = f"PARLEY_HOST {host!r} is not an address of this machine."
        raise Refusal(msg) from error
    return [(family, str(address[0])) for family, _, _, _, address in found[:1]]


def _refused(error: OSError, host: str, port: int) -> Refusal:
    match error.errno:
        case errno.EADDRINUSE:
            return Refusal(f"Port {port} is in use by another program: stop it, or set PARLEY_PORT to a free one.")
        case errno.EACCES:
            return Refusal(f"Port {port} needs more rights than this user has: set PARLEY_PORT to one above 1023.")
        case errno.EADDRNOTAVAIL:
            return Refusal(f"PARLEY_HOST {host!r} is not an address of this machine.")
    return Refusal(f"Port {port} cannot be opened: {error.strerror}.")
