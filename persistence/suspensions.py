"""Suspensions in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, RowMapping, TextClause, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope
from persistence.base import UUIDS, Row, Timestamp


class SuspensionRow(Row, table=True):
    """A restriction of a user; `device_id` carries it over to the next account made on the same device."""

    __tablename__ = "suspension"
    __table_args__ = (
        Index("ix_suspension_lifted_by", "lifted_by", postgresql_where=text("lifted_by IS NOT NULL")),
        CheckConstraint("scope IN ('MATCHING', 'ALL')", name="scope"),
        CheckConstraint("NOT automated OR ends_at IS NOT NULL", name="rules_end"),  # No rule suspends for good.
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    device_id: UUID | None = Field(default=None, foreign_key="device.id", index=True)
    scope: str
    reason: str
    category: str | None = None
    automated: bool
    starts_at: datetime = Field(sa_type=Timestamp)
    ends_at: datetime | None = Field(default=None, sa_type=Timestamp)
    lifted_at: datetime | None = Field(default=None, sa_type=Timestamp)
    lifted_by: UUID | None = Field(default=None, foreign_key="account.id")
    lift_reason: str | None = None
    """An operator's, for those who look back; whoever appealed reads the reason of the appeal."""
    case_id: UUID | None = Field(default=None, foreign_key="moderation_case.id", index=True)


_COLUMNS = "id, user_id, scope, reason, category, automated, starts_at, ends_at, lifted_at, case_id"
_OF_MANY = text(f"""
    SELECT a.id AS of_user, s.* FROM account a CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM suspension WHERE user_id = a.id OR device_id = a.device_id
        ORDER BY starts_at DESC, id LIMIT :limit
    ) AS s
    WHERE a.id = ANY(:users) ORDER BY s.starts_at DESC, s.id
""").bindparams(bindparam("users", type_=UUIDS))  # noqa: S608  # columns of ours
_IN_FORCE = text(
    f"SELECT {_COLUMNS} FROM suspension"  # noqa: S608  # columns of ours
    " WHERE (user_id = :user_id OR device_id = (SELECT device_id FROM account WHERE id = :user_id))"
    " AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > :now)"
)
_APPLYING = text(
    f"SELECT {_COLUMNS} FROM suspension WHERE id = :id"  # noqa: S608  # columns of ours
    " AND (user_id = :user_id OR device_id = (SELECT device_id FROM account WHERE id = :user_id))"
)
_DEVICE_OF = text("SELECT device_id FROM suspension WHERE id = :id")
_GET = text(f"SELECT {_COLUMNS} FROM suspension WHERE id = :id")  # noqa: S608  # columns of ours
_OF_CASES = text(
    f"SELECT {_COLUMNS} FROM suspension WHERE case_id = ANY(:cases) ORDER BY starts_at DESC, id"  # noqa: S608  # columns of ours
).bindparams(bindparam("cases", type_=UUIDS))
_LIFT = text(
    "UPDATE suspension SET lifted_at = :now, lifted_by = :by, lift_reason = :reason WHERE id = :id AND lifted_at IS NULL"
)


class SuspensionRepository:
    """`ports.Suspensions` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, user_id: UUID, limit: int = 50) -> Sequence[Suspension]:
        return (await self.of_many((user_id,), limit)).get(user_id, ())

    async def of_many(self, user_ids: Collection[UUID], limit: int = 50) -> Mapping[UUID, Sequence[Suspension]]:
        found: dict[UUID, list[Suspension]] = {}
        rows = await self._connection.execute(_OF_MANY, {"users": list(user_ids), "limit": limit})
        for row in rows.mappings():
            found.setdefault(row["of_user"], []).append(_suspension(row))
        return found

    async def in_force(self, user_id: UUID, now: datetime) -> Sequence[Suspension]:
        rows = (await self._connection.execute(_IN_FORCE, {"user_id": user_id, "now": now})).mappings()
        return [_suspension(row) for row in rows]

    async def get(self, suspension_id: UUID) -> Suspension | None:
        return await self._one(_GET, {"id": suspension_id})

    async def applying(self, suspension_id: UUID, user_id: UUID) -> Suspension | None:
        return await self._one(_APPLYING, {"id": suspension_id, "user_id": user_id})

    async def device_of(self, suspension_id: UUID) -> UUID | None:
        found: UUID | None = await self._connection.scalar(_DEVICE_OF, {"id": suspension_id})
        return found

    async def of_case(self, case_id: UUID) -> Sequence[Suspension]:
        return (await self.of_cases((case_id,))).get(case_id, ())

    async def of_cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Suspension]]:
        found: dict[UUID, list[Suspension]] = {}
        for row in (await self._connection.execute(_OF_CASES, {"cases": list(case_ids)})).mappings():
            found.setdefault(row["case_id"], []).append(_suspension(row))
        return found

    async def lift(
        self, suspension_id: UUID, now: datetime, *, by: UUID | None = None, reason: str | None = None
    ) -> None:
        await self._connection.execute(_LIFT, {"id": suspension_id, "now": now, "by": by, "reason": reason})

    async def add(self, suspension: Suspension, device_id: UUID | None) -> None:
        """Writes a suspension; with a device it binds every account that signs in from it."""
        await self._connection.execute(
            insert(SuspensionRow).values(
                id=suspension.id,
                user_id=suspension.user_id,
                device_id=device_id,
                scope=suspension.scope.value,
                reason=suspension.reason,
                category=suspension.category and suspension.category.value,
                automated=suspension.automated,
                starts_at=suspension.starts_at,
                ends_at=suspension.ends_at,
                lifted_at=suspension.lifted_at,
                case_id=suspension.case_id,
            )
        )

    async def _one(self, statement: TextClause, values: dict[str, UUID]) -> Suspension | None:
        row = (await self._connection.execute(statement, values)).mappings().one_or_none()
        return None if row is None else _suspension(row)


def _suspension(row: RowMapping) -> Suspension:
    return Suspension(
        id=row["id"],
        user_id=row["user_id"],
        scope=SuspensionScope(row["scope"]),
        reason=row["reason"],
        category=None if row["category"] is None else ReportCategory(row["category"]),
        automated=row["automated"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        lifted_at=row["lifted_at"],
        case_id=row["case_id"],
    )
