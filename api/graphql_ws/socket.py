"""One connection that speaks `graphql-transport-ws`, from its handshake to its end."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from starlette.requests import HTTPConnection

from api.connections.closing import Close
from api.connections.outlet import Outlet
from api.gate import TokenExpired, TokenRefused
from api.graphql_ws.messages import ACK, PING, Complete, ConnectionInit, Ping, Refused, Subscribe, parse
from api.graphql_ws.operations import Operations
from api.json_values import spells_more
from api.networks import network_of
from api.operation_rates import Requester
from api.uvicorn_protocol import Disconnected
from schema.execution.documents import Unknown
from schema.execution.errors import told

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Scope, Send

    from api.graphql_ws.endpoint import GraphQLWebSocket
    from api.graphql_ws.messages import Frame
    from api.uvicorn_protocol import Wire
    from domain.identity import Caller

log = structlog.get_logger(__name__)

MAX_REASON = 123
"""Bytes of a close frame's reason (RFC 6455, section 5.5)."""


class GraphQLSocket:
    """A live socket. Other parts of Parley may read `id`, `caller` and `operations`, and call `close`.

    Most sockets idle, so what one holds meanwhile is counted: one task, one timer, and nothing of its handshake.
    """

    __slots__ = (
        "_attached", "_closing", "_expires_at", "_gone", "_initialised", "_limits", "_operations", "_outlet", "_pinged_at",
        "_reader", "_scope", "_send", "_server", "_timer", "_verdict", "_wire", "caller", "id", "network",
    )  # fmt: skip

    def __init__(self, server: GraphQLWebSocket, scope: Scope, send: Send) -> None:
        self.id: UUID = uuid4()
        self.caller: Caller | None = None
        """None until `connection_init`, and for good on an anonymous socket."""
        self.network = network_of(HTTPConnection(scope))
        """Where it comes from, as limits see it. Never logged."""
        self._server = server
        self._limits = server.limits
        self._scope = scope
        self._send = send
        self._wire: Wire = scope["extensions"]["parley"]
        self._outlet = Outlet(self._wire, server.limits, server.live)
        self._operations: Operations | None = None
        self._initialised = False
        self._attached = False
        self._gone = False
        self._verdict: tuple[int, str] | None = None
        self._closing: asyncio.Task[None] | None = None
        """What waits for the streams to end, if anything does."""
        self._reader: asyncio.Task[None] | None = None
        """The task that reads, while it does."""
        self._timer: asyncio.TimerHandle | None = None
        """The one that is next: for `connection_init`, a ping, or the end of the access token."""
        self._pinged_at = -math.inf
        self._expires_at = math.inf
        """When we pinged last, and when the access token expires: by the loop's clock."""

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
            if self._reader is not None and self._reader is not asyncio.current_task():
                self._reader.cancel()

    def close_after_streams(self, code: int, reason: str) -> None:
        """See `gate.LiveSocket`."""
        if self._verdict is None and self._closing is None:
            self._closing = asyncio.create_task(self._close_after_streams(code, reason))

    async def _close_after_streams(self, code: int, reason: str) -> None:
        if self._operations is not None:
            await self._operations.told(self._limits.told)
        self.close(code, reason)

    async def run(self) -> None:
        """Serve the socket, already accepted, until it ends for whatever reason. All it began has ended on return."""
        self._reader = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(
            self._limits.init, self.close, Close.INIT_TIMEOUT, "Connection initialisation timeout"
        )
        self._server.live.add(self)
        try:
            await self._read()
        finally:
            # Shielded: a server that is forced to stop cancels this, and presence must still be told.
            await asyncio.shield(asyncio.ensure_future(self._end()))

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Take frames until the client goes, breaks the protocol, or is asked to: `close` cancels whatever is awaited here."""
        reader = self._reader
        try:
            while self._verdict is None:
                await self._take(await self._wire.next_message())
        except Disconnected:
            self._gone = True
            self._server.live.refusals["frame"] += self._wire.too_long
        except Refused as refused:
            self._verdict = self._verdict or (refused.code, refused.reason)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not look like a broken network
            told(error)
            self._verdict = self._verdict or (Close.FAULT, "Internal server error")
        except asyncio.CancelledError:
            # In this task and not one of its own, which would cost every idle socket 2 KB.
            if self._verdict is None or reader is None or reader.uncancel() > 0:
                raise
        finally:
            self._reader = None

    async def _take(self, text: bytes | None) -> None:
        frame = self._parsed(text)
        match frame:
            case Subscribe():
                if self._operations is None:
                    raise Refused(Close.UNAUTHORIZED, "Unauthorized")
                prepared = self._operations.find(frame)
                if isinstance(prepared, Unknown):
                    prepared = await self._operations.learn(frame, prepared)
                # What is begun in here may close the socket: then this task is not to be cancelled, it looks at the verdict next.
                reader, self._reader = self._reader, None
                try:
                    error = self._operations.start(frame, prepared)
                finally:
                    self._reader = reader
                if error is not None:
                    await self._reply(error)
            case Complete():
                if self._operations is not None:
                    self._operations.complete(frame.id)
            case Ping():
                await self._reply(frame.pong)
            case ConnectionInit():
                await self._initialise(frame)

    def _begin(self, text: bytes) -> bool:
        """Begin an operation without waking the reader, who waits for what comes; see `Wire.listener`."""
        if self._operations is None or self._verdict is not None or not self._outlet.free:
            return False
        try:
            frame = self._parsed(text)
            if type(frame) is not Subscribe:
                return False
            prepared = self._operations.find(frame)
            if isinstance(prepared, Unknown):
                return False  # The reader waits for it, and what comes behind it for the reader.
            error = self._operations.start(frame, prepared)
            if error is not None:
                self._outlet.write(error)
        except Refused as refused:
            self.close(refused.code, refused.reason)
        except Exception as error:  # noqa: BLE001 - as above
            told(error)
            self.close(Close.FAULT, "Internal server error")
        return True

    def _parsed(self, text: bytes | None) -> Frame:
        most = self._limits.values
        if text is not None and len(text) > most and spells_more(text, most):
            self._server.live.refusals["values"] += 1
            raise Refused(Close.MALFORMED, f"The frame has more than {most} values.")
        return parse(text)

    async def _reply(self, frame: bytes) -> None:
        if await self._outlet.ready():
            self._outlet.write(frame)

    async def _initialise(self, frame: ConnectionInit) -> None:
        if self._initialised:
            raise Refused(Close.TOO_MANY, "Too many initialisation requests")
        self._initialised = True
        self._stop_timer()
        try:
            async with asyncio.timeout(self._limits.admission):
                await self._admit(frame.authorization)
            context = self._server.make_context(self.caller, HTTPConnection(self._scope), frame.after)
            self._scope.clear()  # Its headers take 2 KB, and every frame of the call stack below holds it.
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
        requester = Requester(self._server.rates, self.caller.user_id if self.caller else None, self.network)
        self._operations = Operations(
            self._server.engine,
            context,
            self._outlet,
            self._limits,
            self._server.live,
            requester=requester,
            stands=self._stands,
        )
        self._next_beat()
        await self._reply(ACK)
        self._wire.listener = self._begin

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
        self._expires_at = asyncio.get_running_loop().time() + left

    def _stands(self) -> Awaitable[bool]:
        return self._server.sockets.stands(self) if self._attached else _anonymous()

    # --- time -------------------------------------------------------------------------------------------------------

    def _next_beat(self) -> None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._limits.ping
        if self._expires_at < beat_at:
            self._timer = loop.call_at(
                self._expires_at, self.close, Close.EXPIRED, "The access token has expired: refresh it."
            )
        else:
            self._timer = loop.call_at(beat_at, self._beat)

    def _beat(self) -> None:
        """Ping, and drop a client from which nothing arrived since the last ping."""
        if self._outlet.heard_at < self._pinged_at:
            self._server.live.aborted_silent += 1
            self._outlet.abort()
            return
        self._pinged_at = asyncio.get_running_loop().time()
        if self._outlet.free:  # else what it owes us already fills the buffer
            self._outlet.write(PING)
        self._next_beat()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._wire.listener = None
        self._outlet.shut()
        self._stop_timer()
        if self._closing is not None:
            self._closing.cancel()
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


async def _anonymous() -> bool:
    """Nobody can take away what nobody was given."""
    return True
