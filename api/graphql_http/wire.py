"""The connection under a stream: what ASGI offers no way to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11
from starlette.requests import ClientDisconnect

from api.connections.buffers import CLOSE_SECONDS, bound, drop, outstanding
from api.connections.slim import SlimEvent
from api.uvicorn_http import EMPTY_LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Scope

    from api.uvicorn_http import ParleyHTTPProtocol


class HTTPWire:
    """The `Writer` of a response's body, once that has begun.

    `lost` is called once the client has gone, or was dropped. Raises `ClientDisconnect` if it has gone already. One that says more
    than its request is dropped: nobody would hear it, and it would be kept as long as the stream lasts.
    """

    heard_at = 0.0
    """A client has nothing to say to a stream: `taken` tells whether it is there."""

    def __init__(self, scope: Scope, lost: Callable[[], None]) -> None:
        self._protocol: ParleyHTTPProtocol = scope["state"]["parley"]()
        protocol, cycle = self._protocol, self._protocol.cycle
        if cycle.disconnected:
            raise ClientDisconnect
        self._transport = protocol.transport
        self._on_lost = lost
        self._written = 0
        self.writable = SlimEvent()
        self.gone = asyncio.Event()
        protocol.wire = self
        cycle.body.clear()  # Of a GET: nobody has read it.
        if cycle.more_body or protocol.conn.trailing_data[0].strip(EMPTY_LINES):
            drop(self._transport)
        elif not self._transport.is_closing():
            bound(self._transport)
            protocol.flow.resume_reading()  # Uvicorn stops when a request is followed by anything.

    @property
    def outstanding(self) -> int:
        """See `Writer`."""
        return 0 if self.gone.is_set() else outstanding(self._transport)

    @property
    def taken(self) -> int:
        """A number that grows whenever the client takes something, and by nothing else."""
        return self._written - self.outstanding

    def write(self, frames: Iterable[bytes]) -> bool:
        """See `Writer`."""
        if self.gone.is_set() or self._transport.is_closing():
            return False
        data = self._protocol.conn.send(h11.Data(data=b"".join(frames))) or b""
        self._written += len(data)
        self._transport.write(data)
        return True

    def abort(self) -> None:
        """See `Writer`."""
        if not self.gone.is_set():
            drop(self._transport)

    async def cut(self) -> None:
        """End the connection in the middle of the response, after what was written; returns when it has gone."""
        self._transport.close()
        late = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)
        try:
            await self.gone.wait()
        finally:
            late.cancel()

    def release(self) -> None:
        """The response is over."""
        self._protocol.wire = None

    def lost(self) -> None:
        """For the protocol: the connection has gone."""
        self.gone.set()
        self.writable.set()
        self._on_lost()
