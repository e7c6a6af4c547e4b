"""How positions are written as cursors. A cursor carries its kind in its first byte; one of another kind is refused."""

from __future__ import annotations

import base64
import binascii
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.errors import BadInput
from domain.inbox import Position
from domain.paging import Place
from schema.scalars import Cursor

INBOX: Final = b"i"
_INBOX_LAYOUT: Final = struct.Struct(">cQQ")
MESSAGE: Final = b"m"
_MESSAGE_LAYOUT: Final = struct.Struct(">c16sq")
"""The place is signed because PostgreSQL's `bigint` is: what does not fit there is not ours."""


BLOCK: Final = b"b"
REPORT: Final = b"r"
CASE: Final = b"c"
CASE_REPORT: Final = b"e"
AUDIT: Final = b"a"
"""Kinds of cursors into lists that are ordered by `domain.paging.Place`."""
_PLACE_LAYOUT: Final = struct.Struct(">cqq16s")
"""Rank, microseconds since 1970, and ID."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def inbox_cursor(position: Position) -> Cursor:
    """The cursor of a place in the viewer's inbox."""
    return _written(_INBOX_LAYOUT.pack(INBOX, position.epoch, position.seq))


def inbox_position(cursor: str) -> Position:
    """The place that an inbox cursor names. Raises `BadInput` for one of another kind or none of ours."""
    read = _read(cursor, INBOX, _INBOX_LAYOUT)
    if read is None:
        msg = "That cursor does not name a position among events."
        raise BadInput(msg)
    return Position(*read)


def message_cursor(room_id: UUID, seq: int) -> Cursor:
    """The cursor of a message, by its place in its room: the same for everybody and for ever."""
    return _written(_MESSAGE_LAYOUT.pack(MESSAGE, room_id.bytes, seq))


def message_place(cursor: str, room_id: UUID) -> int:
    """The place in that room that a message cursor names. Raises `BadInput` for one of another kind or room, or none of ours."""
    read = _read(cursor, MESSAGE, _MESSAGE_LAYOUT)
    if read is None or read[0] != room_id.bytes or read[1] < 0:
        msg = "That cursor does not name a message of this room."
        raise BadInput(msg)
    place: int = read[1]
    return place


def place_cursor(kind: bytes, place: Place) -> Cursor:
    """The cursor of a place in a list of that kind."""
    rank, at, id = place
    return _written(_PLACE_LAYOUT.pack(kind, rank, (at - _EPOCH) // _MICROSECOND, id.bytes))


def place_of(cursor: str | None, kind: bytes) -> Place | None:
    """The place that it names in a list of that kind; None for None. Raises `BadInput` for one of another kind or none of ours."""
    if cursor is None:
        return None
    read = _read(cursor, kind, _PLACE_LAYOUT)
    if read is not None:
        rank, microseconds, raw = read
        with suppress(OverflowError):
            if -(2**31) <= rank < 2**31:
                return Place(rank, _EPOCH + microseconds * _MICROSECOND, UUID(bytes=raw))
    msg = "That cursor does not name a place in this connection."
    raise BadInput(msg)


def names_message(cursor: str) -> bool:
    """Whether it is a message cursor, of whatever room."""
    return _read(cursor, MESSAGE, _MESSAGE_LAYOUT) is not None


def _written(raw: bytes) -> Cursor:
    return Cursor(base64.urlsafe_b64encode(raw).decode().rstrip("="))


def _read(cursor: str, kind: bytes, layout: struct.Struct) -> tuple[Any, ...] | None:
    """What stands behind the kind; None for a cursor of another kind or none of ours."""
    try:
        found, *rest = layout.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, struct.error):
        return None
    return tuple(rest) if found == kind else None
