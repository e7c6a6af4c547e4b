"""Encrypted messages: opaque to the server, bounded, in one order per room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.franking import FrankingTag


@dataclass(frozen=True, slots=True)
class Message:
    """What a member sent into a room. `seq` is its place there, from 1, without holes until old ones are deleted.

    `sender_id` is the sender's member ID; `commitment` is theirs, `franking_tag` the server's over it.
    """

    id: UUID
    room_id: UUID
    seq: int
    sender_id: UUID
    client_message_id: str
    ciphertext: bytes
    commitment: bytes | None
    franking_tag: FrankingTag | None
    sent_at: datetime
