"""One subscription over HTTP, from its request to its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import orjson

from api.connections.closing import Close
from api.connections.outlet import Outlet
from api.graphql_http.refusals import too_many, unauthenticated, unavailable
from api.graphql_http.wire import HTTPWire
from api.networks import network_of
from domain.errors import RateLimited
from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Send

    from api.graphql_http.framing import Framing
    from api.graphql_http.streams import Streams
    from domain.identity import Caller
    from schema.execution.execute import Event, Result

    Subscribe = Callable[[], Awaitable[AsyncGenerator[Event, None] | Result]]

HEADERS = {
    "cache-control": "no-store",
    # nginx would keep events until it has 4 KB of them.
    "x-accel-buffering": "no",
}

FINAL = {Close.UNAUTHORIZED: "UNAUTHENTICATED", Close.TOO_MANY: "CONFLICT"}
"""Ends after which a client must not come back as it is: they are told in the stream, with these codes. After all others it is to
come back at once, and clients do that when a stream breaks off: graphql-sse, EventSource, urql's and Apollo's retries alike, with
headers made anew. An end that is announced they take for the end of the subscription."""

EXPIRED = "The access token has expired: refresh it."


class Stream:
    """Presence, limits and shutdown treat it as a socket with one operation."""

    operations = 1

    def __init__(self, streams: Streams, framing: Framing, caller: Caller | None, request: Request, send: Send) -> None:
        self.id: UUID = uuid4()
        self.caller: Caller | None = None
        """None on an anonymous stream, and until `live` knows its user."""
        self.network = network_of(request)
        """Where it comes from, as limits see it. Never logged."""
        self._streams = streams
        self._limits = streams.limits
        self._framing = framing
        self._asking = caller
        self._send = send
        self._wire = HTTPWire(request.scope, self._stop)
        self._outlet = Outlet(self._wire, streams.limits, streams.live)
        self._pump: asyncio.Task[None] | None = None
        self._ending = False
        self._verdict: tuple[int, str] | None = None
        self._last: Result | None = None
        """What is wrong with the subscription as a whole."""
        self._begun = False
        self._attached = False
        self._taken: int | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def close(self, code: int, reason: str) -> None:
        """Ask the stream to end, as one asks a socket. The first code counts; returns at once."""
        if self._verdict is None:
            self._verdict = (code, reason)
            self._stop()

    def close_after_streams(self, code: int, reason: str) -> None:
        """See `gate.LiveSocket`: its one stream ends the whole."""
        if self._verdict is None:
            self._verdict = (code, reason)
            self._later("told", self._limits.told, self._stop)

    async def run(self, subscribe: Subscribe) -> None:
        """Serve the stream until it ends for whatever reason; all it began has ended on return.

        Raises what is to be answered instead of a stream, and then nothing was sent.
        """
        counts, name = self._streams.counts, self._framing.name
        self._streams.live.add(self)
        counts.open[name] += 1
        try:
            await self._attach()
            await self._begin()
            counts.started[name] += 1
            if not self._ending:
                self._pump = asyncio.create_task(self._tell(subscribe))
                await asyncio.wait({self._pump})
        finally:
            # Shielded: a server that is forced to stop cancels this, and presence must still be told.
            await asyncio.shield(asyncio.ensure_future(self._end()))
            counts.open[name] -= 1

    def _stop(self) -> None:
        self._ending = True
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
            # A source may resist once; it must not hold the stream.
            self._later("stop", self._limits.mutation_grace, self._stop)

    def _later(self, name: str, seconds: float, act: Callable[..., None], *arguments: object) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(seconds, act, *arguments)

    # --- the beginning ------------------------------------------------------------------------------------------------------

    async def _attach(self) -> None:
        caller, streams = self._asking, self._streams
        if caller is None:
            return
        left = (caller.expires_at - streams.now()).total_seconds()
        if left <= 0:
            raise unauthenticated(EXPIRED)
        self.caller = caller
        streams.live.admit(self, caller.user_id, self._limits.sockets_per_user)
        self._attached = True
        try:
            async with asyncio.timeout(self._limits.admission):
                await streams.sockets.opened(caller, self)
        except TimeoutError:
            raise unavailable("The service is busy: try again.") from None
        except RateLimited as limited:
            raise too_many(limited, well_formed=False) from None  # A status, after which clients try again.
        self._later("expiry", left, self.close, Close.EXPIRED, EXPIRED)

    async def _begin(self) -> None:
        headers = {**HEADERS, "content-type": self._framing.media_type}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": encoded})
        self._begun = True
        self._outlet.write(self._framing.opening)
        self._beat()

    # --- results ------------------------------------------------------------------------------------------------------------

    async def _tell(self, subscribe: Subscribe) -> None:
        try:
            if self._attached and not await self._streams.sockets.stands(self):
                return
            outcome = await subscribe()
            if isinstance(outcome, dict):
                self._last = outcome
                return
            async with aclosing(outcome) as events:
                async for event in events:
                    if "data" not in event.result:
                        self._last = event.result
                        return
                    if not await self._next(event.encoded):
                        return
                    if event.delivered is not None:
                        event.delivered()
            if self._attached:
                # One that ends because the session may do something else is not complete: that is noted as why it ends.
                await self._streams.sockets.stands(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told that its stream ended
            self._last = {"errors": [told(error)]}

    async def _next(self, encoded: bytes) -> bool:
        frame = self._framing.framed(encoded)
        if not await self._outlet.ready() or self._ending or not self._outlet.write(frame):
            return False
        self._streams.counts.delivered[self._framing.name] += 1
        return True

    def _beat(self) -> None:
        """Say that we are there, and drop a client that took nothing since we last did."""
        taken = self._wire.taken
        if taken == self._taken:
            self._streams.live.aborted_silent += 1
            self._outlet.abort()
            return
        self._taken = taken
        if self._outlet.free:  # Else what it owes us already fills the buffer.
            self._outlet.write(self._framing.heartbeat)
        self._later("beat", self._streams.heartbeat, self._beat)

    # --- the end ------------------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._stop()
        if self._pump is not None:
            await asyncio.wait({self._pump})
        for timer in self._timers.values():
            timer.cancel()
        if self._begun:
            await _quietly(self._conclude())
        self._wire.release()
        if self._attached:
            await _quietly(self._streams.sockets.closed(self))
        self._streams.live.discard(self)

    async def _conclude(self) -> None:
        code, reason = self._verdict or (None, "")
        if code is not None and code not in FINAL:
            await self._wire.cut()
            return
        last = self._last if code is None else {"errors": [failure(FINAL[Close(code)], reason)]}
        frames = [] if last is None else [self._framing.framed(orjson.dumps(last))]
        # Twice: Uvicorn waits without a deadline when what was written just now fills the buffer.
        if (
            await self._outlet.ready()
            and self._outlet.write(*frames, self._framing.closing)
            and await self._outlet.ready()
        ):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self._outlet.abort()
        await self._wire.gone.wait()


async def _quietly(act: Awaitable[None]) -> None:
    """The stream is gone all the same."""
    try:
        await act
    except Exception as error:  # noqa: BLE001 - whatever it was
        told(error)
