"""What nobody should send, as it goes over the wire: for `stalls`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import orjson

from tests.test_documents import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
JOIN = "mutation($input: JoinQueueInput!) { joinQueue(input: $input) { __typename } }"
PUBLISH = "mutation($input: PublishKeysInput!) { publishKeys(input: $input) { __typename } }"
BINARY, PING, CONTINUED = 2, 9, 0


def requests() -> Iterator[tuple[str, bytes]]:
    """Requests over HTTP, whole, by what is wrong with them."""
    large = b'{"query": "{ __typename }", "x": "' + b"x" * 20_000_000 + b'"}'
    yield "a body of 20 MB, its length told", post(large)
    yield "a body of 20 MB, in chunks of 64 KiB", post(large, chunk=65_536)
    yield "a body of 300 KB, in chunks of a byte", post(large[:300_000], chunk=1)
    yield "1 MiB of lists in lists", post(b"[" * (MIB - 1))
    yield "1 MiB of empty lists", post(_filled(b'{"query":"{__typename}","variables":{"a":[', b"[]", b"]}}"))
    for name, query, before, item, most in (
        ("numbers for texts", JOIN, b'{"mode":"TEXT","interests":[', b"1", 9_990),
        ("empty keys", PUBLISH, b'{"suite":"X3DH_25519","oneTimePreKeys":[', b"{}", 4_990),
    ):
        start = b'{"query":%b,"variables":{"input":%b' % (orjson.dumps(query), before)
        yield f"1 MiB of variables, {name}", post(_filled(start, item, b"]}}}"))
        yield f"as many as may be, {name}", post(_filled(start, item, b"]}}}", count=most))
    yield "1 MiB that is not UTF-8", post(b'{"query":"' + b"x" * (MIB - 20) + b'\xff"}')
    yield "a document of 1 MiB", post(_asked("{" + "a " * 520_000 + "}"))
    for name, text in HOSTILE.items():
        yield f"document: {name}", post(_asked(text))
    yield "30 KB of headers", post(_asked("{__typename}"), *[b"a:"] * 7_000)


def floods() -> Iterator[tuple[str, bytes]]:
    """Frames for one socket that has begun, by what is wrong with them."""
    for name, query in (
        ("queries", "{ __typename }"),
        ("subscriptions", "subscription { stats { online } }"),
        ("mutations", "mutation { leaveQueue { __typename } }"),
    ):
        yield f"1,000 {name} on a socket", b"".join(subscribe(str(n), query) for n in range(1_000))
    yield "60 large documents on a socket", b"".join(subscribe(str(n), large(f"#{n}")) for n in range(60))
    yield "100,000 pings", frame(b"", PING) * 100_000
    yield "100,000 empty messages", frame(b"") * 100_000
    yield "50,000 pieces of messages", (frame(b"{", last=False) + frame(b"", CONTINUED, last=False) * 999) * 50
    yield "1 MiB of pong", frame(_filled(b'{"type":"ping","payload":{"a":[', b"[]", b"]}}"))
    yield "1 MiB of bytes", frame(b"\xff" * (MIB - 20))
    yield "1 MB of binary frames", frame(b"x" * 1_000, BINARY) * 1_000


def large(mark: str) -> str:
    """A document that takes as long to prepare as any that is valid, and is none that was seen under another mark."""
    return "{ me {" + "id " * 140 + "} }" + mark


def asked(query: str) -> bytes:
    """A request for it."""
    return post(_asked(query))


def post(body: bytes, *headers: bytes, chunk: int | None = None) -> bytes:
    """A request, its body in chunks of so many bytes if at all."""
    lines = [b"POST /graphql HTTP/1.1", b"Host: x", b"Connection: close", b"Content-Type: application/json", *headers]
    if chunk is None:
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        pieces = [body[start : start + chunk] for start in range(0, len(body), chunk)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def frame(payload: bytes, opcode: int = 1, *, last: bool = True) -> bytes:
    """A frame, masked with zeros, which a server treats as any other key."""
    size, first = len(payload), (last << 7) | opcode
    if size < 126:
        return struct.pack("!BB", first, 128 | size) + bytes(4) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 254, size) + bytes(4) + payload
    return struct.pack("!BBQ", first, 255, size) + bytes(4) + payload


def subscribe(number: str, query: str) -> bytes:
    """A frame that begins an operation."""
    return frame(orjson.dumps({"id": number, "type": "subscribe", "payload": {"query": query}}))


def _asked(query: str) -> bytes:
    return orjson.dumps({"query": query})


def _filled(before: bytes, item: bytes, after: bytes, count: int | None = None) -> bytes:
    """As many items as go into 1 MiB, or so many."""
    count = count or (MIB - len(before) - len(after)) // (len(item) + 1)
    return before + b",".join([item] * count) + after
