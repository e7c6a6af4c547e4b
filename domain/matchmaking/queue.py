"""The queue as its users act on it: join, leave, and skip from one match into the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.errors import AlreadyInMatch, NotFound, Suspended
from domain.events import QueueJoined
from domain.matchmaking.ending import end_match, end_ticket
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, Ticket, TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason, RoomKind
from domain.safety.suspension import most_restrictive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from domain.ports import Clock, UnitOfWork
    from domain.rooms.room import Room

SKIP_AFTER_END = timedelta(seconds=60)
"""How long after its end a match can still be skipped: both may skip at once, and a lost answer may be asked for again."""


async def join_queue(
    uow: UnitOfWork, user_id: UUID, preferences: Preferences, *, new_id: Callable[[], UUID], clock: Clock
) -> Ticket:
    """The user's WAITING ticket with these preferences; a repeated call changes them and keeps the place in the queue.

    Raises `Suspended`, or `AlreadyInMatch` while the user sits in an open match.
    """
    await uow.lock_users((user_id,))
    now = clock()  # Not earlier: a suspension that began while we waited for the lock would seem to lie ahead.
    await _refuse_suspended(uow, user_id, now)
    room = await uow.rooms.open_match_of(user_id)
    if room is not None:
        raise AlreadyInMatch(room)
    ticket = await uow.tickets.waiting(user_id)
    if ticket is None:
        return await enqueue(uow, new_ticket(user_id, preferences, new_id=new_id, now=now), now)
    if ticket.preferences == preferences:
        return ticket
    changed = replace(ticket, preferences=preferences, widens_at=widening(ticket.enqueued_at, preferences))
    await uow.tickets.save(changed)
    uow.append(user_id, QueueJoined(changed))
    return changed


async def leave_queue(uow: UnitOfWork, user_id: UUID) -> Ticket | None:
    """Cancels the user's WAITING ticket and returns it; None when there is none."""
    await uow.lock_users((user_id,))
    ticket = await uow.tickets.waiting(user_id)
    if ticket is None:
        return None
    return await end_ticket(uow, ticket, TicketStatus.CANCELLED, QueueLeaveReason.LEFT)


async def skip(
    uow: UnitOfWork,
    user_id: UUID,
    room_id: UUID,
    *,
    requeue: bool,
    cooldown: timedelta,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Ticket | None:
    """Ends the user's match, bars the two from meeting for `cooldown` (zero: no bar), and queues the user anew.

    Returns the WAITING ticket, which has the preferences of the last, or None with `requeue` False. A match that ended at
    most 60 s ago can be skipped as long as the user was in no newer one: then there is nothing left to end.
    Raises `NotFound` for any other room and, with `requeue`, `Suspended`: both change nothing.
    """
    room = await uow.lock_room(room_id, also=(user_id,))
    now = clock()
    if room is None or not await _skippable(uow, room, user_id, now):
        raise NotFound
    if requeue:
        await _refuse_suspended(uow, user_id, now)
    await _end(uow, room, user_id, now)
    # Counted from the end of the match, so that asking twice does not lengthen it. The head of one of the two is enough to
    # order this against the matcher's commit, which locks both.
    barred_until = (room.closed_at or now) + cooldown
    for partner in (m for m in room.members if m.user_id != user_id and barred_until > now):
        await uow.bars.raise_bar(user_id, partner.user_id, "COOLDOWN", barred_until)
    if not requeue:
        return None
    ticket = await uow.tickets.waiting(user_id)
    last = await uow.tickets.of_room(room.id, user_id)
    # Tickets of very long matches are no longer kept: then anyone of the same mode will do.
    preferences = last.preferences if last else Preferences(room.mode or ChatMode.VIDEO, (), (), 0)
    return ticket or await enqueue(uow, new_ticket(user_id, preferences, new_id=new_id, now=now), now)


async def enqueue(uow: UnitOfWork, ticket: Ticket, now: datetime) -> Ticket:
    """Lets a new WAITING ticket wait. The user's head is locked; the user neither waits nor sits in a match."""
    await uow.tickets.add(ticket, now, attached=await uow.connections.attached(ticket.user_id))
    uow.append(ticket.user_id, QueueJoined(ticket))
    return ticket


def new_ticket(user_id: UUID, preferences: Preferences, *, new_id: Callable[[], UUID], now: datetime) -> Ticket:
    """A ticket at the end of the queue."""
    return Ticket(
        id=new_id(),
        user_id=user_id,
        status=TicketStatus.WAITING,
        preferences=preferences,
        enqueued_at=now,
        widens_at=widening(now, preferences),
    )


def widening(enqueued_at: datetime, preferences: Preferences) -> datetime:
    """From when on anyone of the same mode will do."""
    return enqueued_at + timedelta(seconds=preferences.patience)


async def _skippable(uow: UnitOfWork, room: Room, user_id: UUID, now: datetime) -> bool:
    if room.kind is not RoomKind.MATCH or room.seat_of(user_id) is None:
        return False
    if room.closed_at is None:
        return room.holds(user_id)
    latest = await uow.rooms.latest_match_of(user_id)
    return now - room.closed_at <= SKIP_AFTER_END and latest is not None and latest.id == room.id


async def _end(uow: UnitOfWork, room: Room, user_id: UUID, now: datetime) -> None:
    seat = room.held_seat_of(user_id)
    if seat is None:  # The partner ended it.
        return
    await end_match(
        uow,
        room,
        seat,
        told=MatchEndReason.YOU_SKIPPED,
        others_told=MatchEndReason.PARTNER_LEFT,
        left=MemberLeaveReason.LEFT,
        now=now,
    )


async def _refuse_suspended(uow: UnitOfWork, user_id: UUID, now: datetime) -> None:
    suspension = most_restrictive(await uow.suspensions.in_force(user_id, now), now)
    if suspension is not None:
        raise Suspended(suspension)
