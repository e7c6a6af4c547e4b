"""How a ticket ends without a match, and how a match ends: the two steps that many use cases share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from domain.events import MatchEnded, MemberLeft, QueueLeft

if TYPE_CHECKING:
    from datetime import datetime

    from domain.matchmaking.ticket import QueueLeaveReason, Ticket, TicketStatus
    from domain.ports import UnitOfWork
    from domain.rooms.room import MatchEndReason, Member, MemberLeaveReason, Room


async def end_ticket(uow: UnitOfWork, ticket: Ticket, status: TicketStatus, reason: QueueLeaveReason) -> Ticket:
    """Takes a WAITING ticket out of the queue. The user's head is locked."""
    ended = replace(ticket, status=status)
    await uow.tickets.save(ended)
    uow.append(ticket.user_id, QueueLeft(ended, reason))
    return ended


async def end_match(
    uow: UnitOfWork,
    room: Room,
    leaver: Member,
    *,
    told: MatchEndReason,
    others_told: MatchEndReason,
    left: MemberLeaveReason,
    now: datetime,
) -> None:
    """Closes an open MATCH room because `leaver` leaves it. The room and the heads of both sides are locked.

    The leaver is told `told`; everybody else learns of the leaving as `left`, and then of the end as `others_told`.
    """
    await uow.rooms.close(room.id, now)
    uow.append(leaver.user_id, MatchEnded(room.id, told))
    for other in room.others(leaver.user_id):
        uow.append(other.user_id, MemberLeft(room.id, leaver.id, left))
        uow.append(other.user_id, MatchEnded(room.id, others_told))
