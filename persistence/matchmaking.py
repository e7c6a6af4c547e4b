"""Tickets and barred pairs in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, String, text
from sqlmodel import Field

from persistence.base import Row, Timestamp


class TicketRow(Row, table=True):
    """A place in the queue. `changed_at` is what the matcher follows, never `enqueued_at`: a re-queued ticket keeps that."""

    __tablename__ = "ticket"
    __table_args__ = (
        Index("uq_ticket_waiting_user", "user_id", unique=True, postgresql_where=text("status = 'WAITING'")),
        Index("ix_ticket_changed_at", "changed_at"),
        Index("ix_ticket_matched_at", "matched_at", postgresql_where=text("matched_at IS NOT NULL")),
        CheckConstraint("status IN ('WAITING', 'MATCHED', 'CANCELLED', 'EXPIRED')", name="status"),
        CheckConstraint("(status = 'MATCHED') = (room_id IS NOT NULL)", name="room_of_match"),
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    status: str
    mode: str
    interests: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    languages: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    patience: int
    enqueued_at: datetime = Field(sa_type=Timestamp)
    widens_at: datetime = Field(sa_type=Timestamp)
    changed_at: datetime = Field(sa_type=Timestamp)
    joined_at: datetime = Field(sa_type=Timestamp)
    """When this row was made: later than `enqueued_at` for a re-queued ticket."""
    matched_at: datetime | None = Field(default=None, sa_type=Timestamp)
    paused: bool
    """True while the user is detached."""
    attended: bool
    """Whether the user was attached at any time since joining."""
    room_id: UUID | None = Field(default=None, foreign_key="room.id", index=True)


class PairBarRow(Row, table=True):
    """Two users who shall not meet until `until` (null: for ever). `low_id` < `high_id`; a lifted bar ends at once and is purged later."""

    __tablename__ = "pair_bar"
    __table_args__ = (
        CheckConstraint("low_id < high_id", name="ordered"),
        CheckConstraint("kind IN ('COOLDOWN', 'LOST', 'BLOCK_BY_LOW', 'BLOCK_BY_HIGH')", name="kind"),
        Index("ix_pair_bar_changed_at", "changed_at"),
        Index("ix_pair_bar_until", "until"),
    )

    low_id: UUID = Field(primary_key=True)
    high_id: UUID = Field(primary_key=True, index=True)
    kind: str = Field(primary_key=True)
    until: datetime | None = Field(default=None, sa_type=Timestamp)
    changed_at: datetime = Field(sa_type=Timestamp)
