"""Rooms and members in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, String, UniqueConstraint, text
from sqlmodel import Field

from persistence.base import Row, Timestamp


class RoomRow(Row, table=True):
    """A room; who is in it stands in `member`."""

    __tablename__ = "room"
    __table_args__ = (
        Index("ix_room_open_match", "created_at", postgresql_where=text("closed_at IS NULL AND kind = 'MATCH'")),
        CheckConstraint("kind IN ('MATCH', 'INVITE')", name="kind"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    mode: str | None = None
    name: str | None = None
    capacity: int
    shared_interests: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    created_at: datetime = Field(sa_type=Timestamp)
    closed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class MemberRow(Row, table=True):
    """A seat: one row per room and user for ever, so that a member's ID outlives leaving and coming back."""

    __tablename__ = "member"
    __table_args__ = (
        UniqueConstraint("room_id", "user_id"),
        UniqueConstraint("room_id", "position"),
        Index(
            "uq_member_open_match_seat",
            "user_id",
            unique=True,
            postgresql_where=text("room_kind = 'MATCH' AND left_at IS NULL"),
        ),
        Index("ix_member_user_id", "user_id", "joined_at"),
        Index("ix_member_typing_until", "typing_until", postgresql_where=text("typing_until IS NOT NULL")),
        CheckConstraint("status IN ('ONLINE', 'AWAY', 'LEFT')", name="status"),
        CheckConstraint("(status = 'LEFT') = (left_at IS NOT NULL)", name="left"),
    )

    id: UUID = Field(primary_key=True)
    room_id: UUID = Field(foreign_key="room.id")
    room_kind: str
    user_id: UUID = Field(foreign_key="account.id")
    display_name: str
    role: str
    muted: bool
    status: str
    camera: bool
    microphone: bool
    screen: bool
    typing_until: datetime | None = Field(default=None, sa_type=Timestamp)
    position: int
    joined_at: datetime = Field(sa_type=Timestamp)
    left_at: datetime | None = Field(default=None, sa_type=Timestamp)
    reached_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When the member first was told of the match, or asked about the room."""
