"""A WebSocket client that costs next to nothing, so that the load generator is not what is measured.

It speaks as much of RFC 6455 as our servers do: whole text frames, pings, close. It masks with zeros, which a server treats as any
other key and which saves touching every byte here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80
_ZERO_KEY = bytes(4)


class Wire(asyncio.Protocol):
    """One connection. `on_message` is called with every text frame, decoded from JSON, unless `on_text` is set to take it as it
    came; `lost` is set when the connection ends.
    """

    def __init__(self, host: str, path: str, subprotocol: str) -> None:
        loop = asyncio.get_running_loop()
        self.on_message: Callable[[dict[str, Any]], None] = lambda _: None
        self.on_text: Callable[[bytes], None] = lambda text: self.on_message(orjson.loads(text))
        self.opened: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.frames_in = 0
        self.frames_out = 0
        self._host, self._path, self._subprotocol = host, path, subprotocol
        self._buffer = bytearray()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        path: str = "/graphql",
        subprotocol: str = "graphql-transport-ws",
        on_text: Callable[[bytes], None] | None = None,
    ) -> Wire:
        """Connects and shakes hands. Raises `ConnectionError`. A server may speak first: `on_text` is there to hear it."""
        loop = asyncio.get_running_loop()

        def made() -> Wire:
            wire = cls(f"{host}:{port}", path, subprotocol)
            wire.on_text = on_text or wire.on_text
            return wire

        _, wire = await loop.create_connection(made, host, port)
        await asyncio.wait_for(wire.opened, 30)
        return wire

    def send(self, message: object) -> None:
        """Sends one message as JSON."""
        self.send_text(orjson.dumps(message))

    def send_text(self, text: bytes) -> None:
        """Sends one text frame."""
        self._write(TEXT, text)

    def close(self) -> None:
        """Drops the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio's own docs have it
        """Asks for the upgrade."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        protocol = f"Sec-WebSocket-Protocol: {self._subprotocol}\r\n" if self._subprotocol else ""
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Takes the answer to the handshake, then frames."""
        self._buffer += data
        if not self.opened.done():
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head.partition(b"\r\n")[0].decode()))
                return
            self.opened.set_result(None)
            self._buffer = bytearray(rest)
        self._take_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells whoever waits."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))
        if not self.lost.done():
            self.lost.set_result(str(exc or "closed"))

    def _take_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            opcode, length, start = buffer[at] & 0x0F, buffer[at + 1], at + 2
            if length == 126:
                start += 2
            elif length == 127:
                start += 8
            if len(buffer) < start:
                break
            if length > 125:
                length = int.from_bytes(buffer[at + 2 : start])
            if len(buffer) < start + length:
                break
            self._take(opcode, bytes(buffer[start : start + length]))
            at = start + length
        del buffer[:at]

    def _take(self, opcode: int, payload: bytes) -> None:
        self.frames_in += 1
        if opcode == TEXT:
            self.on_text(payload)
        elif opcode == PING:
            self._write(PONG, payload)
        elif opcode == CLOSE and not self.lost.done():
            self.lost.set_result(f"{int.from_bytes(payload[:2])} {payload[2:].decode(errors='replace')}")

    def _write(self, opcode: int, payload: bytes) -> None:
        self.frames_out += 1
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", _FINAL | opcode, _MASKED | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", _FINAL | opcode, _MASKED | 126, size)
        else:
            head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | 127, size)
        self._transport.write(head + _ZERO_KEY + payload)
