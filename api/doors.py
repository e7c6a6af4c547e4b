"""The sockets that we listen on: those of one server, or those of several workers on one port."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from typing import TYPE_CHECKING, Self

from api.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

BACKLOG = 2048
"""Connections that may wait to be accepted: everyone comes back at once after a restart."""

SPREAD = sys.platform == "linux"
"""Whether the kernel spreads connections over sockets with SO_REUSEPORT (socket(7), since Linux 3.9)."""


class Doors:
    """A port in `count` places. They are open from the start, so that whoever connects before the workers are ready waits.

    On Linux each place has sockets of its own, and connections are spread evenly. We keep them, and a worker inherits those of its
    place: a successor takes over what has queued there, where a socket of the worker's own would reset it. Elsewhere all inherit
    the same.
    Raises `Refusal` when the port is not to be had.
    """

    def __init__(self, host: str, port: int, count: int) -> None:
        with listening(host, port) as probe:  # Without SO_REUSEPORT: a port that another server shares is refused too.
            self.port: int = probe[0].getsockname()[1]
            self._host = host
            if not SPREAD:
                self._places = [[listener.dup() for listener in probe]] * count
                return
        self._places = []
        for _ in range(count):
            self._places.append(opened(host, self.port, shared=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """What the workers still hold closes with theirs: from then on connections are refused, not kept waiting."""
        for place in self._places:
            _close(place)

    def at(self, place: int) -> list[socket.socket]:
        """The sockets of that place, counted from 0."""
        return self._places[place]

    def desert(self, place: int) -> None:
        """Nobody is there: what has queued is reset, and new connections go to the others until a worker listens there again."""
        if SPREAD:
            left, self._places[place] = self._places[place], opened(self._host, self.port, shared=True, listen=False)
            _close(left)


def _close(sockets: list[socket.socket]) -> None:
    for listener in sockets:
        listener.close()


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that listen on `host`; on every interface, IPv4 and IPv6, for an empty one. Raises `Refusal`."""
    sockets = opened(host, port)
    try:
        yield sockets
    finally:
        for listener in sockets:
            listener.close()


def opened(host: str, port: int, *, shared: bool = False, listen: bool = True) -> list[socket.socket]:
    """As `listening`, to be closed by the caller. `shared` (Linux): with others that are opened so the kernel spreads
    connections over those of them that listen already. Raises `Refusal`.
    """
    with contextlib.ExitStack() as undo:
        sockets = []
        for family, address in _addresses(host, port):
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Connections inherit it; on sockets that it did not open itself asyncio leaves it off, which costs 40 ms an answer.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind((address, port))
                if listen:
                    listener.listen(BACKLOG)
            except OSError as error:
                if not host and family == socket.AF_INET6 and error.errno != errno.EADDRINUSE:
                    continue  # A machine without IPv6 still has all of its interfaces.
                raise _refused(error, host, port) from error
            listener.setblocking(False)  # noqa: FBT003  # the socket module's own signature
            sockets.append(listener)
        undo.pop_all()
        return sockets


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
