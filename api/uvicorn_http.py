"""Uvicorn's HTTP protocol, mended where a client could hold on to the server without ever asking for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    import h11
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

REQUEST_SECONDS = 10.0
"""How long the head of a request may take to arrive, from the moment the connection opened or its first byte came."""

ARRIVAL_SECONDS = 1.0
"""How long a connection that a stopping server has accepted is given to bring its first request."""


class ParleyHTTPProtocol(H11Protocol):
    """The class for `uvicorn.Config(http=...)`: a connection that brings no whole request in time is dropped.

    Uvicorn waits for ever for the first request and for one that has begun: as many connections as there are file descriptors,
    a byte in each, and nobody else gets in. The time of a request's body is limited by whoever reads it.
    """

    _deadline: asyncio.TimerHandle | None = None

    @property
    def has_just_come(self) -> bool:
        """Whether it was opened within the last `ARRIVAL_SECONDS` and has not brought a request yet."""
        if self._deadline is None or cast("RequestResponseCycle | None", self.cycle) is not None:
            return False
        return self.loop.time() < self._deadline.when() - REQUEST_SECONDS + ARRIVAL_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as Uvicorn has it
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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

    def _expect_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
