"""Appeals in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, TextClause, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.safety.appeal import Appeal, AppealStatus
from persistence.base import Row, Timestamp


class AppealRow(Row, table=True):
    """An appeal: one per suspension."""

    __tablename__ = "appeal"
    __table_args__ = (
        CheckConstraint("status IN ('OPEN', 'UPHELD', 'OVERTURNED')", name="status"),
        CheckConstraint("(status = 'OPEN') = (decided_at IS NULL)", name="decided"),
    )

    id: UUID = Field(primary_key=True)
    suspension_id: UUID = Field(foreign_key="suspension.id", unique=True)
    case_id: UUID = Field(foreign_key="moderation_case.id", index=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    statement: str
    status: str
    created_at: datetime = Field(sa_type=Timestamp)
    reason: str | None = None
    decided_by: UUID | None = Field(default=None, foreign_key="account.id")
    decided_at: datetime | None = Field(default=None, sa_type=Timestamp)


_COLUMNS = "id, suspension_id, case_id, user_id, statement, status, created_at, reason, decided_by, decided_at"
_GET = text(f"SELECT {_COLUMNS} FROM appeal WHERE id = :id")  # noqa: S608  # columns of ours
_OF_SUSPENSION = text(f"SELECT {_COLUMNS} FROM appeal WHERE suspension_id = :id")  # noqa: S608  # columns of ours
_OF_CASE = text(f"SELECT {_COLUMNS} FROM appeal WHERE case_id = :id ORDER BY created_at DESC, id LIMIT 1")  # noqa: S608  # ours
_SAVE = text(
    "UPDATE appeal SET status = :status, reason = :reason, decided_by = :decided_by, decided_at = :decided_at WHERE id = :id"
)


class AppealRepository:
    """`ports.Appeals` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, appeal: Appeal) -> None:
        await self._connection.execute(insert(AppealRow).values(**asdict(appeal)))

    async def get(self, appeal_id: UUID) -> Appeal | None:
        return await self._one(_GET, appeal_id)

    async def of_suspension(self, suspension_id: UUID) -> Appeal | None:
        return await self._one(_OF_SUSPENSION, suspension_id)

    async def of_case(self, case_id: UUID) -> Appeal | None:
        return await self._one(_OF_CASE, case_id)

    async def save(self, appeal: Appeal) -> None:
        await self._connection.execute(_SAVE, asdict(appeal))

    async def _one(self, statement: TextClause, id: UUID) -> Appeal | None:
        row = (await self._connection.execute(statement, {"id": id})).mappings().one_or_none()
        return None if row is None else Appeal(**{**row, "status": AppealStatus(row["status"])})
