"""The handshake: who may open a socket, and in which language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from api.clock import utc_now
from api.connections.closing import Close
from api.connections.limits import SocketLimits
from api.graphql_ws.messages import SUBPROTOCOL
from api.graphql_ws.socket import GraphQLSocket
from api.networks import network_of
from api.operation_rates import NoRates

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.connections.live import LiveSockets
    from api.gate import Gate, MakeContext, Sockets
    from api.operation_rates import Rates
    from api.origins import Origins
    from domain.ports import Clock
    from schema.execution.execute import Engine


@dataclass(frozen=True, slots=True)
class GraphQLWebSocket:
    """The ASGI application for sockets. It must be served with `uvicorn_settings()`.

    A page of a foreign origin is answered 403. While the server stops, and for a network that holds too many sockets on
    which nobody is signed in, the answer is 503. A client that does not offer `graphql-transport-ws` is closed with 4406.
    """

    engine: Engine
    gate: Gate
    sockets: Sockets
    make_context: MakeContext
    origins: Origins
    live: LiveSockets
    limits: SocketLimits = field(default_factory=SocketLimits)
    now: Clock = utc_now
    """The clock that `Caller.expires_at` is compared with."""
    rates: Rates = field(default_factory=NoRates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # websocket.connect
        if not self._invited(Headers(scope=scope)):
            self.live.refused_origins += 1
            await send({"type": "websocket.close", "code": 1008})
            return
        if self.live.draining:
            await _unavailable(send)
            return
        if self.live.strangers(network_of(HTTPConnection(scope))) >= self.limits.strangers:
            self.live.refusals["strangers_of_network"] += 1
            await _unavailable(send)
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            await send(
                {"type": "websocket.close", "code": int(Close.SUBPROTOCOL), "reason": "Subprotocol not acceptable"}
            )
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await GraphQLSocket(self, scope, send).run()

    def _invited(self, headers: Headers) -> bool:
        return len(headers.getlist("origin")) <= 1 and self.origins.allows(headers.get("origin"), headers.get("host"))


async def _unavailable(send: Send) -> None:
    """Clients try again."""
    await send({"type": "websocket.http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]})
    await send({"type": "websocket.http.response.body", "body": b""})
