"""One connection that speaks `graphql-transport-ws`, from its handshake to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from starlette.requests import HTTPConnection

from api.gate import TokenExpired, TokenRefused
from api.graphql_ws.messages import ACK, PING, Close, Complete, ConnectionInit, Ping, Refused, Subscribe, parse
from api.graphql_ws.operations import Operations
from api.graphql_ws.outlet import Outlet
from api.networks import network_of
from schema.execution.errors import told

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.graphql_ws.endpoint import GraphQLWebSocket
    from domain.identity import Caller

log = structlog.get_logger(__name__)

MAX_REASON = 123
"""Bytes of a close frame's reason (RFC 6455, section 5.5)."""


class GraphQLSocket:
    """A live socket. Other parts of Parley may read `id`, `caller` and `operations`, and call `close`."""

    def __init__(self, server: GraphQLWebSocket, scope: Scope, receive: Receive, send: Send) -> None:
        self.id: UUID = uuid4()
        self.caller: Caller | None = None
        """None until `connection_init`, and for good on an anonymous socket."""
        self.network = network_of(HTTPConnection(scope))
        """Where it comes from, as limits see it. Never logged."""
        self._server = server
        self._limits = server.limits
        self._scope = scope
        self._receive = receive
        self._send = send
        self._outlet = Outlet(scope["extensions"]["parley"], server.limits, server.live)
        self._operations: Operations | None = None
        self._initialised = False
        self._attached = False
        self._gone = False
        self._verdict: tuple[int, str] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pinged_at: float | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def operations(self) -> int:
        """How many operations run or wait."""
        return len(self._operations) if self._operations is not None else 0

    def close(self, code: int, reason: str) -> None:
        """Ask the socket to close. From anywhere on its loop, at any time, any number of times: the first code counts.

        Returns at once; nothing is delivered any more. A client that takes no close frame is dropped within seconds.
        """
        if self._verdict is None:
            self._verdict = (code, reason)
            if self._reader is not None:
                self._reader.cancel()

    async def run(self) -> None:
        """Serve the socket, already accepted, until it ends for whatever reason. All it began has ended on return."""
        self._reader = asyncio.create_task(self._read())
        self._later("deadline", self._limits.init, Close.INIT_TIMEOUT, "Connection initialisation timeout")
        self._server.live.add(self)
        try:
            await asyncio.wait({self._reader})
        finally:
            # Shielded: a server that is forced to stop cancels this, and presence must still be told.
            await asyncio.shield(asyncio.ensure_future(self._end()))

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            while True:
                message = await self._receive()
                if message["type"] == "websocket.disconnect":
                    self._gone = True
                    return
                await self._take(message.get("text"))
        except Refused as refused:
            self._verdict = self._verdict or (refused.code, refused.reason)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like a broken network
            told(error)
            self._verdict = self._verdict or (1011, "Internal server error")

    async def _take(self, text: str | None) -> None:
        frame = parse(text)
        match frame:
            case Subscribe():
                if self._operations is None:
                    raise Refused(Close.UNAUTHORIZED, "Unauthorized")
                error = self._operations.start(frame)
                if error is not None:
                    await self._reply(error)
                # A chunk of the network may hold many frames, each with a document to validate: others get their turn.
                await asyncio.sleep(0)
            case Complete():
                if self._operations is not None:
                    self._operations.complete(frame.id)
            case Ping():
                await self._reply(frame.pong)
            case ConnectionInit():
                await self._initialise(frame)

    async def _reply(self, frame: bytes) -> None:
        if await self._outlet.ready():
            self._outlet.write(frame)

    async def _initialise(self, frame: ConnectionInit) -> None:
        if self._initialised:
            raise Refused(Close.TOO_MANY, "Too many initialisation requests")
        self._initialised = True
        self._timers.pop("deadline").cancel()
        try:
            async with asyncio.timeout(self._limits.admission):
                await self._admit(frame.authorization)
            context = self._server.make_context(self.caller, HTTPConnection(self._scope), frame.after)
        except TokenExpired:
            raise Refused(Close.EXPIRED, "The access token has expired: refresh it.") from None
        except TokenRefused:
            raise Refused(Close.UNAUTHORIZED, "The access token is not valid.") from None
        except TimeoutError:
            # Those who come back wait behind each other, or the database does not answer: no fault of ours.
            raise Refused(Close.TRY_AGAIN, "The service is busy: try again.") from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is to come back, which 1011 and 4500 forbid
            told(error)
            raise Refused(Close.TRY_AGAIN, "The service is not available: try again.") from None
        self._operations = Operations(
            self._server.engine, context, self._outlet, self._limits, self._server.live, stands=self._stands
        )
        await self._reply(ACK)
        self._next_beat()

    async def _admit(self, authorization: str | None) -> None:
        caller = await self._server.gate.admit(authorization)
        if caller is None:
            return
        left = (caller.expires_at - self._server.now()).total_seconds()
        if left <= 0:
            raise TokenExpired
        self.caller = caller
        self._server.live.admit(self, caller.user_id, self._limits.sockets_per_user)
        self._attached = True
        await self._server.sockets.opened(caller, self)
        self._later("expiry", left, Close.EXPIRED, "The access token has expired: refresh it.")

    async def _stands(self) -> bool:
        return not self._attached or await self._server.sockets.stands(self)

    # --- time -------------------------------------------------------------------------------------------------------

    def _later(self, name: str, seconds: float, code: int, reason: str) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, self.close, code, reason)

    def _next_beat(self) -> None:
        self._timers["beat"] = asyncio.get_running_loop().call_later(self._limits.ping, self._beat)

    def _beat(self) -> None:
        """Ping, and drop a client from which nothing arrived since the last ping."""
        if self._pinged_at is not None and self._outlet.heard_at < self._pinged_at:
            self._server.live.aborted_silent += 1
            self._outlet.abort()
            return
        self._pinged_at = asyncio.get_running_loop().time()
        if self._outlet.free:  # else what it owes us already fills the buffer
            self._outlet.write(PING)
        self._next_beat()

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._outlet.shut()
        for timer in self._timers.values():
            timer.cancel()
        if self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait({self._reader})
        if not self._gone:
            await self._send_close(*(self._verdict or (Close.RESTART, "The server stops.")))
        if self._operations is not None:
            await self._operations.stop()
        if self._attached:
            try:
                await self._server.sockets.closed(self)
            except Exception as error:  # noqa: BLE001 - the socket is gone all the same
                told(error)
        self._server.live.discard(self)

    async def _send_close(self, code: int, reason: str) -> None:
        self._server.live.closed[code] += 1
        reason = reason.encode()[:MAX_REASON].decode(errors="ignore")
        try:
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        except (OSError, RuntimeError):
            log.debug("socket_was_gone", code=int(code))
