"""How positions are written as cursors. A cursor carries its kind in its first byte; one of another kind is refused."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING, Any, Final

from domain.errors import BadInput
from domain.inbox import Position
from schema.scalars import Cursor

if TYPE_CHECKING:
    from uuid import UUID

INBOX: Final = b"i"
_INBOX_LAYOUT: Final = struct.Struct(">cQQ")
MESSAGE: Final = b"m"
_MESSAGE_LAYOUT: Final = struct.Struct(">c16sq")
"""The place is signed because PostgreSQL's `bigint` is: what does not fit there is not ours."""


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
