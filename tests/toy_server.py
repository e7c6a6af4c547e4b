"""A real Uvicorn server with a toy schema, for tests of the transport; it knows nothing of Parley's features."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from api.connections.limits import SocketLimits
from api.connections.live import LiveSockets
from api.gate import LiveSocket, TokenExpired, TokenRefused
from api.graphql_http.endpoint import GraphQLHTTP
from api.graphql_http.parsing import BodyLimits
from api.graphql_http.streams import HEARTBEAT_SECONDS, StreamCounts, Streams
from api.graphql_ws.endpoint import GraphQLWebSocket
from api.operation_rates import NoRates, Rates
from api.origins import Cors, Origins
from api.uvicorn_protocol import uvicorn_settings
from domain.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated, Unavailable
from domain.identity import Caller, SessionScope
from schema.execution.execute import Engine
from tests.waiting import until

NAMES = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


@dataclass
class Desk:
    """What resolvers find as `info.context`, and what a test sees of them."""

    caller: Caller | None
    after: str | None
    state: State


@dataclass
class State:
    """What a test and the resolvers share."""

    started: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Mutations named `hold…` wait for it."""
    open_streams: int = 0
    delivered: list[int] = field(default_factory=list)
    slow_unwind: asyncio.Event | None = None


Info = strawberry.Info[Desk, None]


@strawberry.type
class Cat:
    """One side of a union."""

    name: str


@strawberry.type
class Dog:
    """The other side."""

    name: str


@strawberry.input(one_of=True)
class Pick:
    """Exactly one of them."""

    cat: strawberry.Maybe[str]
    dog: strawberry.Maybe[str]


@strawberry.type
class Tick:
    """An event that wants to know when it was written."""

    number: int
    filler: str = ""
    on_delivered: strawberry.Private[Callable[[], None] | None] = None


FAILURES: dict[str, Exception] = {
    "unauthenticated": Unauthenticated(),
    "forbidden": Forbidden(),
    "missing": NotFound(),
    "limited": RateLimited(2.5),
    "conflict": Conflict("Somebody was first."),
    "unavailable": Unavailable(3.0),
    "bug": ValueError("a secret of the database"),
}


@strawberry.type
class Query:
    """Fields that answer, wait and fail."""

    @strawberry.field
    def hello(self) -> str:
        return "world"

    @strawberry.field
    def user_id(self, info: Info) -> str | None:
        return str(info.context.caller.user_id) if info.context.caller else None

    @strawberry.field
    def after(self, info: Info) -> str | None:
        return info.context.after

    @strawberry.field
    async def pet(self, pick: Pick) -> Annotated[Cat | Dog, strawberry.union("Pet")]:
        return Cat(name=pick.cat.value or "") if pick.cat else Dog(name=pick.dog.value or "" if pick.dog else "")

    @strawberry.field
    def double(self, number: int) -> int:
        return number * 2

    @strawberry.field
    def fail(self, kind: str) -> str | None:
        raise FAILURES[kind]

    @strawberry.field
    def broken(self) -> str:
        return None  # type: ignore[return-value]  # on purpose

    @strawberry.field
    def since(self, at: datetime) -> str:
        return at.isoformat()

    @strawberry.field
    async def wait(self, info: Info) -> str:
        await info.context.state.hold.wait()
        return "waited"

    @strawberry.field
    def me(self) -> Query:
        return Query()


@strawberry.type
class Mutation:
    """Notes the order of things."""

    @strawberry.mutation
    async def note(self, info: Info, name: str) -> str:
        state = info.context.state
        state.started.append(name)
        if name.startswith("hold"):
            await state.hold.wait()
        state.finished.append(name)
        return name


@strawberry.type
class Subscription:
    """Streams that end, hang, break and refuse."""

    @strawberry.subscription
    async def count(self, info: Info, to: int, filler: int = 0) -> AsyncGenerator[Tick, None]:
        state = info.context.state
        state.open_streams += 1
        try:
            for number in range(to):
                yield Tick(number=number, filler="x" * filler, on_delivered=lambda n=number: state.delivered.append(n))  # type: ignore[misc]  # its type is not inferred
        finally:
            state.open_streams -= 1

    @strawberry.subscription
    async def hang(self, info: Info, first: int = 0) -> AsyncGenerator[int, None]:
        state = info.context.state
        state.open_streams += 1
        try:
            yield first
            await asyncio.Event().wait()
        finally:
            if state.slow_unwind is not None:
                await state.slow_unwind.wait()
            state.open_streams -= 1

    @strawberry.subscription
    async def farewell(self, info: Info) -> AsyncGenerator[int, None]:
        """Has something left to tell when it is let go, and then ends by itself."""
        yield 0
        await info.context.state.hold.wait()
        yield 1
        yield 2

    @strawberry.subscription
    async def stats(self) -> AsyncGenerator[int, None]:
        """Is open to everybody, and never ends."""
        yield 0
        await asyncio.Event().wait()

    @strawberry.subscription
    async def stubborn(self, info: Info, first: int) -> AsyncGenerator[int, None]:
        """Does not end when it is cancelled, but goes on and then ends as if nothing had been."""
        state = info.context.state
        state.open_streams += 1
        try:
            yield first
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            assert state.slow_unwind is not None
            await state.slow_unwind.wait()
            yield first + 100
        finally:
            state.open_streams -= 1

    @strawberry.subscription
    async def large(self, info: Info, filler: int) -> AsyncGenerator[str, None]:
        """One event, and then nothing more for ever."""
        state = info.context.state
        state.open_streams += 1
        try:
            yield "x" * filler
            await asyncio.Event().wait()
        finally:
            state.open_streams -= 1

    @strawberry.subscription
    async def resumed(self, info: Info) -> AsyncGenerator[str | None, None]:
        """From which cursor."""
        yield info.context.after

    @strawberry.subscription
    async def breaks(self, kind: str) -> AsyncGenerator[int, None]:
        yield 1
        raise FAILURES[kind]

    @strawberry.subscription
    async def refuses(self) -> AsyncGenerator[int, None]:
        raise Forbidden
        yield 1


schema = strawberry.Schema(Query, Mutation, Subscription)


def caller(name: str, seconds: float = 900) -> Caller:
    """The caller that the token `ok:{name}` names."""
    return Caller(
        uuid5(NAMES, name), uuid5(NAMES, name + "s"), SessionScope.FULL, datetime.now(UTC) + timedelta(seconds=seconds)
    )


class FakeGate:
    """Tokens say what they are: `ok:ada`, `short:ada` (0.2 s), `expired`, `down`; anything else is refused."""

    async def admit(self, authorization: str | None) -> Caller | None:
        if authorization is None:
            return None
        kind, _, name = authorization.removeprefix("Bearer ").partition(":")
        match kind:
            case "ok":
                return caller(name)
            case "short":
                return caller(name, 0.2)
            case "expired":
                raise TokenExpired
            case "down":
                raise ConnectionRefusedError
        raise TokenRefused


class FakeSockets:
    """Counts; fails for the users in `broken`, never answers for those in `stuck`, ends those in `revoked`, and those in `rescoped`
    after their streams.
    """

    def __init__(self) -> None:
        self.opened_sockets: list[LiveSocket] = []
        self.closed_sockets: list[LiveSocket] = []
        self.broken: set[UUID] = set()
        self.stuck: set[UUID] = set()
        self.revoked: set[UUID] = set()
        self.rescoped: set[UUID] = set()

    async def opened(self, caller: Caller, socket: LiveSocket) -> None:
        self.opened_sockets.append(socket)
        if caller.user_id in self.broken:
            raise ConnectionResetError
        if caller.user_id in self.stuck:
            await asyncio.Event().wait()

    async def stands(self, socket: LiveSocket) -> bool:
        assert socket.caller is not None
        if socket.caller.user_id in self.revoked:
            socket.close(4401, "revoked")
        if socket.caller.user_id in self.rescoped:
            socket.close_after_streams(4403, "rescoped")
        return socket.caller.user_id not in self.revoked | self.rescoped

    async def closed(self, socket: LiveSocket) -> None:
        await asyncio.sleep(0)
        self.closed_sockets.append(socket)


@dataclass
class Toy:
    """A running server."""

    port: int
    engine: Engine
    live: LiveSockets
    sockets: FakeSockets
    state: State
    server: uvicorn.Server
    counts: StreamCounts

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    @asynccontextmanager
    async def client(
        self,
        token: str | None = None,
        *,
        payload: object = ...,
        init: bool = True,
        subprotocols: Sequence[str] | None = ("graphql-transport-ws",),
        origin: str | None = None,
    ) -> AsyncIterator[Client]:
        """A client that has initialised, unless `init` is off, with a token's payload or any other."""
        if payload is ...:
            payload = {"authorization": f"Bearer {token}"} if token else {}
        async with connect(
            f"ws://127.0.0.1:{self.port}/graphql",
            subprotocols=[Subprotocol(name) for name in subprotocols] if subprotocols else None,
            origin=Origin(origin) if origin else None,
            compression=None,
            ping_interval=None,
            close_timeout=1,
        ) as connection:
            client = Client(connection)
            if init:
                await client.send(type="connection_init", payload=payload)
                assert await client.receive() == {"type": "connection_ack"}
            yield client


@dataclass
class Client:
    """Speaks the protocol by hand, so that it can also speak it badly."""

    connection: ClientConnection

    async def send(self, **message: object) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def subscribe(self, id: str, query: str, **payload: object) -> None:
        await self.send(id=id, type="subscribe", payload={"query": query, **payload})

    async def receive(self) -> Any:  # noqa: ANN401 - JSON
        async with asyncio.timeout(5):
            text = await self.connection.recv()
        assert isinstance(text, str), "clients of the protocol fail on binary frames"
        return orjson.loads(text)

    async def closed(self) -> tuple[int | None, str | None]:
        """Read until the server closes; the code and the reason."""
        async with asyncio.timeout(5):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def toy_server(
    limits: SocketLimits | None = None,
    *,
    development: bool = False,
    allowed: tuple[str, ...] = (),
    introspection: bool = True,
    heartbeat: float = HEARTBEAT_SECONDS,
    rates: Rates | None = None,
) -> AsyncIterator[Toy]:
    """Serve the toy schema on a free port of the loopback."""
    engine = Engine(schema, introspection=introspection)
    live, sockets, state = LiveSockets(), FakeSockets(), State()

    def make_context(caller: Caller | None, request: HTTPConnection, after: str | None) -> Desk:
        return Desk(caller, after, state)

    gate, origins = FakeGate(), Origins.of(allowed, development=development)
    limits = limits or SocketLimits()
    rates = rates or NoRates()
    websocket = GraphQLWebSocket(engine, gate, sockets, make_context, origins, live, limits, rates=rates)
    counts = StreamCounts()
    streams = Streams(sockets, live, origins, counts, limits, heartbeat=heartbeat)
    app = Starlette(
        routes=[
            Route(
                "/graphql",
                GraphQLHTTP(
                    engine, gate, make_context, streams, frozenset({"hello"}), BodyLimits(seconds=0.3), rates=rates
                ),
            ),
            WebSocketRoute("/graphql", websocket),
        ]
    )
    app.add_middleware(Cors, origins=origins)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=2, **uvicorn_settings())
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        yield Toy(listener.getsockname()[1], engine, live, sockets, state, server, counts)
    finally:
        server.should_exit = True
        await serving
        listener.close()
