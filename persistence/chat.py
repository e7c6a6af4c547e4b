"""Encrypted messages in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, UniqueConstraint
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.chat import Message
from persistence.base import Row, Timestamp


class MessageRow(Row, table=True):
    """A message; `seq` is its place in the room, given out by `room.message_seq`."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("sender_id", "client_message_id"),
        CheckConstraint("octet_length(ciphertext) BETWEEN 1 AND 65536", name="ciphertext"),
        CheckConstraint("octet_length(commitment) = 32", name="commitment"),
        CheckConstraint(
            "num_nulls(commitment, tag_key_id, ciphertext_hash, tag) IN (0, 4)",
            name="franking",
        ),
    )

    room_id: UUID = Field(primary_key=True, foreign_key="room.id")
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: UUID = Field(unique=True)
    sender_id: UUID = Field(foreign_key="member.id")
    client_message_id: str
    ciphertext: bytes
    commitment: bytes | None = None
    tag_key_id: str | None = None
    ciphertext_hash: bytes | None = None
    tag: bytes | None = None
    sent_at: datetime = Field(sa_type=Timestamp, index=True)


class MessageRepository:
    """See `ports.Messages`."""

    def __init__(self, connection: AsyncConnection, added: list[Message]) -> None:
        self._connection = connection
        self._added = added
        """Where the unit of work collects what readers will ask for once it has committed."""

    async def add(self, message: Message) -> Message:
        raise NotImplementedError

    async def sent(self, sender_id: UUID, client_message_id: str) -> Message | None:
        raise NotImplementedError

    async def end(self, room_id: UUID) -> int:
        raise NotImplementedError

    async def after(self, room_id: UUID, seq: int, limit: int) -> Sequence[Message]:
        raise NotImplementedError

    async def before(self, room_id: UUID, seq: int | None, limit: int) -> Sequence[Message]:
        raise NotImplementedError
