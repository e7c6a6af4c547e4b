"""The head of every user: the mutex that all writes about a user take, the user's presence, and the end of the user's inbox."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Index, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from persistence.base import UUIDS, Row, Timestamp


class HeadRow(Row, table=True):
    """One per user. `detached_at` is null while attached; seats are held until `hold_until`."""

    __tablename__ = "head"
    __table_args__ = (
        Index("ix_head_hold_until", "hold_until", postgresql_where=text("detached_at IS NOT NULL")),
        # Every event rewrites its head: with room on the page no index has to follow.
        {"postgresql_with": {"fillfactor": 60}},
    )

    user_id: UUID = Field(primary_key=True, foreign_key="account.id")
    detached_at: datetime | None = Field(default=None, sa_type=Timestamp)
    hold_until: datetime | None = Field(default=None, sa_type=Timestamp)
    seq: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """The sequence number of the last event in the user's inbox."""
    latest: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False, server_default="{}"))
    """Per kind of event, at the kind's number (`inbox.codec`), the sequence number of the last one. Shorter than the kinds are
    many where nothing of those at the end ever came."""
    workers: list[UUID] = Field(sa_column=Column(UUIDS, nullable=False, server_default="{}"))
    """Incarnations of the workers that hold a connection of the user: who is to be told of news."""
    control_version: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """Raised whenever what the user may do changed."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head as it was when it was locked: nobody else writes it while it is."""

    user_id: UUID
    seq: int
    latest: tuple[int, ...]
    workers: tuple[UUID, ...]


# A locked row is read as it is under the lock, however old the statement's snapshot: what is in the head itself may be used.
LOCK_HEADS: Final = """
    SELECT user_id, seq, latest, workers FROM head WHERE user_id = ANY($1::uuid[]) ORDER BY user_id FOR UPDATE
"""


async def locked_heads(connection: AsyncConnection, user_ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Locks the heads in the order of their IDs, in which they are given."""
    rows = (await connection.exec_driver_sql(LOCK_HEADS, (user_ids,))).all()
    return {row.user_id: Head(row.user_id, row.seq, tuple(row.latest), tuple(row.workers)) for row in rows}
