"""Sign-in tokens of operators in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from persistence.base import Row, Timestamp


class OperatorTokenRow(Row, table=True):
    """The token with which an operator signs in, by its keyed hash: one per operator."""

    __tablename__ = "operator_token"

    user_id: UUID = Field(foreign_key="account.id", primary_key=True)
    token_hash: bytes = Field(unique=True)
    created_at: datetime = Field(sa_type=Timestamp)


_IDS = text("SELECT id FROM account WHERE operator_role IS NOT NULL ORDER BY id")
_SET_TOKEN = text("""
    INSERT INTO operator_token (user_id, token_hash, created_at) VALUES (:user, :hash, :now)
    ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at
""")
_BY_TOKEN = text("SELECT user_id FROM operator_token WHERE token_hash = :hash")
_FORGET_TOKEN = text("DELETE FROM operator_token WHERE user_id = :user")
_FORGET_ROLE = text("UPDATE account SET operator_role = NULL WHERE id = :user")


class OperatorRepository:
    """`ports.Operators` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def ids(self) -> Sequence[UUID]:
        return list(await self._connection.scalars(_IDS))

    async def set_token(self, user_id: UUID, token_hash: bytes, now: datetime) -> None:
        await self._connection.execute(_SET_TOKEN, {"user": user_id, "hash": token_hash, "now": now})

    async def by_token(self, token_hash: bytes) -> UUID | None:
        found: UUID | None = await self._connection.scalar(_BY_TOKEN, {"hash": token_hash})
        return found

    async def remove(self, user_id: UUID) -> None:
        await self._connection.execute(_FORGET_TOKEN, {"user": user_id})
        await self._connection.execute(_FORGET_ROLE, {"user": user_id})
