"""Appeals in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, RowMapping, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.safety.appeal import Appeal, AppealStatus
from persistence.base import UUIDS, Row, Timestamp


class AppealRow(Row, table=True):
    """An appeal: one per suspension."""

    __tablename__ = "appeal"
    __table_args__ = (
        Index("ix_appeal_decided_by", "decided_by", postgresql_where=text("decided_by IS NOT NULL")),
        Index("ix_appeal_created_at", "created_at"),
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
_OF_SUSPENSIONS = text(
    f"SELECT {_COLUMNS} FROM appeal WHERE suspension_id = ANY(:suspensions)"  # noqa: S608  # columns of ours
).bindparams(bindparam("suspensions", type_=UUIDS))
_OF_CASES = text(
    f"SELECT DISTINCT ON (case_id) {_COLUMNS} FROM appeal WHERE case_id = ANY(:cases) ORDER BY case_id, created_at DESC, id"  # noqa: S608  # ours
).bindparams(bindparam("cases", type_=UUIDS))
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
        row = (await self._connection.execute(_GET, {"id": appeal_id})).mappings().one_or_none()
        return None if row is None else _appeal(row)

    async def of_suspension(self, suspension_id: UUID) -> Appeal | None:
        return (await self.of_suspensions((suspension_id,))).get(suspension_id)

    async def of_suspensions(self, suspension_ids: Collection[UUID]) -> Mapping[UUID, Appeal]:
        rows = (await self._connection.execute(_OF_SUSPENSIONS, {"suspensions": list(suspension_ids)})).mappings()
        return {row["suspension_id"]: _appeal(row) for row in rows}

    async def of_cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Appeal]:
        rows = (await self._connection.execute(_OF_CASES, {"cases": list(case_ids)})).mappings()
        return {row["case_id"]: _appeal(row) for row in rows}

    async def save(self, appeal: Appeal) -> None:
        await self._connection.execute(_SAVE, asdict(appeal))


def _appeal(row: RowMapping) -> Appeal:
    return Appeal(**{**row, "status": AppealStatus(row["status"])})
