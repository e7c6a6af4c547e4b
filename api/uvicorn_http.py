"""Uvicorn's HTTP protocol, mended where a client could hold on to the server without ever asking for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from weakref import ref

from uvicorn.protocols.http.h11_impl import H11Protocol

from api.connections.buffers import drop, outstanding
from api.connections.outlet import LOOKS
from api.connections.spreading import spread_of

if TYPE_CHECKING:
    import asyncio

    import h11
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from api.graphql_http.wire import HTTPWire

REQUEST_SECONDS = 10.0
"""How long the head of a request may take to arrive, from the moment the connection opened or its first byte came."""

SEND_SECONDS = 10.0
"""How long a client may take nothing of an answer that is ready for it. Streams look after themselves: see `HTTPWire`."""

EMPTY_LINES = b"\r\n"
"""What may come before a request and means nothing (RFC 9112, section 2.2)."""

HEAD_BYTES = 32 * 1024
"""Of a request line and its headers, which as 10,000 empty headers take h11 20 ms."""

BYTES_AT_ONCE = 4 * 1024
"""What is read at once may be a body of 40,000 chunks of a byte, which take Uvicorn 0.6 s: others get their turn in between."""

ARRIVAL_SECONDS = 1.0
"""How long a connection that a stopping server has accepted is given to bring its first request."""


class ParleyHTTPProtocol(H11Protocol):
    """The class for `uvicorn.Config(http=...)`: a connection that brings no whole request in time is dropped, and so is one that
    takes no answer.

    Uvicorn waits for ever for the first request and for one that has begun: as many connections as there are file descriptors,
    a byte in each, and nobody else gets in. The time of a request's body is limited by whoever reads it. And it keeps an answer of
    a megabyte for ever for a client that asked and does not read.
    """

    wire: HTTPWire | None = None
    """Of the stream that goes over this connection now, if there is one."""
    _deadline: asyncio.TimerHandle | None = None
    _unfed: bytes = b""
    """What was read and waits for its turn."""
    _stuck: asyncio.TimerHandle | None = None
    """While the client has more to take than fits between us."""

    @property
    def has_just_come(self) -> bool:
        """Whether it was opened within the last `ARRIVAL_SECONDS` and has not brought a request yet."""
        if self._deadline is None or cast("RequestResponseCycle | None", self.cycle) is not None:
            return False
        return self.loop.time() < self._deadline.when() - REQUEST_SECONDS + ARRIVAL_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as Uvicorn has it
        super().connection_made(transport)
        # Where a stream finds us. Weak: what a request holds must not hold the connection that holds the request.
        self.app_state = {**self.app_state, "parley": ref(self)}
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # Uvicorn leaves it where the connection was reset.
        self._stop_looking()
        if self.wire is not None:
            self.wire.lost()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.wire is not None:
            self.wire.writable.clear()
        else:
            self._begin_looking()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_looking()
        if self.wire is not None:
            self.wire.writable.set()

    def data_received(self, data: bytes) -> None:
        if not self._unfed and len(data) <= BYTES_AT_ONCE:
            self._take(data)
            return
        self.transport.pause_reading()  # Each time: whoever takes the body lets more be read.
        if not self._unfed:
            spread_of(self.loop).add(self._feed)
        self._unfed += data

    def _feed(self) -> None:
        """A piece of what was read. Once there is none, more is read, unless Uvicorn wants none."""
        piece, self._unfed = self._unfed[:BYTES_AT_ONCE], self._unfed[BYTES_AT_ONCE:]
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._unfed = b""  # Nobody is there, or what is behind a handshake came too early.
            return
        self._take(piece)
        if self._unfed:
            spread_of(self.loop).add(self._feed)
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def _take(self, data: bytes) -> None:
        if self.wire is not None:
            # Nobody hears it before the stream ends: it would be kept as long, and until it is read we would not hear that the
            # client left.
            if data.strip(EMPTY_LINES):
                drop(self.transport)
            return
        super().data_received(data)
        # None before the first request, whatever Uvicorn's types say.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()
        elif self.transport.get_protocol() is self:
            self._expect_request()  # More bytes of the same head, or of an old body, do not move the deadline.

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        # None before the first request, whatever Uvicorn's types say.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            drop(self.transport)  # Uvicorn would raise: another answer is under way.
        else:
            super().send_400_response(msg)
            self._begin_looking()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._begin_looking()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._begin_looking()

    def _begin_looking(self) -> None:
        """Whether the client takes what it still has to take: to close a connection politely is to wait for that without end."""
        if self._stuck is None:
            self._look(outstanding(self.transport) + 1, 0)

    def _look(self, least: int, in_vain: int) -> None:
        owed = outstanding(self.transport)
        in_vain = in_vain + 1 if owed >= least else 0
        if in_vain == LOOKS:
            drop(self.transport)
            return
        self._stuck = self.loop.call_later(SEND_SECONDS / LOOKS, self._look, min(least, owed), in_vain)

    def _stop_looking(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _expect_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
