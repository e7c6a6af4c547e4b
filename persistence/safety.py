"""Suspensions in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field

from persistence.base import Row, Timestamp


class SuspensionRow(Row, table=True):
    """A restriction of a user; `device_id` carries it over to the next account made on the same device."""

    __tablename__ = "suspension"
    __table_args__ = (CheckConstraint("scope IN ('MATCHING', 'ALL')", name="scope"),)

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
