"""Cases and warnings in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, RowMapping, String, TextClause, Uuid, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.paging import Place
from domain.safety.case import AccountWarning, Case, CaseDecision, CaseStatus, Wanted
from persistence.base import UUIDS, Row, Timestamp
from persistence.paging import BEHIND_URGENT, RANKED_PLACE, place_values


class CaseRow(Row, table=True):
    """A case. `claim_expires_at` outlives the lease: whether a claim holds is a matter of the time."""

    __tablename__ = "moderation_case"
    __table_args__ = (
        Index(
            "uq_moderation_case_undecided",
            "subject_id",
            unique=True,
            postgresql_where=text("status IN ('OPEN', 'CLAIMED')"),
        ),
        Index("ix_moderation_case_queue", "priority", "opened_at", "id"),
        Index("ix_moderation_case_subject_id", "subject_id", "opened_at"),
        Index("ix_moderation_case_decided_at", "decided_at", postgresql_where=text("decided_at IS NOT NULL")),
        CheckConstraint(
            "status IN ('OPEN', 'CLAIMED', 'ACTIONED', 'DISMISSED', 'APPEALED', 'UPHELD', 'OVERTURNED')", name="status"
        ),
        # For the foreign keys: an account goes once nothing refers to it.
        Index("ix_moderation_case_claimed_by", "claimed_by", postgresql_where=text("claimed_by IS NOT NULL")),
        Index("ix_moderation_case_decided_by", "decided_by", postgresql_where=text("decided_by IS NOT NULL")),
        CheckConstraint("decision IN ('DISMISS', 'WARN', 'SUSPEND')", name="decision"),
        CheckConstraint(
            "status <> 'CLAIMED' OR (claimed_by IS NOT NULL AND claim_expires_at IS NOT NULL)", name="claim"
        ),
        CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name="decided"),
    )

    id: UUID = Field(primary_key=True)
    subject_id: UUID = Field(foreign_key="account.id")
    status: str
    priority: int
    opened_at: datetime = Field(sa_type=Timestamp)
    claimed_by: UUID | None = Field(default=None, foreign_key="account.id")
    claim_expires_at: datetime | None = Field(default=None, sa_type=Timestamp)
    decision: str | None = None
    reason: str | None = None
    decided_by: UUID | None = Field(default=None, foreign_key="account.id")
    decided_at: datetime | None = Field(default=None, sa_type=Timestamp)
    words_wiped_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When all that people wrote in it was deleted; see `retention`."""


class WarningRow(Row, table=True):
    """A decision that warned."""

    __tablename__ = "warning"
    __table_args__ = (Index("ix_warning_user_id", "user_id", "at"),)

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id")
    case_id: UUID = Field(foreign_key="moderation_case.id", index=True)
    reason: str
    at: datetime = Field(sa_type=Timestamp)


_COLUMNS = "id, subject_id, status, priority, opened_at, claimed_by, claim_expires_at, decision, reason, decided_by, decided_at"
_GET_MANY = text(f"SELECT {_COLUMNS} FROM moderation_case WHERE id = ANY(:ids)").bindparams(  # noqa: S608  # ours
    bindparam("ids", type_=UUIDS)
)
_UNDECIDED = text(
    f"SELECT {_COLUMNS} FROM moderation_case WHERE subject_id = :subject AND status IN ('OPEN', 'CLAIMED')"  # noqa: S608  # ours
)
_LOCK = text(f"SELECT {_COLUMNS} FROM moderation_case WHERE id = :id FOR UPDATE SKIP LOCKED")  # noqa: S608  # ours
_SAVE = text("""
    UPDATE moderation_case
    SET status = :status, priority = :priority, claimed_by = :claimed_by, claim_expires_at = :claim_expires_at,
        decision = :decision, reason = :reason, decided_by = :decided_by, decided_at = :decided_at
    WHERE id = :id
""")
_QUEUE = text(f"""
    SELECT {_COLUMNS} FROM moderation_case
    WHERE (CAST(:statuses AS varchar[]) IS NULL
           OR CASE WHEN status = 'CLAIMED' AND claim_expires_at <= :now THEN 'OPEN' ELSE status END = ANY(:statuses))
      AND (CAST(:subject AS uuid) IS NULL OR subject_id = :subject) AND subject_id <> :hidden_from
      {BEHIND_URGENT.format(rank="priority", at="opened_at")}
    ORDER BY priority, opened_at, id LIMIT :limit
""").bindparams(  # noqa: S608  # columns of ours
    *RANKED_PLACE, bindparam("statuses", type_=ARRAY(String)), bindparam("subject", type_=Uuid())
)
_WARNINGS = text(
    "SELECT id, user_id, case_id, reason, at FROM warning WHERE user_id = :user ORDER BY at DESC, id LIMIT :limit"
)
_DEVICE_WARNINGS = text("""
    SELECT a.id AS of_user, w.id, w.user_id, w.case_id, w.reason, w.at
    FROM account a CROSS JOIN LATERAL (
        SELECT * FROM warning
        WHERE user_id IN (SELECT a.id UNION SELECT id FROM account WHERE device_id = a.device_id)
        ORDER BY at DESC, id LIMIT :limit
    ) AS w
    WHERE a.id = ANY(:users) ORDER BY w.at DESC, w.id
""").bindparams(bindparam("users", type_=UUIDS))


class CaseRepository:
    """`ports.Cases` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, case: Case) -> None:
        await self._connection.execute(insert(CaseRow).values(**asdict(case)))

    async def get(self, case_id: UUID) -> Case | None:
        return (await self.get_many((case_id,))).get(case_id)

    async def get_many(self, case_ids: Collection[UUID]) -> Mapping[UUID, Case]:
        return {case.id: case for case in await self._cases(_GET_MANY, {"ids": list(case_ids)})}

    async def undecided(self, subject_id: UUID) -> Case | None:
        return next(iter(await self._cases(_UNDECIDED, {"subject": subject_id})), None)

    async def lock(self, case_id: UUID) -> Case | None:
        return next(iter(await self._cases(_LOCK, {"id": case_id})), None)

    async def save(self, case: Case) -> None:
        await self._connection.execute(_SAVE, asdict(case))

    async def queue(self, wanted: Wanted, after: Place | None, limit: int, now: datetime) -> Sequence[Case]:
        values = {
            "statuses": None if wanted.statuses is None else [status.value for status in wanted.statuses],
            "subject": wanted.subject_id,
            "hidden_from": wanted.viewer_id,
            "limit": limit,
            "now": now,
        }
        return await self._cases(_QUEUE, values | place_values(after))

    async def warn(self, warning: AccountWarning) -> None:
        await self._connection.execute(insert(WarningRow).values(**asdict(warning)))

    async def warnings(self, user_id: UUID, limit: int = 50) -> Sequence[AccountWarning]:
        rows = (await self._connection.execute(_WARNINGS, {"user": user_id, "limit": limit})).mappings()
        return [AccountWarning(**row) for row in rows]

    async def device_warnings(
        self, user_ids: Collection[UUID], limit: int = 50
    ) -> Mapping[UUID, Sequence[AccountWarning]]:
        found: dict[UUID, list[AccountWarning]] = {}
        for of_user, *warning in await self._connection.execute(
            _DEVICE_WARNINGS, {"users": list(user_ids), "limit": limit}
        ):
            found.setdefault(of_user, []).append(AccountWarning(*warning))
        return found

    async def _cases(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Case]:
        return [_case(row) for row in (await self._connection.execute(statement, values)).mappings()]


def _case(row: RowMapping) -> Case:
    decision = row["decision"]
    return Case(
        **{
            **row,
            "status": CaseStatus(row["status"]),
            "decision": None if decision is None else CaseDecision(decision),
        }
    )
