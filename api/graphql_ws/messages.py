"""The frames of `graphql-transport-ws`: what a client may send, parsed, and what a server sends, encoded.

The protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from api.connections.closing import Close
from schema.execution.persisted import is_persisted
from schema.scalars import LONGEST_CURSOR

SUBPROTOCOL = "graphql-transport-ws"

MAX_ID = 128
"""Characters of an operation's ID; clients use UUIDs or counters."""


class Refused(Exception):
    """The socket has to close; `reason` says why to a developer and quotes nothing of theirs beyond an ID."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    """The first frame. Both are as the client put them into `payload`."""

    authorization: str | None
    after: str | None


class Subscribe(NamedTuple):
    """Any operation, not only a subscription. A tuple, because there is one for each signal: it is made in a fifth of the time."""

    id: str
    query: str | None
    """None when `extensions` has the hash of one."""
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None
    size: int
    """Bytes of the frame, which it holds in memory while it waits."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The client is done with an operation."""

    id: str


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong that carries the same payload, already encoded here."""

    pong: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to ours."""


Frame = ConnectionInit | Subscribe | Complete | Ping | Pong


def parse(text: bytes | None) -> Frame:
    """One frame; None stands for one that was no text. Raises `Refused` (4400) for all that the protocol does not know."""
    if text is None:
        raise _malformed("Frames must be text in UTF-8.")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _malformed("The frame is not JSON in UTF-8.") from None
    if not isinstance(message, dict):
        raise _malformed("The frame is not a JSON object.")
    kind = message.get("type")
    payload = message.get("payload")
    match kind:
        case "subscribe":
            return _subscribe(message.get("id"), payload, len(text))
        case "complete":
            return Complete(_id(message.get("id")))
        case "connection_init":
            return _init(payload)
        case "ping":
            return _ping(payload)
        case "pong":
            _object(payload, "The payload of pong")
            return Pong()
        case str():
            raise _malformed("The type of the frame is not one that a client may send.")
    raise _malformed("The frame has no type.")


def _init(payload: object) -> ConnectionInit:
    fields = _object(payload, "The payload of connection_init")
    after = _text(fields, "after")
    if after is not None and len(after) > LONGEST_CURSOR:  # The socket keeps it for as long as it lives.
        raise _malformed(f"after is longer than {LONGEST_CURSOR} characters.")
    return ConnectionInit(_text(fields, "authorization"), after)


def _subscribe(id: object, payload: object, size: int) -> Subscribe:
    fields = _object(payload, "The payload of subscribe")
    query, extensions = fields.get("query"), _object(fields.get("extensions"), "extensions")
    if not isinstance(query, str) and (query is not None or not is_persisted(extensions)):
        raise _malformed("The payload of subscribe has no query.")
    variables = None if fields.get("variables") is None else _object(fields["variables"], "variables")
    return Subscribe(_id(id), query, variables, _text(fields, "operationName"), extensions, size)


def _ping(payload: object) -> Ping:
    if payload is None:
        return Ping(PONG)
    try:
        return Ping(orjson.dumps({"type": "pong", "payload": _object(payload, "The payload of ping")}))
    except TypeError:  # what orjson reads 1,024 levels deep it writes only 254
        raise _malformed("The payload of ping is nested too deeply.") from None


def _id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _malformed("The id must be a string that is not empty.")
    if len(value) > MAX_ID:
        raise _malformed(f"The id is longer than {MAX_ID} characters.")
    return value


def _object(value: object, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _malformed(f"{what} must be an object.")
    return value


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _malformed(f"{name} must be a string.")
    return value


def _malformed(reason: str) -> Refused:
    return Refused(Close.MALFORMED, reason)


ACK = b'{"type":"connection_ack"}'
PING = b'{"type":"ping"}'
PONG = b'{"type":"pong"}'


def next_frame(id: str, payload: bytes) -> bytes:
    """`payload` is a result in JSON."""
    return b'{"id":%b,"type":"next","payload":%b}' % (orjson.dumps(id), payload)


def error_frame(id: str, errors: list[dict[str, Any]]) -> bytes:
    """The operation has failed as a whole, and is over."""
    return orjson.dumps({"id": id, "type": "error", "payload": errors})


def complete_frame(id: str) -> bytes:
    """The operation is over."""
    return b'{"id":%b,"type":"complete"}' % orjson.dumps(id)
