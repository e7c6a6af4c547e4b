"""What a connection holds that its client has not taken: bounded, measured, and dropped when nobody comes for it."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from api.connections.slim import SlimEvent

WRITE_BUFFER = 8 * 1024
"""Bytes that may wait in this process before senders do. Fewer than 64 of our smallest events; one offer of
Chromium.
"""

SEND_BUFFER = 128 * 1024
"""What the kernel may hold for one socket; Linux doubles it, to the design's 256 KiB. By itself it would grow to
megabytes.
"""

CLOSE_SECONDS = 5.0
"""How long a polite end may take before the connection is aborted."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing drops what was not sent and resets the connection."""


class Writer(Protocol):
    """A connection that can be written to, no faster than its client takes it."""

    writable: SlimEvent
    """Clear while the write buffer is over its limit."""
    heard_at: float
    """When bytes last arrived, by the loop's clock."""

    @property
    def outstanding(self) -> int:
        """Bytes written that the client has not taken."""
        ...

    def write(self, frames: Iterable[bytes]) -> bool:
        """Write now, whatever the buffer holds: wait for `writable` first. False if the connection is gone."""
        ...

    def abort(self) -> None:
        """Drop the connection and all it holds, at once. Safe at any time."""
        ...


def bound(transport: asyncio.Transport) -> None:
    """Keep few bytes for a client that does not read, and send at once what there is for one that does."""
    transport.set_write_buffer_limits(high=WRITE_BUFFER)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        # asyncio leaves Nagle's algorithm on for sockets that were not made by its own create_server: 40 ms an event.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def outstanding(transport: asyncio.Transport) -> int:
    """Bytes written that the client has not taken: in this process, and in our kernel where that can be told (Linux)."""
    held = bytearray(4)
    connection = transport.get_extra_info("socket")
    if sys.platform == "linux" and connection is not None:
        with suppress(OSError, ValueError):  # It is closed.
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
    return transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)


def drop(transport: asyncio.Transport) -> None:
    """Drop the connection and all it holds, at once. Safe at any time."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Or the kernel would go on offering what it holds to a client that takes nothing, for minutes after our end.
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
