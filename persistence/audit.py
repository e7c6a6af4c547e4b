"""The audit log in PostgreSQL: a trigger (migration 0004) refuses UPDATE, DELETE and TRUNCATE, whoever asks."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.paging import Place
from domain.safety.audit import Action, AuditEntry
from persistence.base import Row, Timestamp
from persistence.paging import BEHIND_NEWEST, PLACE, place_values


class AuditRow(Row, table=True):
    """An entry. It refers to nothing: what it is about may be deleted, it may not."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_at", "at", "id"),
        Index("ix_audit_entry_actor_id", "actor_id", "at", postgresql_where=text("actor_id IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_type=Timestamp)
    actor_id: UUID | None = None
    action: str
    target: str | None = None
    details: str | None = None


_ENTRIES = text(f"""
    SELECT id, at, actor_id, action, target, details FROM audit_entry
    WHERE true {BEHIND_NEWEST.format(at="at")} ORDER BY at DESC, id DESC LIMIT :limit
""").bindparams(*PLACE)  # noqa: S608  # columns of ours


class AuditRepository:
    """`ports.Audit` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, *entries: AuditEntry) -> None:
        if entries:
            await self._connection.execute(insert(AuditRow), [asdict(entry) for entry in entries])

    async def entries(self, after: Place | None, limit: int) -> Sequence[AuditEntry]:
        rows = (await self._connection.execute(_ENTRIES, {"limit": limit} | place_values(after))).mappings()
        return [AuditEntry(**{**row, "action": Action(row["action"])}) for row in rows]
