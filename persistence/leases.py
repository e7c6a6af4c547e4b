"""Leases: what one worker at a time does, by the database's clock. A frozen process loses its lease, where it would keep a lock."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from persistence.base import Row, Timestamp


class LeaseRow(Row, table=True):
    """Who leads, until when, and since when nobody swept."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: UUID
    expires_at: datetime = Field(sa_type=Timestamp)
    swept_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When the leader's last sweep over people who are not there began that succeeded."""
