"""Who may do what to whom in a room, and doing it."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from domain.errors import NotAllowed, NotFound
from domain.events import MemberUpdated, tell
from domain.rooms.leaving import vacate
from domain.rooms.room import MemberLeaveReason, MemberRole, held_seat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from domain.ports import Directory, Transact, UnitOfWork
    from domain.rooms.room import Member, Room


class Action(Enum):
    """What one member may do to another."""

    MUTE = auto()
    UNMUTE = auto()
    KICK = auto()
    PROMOTE = auto()
    DEMOTE = auto()


_RANK: Final[Mapping[MemberRole, int]] = {MemberRole.MEMBER: 0, MemberRole.MODERATOR: 1, MemberRole.OWNER: 2}
_POWERS: Final[Mapping[MemberRole, frozenset[Action]]] = {
    MemberRole.MEMBER: frozenset(),
    MemberRole.MODERATOR: frozenset({Action.MUTE, Action.UNMUTE, Action.KICK}),
    MemberRole.OWNER: frozenset(Action),
}


def may(action: Action, actor: MemberRole, subject: MemberRole) -> bool:
    """Whether a member of the rank `actor` may do that to one of the rank `subject`: only to a lower one, so never to oneself."""
    return action in _POWERS[actor] and _RANK[actor] > _RANK[subject]


async def mute(directory: Directory, transact: Transact, user_id: UUID, member_id: UUID) -> tuple[Room, Member]:
    """Stops the member's messages, not their signals. See `_change`."""
    return await _change(directory, transact, Action.MUTE, user_id, member_id)


async def unmute(directory: Directory, transact: Transact, user_id: UUID, member_id: UUID) -> tuple[Room, Member]:
    """Lets the member's messages pass again. See `_change`."""
    return await _change(directory, transact, Action.UNMUTE, user_id, member_id)


async def promote(directory: Directory, transact: Transact, user_id: UUID, member_id: UUID) -> tuple[Room, Member]:
    """Makes the member a moderator. See `_change`."""
    return await _change(directory, transact, Action.PROMOTE, user_id, member_id)


async def demote(directory: Directory, transact: Transact, user_id: UUID, member_id: UUID) -> tuple[Room, Member]:
    """Takes the rank of a moderator away. See `_change`."""
    return await _change(directory, transact, Action.DEMOTE, user_id, member_id)


async def kick(directory: Directory, transact: Transact, user_id: UUID, member_id: UUID, *, now: datetime) -> Room:
    """Puts the member out of the room for good, and returns the room without them. Raises `NotFound` or `NotAllowed`.

    They are told of their leaving and of nothing after it; the room's invites do not admit them any more.
    """
    room_id = await _room_of(directory, member_id)

    async def work(uow: UnitOfWork) -> Room:
        room, subject = await _ruled(uow, Action.KICK, room_id, user_id, member_id)
        return await vacate(uow, room, subject, MemberLeaveReason.KICKED, now=now)

    return await transact(work)


async def _change(
    directory: Directory, transact: Transact, action: Action, user_id: UUID, member_id: UUID
) -> tuple[Room, Member]:
    """Changes a member and returns the room before and the seat after it. Everybody inside is told.

    A repeat succeeds, changes nothing and tells nothing. Raises `NotFound` unless the user and the member both hold a seat in one
    open room, and `NotAllowed` when the ranks do not allow it.
    """
    room_id = await _room_of(directory, member_id)

    async def work(uow: UnitOfWork) -> tuple[Room, Member]:
        room, subject = await _ruled(uow, action, room_id, user_id, member_id)
        changed = _after(action, subject)
        if changed != subject:
            await uow.rooms.save_member(changed)
            tell(uow, room.inside, MemberUpdated(room.id, changed.id))
        return room, changed

    return await transact(work)


async def _room_of(directory: Directory, member_id: UUID) -> UUID:
    """Where the member sits, or sat: that never changes, so it is no matter how old the answer is."""
    room = await directory.room_of_member(member_id)
    if room is None:
        raise NotFound
    return room.id


async def _ruled(uow: UnitOfWork, action: Action, room_id: UUID, user_id: UUID, member_id: UUID) -> tuple[Room, Member]:
    """Locks the room, and decides by what both are then: an actor may have been demoted while they waited."""
    room, actor = held_seat(await uow.lock_room(room_id), user_id)
    subject = room.member(member_id)
    if subject is None or not subject.inside:
        raise NotFound
    if not may(action, actor.role, subject.role):
        raise NotAllowed("Your rank in the room does not allow that.")
    return room, subject


def _after(action: Action, subject: Member) -> Member:
    match action:
        case Action.MUTE:
            return replace(subject, muted=True)
        case Action.UNMUTE:
            return replace(subject, muted=False)
        case Action.PROMOTE:
            return replace(subject, role=MemberRole.MODERATOR)
        case Action.DEMOTE:
            return replace(subject, role=MemberRole.MEMBER)
        case Action.KICK:
            msg = "a kick is no change of a seat: it is a way out of the room"
            raise ValueError(msg)
