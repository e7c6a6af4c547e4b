"""Frames are cut, unmasked and written as `websockets` does it, whatever the pieces in which they come."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from api.websocket_frames import FRAMES_AT_ONCE, Cutter, framed, payload_of
from tests.fuzz.wires import HANDSHAKE
from tests.toy_server import Toy, toy_server
from tests.waiting import DEADLINE, until

LONGEST = 1 << 20
SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536]) | st.integers(0, 300)
PING = b'{"type":"ping"}'


@given(sizes=st.lists(SIZES, max_size=4), cuts=st.lists(st.integers(0, 140_000), max_size=6))
def test_frames_are_whole_again_however_the_network_cut_them(sizes: list[int], cuts: list[int]) -> None:
    """Packets know nothing of frames."""
    sent = [Frame(Opcode.TEXT, bytes(n % 251 for n in range(size))) for size in sizes]
    stream = b"".join(frame.serialize(mask=True) for frame in sent)
    cutter, found = Cutter(LONGEST), list[bytes]()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, stop in pairwise(places):
        frames, wrong = cutter.cut(stream[start:stop])
        assert not wrong
        found += frames
    assert [payload_of(frame) for frame in found] == [bytes(frame.data) for frame in sent]


def test_a_flood_is_cut_a_little_at_a_time_and_what_comes_behind_it_stays_behind() -> None:
    """Whoever asks for more with nothing gets it, in order."""
    frames = [Frame(Opcode.TEXT, b"%d" % number).serialize(mask=True) for number in range(3 * FRAMES_AT_ONCE)]
    cutter, found = Cutter(LONGEST), list[bytes]()
    for data in (b"".join(frames[:-1]), frames[-1], b""):
        cut, wrong = cutter.cut(data)
        assert (len(cut), wrong) == (FRAMES_AT_ONCE, b"")
        found += cut
    assert [frame[-1:] for frame in found] == [frame[-1:] for frame in frames]
    assert (found, cutter.more) == (frames, False)


@given(size=SIZES)
def test_what_is_written_is_what_the_library_writes(size: int) -> None:
    """In one frame with the shortest length (RFC 6455, section 5.2)."""
    text = b"x" * size
    assert framed(text) == Frame(Opcode.TEXT, text).serialize(mask=False)


@pytest.mark.parametrize(
    "header",
    [
        b"\x81\x05",  # not masked
        b"\xc1\x85",  # a reserved bit: compression that was not agreed on
        b"\x83\x85",  # an opcode that is not
        b"\x8b\x80",
        b"\x09\x80",  # a ping in fragments
        b"\x89\xfe\x00\x7e",  # a ping that is too long
        b"\x81\xff" + (LONGEST + 1).to_bytes(8),
        b"\x81\xff" + (1 << 63).to_bytes(8),
    ],
)
def test_what_no_client_may_send_is_not_waited_for(header: bytes) -> None:
    """It would fill the memory, or be taken for the beginning of something."""
    good = Frame(Opcode.TEXT, PING).serialize(mask=True)
    assert Cutter(LONGEST).cut(good + header) == ([good], header)


# --- through a server -------------------------------------------------------------------------------------------------------


class Client:
    """Speaks in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frame(self) -> tuple[int, bytes]:
        """The first byte and the payload of what comes next."""
        async with asyncio.timeout(DEADLINE):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2))
            return first, await self.reader.readexactly(length)

    async def code(self) -> int:
        """With which code the server closes."""
        while True:
            first, payload = await self.frame()
            if first == 0x88:
                return int.from_bytes(payload[:2])


@asynccontextmanager
async def shaken_hands(toy: Toy) -> AsyncIterator[Client]:
    """A connection after the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


async def test_fragments_and_controls_between_them_are_one_message() -> None:
    """RFC 6455, section 5.4: a ping in the midst of a message is answered in the midst of it."""
    pieces = [
        masked(Opcode.TEXT, PING[:4], fin=False),
        masked(Opcode.PING, b"now"),
        masked(Opcode.CONT, PING[4:9], fin=False),
        masked(Opcode.CONT, PING[9:]),
        masked(Opcode.TEXT, PING),
    ]
    async with toy_server() as toy:
        for together in (True, False):
            async with shaken_hands(toy) as client:
                for piece in [b"".join(pieces)] if together else [bytes((b,)) for b in b"".join(pieces)]:
                    client.writer.write(piece)
                    await asyncio.sleep(0)
                got = [await client.frame() for _ in range(3)]
                assert got == [(0x8A, b"now"), (0x81, b'{"type":"pong"}'), (0x81, b'{"type":"pong"}')]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x0f" + PING, 1002),
        (b"\xc1\x8f\0\0\0\0" + PING, 1002),
        (masked(Opcode.CONT, PING), 1002),
        (masked(Opcode.TEXT, PING, fin=False) + masked(Opcode.TEXT, PING), 1002),
        (b"\x89\xfe\x00\x7e" + bytes(130), 1002),
        (b"\x81\xff" + (1 << 30).to_bytes(8), 1009),
        (masked(Opcode.TEXT, b'{"type":"ping\xff"}'), 4400),
        (masked(Opcode.BINARY, PING), 4400),
        (masked(Opcode.CLOSE, b"\x03\xe8"), 1000),
        (masked(Opcode.CLOSE, b"\x03"), 1002),
    ],
    # By name: masks are random, and every process that runs tests has to find the same ones.
    ids=[
        "unmasked",
        "a reserved bit",
        "the rest of nothing",
        "a message within a message",
        "a long ping",
        "a gigabyte",
        "not UTF-8",
        "binary",
        "a good bye",
        "half a code",
    ],
)
async def test_what_breaks_the_protocol_closes_also_behind_what_does_not(sent: bytes, code: int) -> None:
    """A short cut for good frames must not be one for bad ones."""
    async with toy_server() as toy:
        for before in (b"", masked(Opcode.TEXT, PING)):
            async with shaken_hands(toy) as client:
                client.writer.write(before + sent)
                assert await client.code() == code
        await until(lambda: len(toy.live) == 0)


async def test_a_burst_is_taken_in_turns_and_reading_pauses_meanwhile() -> None:
    """Ten thousand frames in one packet do not run before everybody else, nor lie in memory beside ten thousand more."""
    async with toy_server() as toy, toy.client() as other, shaken_hands(toy) as client:
        client.writer.write(masked(Opcode.TEXT, PING) * 10_000)
        await other.subscribe("1", "{ hello }")
        assert (await other.receive())["type"] == "next"
        assert [await client.frame() for _ in range(10_000)] == [(0x81, b'{"type":"pong"}')] * 10_000
