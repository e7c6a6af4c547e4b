"""The head of every user: the mutex that all writes about a user take, and the user's presence."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from persistence.base import Row, Timestamp


class HeadRow(Row, table=True):
    """One per user. `detached_at` is null while attached; seats are held until `hold_until`."""

    __tablename__ = "head"
    __table_args__ = (Index("ix_head_hold_until", "hold_until", postgresql_where=text("detached_at IS NOT NULL")),)

    user_id: UUID = Field(primary_key=True, foreign_key="account.id")
    detached_at: datetime | None = Field(default=None, sa_type=Timestamp)
    hold_until: datetime | None = Field(default=None, sa_type=Timestamp)
