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

from domain.franking import LONGEST_PLAINTEXT, Finding
from domain.paging import Place
from domain.safety.report import Evidence, Report, ReportStatus
from domain.safety.rules import Charge
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
        Index("ix_report_created_at", "created_at"),
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
    spent: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class EvidenceRow(Row, table=True):
    """A message that a reporter disclosed."""

    __tablename__ = "evidence"
    __table_args__ = (CheckConstraint(f"octet_length(plaintext) <= {LONGEST_PLAINTEXT}", name="plaintext"),)

    report_id: UUID = Field(foreign_key="report.id", primary_key=True)
    position: int = Field(primary_key=True)
    message_id: UUID
    plaintext: bytes
    """UTF-8, exactly as it was disclosed: a text of PostgreSQL's could hold no NUL, and one NUL would put a sender beyond proof."""
    sent_at: datetime = Field(sa_type=Timestamp)
    finding: str


_COLUMNS = (
    "id, case_id, reporter_id, subject_id, room_id, category, comment, status, weight, verified, created_at, spent"
)
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
_OF_CASES = text(f"""
    SELECT {", ".join(f"r.{column}" for column in _COLUMNS.split(", "))}
    FROM unnest(:cases) AS c (id), LATERAL (
        SELECT {_COLUMNS} FROM report WHERE case_id = c.id {BEHIND_OLDEST.format(at="created_at")}
        ORDER BY created_at, id LIMIT :limit
    ) AS r ORDER BY r.created_at, r.id
""").bindparams(*PLACE, bindparam("cases", type_=UUIDS))  # noqa: S608  # columns of ours
_CATEGORIES = text(
    "SELECT DISTINCT reporter_id, category FROM report WHERE case_id = :case AND reporter_id IS NOT NULL"
)
# Whoever deleted the account is in no account any more: the join leaves those reports out.
_CHARGES = text("""
    SELECT coalesce(a.device_id, a.id) AS reporter, r.created_at - a.created_at AS account_age, r.category, r.weight, r.verified,
           r.created_at AS at, r.spent
    FROM report AS r JOIN account AS a ON a.id = r.reporter_id
    WHERE r.case_id = :case AND r.created_at > :since
""")
_SPEND = text("UPDATE report SET spent = TRUE WHERE case_id = :case AND NOT spent")
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
            rows = [asdict(each) | {"plaintext": each.plaintext.encode()} for each in evidence]
            await self._connection.execute(insert(EvidenceRow), rows)

    async def find(self, reporter_id: UUID, subject_id: UUID, room_id: UUID) -> Report | None:
        values = {"reporter": reporter_id, "subject": subject_id, "room": room_id}
        return next(iter(await self._reports(_FIND, values)), None)

    async def of_reporter(self, reporter_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        return await self._reports(_OF_REPORTER, {"reporter": reporter_id, "limit": limit} | place_values(after))

    async def of_case(self, case_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        return await self._reports(_OF_CASE, {"case": case_id, "limit": limit} | place_values(after))

    async def of_cases(
        self, case_ids: Collection[UUID], after: Place | None, limit: int
    ) -> Mapping[UUID, Sequence[Report]]:
        found: dict[UUID, list[Report]] = {}
        values = {"cases": list(case_ids), "limit": limit} | place_values(after)
        for report in await self._reports(_OF_CASES, values):
            found.setdefault(report.case_id, []).append(report)
        return found

    async def categories(self, case_id: UUID) -> Mapping[UUID, frozenset[ReportCategory]]:
        found: dict[UUID, frozenset[ReportCategory]] = {}
        for reporter_id, category in await self._connection.execute(_CATEGORIES, {"case": case_id}):
            found[reporter_id] = found.get(reporter_id, frozenset()) | {ReportCategory(category)}
        return found

    async def charges(self, case_id: UUID, since: datetime) -> Sequence[Charge]:
        rows = (await self._connection.execute(_CHARGES, {"case": case_id, "since": since})).mappings()
        return [Charge(**{**row, "category": ReportCategory(row["category"])}) for row in rows]

    async def spend(self, case_id: UUID) -> None:
        await self._connection.execute(_SPEND, {"case": case_id})

    async def close(self, case_id: UUID, status: ReportStatus) -> None:
        await self._connection.execute(_CLOSE, {"case": case_id, "status": status.value})

    async def record(self, reporter_id: UUID) -> tuple[int, int]:
        upheld, dismissed = (await self._connection.execute(_RECORD, {"reporter": reporter_id})).one()
        return upheld, dismissed

    async def evidence(self, report_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Evidence]]:
        rows = (await self._connection.execute(_EVIDENCE, {"reports": list(report_ids)})).mappings()
        found: dict[UUID, list[Evidence]] = {}
        for row in rows:
            read = {"plaintext": row["plaintext"].decode(), "finding": Finding(row["finding"])}
            found.setdefault(row["report_id"], []).append(Evidence(**{**row, **read}))
        return found

    async def _reports(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Report]:
        rows = (await self._connection.execute(statement, values)).mappings()
        return [
            Report(**{**row, "category": ReportCategory(row["category"]), "status": ReportStatus(row["status"])})
            for row in rows
        ]
