"""Whatever arrives on a socket, the server says what is wrong with it, drops who will not listen, and serves everybody else."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect as connect_sync
from websockets.typing import Subprotocol

from api import uvicorn_protocol
from api.connections.limits import SocketLimits
from api.graphql_ws.socket import GraphQLSocket
from api.websocket_frames import FRAMES_AT_ONCE
from tests.fuzz.wires import HANDSHAKE
from tests.toy_server import Toy, toy_server
from tests.waiting import until


@pytest.fixture(autouse=True)
def no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does may end in a traceback of the server."""
    yield
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR or r.exc_info] == []


def subscribe(**payload: object) -> str:
    """A frame of one operation."""
    return orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode()


NOT_TEXT: tuple[object, ...] = (1, [], {})
NOT_AN_OBJECT: tuple[object, ...] = (1, "x", [], True)
MALFORMED: list[str | bytes] = [
    *(
        "",
        "x",
        "[]",
        "null",
        "1",
        '"x"',
        "{}",
        "true",
        "{",
        '{"type": 1}',
        '{"type": null}',
        '{"type": ["ping"]}',
        "NaN",
        "\ufeff{}",
    ),
    *(b"", b"\x00\xff", orjson.dumps({"type": "ping"})),
    '{"type": "connection_ack"}',
    '{"type": "next", "id": "1", "payload": {}}',
    '{"type": "start", "id": "1", "payload": {"query": "{ hello }"}}',
    '{"type": "ping", "payload": []}',
    '{"type": "ping", "payload": "x"}',
    '{"type": "ping", "payload": {"a": ' + "[" * 300 + "]" * 300 + "}}",
    '{"type": "pong", "payload": 1}',
    '{"type": "complete"}',
    '{"type": "complete", "id": 1}',
    '{"type": "complete", "id": {}}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "id": "1"}',
    '{"type": "subscribe", "id": "1", "payload": null}',
    '{"type": "subscribe", "id": "1", "payload": []}',
    '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
    *(
        f'{{"type": "subscribe", "id": {id}, "payload": {{"query": "{{ hello }}"}}}}'
        for id in ("1", "null", '""', "[]", "{}", f'"{"x" * 129}"')
    ),
    subscribe(),
    *(subscribe(query=value) for value in NOT_TEXT),
    subscribe(query=None),
    *(subscribe(query="{ hello }", variables=value) for value in NOT_AN_OBJECT),
    *(subscribe(query="{ hello }", operationName=value) for value in NOT_TEXT),
    *(subscribe(query="{ hello }", extensions=value) for value in NOT_AN_OBJECT),
    '{"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": {"a": '
    + "[" * 5_000
    + "]" * 5_000
    + "}}}",
    '{"type": "subscribe", "id": "1", "payload": {"query": "\\ud800"}}',
]


async def test_a_malformed_frame_closes_with_4400_and_a_reason() -> None:
    """A developer reads the reason; stock Strawberry answers 1006 and logs a traceback, before authentication even."""
    async with toy_server() as toy:
        for init in (True, False):
            for frame in MALFORMED:
                async with toy.client(init=init) as client:
                    await client.connection.send(frame)
                    code, reason = await client.closed()
                assert code == 4400, frame
                assert reason, frame
                assert len(reason.encode()) <= 123, frame
        await until(lambda: len(toy.live) == 0)


@pytest.mark.parametrize(
    "payload",
    ["[]", "1", '"Bearer ok:ada"', '{"authorization": 1}', '{"authorization": ["Bearer ok:ada"]}', '{"after": 5}'],
)
async def test_a_malformed_first_payload_closes_with_4400(payload: str) -> None:
    """A token in the wrong place must not leave its user anonymous in silence."""
    async with toy_server() as toy, toy.client(init=False) as client:
        await client.connection.send(f'{{"type": "connection_init", "payload": {payload}}}')
        assert (await client.closed())[0] == 4400
        assert toy.sockets.opened_sockets == []


async def test_values_nested_deeply_are_an_error_of_the_operation() -> None:
    """What JSON can still hold reaches the operation, and fails there."""
    async with toy_server() as toy, toy.client() as client:
        nested: Any = 1
        for _ in range(200):
            nested = [nested]
        await client.subscribe("1", "query($n: Int!) { double(number: $n) }", variables={"n": nested})
        message = await client.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "BAD_USER_INPUT")


async def test_a_frame_over_one_mebibyte_closes_with_1009() -> None:
    """Larger than any offer; whoever sends it would fill the memory."""
    async with toy_server() as toy:
        async with toy.client() as client:
            await client.subscribe("1", "{ hello } #" + "x" * 1_000_000)
            assert (await client.receive())["type"] == "error"
            await client.connection.send("x" * (1024 * 1024 + 1))
            assert (await client.closed())[0] == 1009
        async with toy.client() as client:
            await client.connection.send([""] * 5_000)
            assert (await client.closed())[0] == 1009
        await until(lambda: toy.live.refusals["frame"] == 2)
        async with toy.client() as client:
            await client.connection.close(1009)
        await until(lambda: not len(toy.live))
        assert toy.live.refusals["frame"] == 2, "what the client says of us is none of ours"


async def test_a_frame_that_spells_too_much_closes_with_4400() -> None:
    """A mebibyte of empty lists is 25 of objects; a mebibyte of text is one value, commas or not."""
    async with toy_server(SocketLimits(values=100)) as toy:
        async with toy.client() as client:
            await client.subscribe("1", "{ hello } #" + "," * 500, variables={"a": [0] * 90})
            assert [(await client.receive())["type"] for _ in range(2)] == ["next", "complete"]
            await client.subscribe("2", "{ hello }", variables={"a": [0] * 110})
            assert await client.closed() == (4400, "The frame has more than 100 values.")
        assert toy.live.refusals["values"] == 1


async def test_a_flood_of_frames_is_taken_whole_and_in_order() -> None:
    """Candidates come in bursts, and a burst that is taken bit by bit is still the one that was sent."""
    async with toy_server() as toy, toy.client() as client:
        pinged = [
            Frame(Opcode.PING, b"p").serialize(mask=True)
            + Frame(Opcode.TEXT, b'{"type":"ping","payload":{"n":%d}}' % number).serialize(mask=True)
            for number in range(1_000)
        ]
        client.connection.transport.write(b"".join(pinged))
        for number in range(1_000):
            assert await client.receive() == {"type": "pong", "payload": {"n": number}}
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_a_flood_of_frames_leaves_others_their_turn() -> None:
    """One read of the network may hold 40,000 pings, and to answer them takes a second in which nobody hears anything."""
    loop, turns, turning = asyncio.get_running_loop(), 0, True

    def turn() -> None:
        nonlocal turns
        turns += 1
        if turning:
            loop.call_soon(turn)

    async with toy_server() as toy, toy.client() as client:
        flood = Frame(Opcode.PING, b"").serialize(mask=True) * 20_000
        client.connection.transport.write(flood + Frame(Opcode.TEXT, b'{"type":"ping"}').serialize(mask=True))
        turn()
        assert await client.receive() == {"type": "pong"}
        turning = False
    assert turns >= 20_000 // FRAMES_AT_ONCE


# --- clients that do not read -----------------------------------------------------------------------------------------------


class Raw:
    """A client on a bare socket that takes in as little as the kernel lets it, and reads only when told."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._loop = asyncio.get_running_loop()

    async def send(self, data: str | bytes, opcode: Opcode = Opcode.TEXT) -> None:
        payload = data.encode() if isinstance(data, str) else data
        await self._loop.sock_sendall(self.connection, Frame(opcode, payload).serialize(mask=True))

    async def read(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._loop.sock_recv(self.connection, 65_536)


@asynccontextmanager
async def raw_client(toy: Toy) -> AsyncIterator[Raw]:
    """A socket that has initialised as Ada's."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)  # noqa: FBT003 - the socket module's signature
    with connection:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", toy.port))
        raw = Raw(connection)
        await asyncio.get_running_loop().sock_sendall(connection, HANDSHAKE)
        assert b"101" in await raw.read()
        await raw.send('{"type": "connection_init", "payload": {"authorization": "Bearer ok:ada"}}')
        assert b"connection_ack" in await raw.read()
        yield raw


FLOOD = subscribe(query="subscription { count(to: 1000000, filler: 1000) { number filler } }")


async def test_a_client_that_stops_reading_is_dropped_with_all_it_held() -> None:
    """A frozen phone must cost a bounded amount of memory for a bounded time, and nobody else anything."""
    async with toy_server(SocketLimits(send=0.3)) as toy, raw_client(toy) as raw, toy.client("ok:bob") as other:
        await raw.send(FLOOD)
        await until(lambda: toy.state.open_streams == 1)
        await other.subscribe("1", "{ hello }")
        assert (await other.receive())["type"] == "next"
        await until(lambda: toy.live.aborted_slow == 1)
        await until(lambda: len(toy.live) == 1 and toy.state.open_streams == 0)
        assert toy.live.delivered < 1_000, "1 KB each: the buffers of both kernels, and hardly more"
        assert len(toy.server.server_state.connections) == 1
        assert len(toy.sockets.closed_sockets) == 1
        assert all("Operations" not in str(task.get_coro()) for task in asyncio.all_tasks())


async def test_a_client_that_reads_slowly_is_served() -> None:
    """A bad network is not a crime: who takes something within the deadline stays."""
    async with toy_server(SocketLimits(send=0.4)) as toy, raw_client(toy) as raw:
        await raw.send(FLOOD)
        received = 0
        for _ in range(12):
            await asyncio.sleep(0.1)  # the slowness itself, not a wait for something
            received += len(await raw.read())
        assert received > 10_000
        assert toy.live.aborted_slow == 0
        assert len(toy.live) == 1


async def test_closing_a_client_that_does_not_read_is_not_waiting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Uvicorn's own close a revoked client could keep its socket for ever by not reading."""
    monkeypatch.setattr(uvicorn_protocol, "CLOSE_SECONDS", 0.2)
    async with toy_server() as toy, raw_client(toy) as raw:
        await raw.send(FLOOD)
        (live,) = toy.sockets.opened_sockets
        assert isinstance(live, GraphQLSocket)
        await until(lambda: not live._outlet.free)
        live.close(4401, "revoked")
        await until(lambda: len(toy.live) == 0)
        await until(lambda: not toy.server.server_state.connections)
        assert toy.state.open_streams == 0


@pytest.mark.parametrize(
    ("opcode", "data"),
    [(Opcode.PING, b"x" * 125), (Opcode.TEXT, b'{"type":"ping","payload":{"a":"%s"}}' % (b"x" * 1000))],
)
async def test_a_flood_of_pings_without_reading_does_not_fill_the_memory(opcode: Opcode, data: bytes) -> None:
    """Each ping asks for an answer that nobody takes: the answers must not pile up."""
    async with toy_server(SocketLimits(send=0.5)) as toy, raw_client(toy) as raw:
        (protocol,) = toy.server.server_state.connections
        largest = 0
        burst = Frame(opcode, data).serialize(mask=True) * 100
        try:
            for _ in range(400):
                await asyncio.sleep(0)
                async with asyncio.timeout(0.2):
                    await asyncio.get_running_loop().sock_sendall(raw.connection, burst)
                largest = max(largest, protocol.transport.get_write_buffer_size())
        except (TimeoutError, ConnectionError):
            pass
        assert largest < 300 * 1024, "what one read of 256 KiB asked for, and not the 5 MB of the flood"


async def test_text_that_is_not_utf8_is_malformed_too() -> None:
    """Uvicorn logs a traceback for it and closes with 1007, which clients may retry for ever."""
    async with toy_server() as toy, raw_client(toy) as raw:
        await raw.send(b'{"type": "ping\xff"}')
        assert b"\x11\x30" in await raw.read(), "4400"


# --- fuzzing ----------------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    ["type", "id", "payload", "query", "variables", "operationName", "extensions", "authorization", "after", "x"]
)
TEXTS = st.sampled_from(
    [
        "subscribe",
        "complete",
        "ping",
        "pong",
        "connection_init",
        "next",
        "1",
        "",
        "{ hello }",
        "subscription { hang }",
        "{",
        "Bearer x",
        "\x00",
    ]
) | st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries(
    {"type": TEXTS},
    optional={
        "id": TEXTS | JSON,
        "payload": JSON | st.fixed_dictionaries({"query": TEXTS}, optional={"variables": JSON}),
    },
)
FRAMES = st.binary(max_size=40) | st.text(max_size=40) | (JSON | MESSAGES).map(json.dumps)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server in a thread of its own: Hypothesis calls synchronous functions."""
    ready, stop = threading.Event(), threading.Event()
    found: list[int] = []

    async def serve() -> None:
        async with toy_server() as toy:
            found.append(toy.port)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    yield found[0]
    stop.set()
    thread.join()


@settings(max_examples=150, deadline=None)
@given(frames=st.lists(FRAMES, max_size=4), init=st.booleans())
def test_no_frames_break_the_server(port: int, frames: list[str | bytes], init: bool) -> None:  # noqa: FBT001 - Hypothesis draws it
    """Whoever finds the one frame that ends in 1006 or a traceback can take the service down with it."""
    url = f"ws://127.0.0.1:{port}/graphql"
    with (
        connect_sync(
            url, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None, close_timeout=1
        ) as connection,
        suppress(ConnectionClosed),
    ):
        if init:
            connection.send('{"type": "connection_init"}')
        for frame in frames:
            connection.send(frame)
        connection.send('{"type": "ping", "payload": {"last": true}}')
        while json.loads(connection.recv(5)) != {"type": "pong", "payload": {"last": True}}:
            pass
    # 1000 is our own, after the last ping was answered.
    assert connection.close_code in {1000, 4400, 4401, 4409, 4429}


async def test_a_stream_does_not_keep_what_its_client_sent_beside_it() -> None:
    """Sixteen frames of one stranger, full of variables that nobody asked for, held 340 MB for as long as the socket was open."""
    held = '{"a": "' + "x" * 900_000 + '"}'
    async with toy_server() as toy, toy.client() as client:
        tracemalloc.start()
        try:
            for number in range(8):
                query = "subscription { hang }"
                frame = orjson.dumps({"id": str(number), "type": "subscribe", "payload": {"query": query}}).decode()
                await client.connection.send(frame[:-2] + f', "variables": {held}}}}}')
            await until(lambda: toy.live.operations == 8)
            await until(lambda: tracemalloc.get_traced_memory()[0] < 4_000_000)
        finally:
            tracemalloc.stop()


async def test_a_socket_keeps_no_long_text_as_its_cursor() -> None:
    """What `connection_init` brings is kept for hours: a thousand strangers with a megabyte each would fill the memory."""
    async with toy_server() as toy, toy.client(init=False) as client:
        await client.send(type="connection_init", payload={"after": "x" * 201})
        assert await client.closed() == (4400, "after is longer than 200 characters.")
