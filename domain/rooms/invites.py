"""Invite rooms and the way in: opening one, looking at it through its code, taking a seat, and making a new code."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain import characters
from domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, RoomFull, Unauthenticated
from domain.events import MemberJoined, tell
from domain.rooms.room import MediaState, Member, MemberRole, MemberStatus, Room, RoomKind, held_seat
from domain.safety.suspension import refuse_suspended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from domain.identity import User
    from domain.ports import Clock, Invites, RateLimits, Secrets, Transact, UnitOfWork

NAME_LENGTH = 80
"""Code points of a room's name, after normalisation."""
SMALLEST, LARGEST = 2, 16
"""Seats of a room: every pair of members keeps a peer connection of its own."""
SEATS_AT_ONCE = 100
"""Invite rooms that one user may sit in: whoever comes or goes locks all of them."""
MEMBERS_EVER = 200
"""Different people that one room ever seats: a room is loaded with everybody who was in it, because a name outlives leaving."""
HOLD = timedelta(seconds=60)
"""For how long a seat is held for somebody who took it over HTTP and has no connection yet: a page loads, a phone is unlocked."""
GUESSES_OF_USER = 10
GUESSES_OF_NETWORK = 100
"""A network is often many people, and each of them may mistype."""
GUESSES_PERIOD = timedelta(minutes=10)
"""Codes that lead nowhere, for one user or network, at once and then over each period. A code has 100 bits, so nobody finds one
by trying: the limits keep those who try all the same from costing anything. Codes that lead somewhere count for nothing."""


NO_SUCH_CODE = "No open room has that code."
"""Said alike whatever is wrong with a code: why it does not let somebody in would tell of the room."""


def may_invite(member: Member) -> bool:
    """Whether that seat sees and rotates the room's invite code."""
    return member.role in {MemberRole.OWNER, MemberRole.MODERATOR}


async def create_room(
    uow: UnitOfWork,
    invites: Invites,
    user_id: UUID,
    *,
    name: str,
    capacity: int,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Room:
    """Opens an invite room with the user as its OWNER; repeating it opens another one.

    Raises `InvalidInput`, `Suspended`, or `Conflict` for a user who sits in too many.
    """
    name = characters.name("name", name, NAME_LENGTH)
    if not SMALLEST <= capacity <= LARGEST:
        raise InvalidInput("capacity", f"A room has {SMALLEST} to {LARGEST} seats.")
    await uow.lock_users((user_id,))
    now = clock()  # Not earlier: a suspension that began while we waited for the lock would seem to lie ahead.
    user = await _entering(uow, user_id, now)
    room_id, invite = new_id(), invites.new(1)
    owner = replace(_new_seat(room_id, user, member_id=new_id(), position=0, now=now), role=MemberRole.OWNER)
    room = Room(
        id=room_id,
        kind=RoomKind.INVITE,
        mode=None,
        name=name,
        capacity=capacity,
        shared_interests=(),
        created_at=now,
        closed_at=None,
        members=(owner,),
        invite=invite,
    )
    await uow.rooms.add(room, invites.digest(room_id, invite))
    await _arrive(uow, (owner,), owner, now)
    return room


async def preview(
    read: Transact, limits: RateLimits, secrets: Secrets, invites: Invites, *, user_id: UUID, network: str, code: str
) -> Room | None:
    """The open room that the code leads the user to; None alike for a code that is unknown, no code at all, rotated, of a closed
    room, of one that the user was kicked from, or of one with somebody inside whom a block keeps apart from the user. Raises
    `RateLimited` after too many of those.
    """
    hashes = invites.digests(code)
    try:
        async with _failures_counted(limits, secrets, user_id, network):
            return await read(lambda uow: _admitting(uow, hashes, user_id))
    except NotFound:
        return None


async def join_room(
    transact: Transact,
    limits: RateLimits,
    secrets: Secrets,
    invites: Invites,
    *,
    user_id: UUID,
    network: str,
    code: str,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Room:
    """Seats the user in the room that the code leads to, and tells everybody inside and the user's other tabs.

    Somebody inside already stays as they are, and nobody is told. Whoever comes back keeps the member ID and being muted, and is
    otherwise like a newcomer. Raises `NotFound` alike wherever `preview` answers None, `RateLimited` after too many of those,
    `Suspended`, `RoomFull`, or `Conflict` for a user who sits in too many rooms.
    """
    hashes = invites.digests(code)
    async with _failures_counted(limits, secrets, user_id, network):
        return await transact(lambda uow: _join(uow, hashes, user_id, new_id=new_id, clock=clock))


async def rotate_invite(uow: UnitOfWork, invites: Invites, user_id: UUID, room_id: UUID) -> Room:
    """Makes a new code, made with the newest root secret: the one before is dead. Everybody inside stays, and nobody is told.

    Raises `NotFound` to those who hold no seat, and `NotAllowed` to those who may not invite.
    """
    room, seat = held_seat(await uow.lock_room(room_id, also=(user_id,)), user_id)
    if room.invite is None or not may_invite(seat):
        raise NotAllowed("Only the owner and the moderators of an INVITE room make its invites.")
    invite = invites.new(room.invite.version + 1)
    await uow.rooms.set_invite(room_id, invite, invites.digest(room_id, invite))
    return replace(room, invite=invite)


@asynccontextmanager
async def _failures_counted(limits: RateLimits, secrets: Secrets, user_id: UUID, network: str) -> AsyncIterator[None]:
    """Counts a `NotFound` that is raised inside. Raises `RateLimited` instead of going inside once there were too many."""
    counted = (
        (f"invites:{user_id}", GUESSES_OF_USER),
        (f"invites_of_network:{secrets.digest('network', network).hex()}", GUESSES_OF_NETWORK),
    )
    for key, burst in counted:
        await limits.check(key, burst=burst, period=GUESSES_PERIOD)
    try:
        yield
    except NotFound:
        for key, burst in counted:
            await limits.take(key, burst=burst, period=GUESSES_PERIOD)
        raise


async def _join(
    uow: UnitOfWork, hashes: Collection[bytes], user_id: UUID, *, new_id: Callable[[], UUID], clock: Clock
) -> Room:
    found = await _admitting(uow, hashes, user_id)
    await uow.lock_room(found.id, also=(user_id,))
    room = await _admitting(uow, hashes, user_id)  # Rotated, closed or kicked from meanwhile?
    if room.id != found.id:
        raise NotFound(NO_SUCH_CODE)
    if room.holds(user_id):
        return room
    now = clock()
    user = await _entering(uow, user_id, now)
    seat, position = room.seat_of(user_id), 1 + max(member.position for member in room.members)
    if len(room.inside) >= room.capacity or (seat is None and len(room.members) >= MEMBERS_EVER):
        raise RoomFull(room.capacity)
    if seat is None:
        seat = _new_seat(room.id, user, member_id=new_id(), position=position, now=now)
        await uow.rooms.add_member(seat)
    else:
        seat = replace(
            _new_seat(room.id, user, member_id=seat.id, position=position, now=now),
            muted=seat.muted,  # Else leaving would unmute.
        )
        await uow.rooms.save_member(seat)
    await _arrive(uow, (*room.inside, seat), seat, now)
    (room,) = await uow.rooms.get_many((room.id,))
    return room


async def _admitting(uow: UnitOfWork, hashes: Collection[bytes], user_id: UUID) -> Room:
    """The open room whose code has one of the digests. Raises `NotFound`, also to those who were kicked from it, and to those who
    would come upon somebody whom they block, or who blocks them.
    """
    room = await uow.rooms.by_invite(hashes) if hashes else None
    seat = room.seat_of(user_id) if room is not None else None
    if room is None or (seat is not None and seat.kicked):
        raise NotFound(NO_SUCH_CODE)
    # Asked once more under the locks of everybody inside, which whoever blocks takes as well.
    if not room.holds(user_id) and await uow.blocks.between(user_id, [member.user_id for member in room.inside]):
        raise NotFound(NO_SUCH_CODE)
    return room


async def _entering(uow: UnitOfWork, user_id: UUID, now: datetime) -> User:
    """The user, whose head is locked, if they may take one more seat."""
    await refuse_suspended(uow, user_id, now)
    user = await uow.users.get(user_id)
    if user is None:
        raise Unauthenticated
    if await uow.rooms.count_seats(user_id) >= SEATS_AT_ONCE:
        raise Conflict(f"You sit in {SEATS_AT_ONCE} rooms: leave one first.")
    return user


def _new_seat(room_id: UUID, user: User, *, member_id: UUID, position: int, now: datetime) -> Member:
    return Member(
        id=member_id,
        room_id=room_id,
        user_id=user.id,
        display_name=user.display_name,
        role=MemberRole.MEMBER,
        muted=False,
        status=MemberStatus.ONLINE,
        media=MediaState(),
        typing_until=None,
        position=position,
        joined_at=now,
        left_at=None,
    )


async def _arrive(uow: UnitOfWork, audience: Iterable[Member], seat: Member, now: datetime) -> None:
    await uow.connections.keep(seat.user_id, now, now + HOLD)  # Else presence would take the seat at once, or never.
    tell(uow, audience, MemberJoined(seat.room_id, seat.id))
