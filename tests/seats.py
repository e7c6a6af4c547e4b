"""Seats that are in no database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from domain.rooms.room import MediaState, Member, MemberRole, MemberStatus


def a_seat(**changes: Any) -> Member:  # noqa: ANN401  # any field of a dataclass
    """The first seat of somebody's room, held by a plain member since half past nine, but for the changes."""
    seat = Member(
        id=uuid4(),
        room_id=uuid4(),
        user_id=uuid4(),
        display_name="Ada",
        role=MemberRole.MEMBER,
        muted=False,
        status=MemberStatus.ONLINE,
        media=MediaState(),
        typing_until=None,
        position=0,
        joined_at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
        left_at=None,
    )
    return replace(seat, **changes)
