"""How positions are written as cursors. A cursor carries its kind in its first byte; one of another kind is refused."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

from domain.errors import BadInput
from domain.inbox import Position
from schema.scalars import Cursor

INBOX: Final = b"i"
_INBOX_LAYOUT: Final = struct.Struct(">cQQ")


def inbox_cursor(position: Position) -> Cursor:
    """The cursor of a place in the viewer's inbox."""
    return Cursor(
        base64.urlsafe_b64encode(_INBOX_LAYOUT.pack(INBOX, position.epoch, position.seq)).decode().rstrip("=")
    )


def inbox_position(cursor: str) -> Position:
    """The place that an inbox cursor names. Raises `BadInput` for one of another kind or none of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        kind, epoch, seq = _INBOX_LAYOUT.unpack(raw)
    except (binascii.Error, ValueError, struct.error):
        kind, epoch, seq = b"", 0, 0
    if kind != INBOX:
        msg = "That cursor does not name a position among events."
        raise BadInput(msg)
    return Position(epoch, seq)
