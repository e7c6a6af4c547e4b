"""A client of streams over HTTP that shows every byte: to hold the server to the letter, and to read as badly as a client can."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from tests.waiting import DEADLINE

EVENTS = "text/event-stream"
PAYLOADS = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/json'
PARTS = "multipart/mixed"


@dataclass
class Response:
    """An answer that may go on. `finished` tells, at its end, whether it was whole or cut."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    finished: bool | None = None
    _at: int = 0

    async def head(self) -> None:
        """Read the status and the headers."""
        async with asyncio.timeout(DEADLINE):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }

    async def more(self) -> bool:
        """Read what comes next into `body`; False at the end."""
        if self.finished is not None:
            return False
        try:
            if "content-length" in self.headers:
                self.body += await self.reader.readexactly(int(self.headers["content-length"]))
                self.finished = True
                return True
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            self.body += (await self.reader.readexactly(size + 2))[:size]
        except (asyncio.IncompleteReadError, ConnectionError):
            self.finished = False
            return False
        if size == 0:
            self.finished = True
        return size > 0

    async def to(self, end: bytes) -> bytes:
        """What comes next, up to and with `end`."""
        async with asyncio.timeout(DEADLINE):
            while (found := self.body.find(end, self._at)) < 0:
                if not await self.more():
                    raise EOFError(self.body)
        start, self._at = self._at, found + len(end)
        return self.body[start : self._at]

    async def event(self) -> tuple[str, Any]:
        """The next event of an event stream and its data, None if it has none; comments are skipped."""
        while True:
            text = (await self.to(b"\n\n")).decode()
            assert "\r" not in text, "urql looks for two LF"
            fields = dict(line.partition(":")[::2] for line in text.strip("\n").split("\n"))
            if set(fields) != {""}:
                break
        data = fields["data"].strip()
        return fields["event"].strip(), orjson.loads(data) if data else None

    async def part(self) -> Any:  # noqa: ANN401  # JSON
        """The JSON of the next part; the preamble is skipped."""
        text = b""
        while not text:
            text = (await self.to(b"\r\n--graphql")).removesuffix(b"\r\n--graphql")
        head, _, json = text.partition(b"\r\n\r\n")
        assert b"Content-Type: application/json" in head
        return orjson.loads(json)

    async def rest(self) -> bytes:
        """Everything up to the end."""
        async with asyncio.timeout(DEADLINE):
            while await self.more():
                pass
        return self.body[self._at :]


@asynccontextmanager
async def raw_request(
    port: int,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes = b"",
    *,
    receive_buffer: int | None = None,
    limit: int = 2**16,
) -> AsyncIterator[Response]:
    """Sends just this, and gives the response once its head is there; then the connection is dropped."""
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)  # noqa: FBT003
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    head = "".join(f"{name}: {value}\r\n" for name, value in ({"host": f"127.0.0.1:{port}"} | headers).items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + (b"" if method == "GET" else body))
    response = Response(reader, writer)
    try:
        await response.head()
        yield response
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def request(
    port: int,
    query: str | None,
    accept: str | None = EVENTS,
    *,
    token: str | None = None,
    by: str = "POST",
    headers: dict[str, str] | None = None,
    receive_buffer: int | None = None,
    limit: int = 2**16,
    **fields: object,
) -> AsyncIterator[Response]:
    """Asks, and gives the response once its head is there; then the connection is dropped."""
    asked: dict[str, object] = ({} if query is None else {"query": query}) | fields
    wanted: dict[str, str] = {}
    if accept is not None:
        wanted["accept"] = accept
    if token is not None:
        wanted["authorization"] = f"Bearer {token}"
    body, target = b"", "/graphql"
    if by == "GET":
        texts = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in asked.items()
        }
        target += "?" + "&".join(f"{name}={quote(text)}" for name, text in texts.items())
    else:
        body = orjson.dumps(asked)
        wanted |= {"content-type": "application/json", "content-length": str(len(body))}
    async with raw_request(
        port, by, target, wanted | (headers or {}), body, receive_buffer=receive_buffer, limit=limit
    ) as response:
        yield response
