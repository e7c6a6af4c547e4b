"""Being there: a user is attached while at least one of their sockets is open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.events import MemberUpdated, tell
from domain.rooms.holding import lock_held, refuse_overtaken
from domain.rooms.leaving import give_up
from domain.rooms.room import MediaState, Member, MemberLeaveReason, MemberStatus, held_seat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.rooms.room import Room

AWAY_AFTER = timedelta(seconds=3)
"""How long a detached user is still shown as ONLINE: a reload of a page goes unseen."""

LOST_WORKER_RESUME = timedelta(seconds=60)
"""How long seats of a dead worker's users are held: they did nothing wrong and all reconnect at once."""

TYPING_LAPSES_AFTER = timedelta(seconds=6)
"""How long one `typing: true` counts."""

MEMBER_UPDATES_EVERY = timedelta(milliseconds=250)
"""MemberUpdated of one member is told at most this often, the latest state winning."""


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Fields of one's own presence to change; None stays as it is."""

    typing: bool | None = None
    camera: bool | None = None
    microphone: bool | None = None
    screen: bool | None = None


class Reaped(Exception):
    """This worker was taken for dead, and what it held was released: it has to register again."""


async def attach(uow: UnitOfWork, connection_id: UUID, user_id: UUID, *, now: datetime) -> bool:
    """Adds a connection. A user who was detached is back: the ticket is offered again, and seats that are AWAY become ONLINE.

    Returns whether the user was detached. Repeating it changes nothing. Raises `Overtaken`, and `Reaped`.
    """
    rooms = await lock_held(uow, user_id)
    if not await uow.connections.attach({connection_id: user_id}, now):
        return False
    await uow.tickets.pause((user_id,), paused=False)
    await refuse_overtaken(uow, user_id, rooms)
    await _show_online(uow, user_id, rooms)
    return True


async def attach_again(uow: UnitOfWork, connections: Mapping[UUID, UUID], *, now: datetime) -> bool:
    """Adds the connections, user by connection, of a worker that was reaped and has registered again; `show_online` for each
    user who is shown as AWAY is what remains to be done.

    Returns whether anybody was detached. Raises `Reaped`.
    """
    await uow.lock_users(connections.values())
    returned = await uow.connections.attach(connections, now)
    await uow.tickets.pause(returned, paused=False)
    return bool(returned)


async def show_online(uow: UnitOfWork, user_id: UUID) -> None:
    """Shows the seats of a user who is attached as ONLINE; tells everybody in those rooms. Raises `Overtaken`."""
    rooms = await lock_held(uow, user_id)
    if await uow.connections.attached(user_id):
        await refuse_overtaken(uow, user_id, rooms)
        await _show_online(uow, user_id, rooms)


async def reap(uow: UnitOfWork, worker: UUID, user_ids: Collection[UUID], *, now: datetime) -> bool:
    """Takes away what a condemned worker holds of these users. Who has no other connection is detached, with the ticket paused and
    what they hold held for `LOST_WORKER_RESUME`.

    Returns False, having changed nothing, when the worker has come back. Repeating it changes nothing.
    """
    await uow.lock_users(user_ids)
    if not await uow.connections.condemned(worker):
        return False
    detached = await uow.connections.release(worker, user_ids, now, now + LOST_WORKER_RESUME)
    await uow.tickets.pause(detached, paused=True)
    return True


async def detach(uow: UnitOfWork, connection_id: UUID, user_id: UUID, *, resume: timedelta, now: datetime) -> bool:
    """Takes that connection away, and no other: a socket that reconnects may be there already, and keep the user attached.

    With the last one, what the user holds is held for `resume`, and the ticket is paused at its place. Returns whether it was
    the last. Repeating it changes nothing.
    """
    await uow.lock_users((user_id,))
    if not await uow.connections.detach(connection_id, user_id, now, now + resume):
        return False
    await uow.tickets.pause((user_id,), paused=True)
    return True


async def show_away(uow: UnitOfWork, user_id: UUID, *, now: datetime) -> None:
    """Shows the seats of a user who has been detached for `AWAY_AFTER` as AWAY; tells the others."""
    rooms = await lock_held(uow, user_id)
    hold = await uow.connections.hold(user_id)
    if hold is None or now - hold[0] < AWAY_AFTER:
        return
    for room in rooms:
        seat = room.held_seat_of(user_id)
        if seat is not None and seat.status is MemberStatus.ONLINE:
            await uow.rooms.save_member(replace(seat, status=MemberStatus.AWAY))
            tell(uow, room.others(user_id), MemberUpdated(room.id, seat.id))


async def lose(uow: UnitOfWork, user_id: UUID, *, now: datetime) -> None:
    """Takes the seats of a user who did not come back in time. A match ends by it, and nobody is queued."""
    rooms = await lock_held(uow, user_id)
    hold = await uow.connections.hold(user_id)
    if hold is None or now < hold[1]:
        return
    for room in rooms:
        seat = room.held_seat_of(user_id)
        if seat is not None:
            await give_up(uow, room, seat, MemberLeaveReason.CONNECTION_LOST, now=now)


async def lapse_typing(uow: UnitOfWork, room_id: UUID, *, now: datetime) -> None:
    """Clears what somebody began to type and left, and tells everybody in the room."""
    room = await uow.lock_room(room_id)
    for member in room.inside if room is not None else ():
        if room is not None and member.typing_until is not None and not member.typing(now):
            await uow.rooms.save_member(replace(member, typing_until=None))
            tell(uow, room.inside, MemberUpdated(room.id, member.id))


async def update_presence(
    uow: UnitOfWork, user_id: UUID, room_id: UUID, change: PresenceChange, *, now: datetime
) -> tuple[Room, Member]:
    """Changes the user's own presence in a room and returns the room before and the seat after it.

    Everybody in the room is told, the user's other tabs too, unless nothing changed to be seen. Raises `NotFound` for a room in
    which the user holds no seat.
    """
    room, seat = held_seat(await uow.lock_room(room_id, also=(user_id,)), user_id)
    changed = replace(seat, media=_media(seat.media, change), typing_until=_typing_until(seat, change, now))
    if changed != seat:
        await uow.rooms.save_member(changed)
    # Whoever typed for too long is still shown as typing until somebody is told otherwise.
    if (changed.media, changed.typing_until is None) != (seat.media, seat.typing_until is None):
        tell(uow, room.inside, MemberUpdated(room.id, seat.id))
    return room, changed


async def _show_online(uow: UnitOfWork, user_id: UUID, rooms: Iterable[Room]) -> None:
    for room in rooms:
        seat = room.held_seat_of(user_id)
        if seat is not None and seat.status is MemberStatus.AWAY:
            await uow.rooms.save_member(replace(seat, status=MemberStatus.ONLINE))
            tell(uow, room.inside, MemberUpdated(room.id, seat.id))


def _media(media: MediaState, change: PresenceChange) -> MediaState:
    return MediaState(
        camera=media.camera if change.camera is None else change.camera,
        microphone=media.microphone if change.microphone is None else change.microphone,
        screen=media.screen if change.screen is None else change.screen,
    )


def _typing_until(seat: Member, change: PresenceChange, now: datetime) -> datetime | None:
    match change.typing:
        case None:
            return seat.typing_until
        case True:
            return now + TYPING_LAPSES_AFTER
        case False:
            return None
