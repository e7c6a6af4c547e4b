"""How a suspension begins: under which locks, and what it takes away at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.events import CaseChanged, UserSuspended
from domain.matchmaking.ending import end_match, end_ticket
from domain.matchmaking.ticket import QueueLeaveReason, TicketStatus
from domain.rooms.holding import Overtaken
from domain.rooms.leaving import vacate
from domain.rooms.room import MatchEndReason, MemberLeaveReason, RoomKind
from domain.safety.suspension import SuspensionScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.rooms.room import Room
    from domain.safety.suspension import Suspension


TOKENS_ACT_FOR: Final = timedelta(minutes=20)
"""Whoever was given no tokens for so long can do nothing before they renew them: an access token is good for fifteen minutes."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A user under lock, with all that a suspension of them takes: the accounts of their device, and where those sit."""

    user_id: UUID
    device_id: UUID | None
    accounts: frozenset[UUID]
    """Theirs, and those of the device that can do anything; thousands more may have been made on it and left."""
    rooms: Sequence[Room]
    operators: Sequence[UUID]
    """Locked too: they are told of what happens in the case."""


async def lock_subject(
    uow: UnitOfWork,
    user_id: UUID,
    now: datetime,
    *,
    device_id: UUID | None = None,
    rooms: Iterable[UUID] = (),
    also: Iterable[UUID] = (),
) -> Subject:
    """Locks `device_id`, the user's when it is None, on which nobody signs in meanwhile or renews a session; then the rooms of all
    accounts of the device that can do anything, and `rooms`; then the heads of these accounts, of all operators and of `also`.

    However many accounts were made on the device, it takes a dozen statements. Which rooms these are is read before they are
    locked. Raises `Overtaken` when a seat was taken or an operator added in between: run it with `persistently`.
    """
    if device_id is None:
        device_id = await uow.users.device_of(user_id)  # Also of somebody who deleted their account a moment ago.
    accounts = frozenset((user_id,))
    if device_id is not None:
        await uow.devices.lock(device_id)
        accounts |= await uow.users.able(device_id, now - TOKENS_ACT_FOR)
    operators = await uow.operators.ids()
    named = frozenset(rooms)
    held = await uow.rooms.held_ids_of(accounts)
    locked = await _locked(uow, held | named, (*accounts, *operators, *also))
    overtaken = await uow.rooms.held_ids_of(accounts) - held - named or frozenset(
        await uow.operators.ids()
    ) - frozenset(operators)
    if overtaken:
        msg = "Seats were taken meanwhile: try again."
        raise Overtaken(msg)
    return Subject(user_id, device_id, accounts, locked, operators)


async def suspend(uow: UnitOfWork, subject: Subject, suspension: Suspension, *, now: datetime) -> None:
    """Begins a suspension of the locked subject: it binds the device too, and takes effect at once on all of its accounts.

    Tickets end (`SUSPENDED`), and matches (`YOU_WERE_SUSPENDED`; the partner is not told why). One of scope ALL takes every other
    seat as well, and every live socket: their sessions become APPEAL_ONLY.
    """
    await uow.suspensions.add(suspension, subject.device_id)
    for ticket in await uow.tickets.waiting_of(subject.accounts):
        await end_ticket(uow, ticket, TicketStatus.CANCELLED, QueueLeaveReason.SUSPENDED)
    for room in subject.rooms:
        await _put_out(uow, room, subject.accounts, suspension.scope, now)
    for user_id in sorted(subject.accounts):
        uow.append(user_id, UserSuspended(suspension))
        uow.raise_control(user_id)


def tell_operators(uow: UnitOfWork, subject: Subject, case_id: UUID) -> None:
    """Tells all operators that the case changed, but one whom it is about."""
    for operator_id in subject.operators:
        if operator_id != subject.user_id:
            uow.append(operator_id, CaseChanged(case_id))


async def _locked(uow: UnitOfWork, rooms: frozenset[UUID], users: Iterable[UUID]) -> Sequence[Room]:
    if rooms:
        return await uow.lock_rooms(rooms, also=users)
    await uow.lock_users(users)
    return ()


async def _put_out(
    uow: UnitOfWork, room: Room, accounts: Collection[UUID], scope: SuspensionScope, now: datetime
) -> None:
    for user_id in sorted(accounts):
        seat = room.held_seat_of(user_id)
        if seat is None:
            continue
        if room.kind is RoomKind.MATCH:
            await end_match(
                uow,
                room,
                seat,
                told=MatchEndReason.YOU_WERE_SUSPENDED,
                others_told=MatchEndReason.PARTNER_LEFT,
                left=MemberLeaveReason.LEFT,
                now=now,
            )
            return
        if scope is SuspensionScope.ALL:
            room = await vacate(uow, room, seat, MemberLeaveReason.LEFT, now=now)
