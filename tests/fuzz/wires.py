"""A client on a bare TCP connection, which sends whatever it is told and reads until the server has done with it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.waiting import DEADLINE

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
MASK = b"\x01\x02\x03\x04"


@dataclass(frozen=True)
class Frame:
    """A frame of RFC 6455, section 5.2, with everything in it free to be wrong."""

    opcode: int = 1
    payload: bytes = b""
    fin: bool = True
    reserved: int = 0
    masked: bool = True
    width: int | None = None
    """Bits of the length: 7, 16 or 64; None is the shortest."""
    claims: int | None = None
    """The length that it tells; None is the truth."""

    def wire(self) -> bytes:
        """As it is sent."""
        size = len(self.payload) if self.claims is None else self.claims
        width = self.width or (7 if size < 126 else 16 if size < 65_536 else 64)
        first = (self.fin << 7) | (self.reserved << 4) | self.opcode
        marker = size % 126 if width == 7 else 126 if width == 16 else 127
        head = struct.pack("!BB", first, (self.masked << 7) | marker)
        head += struct.pack("!H", size % 65_536) if width == 16 else struct.pack("!Q", size) if width == 64 else b""
        if not self.masked:
            return head + self.payload
        return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(self.payload))


LAST = Frame(opcode=9, payload=b"last").wire()
FILLER = LAST * (66_000 // len(LAST))
"""More than a length of 16 bits can claim: what a frame that lies swallows, until the server sees that it lied or answers."""


class Client:
    """One connection, for as long as its context is open; `greeting` is what opens it."""

    def __init__(self, port: int, greeting: bytes = HANDSHAKE) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._received = b""
        self.closed = False
        """Whether the server closed; it may have reset the connection."""
        self.send(greeting)
        while greeting == HANDSHAKE and b"\r\n\r\n" not in self._received and not self.closed:
            self._read_some(DEADLINE)  # RFC 6455, section 4.1: a client waits for it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, data: bytes) -> None:
        """Sends all of it, if the server is still there."""
        try:
            self._connection.sendall(data)
        except ConnectionError:
            self.closed = True

    def settle(self) -> None:
        """Returns when the server has read all that was sent, and said so: by a pong, or by closing. Raises `TimeoutError`."""
        self.send(LAST)
        if not self._read(0.05):
            self.send(FILLER)
            if not self._read(DEADLINE):
                raise TimeoutError

    def hang_up(self) -> None:
        """Sends no more, and reads until the server has closed too. Raises `TimeoutError`."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        while not self.closed:
            self._read_some(DEADLINE)

    def heard(self) -> tuple[list[bytes], int | None]:
        """The texts that the server sent, and the code with which it closed, if it did."""
        head, _, rest = self._received.partition(b"\r\n\r\n")
        if not self._received:
            return [], None
        assert b" 101 " in head.split(b"\r\n")[0], head
        texts, code = [], None
        for opcode, payload in _frames(rest):
            if opcode == 1:
                texts.append(payload)
            elif opcode == 8:
                # RFC 6455, section 7.1.5: a close without a code, which answers one without, counts as 1005.
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
            else:
                assert opcode in {9, 10}, "clients of the protocol fail on binary frames"
        return texts, code

    @property
    def received(self) -> bytes:
        """All that came."""
        return self._received

    def _read(self, seconds: float) -> bool:
        """Whether the server has read everything, as far as it says so within the time."""
        try:
            while not self.closed and not self._is_done():
                self._read_some(seconds)
        except TimeoutError:
            return False
        return True

    def _is_done(self) -> bool:
        """Whether the server has said that it read everything, or that it reads no more: it then waits for our end."""
        if PONG in self._received:
            return True
        frames = self._received.partition(b"\r\n\r\n")[2]
        return any(opcode == 8 for opcode, _ in _frames(frames))

    def _read_some(self, seconds: float) -> None:
        self._connection.settimeout(seconds)
        try:
            data = self._connection.recv(65_536)
        except ConnectionError:
            data = b""
        self.closed = not data
        self._received += data


PONG = b"\x8a\x04last"


def _frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 2:
        size, start = data[1] & 127, 2
        if size == 126:
            size, start = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, start = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < start + size:
            return  # cut off by a reset
        assert data[0] & 0xF0 == 0x80, "whole frames without reserved bits"
        yield data[0] & 15, data[start : start + size]
        data = data[start + size :]
