"""Uvicorn's sans-I/O WebSocket protocol, mended where a client could hold on to the server.

With any of Uvicorn's implementations a client that stops reading is never released: closing waits for the write
buffer to drain. Here the buffers are small, an application can abort a connection, and every close is followed by an
abort.
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from api.uvicorn_http import ParleyHTTPProtocol

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    import asyncio
    from asyncio.transports import BaseTransport
    from collections.abc import Iterable

    from uvicorn._types import ASGISendEvent
    from websockets.frames import Frame
    from websockets.http11 import Request

MAX_FRAME = 1024 * 1024
"""Bytes of one message from a client; a larger one closes with 1009."""

WRITE_BUFFER = 8 * 1024
"""Bytes that may wait in this process before senders do. Fewer than 64 of our smallest events; one offer of
Chromium.
"""

SEND_BUFFER = 128 * 1024
"""What the kernel may hold for one socket; Linux doubles it, to the design's 256 KiB. By itself it would grow to
megabytes.
"""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing drops what was not sent and resets the connection."""

CLOSE_SECONDS = 5.0
"""How long a closing handshake may take before the connection is aborted."""

MAX_FRAGMENTS = 1_024
"""Frames of one message: empty ones add nothing to its size and would be collected for ever."""


class Wire(Protocol):
    """What an application may do beside ASGI, at `scope["extensions"]["parley"]`."""

    writable: asyncio.Event
    """Clear while the write buffer is over its limit."""
    heard_at: float
    """When bytes last arrived, by the loop's clock."""

    @property
    def outstanding(self) -> int:
        """Bytes written that the client has not taken: in this process, and in our kernel where that can be told (Linux)."""
        ...

    def write(self, frames: Iterable[bytes]) -> bool:
        """Write text frames now, whatever the buffer holds: wait for `writable` first. False if the connection is
        gone.
        """
        ...

    def abort(self) -> None:
        """Drop the connection and all it holds, at once. Safe at any time."""
        ...


class ParleyWebSocketProtocol(WebSocketsSansIOProtocol):
    """The class for `uvicorn.Config(ws=...)`; also the `Wire` of its connection."""

    heard_at = 0.0

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            # asyncio leaves Nagle's algorithm on for sockets that were not made by its own create_server: 40 ms an event.
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._abort_timer is not None:
            self._abort_timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)

    @property
    def outstanding(self) -> int:
        """See `Wire`. The kernel's part matters: it lets us write again only once a third of its buffer is free."""
        connection = self.transport.get_extra_info("socket")
        if self.disconnected or connection is None:
            return 0
        held = bytearray(4)
        if sys.platform == "linux":
            with suppress(OSError):
                fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, held)
        return self.transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)

    def write(self, frames: Iterable[bytes]) -> bool:
        """See `Wire`."""
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        try:
            for frame in frames:
                self.conn.send_text(frame)
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    def abort(self) -> None:
        """See `Wire`."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.disconnected:
            # Or the kernel would go on offering what it holds to a client that takes nothing, for minutes after our end.
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()

    # --- what is mended ---------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - Switching Protocols
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions["parley"] = self

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        # A client that pings and does not read would fill the buffer with pongs: RFC 6455 asks only for the latest. What
        # one read of the network (256 KiB) asked for may still be written at once.
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        message: dict[str, Any] = {"type": "websocket.receive", "bytes": data}
        if self.curr_msg_data_type == "text":
            # Text that is not UTF-8 goes on as bytes, so that it is refused like any other malformed frame; Uvicorn
            # logs a traceback for it.
            with suppress(UnicodeDecodeError):
                message = {"type": "websocket.receive", "text": data.decode()}
        self.queue.put_nowait(message)  # type: ignore[arg-type]  # the keys that ASGI has
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._abort_later()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close" and self.handshake_complete:
            # Uvicorn would wait until the buffer drains, and raise if the client went first.
            self._abort_later()
            self.writable.set()
            if self.close_sent or self.disconnected:
                raise ClientDisconnected
        await super().send(message)
        if self.close_sent:
            # Uvicorn forgets this after an HTTP answer to a handshake, and then logs that there was none.
            self.handshake_complete = True

    def _abort_later(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(CLOSE_SECONDS, self.abort)


def uvicorn_settings() -> dict[str, Any]:
    """What `uvicorn.Config` must be given for the transport to keep its promises.

    Uvicorn's pings are off (the socket has its own, which browsers' clients see), and so is compression: it costs 30%
    of subscription throughput. Its access log would hold addresses of people.
    """
    return {
        "http": ParleyHTTPProtocol,
        "ws": ParleyWebSocketProtocol,
        "ws_max_size": MAX_FRAME,
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
        "access_log": False,
        "server_header": False,
    }
