"""Encrypted messages in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    LargeBinary,
    String,
    TextClause,
    UniqueConstraint,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.engine import Row as ResultRow
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.chat import BYTES_AT_ONCE, Message
from domain.franking import FrankingTag
from persistence.base import UUIDS, Row, Timestamp


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


_MESSAGES = """
    SELECT id, room_id, seq, sender_id, client_message_id, ciphertext, commitment, tag_key_id, ciphertext_hash, tag, sent_at
    FROM message
"""


def _messages(rest: str) -> TextClause:
    return text(f"{_MESSAGES} WHERE {rest}")


def _page(condition: str, order: str) -> TextClause:
    # A ciphertext that is long lies beside the table: its length is known without reading it, and the rest is left there.
    return text(f"""
        SELECT * FROM (
            SELECT chosen.*, sum(octet_length(ciphertext)) OVER (ORDER BY {order}) AS size
            FROM ({_MESSAGES} WHERE room_id = :room_id AND {condition} ORDER BY {order} LIMIT :limit) AS chosen
        ) AS measured
        WHERE size <= :size ORDER BY {order}
    """)  # noqa: S608  # columns and conditions of ours


# One statement for what decides and what writes: a repeat must not take a place, which would leave a hole.
ADD = text("""
    WITH known AS (
        SELECT id, seq FROM message WHERE sender_id = :sender_id AND client_message_id = :client_message_id
    ), place AS (
        UPDATE room SET message_seq = message_seq + 1 WHERE id = :room_id AND NOT EXISTS (SELECT FROM known)
        RETURNING message_seq
    ), added AS (
        INSERT INTO message (room_id, seq, id, sender_id, client_message_id, ciphertext, commitment, tag_key_id,
                             ciphertext_hash, tag, sent_at)
        SELECT :room_id, message_seq, :id, :sender_id, :client_message_id, :ciphertext, :commitment, :tag_key_id,
               :ciphertext_hash, :tag, :sent_at
        FROM place
        RETURNING id, seq
    )
    SELECT id, seq FROM known UNION ALL SELECT id, seq FROM added
""").bindparams(
    bindparam("room_id", type_=PG_UUID(as_uuid=True)),
    bindparam("id", type_=PG_UUID(as_uuid=True)),
    bindparam("sender_id", type_=PG_UUID(as_uuid=True)),
    bindparam("client_message_id", type_=String),
    bindparam("ciphertext", type_=LargeBinary),
    bindparam("commitment", type_=LargeBinary),
    bindparam("tag_key_id", type_=String),
    bindparam("ciphertext_hash", type_=LargeBinary),
    bindparam("tag", type_=LargeBinary),
    bindparam("sent_at", type_=DateTime(timezone=True)),
)
SENT = _messages("sender_id = :sender_id AND client_message_id = :client_message_id")
BY_IDS = _messages("id = ANY(:ids)").bindparams(bindparam("ids", type_=UUIDS))
AFTER = _page("seq > :seq", order="seq")
NEWEST = _page("TRUE", order="seq DESC")
BEFORE = _page("seq < :seq", order="seq DESC")
END = text("SELECT message_seq FROM room WHERE id = :room_id")
EXTENT = text("SELECT min(seq) AS oldest, max(seq) AS newest FROM message WHERE room_id = :room_id")


class MessageRepository:
    """See `ports.Messages`."""

    def __init__(self, connection: AsyncConnection, added: list[Message]) -> None:
        self._connection = connection
        self._added = added
        """Where the unit of work collects what readers will ask for once it has committed."""

    async def add(self, message: Message) -> Message:
        tag = message.franking_tag
        values = {
            "room_id": message.room_id,
            "id": message.id,
            "sender_id": message.sender_id,
            "client_message_id": message.client_message_id,
            "ciphertext": message.ciphertext,
            "commitment": message.commitment,
            "tag_key_id": tag and tag.key_id,
            "ciphertext_hash": tag and tag.ciphertext_hash,
            "tag": tag and tag.tag,
            "sent_at": message.sent_at,
        }
        row = (await self._connection.execute(ADD, values)).one()
        if row.id != message.id:
            (known,) = await self.by_ids((row.id,))
            return known
        added = replace(message, seq=row.seq)
        self._added.append(added)
        return added

    async def sent(self, sender_id: UUID, client_message_id: str) -> Message | None:
        found = await self._read(SENT, sender_id=sender_id, client_message_id=client_message_id)
        return found[0] if found else None

    async def end(self, room_id: UUID) -> int:
        return await self._connection.scalar(END, {"room_id": room_id}) or 0

    async def extent(self, room_id: UUID) -> tuple[int, int] | None:
        row = (await self._connection.execute(EXTENT, {"room_id": room_id})).one()
        return None if row.oldest is None else (row.oldest, row.newest)

    async def after(self, room_id: UUID, seq: int, limit: int, size: int = BYTES_AT_ONCE) -> Sequence[Message]:
        return await self._read(AFTER, room_id=room_id, seq=seq, limit=limit, size=size)

    async def before(self, room_id: UUID, seq: int | None, limit: int, size: int = BYTES_AT_ONCE) -> Sequence[Message]:
        if seq is None:
            found = await self._read(NEWEST, room_id=room_id, limit=limit, size=size)
        else:
            found = await self._read(BEFORE, room_id=room_id, seq=seq, limit=limit, size=size)
        return found[::-1]

    async def by_ids(self, message_ids: Iterable[UUID]) -> Sequence[Message]:
        """Those of the messages that there are, by one query, in no order."""
        return await self._read(BY_IDS, ids=list(message_ids))

    async def _read(self, statement: TextClause, **values: object) -> list[Message]:
        return [_message(row) for row in await self._connection.execute(statement, values)]


def _message(row: ResultRow[Any]) -> Message:
    tag = None if row.tag is None else FrankingTag(row.tag_key_id, row.ciphertext_hash, row.tag)
    return Message(
        id=row.id,
        room_id=row.room_id,
        seq=row.seq,
        sender_id=row.sender_id,
        client_message_id=row.client_message_id,
        ciphertext=row.ciphertext,
        commitment=row.commitment,
        franking_tag=tag,
        sent_at=row.sent_at,
    )
