"""Blocks in PostgreSQL. That the two do not meet stands in `pair_bar`, where the matcher looks."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, TextClause, UniqueConstraint, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.paging import Place
from domain.safety.block import Block
from persistence.base import UUIDS, Row, Timestamp
from persistence.paging import BEHIND_NEWEST, PLACE, place_values


class BlockRow(Row, table=True):
    """Whom a user blocked."""

    __tablename__ = "block"
    __table_args__ = (
        UniqueConstraint("blocker_id", "blocked_id"),
        Index("ix_block_blocker_id", "blocker_id", "created_at", "id"),
        CheckConstraint("blocker_id <> blocked_id", name="other"),
    )

    id: UUID = Field(primary_key=True)
    blocker_id: UUID = Field(foreign_key="account.id")
    blocked_id: UUID = Field(foreign_key="account.id", index=True)
    display_name: str
    created_at: datetime = Field(sa_type=Timestamp)


_COLUMNS = "id, blocker_id, blocked_id, display_name, created_at"
_GET = text(f"SELECT {_COLUMNS} FROM block WHERE id = :id")  # noqa: S608  # columns of ours
_FIND = text(f"SELECT {_COLUMNS} FROM block WHERE blocker_id = :blocker AND blocked_id = :blocked")  # noqa: S608  # ours
_REMOVE = text("DELETE FROM block WHERE id = :id")
_OF = text(f"""
    SELECT {_COLUMNS} FROM block WHERE blocker_id = :blocker {BEHIND_NEWEST.format(at="created_at")}
    ORDER BY created_at DESC, id DESC LIMIT :limit
""").bindparams(*PLACE)  # noqa: S608  # columns of ours
_BETWEEN = text("""
    SELECT blocked_id FROM block WHERE blocker_id = :user AND blocked_id = ANY(:others)
    UNION SELECT blocker_id FROM block WHERE blocked_id = :user AND blocker_id = ANY(:others)
""").bindparams(bindparam("others", type_=UUIDS))


class BlockRepository:
    """`ports.Blocks` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, block: Block) -> None:
        await self._connection.execute(insert(BlockRow).values(**asdict(block)))

    async def get(self, block_id: UUID) -> Block | None:
        return await self._one(_GET, {"id": block_id})

    async def find(self, blocker_id: UUID, blocked_id: UUID) -> Block | None:
        return await self._one(_FIND, {"blocker": blocker_id, "blocked": blocked_id})

    async def remove(self, block_id: UUID) -> None:
        await self._connection.execute(_REMOVE, {"id": block_id})

    async def of(self, blocker_id: UUID, after: Place | None, limit: int) -> Sequence[Block]:
        rows = await self._connection.execute(_OF, {"blocker": blocker_id, "limit": limit} | place_values(after))
        return [Block(**row) for row in rows.mappings()]

    async def between(self, user_id: UUID, others: Collection[UUID]) -> frozenset[UUID]:
        return frozenset(await self._connection.scalars(_BETWEEN, {"user": user_id, "others": list(others)}))

    async def _one(self, statement: TextClause, values: dict[str, UUID]) -> Block | None:
        row = (await self._connection.execute(statement, values)).mappings().one_or_none()
        return None if row is None else Block(**row)
