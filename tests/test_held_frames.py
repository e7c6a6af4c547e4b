"""What a socket has to send leaves in few writes and loses nothing; what comes alone is begun without waking anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.connections.buffers import WRITE_BUFFER
from api.connections.slim import SlimQueue
from api.connections.turns import Turn
from api.uvicorn_protocol import ParleyWebSocketProtocol, Wire, uvicorn_settings
from api.websocket_frames import framed
from tests.fuzz.wires import HANDSHAKE, Frame


class Recorder(asyncio.Transport):
    """A transport that takes everything, and remembers what it was given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - as asyncio has it
        """One system call."""
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        """Whether `close` or `abort` was called."""
        return self.closing

    def close(self) -> None:
        """Nothing is sent behind it."""
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """Nothing comes but what the test says."""

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        """It is empty."""
        return 0


class Connection:
    """One that was accepted: its protocol, what was written to it, and what its application read."""

    def __init__(self) -> None:
        self.transport = Recorder()
        self.read: list[bytes | None] = []
        self.over = asyncio.Event()
        config = uvicorn.Config(self._serve, interface="asgi3", lifespan="off", log_config=None, **uvicorn_settings())
        config.load()
        self.protocol = ParleyWebSocketProtocol(config=config, server_state=ServerState(), app_state={})

    @property
    def wire(self) -> Wire:
        """What the application writes to."""
        return cast("Wire", self.protocol)

    async def _serve(self, _scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        await receive()
        await send({"type": "websocket.accept"})
        reading = asyncio.create_task(self._read())
        await self.over.wait()
        reading.cancel()
        await send({"type": "websocket.close", "code": 4400, "reason": ""})

    async def _read(self) -> None:
        while True:
            self.read.append(await self.wire.next_message())


async def turns(count: int = 6) -> None:
    """Lets the loop run what is ready, and what that makes ready."""
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """A connection whose application waits for its first message; ends it."""
    connection = Connection()
    connection.protocol.connection_made(connection.transport)
    connection.protocol.data_received(HANDSHAKE)
    await turns()
    connection.transport.writes.clear()
    yield connection
    connection.over.set()
    await turns()
    connection.protocol.connection_lost(None)
    await turns()


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    """See `connected`."""
    async with connected() as connection:
        yield connection


async def test_what_is_sent_in_one_turn_leaves_in_one_write_in_its_order(connection: Connection) -> None:
    """A system call for the answer and one for the event of a partner cost as much as a third of a relay."""
    assert connection.wire.write([b"answer", b"over"])
    asyncio.get_running_loop().call_soon(connection.wire.write, [b"event"])  # What the turn makes ready belongs to it.
    assert connection.transport.writes == []
    await turns()
    assert connection.transport.writes == [framed(b"answer") + framed(b"over") + framed(b"event")]
    connection.wire.write([b"later"])
    await turns()
    assert connection.transport.writes[1:] == [framed(b"later")]


async def test_no_more_is_held_back_than_may_wait(connection: Connection) -> None:
    """Only what the transport was given stops a sender whose client does not read."""
    some = b"x" * (WRITE_BUFFER // 2)
    connection.wire.write([some])
    held = connection.wire.outstanding
    connection.wire.write([some])
    assert held > len(some)
    assert connection.transport.writes == [framed(some) * 2]
    connection.wire.write([b"small"])
    await turns()
    assert connection.transport.writes[1:] == [framed(b"small")]


async def test_a_close_comes_behind_what_was_sent_before_it(connection: Connection) -> None:
    """A client hears how its operation ended before it hears that the socket does."""
    connection.wire.write([b"last"])
    connection.over.set()
    await turns()
    sent = b"".join(connection.transport.writes)
    assert sent.startswith(framed(b"last") + b"\x88")


async def test_a_server_that_stops_sends_what_was_held_back(connection: Connection) -> None:
    """The same where Uvicorn closes by itself."""
    connection.wire.write([b"last"])
    connection.protocol.shutdown()
    sent = b"".join(connection.transport.writes)
    assert sent.startswith(framed(b"last") + b"\x88")
    assert not connection.wire.write([b"too late"])


async def test_an_answer_to_a_close_comes_behind_what_was_sent_before_it(connection: Connection) -> None:
    """Nothing may follow a close frame (RFC 6455, section 5.5.1)."""
    connection.wire.write([b"last"])
    connection.protocol.data_received(Frame(opcode=8, payload=b"\x03\xe8").wire())
    await turns()
    sent = b"".join(connection.transport.writes)
    assert sent.startswith(framed(b"last") + b"\x88")
    assert sent.count(framed(b"last")) == 1


async def test_what_is_held_back_for_who_is_gone_is_forgotten(connection: Connection) -> None:
    """A transport that is closed must not be written to, and others in the same turn get theirs."""
    async with connected() as other:
        connection.wire.write([b"lost"])
        other.wire.write([b"here"])
        connection.transport.abort()
        await turns()
        assert connection.transport.writes == []
        assert other.transport.writes == [framed(b"here")]


async def test_a_text_that_comes_alone_while_the_reader_waits_goes_to_the_listener(connection: Connection) -> None:
    """Waking a task for each signal costs more than to parse it."""
    heard: list[bytes] = []

    def listen(text: bytes) -> bool:
        heard.append(text)
        return True

    connection.wire.listener = listen
    connection.protocol.data_received(Frame(payload=b"one").wire())
    assert heard == [b"one"]
    await turns()
    connection.protocol.data_received(Frame(payload=b"two").wire())
    await turns()
    assert heard == [b"one", b"two"]
    assert connection.read == []


async def test_what_the_listener_leaves_is_read_and_nothing_overtakes_it(connection: Connection) -> None:
    """A candidate that overtakes its offer breaks the call."""
    heard: list[bytes] = []

    def listen(text: bytes) -> bool:
        heard.append(text)
        return text != b"offer"

    connection.wire.listener = listen
    connection.protocol.data_received(Frame(payload=b"offer").wire())
    connection.protocol.data_received(Frame(payload=b"candidate").wire())
    assert heard == [b"offer"]
    await turns()
    assert connection.read == [b"offer", b"candidate"]


async def test_what_comes_together_is_left_to_the_reader(connection: Connection) -> None:
    """It gives others their turn between two documents of one client."""
    heard: list[bytes] = []

    def listen(text: bytes) -> bool:
        heard.append(text)
        return True

    connection.wire.listener = listen
    connection.protocol.data_received(Frame(payload=b"one").wire() + Frame(payload=b"two").wire())
    await turns()
    assert heard == []
    assert connection.read == [b"one", b"two"]


async def test_a_queue_is_waited_for_only_while_its_reader_waits_for_the_next() -> None:
    """What is there already comes first."""
    queue = SlimQueue()
    assert not queue.waited_for
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert queue.waited_for
    queue.put_nowait("one")
    assert not queue.waited_for
    assert await reader == "one"
    gave_up = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    gave_up.cancel()
    await turns()
    assert not queue.waited_for


async def test_a_turn_begins_anew_for_what_is_held_back_while_it_ends() -> None:
    """Else it would be held for ever."""
    turn = Turn()
    flushed: list[str] = []

    class Again:
        def flush(self) -> None:
            flushed.append("again")
            if len(flushed) == 1:
                turn.add(self)

    turn.add(Again())
    await turns()
    assert flushed == ["again", "again"]
