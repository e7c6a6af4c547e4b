"""Who has met whom: only of such people can somebody be rid, by a block or a report."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.rooms.room import Member, Room

REMEMBERED: Final = timedelta(hours=24)
"""For how long after parting."""


async def shared_seat(uow: UnitOfWork, user_id: UUID, member_id: UUID, now: datetime) -> tuple[Room, Member, Member]:
    """The room that the user shares with the member, the member's seat in it, and the user's own.

    Both are in it, or were within 24 hours; the room may be closed, and either may have been kicked. Raises `NotFound` for
    everybody else, and for a seat of the user's own. Locks nothing: that they met stays true, how their seats stand may change.
    """
    room = await uow.rooms.room_of_member(member_id)
    subject = room.member(member_id) if room is not None else None
    own = room.seat_of(user_id) if room is not None else None
    if room is None or subject is None or own is None or own.id == subject.id:
        raise NotFound
    if not (_remembered(subject, now) and _remembered(own, now)):
        raise NotFound
    return room, subject, own


def _remembered(seat: Member, now: datetime) -> bool:
    """Whether the seat is held, or was within 24 hours: whoever closes a room takes all seats in it."""
    return seat.left_at is None or now - seat.left_at <= REMEMBERED
