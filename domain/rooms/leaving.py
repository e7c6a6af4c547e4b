"""The ways out of a room, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from domain.errors import NotAllowed, NotFound
from domain.events import MemberLeft, MemberUpdated, tell
from domain.matchmaking.ending import end_match, end_ticket
from domain.matchmaking.ticket import QueueLeaveReason, TicketStatus
from domain.rooms.room import MatchEndReason, MediaState, MemberLeaveReason, MemberRole, MemberStatus, RoomKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.rooms.room import Member, Room


async def leave_room(uow: UnitOfWork, user_id: UUID, room_id: UUID, *, now: datetime) -> Room:
    """Gives the user's seat up and returns the room as it is afterwards. A match ends by it, without a cooldown.

    Whoever has left, or whose room was closed, gets it again and changes nothing. Raises `NotFound` for a room in which the
    user never was, or out of which they were kicked.
    """
    room = await uow.lock_room(room_id)
    seat = room.seat_of(user_id) if room is not None else None
    if room is None or seat is None or seat.kicked:
        raise NotFound
    if not room.holds(user_id):
        return room
    return await give_up(uow, room, seat, MemberLeaveReason.LEFT, now=now)


async def close_room(uow: UnitOfWork, user_id: UUID, room_id: UUID, *, now: datetime) -> Room:
    """Closes an INVITE room for everybody and returns it as it is afterwards. Once more changes nothing.

    Everybody is told that everybody left, their own leaving last. Raises `NotFound` unless the user holds a seat, and `NotAllowed`
    unless it is the owner's: nobody owns a match, it is left.
    """
    room = await uow.lock_room(room_id)
    seat = room.seat_of(user_id) if room is not None else None
    # A closed room keeps the rank of whoever owned it at its end.
    if room is not None and not room.open and seat is not None and seat.role is MemberRole.OWNER:
        return room
    if room is None or seat is None or not room.holds(user_id):
        raise NotFound
    if seat.role is not MemberRole.OWNER:
        raise NotAllowed("Only the owner closes a room.")
    for told in room.inside:
        for leaver in (*room.others(told.user_id), told):
            uow.append(told.user_id, MemberLeft(room.id, leaver.id, MemberLeaveReason.ROOM_CLOSED))
    await uow.rooms.close(room.id, now)
    return await _afterwards(uow, room)


async def give_up(uow: UnitOfWork, room: Room, seat: Member, reason: MemberLeaveReason, *, now: datetime) -> Room:
    """Takes a held seat of a room of either kind, and returns the room as it is afterwards. The room is locked."""
    if room.kind is not RoomKind.MATCH:
        return await vacate(uow, room, seat, reason, now=now)
    lost = reason is MemberLeaveReason.CONNECTION_LOST
    await end_match(
        uow,
        room,
        seat,
        told=MatchEndReason.YOU_LEFT,
        others_told=MatchEndReason.PARTNER_LOST if lost else MatchEndReason.PARTNER_LEFT,
        left=reason,
        now=now,
    )
    return await _afterwards(uow, room)


async def give_up_everything(uow: UnitOfWork, user_id: UUID, rooms: Sequence[Room], *, now: datetime) -> None:
    """Takes the user's place in the queue, and their seats in `rooms`: all in which they hold one. Everything is locked."""
    ticket = await uow.tickets.waiting(user_id)
    if ticket is not None:
        await end_ticket(uow, ticket, TicketStatus.CANCELLED, QueueLeaveReason.LEFT)
    for room in rooms:
        seat = room.held_seat_of(user_id)
        if seat is not None:
            await give_up(uow, room, seat, MemberLeaveReason.LEFT, now=now)


async def vacate(uow: UnitOfWork, room: Room, seat: Member, reason: MemberLeaveReason, *, now: datetime) -> Room:
    """Takes a held seat of an INVITE room, and returns the room as it is afterwards. The room is locked.

    Everybody inside is told, the leaver last of all and of nothing afterwards. An owner's room passes to whoever has stood in it
    longest, moderators before members; without anybody left it closes.
    """
    others = room.others(seat.user_id)
    tell(uow, (*others, seat), MemberLeft(room.id, seat.id, reason))
    if not others:
        await uow.rooms.close(room.id, now)
        return await _afterwards(uow, room)
    # The rank is left behind; `muted` is not, or coming back would undo it.
    left = replace(
        seat,
        role=MemberRole.MEMBER,
        status=MemberStatus.LEFT,
        media=MediaState(),
        typing_until=None,
        left_at=now,
        kicked=reason is MemberLeaveReason.KICKED,
    )
    if seat.role is MemberRole.OWNER:
        await _pass_on(uow, left, _heir(others), others)
    else:
        await uow.rooms.save_member(left)
    return await _afterwards(uow, room)


async def _pass_on(uow: UnitOfWork, left: Member, heir: Member, others: Sequence[Member]) -> None:
    """Makes one of those who stay the owner after somebody who has left; everybody who stays is told."""
    unmuted = replace(heir, muted=False)  # Nobody could unmute an owner.
    # Several members are written in the order of joining, so that no two wait for each other; and nobody is made an owner
    # beside another, so that comes last.
    for member in sorted((left, unmuted), key=lambda member: member.position):
        await uow.rooms.save_member(member)
    await uow.rooms.save_member(replace(unmuted, role=MemberRole.OWNER))
    tell(uow, others, MemberUpdated(heir.room_id, heir.id))


def _heir(others: Sequence[Member]) -> Member:
    """Who owns the room after its owner, of those who stay, in the order of joining."""
    return next((member for member in others if member.role is MemberRole.MODERATOR), others[0])


async def _afterwards(uow: UnitOfWork, room: Room) -> Room:
    (after,) = await uow.rooms.get_many((room.id,))
    return after
