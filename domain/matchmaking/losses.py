"""Tickets and matches of people who are not there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain.matchmaking.ending import end_match, end_ticket
from domain.matchmaking.queue import enqueue
from domain.matchmaking.ticket import TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason, RoomKind
from domain.safety.suspension import most_restrictive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.ticket import Ticket
    from domain.ports import Clock, UnitOfWork

REACHED_WITHIN = timedelta(seconds=5)
"""How long a side has to be told of its match, or to ask about its room."""
LOST_BAR = timedelta(seconds=60)
"""How long a pair does not meet again after one of them could not be reached."""


async def expire_ticket(uow: UnitOfWork, user_id: UUID, *, now: datetime) -> Ticket | None:
    """Ends the WAITING ticket of a user who did not come, or did not come back in time. None when that is not so (any more)."""
    await uow.lock_users((user_id,))
    ticket = await uow.tickets.waiting(user_id)
    reason = await uow.tickets.overdue(user_id, now)
    if ticket is None or reason is None:
        return None
    return await end_ticket(uow, ticket, TicketStatus.EXPIRED, reason)


async def end_unreached(uow: UnitOfWork, room_id: UUID, *, new_id: Callable[[], UUID], clock: Clock) -> bool:
    """Ends a match of which a side was not reached within 5 s of its beginning; False when that is not so (any more).

    The pair is barred for 60 s. A side that was reached is told PARTNER_LOST and queued again at the place it had, unless it
    may not match any more; one that was not is told YOU_LEFT and is not queued.
    """
    room = await uow.lock_room(room_id)
    now = clock()
    if room is None or room.kind is not RoomKind.MATCH or now - room.created_at < REACHED_WITHIN:
        return False
    reached = await uow.rooms.reached(room_id)
    absent = [member for member in room.inside if member.id not in reached]
    if not absent:
        return False
    leaver = absent[0]
    for partner in room.others(leaver.user_id):
        present = partner not in absent
        await end_match(
            uow,
            room,
            leaver,
            told=MatchEndReason.YOU_LEFT,
            others_told=MatchEndReason.PARTNER_LOST if present else MatchEndReason.YOU_LEFT,
            left=MemberLeaveReason.CONNECTION_LOST,
            now=now,
        )
        await uow.bars.raise_bar(leaver.user_id, partner.user_id, "LOST", now + LOST_BAR)
        if present:
            await _queue_again(uow, room_id, partner.user_id, new_id=new_id, now=now)
    return True


async def _queue_again(
    uow: UnitOfWork, room_id: UUID, user_id: UUID, *, new_id: Callable[[], UUID], now: datetime
) -> None:
    last = await uow.tickets.of_room(room_id, user_id)
    if last is None or most_restrictive(await uow.suspensions.in_force(user_id, now), now) is not None:
        return
    await enqueue(uow, replace(last, id=new_id(), status=TicketStatus.WAITING, room_id=None), now)
