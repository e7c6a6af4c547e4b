"""Reports and their evidence in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, TextClause, UniqueConstraint, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.franking import Finding
from domain.paging import Place
from domain.safety.report import Evidence, Report, ReportStatus
from domain.safety.suspension import ReportCategory
from persistence.base import UUIDS, Row, Timestamp
from persistence.paging import BEHIND_NEWEST, BEHIND_OLDEST, PLACE, place_values


class ReportRow(Row, table=True):
    """A report. Rooms and seats are deleted before it, so it refers to them by ID only; the reporter is null once deleted."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("reporter_id", "subject_id", "room_id"),
        Index("ix_report_reporter_id", "reporter_id", "created_at", "id"),
        Index("ix_report_case_id", "case_id", "created_at", "id"),
        Index("ix_report_subject_id", "subject_id", "created_at"),
        CheckConstraint("status IN ('RECEIVED', 'UPHELD', 'DISMISSED')", name="status"),
        CheckConstraint("weight > 0 AND weight <= 1", name="weight"),
    )

    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="moderation_case.id")
    reporter_id: UUID | None = Field(default=None, foreign_key="account.id")
    subject_id: UUID = Field(foreign_key="account.id")
    room_id: UUID
    category: str
    comment: str | None = None
    status: str
    weight: float
    verified: bool
    created_at: datetime = Field(sa_type=Timestamp)


class EvidenceRow(Row, table=True):
    """A message that a reporter disclosed."""

    __tablename__ = "evidence"

    report_id: UUID = Field(foreign_key="report.id", primary_key=True)
    position: int = Field(primary_key=True)
    message_id: UUID
    plaintext: str
    sent_at: datetime = Field(sa_type=Timestamp)
    finding: str


_COLUMNS = "id, case_id, reporter_id, subject_id, room_id, category, comment, status, weight, verified, created_at"
_FIND = text(
    f"SELECT {_COLUMNS} FROM report WHERE reporter_id = :reporter AND subject_id = :subject AND room_id = :room"  # noqa: S608  # ours
)
_OF_REPORTER = text(f"""
    SELECT {_COLUMNS} FROM report WHERE reporter_id = :reporter {BEHIND_NEWEST.format(at="created_at")}
    ORDER BY created_at DESC, id DESC LIMIT :limit
""").bindparams(*PLACE)  # noqa: S608  # columns of ours
_OF_CASE = text(f"""
    SELECT {_COLUMNS} FROM report WHERE case_id = :case {BEHIND_OLDEST.format(at="created_at")}
    ORDER BY created_at, id LIMIT :limit
""").bindparams(*PLACE)  # noqa: S608  # columns of ours
_ABOUT = text(
    f"SELECT {_COLUMNS} FROM report WHERE subject_id = :subject AND created_at >= :since ORDER BY created_at, id"  # noqa: S608  # ours
)
_CLOSE = text("UPDATE report SET status = :status WHERE case_id = :case")
_RECORD = text("""
    SELECT count(*) FILTER (WHERE status = 'UPHELD'), count(*) FILTER (WHERE status = 'DISMISSED')
    FROM report WHERE reporter_id = :reporter
""")
_EVIDENCE = text("""
    SELECT report_id, position, message_id, plaintext, sent_at, finding FROM evidence
    WHERE report_id = ANY(:reports) ORDER BY report_id, position
""").bindparams(bindparam("reports", type_=UUIDS))


class ReportRepository:
    """`ports.Reports` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, report: Report, evidence: Sequence[Evidence]) -> None:
        await self._connection.execute(insert(ReportRow).values(**asdict(report)))
        if evidence:
            await self._connection.execute(insert(EvidenceRow), [asdict(each) for each in evidence])

    async def find(self, reporter_id: UUID, subject_id: UUID, room_id: UUID) -> Report | None:
        values = {"reporter": reporter_id, "subject": subject_id, "room": room_id}
        return next(iter(await self._reports(_FIND, values)), None)

    async def of_reporter(self, reporter_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        return await self._reports(_OF_REPORTER, {"reporter": reporter_id, "limit": limit} | place_values(after))

    async def of_case(self, case_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        return await self._reports(_OF_CASE, {"case": case_id, "limit": limit} | place_values(after))

    async def about(self, subject_id: UUID, since: datetime) -> Sequence[Report]:
        return await self._reports(_ABOUT, {"subject": subject_id, "since": since})

    async def close(self, case_id: UUID, status: ReportStatus) -> None:
        await self._connection.execute(_CLOSE, {"case": case_id, "status": status.value})

    async def record(self, reporter_id: UUID) -> tuple[int, int]:
        upheld, dismissed = (await self._connection.execute(_RECORD, {"reporter": reporter_id})).one()
        return upheld, dismissed

    async def evidence(self, report_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Evidence]]:
        rows = (await self._connection.execute(_EVIDENCE, {"reports": list(report_ids)})).mappings()
        found: dict[UUID, list[Evidence]] = {}
        for row in rows:
            found.setdefault(row["report_id"], []).append(Evidence(**{**row, "finding": Finding(row["finding"])}))
        return found

    async def _reports(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Report]:
        rows = (await self._connection.execute(statement, values)).mappings()
        return [
            Report(**{**row, "category": ReportCategory(row["category"]), "status": ReportStatus(row["status"])})
            for row in rows
        ]
