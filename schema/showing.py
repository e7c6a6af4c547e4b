"""How entries of the inbox become events of the API, for one viewer.

Events of the inbox hold IDs; rooms and members are loaded for a whole page before, so that nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry

from domain import chat, events
from domain.inbox import Entry, Position
from domain.matchmaking import ticket as tickets
from domain.ports import Clock
from domain.rooms import room as rooms
from schema.cases import Case
from schema.chat import MessageEdge
from schema.cursors import inbox_cursor
from schema.events import (
    CaseChanged,
    Event,
    KeysPublished,
    Matched,
    MatchEnded,
    MatchSnapshot,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MessageSent,
    PreKeysLow,
    PresenceSnapshot,
    QueueJoined,
    QueueLeft,
    SignalReceived,
    Suspended,
    Warned,
)
from schema.matchmaking import Ticket
from schema.rooms import Member, Room
from schema.safety import AccountWarning, Suspension
from schema.scalars import Cursor
from schema.signaling import shown_signal

ROOMS_KEPT = 16
"""Mapped rooms that a stream keeps: more than most people sit in at once."""


_SUBJECTS = {events.SignalReceived: "sender_id", events.Matched: "partner_id"}


def room_of(event: events.Event) -> UUID | None:
    """The room that the event shows, None if it shows none."""
    return getattr(event, "room_id", None)


def subject_of(event: events.Event) -> UUID | None:
    """The member whom the event shows, None if it shows none by itself."""
    name = _SUBJECTS.get(type(event), "member_id")
    return getattr(event, name, None)


class Showing:
    """Makes events for one viewer. `reached` is told the viewer's member ID once a `Matched` or a current room was delivered.

    A room that is the same as for the event before is mapped once: signals come in their dozens while nothing else changes.
    """

    def __init__(self, viewer_id: UUID, reached: Callable[[UUID], None], clock: Clock) -> None:
        self._viewer_id = viewer_id
        self._reached = reached
        self._clock = clock
        self._mapped: dict[UUID, tuple[rooms.Room, Room, dict[UUID, Member]]] = {}
        self.cases: Mapping[UUID, Case] = {}
        """Those that the events show which come next, as far as the viewer may see them."""

    def standing(
        self, position: Position, ticket: tickets.Ticket | None, room: rooms.Room | None, now: datetime
    ) -> MatchSnapshot:
        return MatchSnapshot(
            cursor=inbox_cursor(position),
            at=now,
            waiting_ticket=None if ticket is None else Ticket.of(ticket),
            current_room=None if room is None else self._room(room)[0],
            on_delivered=None if room is None else self._reaching(room),
        )

    def present(self, position: Position, room: rooms.Room, now: datetime) -> PresenceSnapshot:
        return PresenceSnapshot(cursor=inbox_cursor(position), at=now, room=self._room(room)[0])

    def event(
        self, entry: Entry, found: Mapping[UUID, rooms.Room], messages: Mapping[UUID, chat.Message]
    ) -> Event | None:
        """The entry for the viewer, with rooms as `found` has them; None when what it shows is gone for good, or is not theirs."""
        event, cursor, at = entry.event, inbox_cursor(entry.position), entry.at
        match event:
            case events.SignalReceived():  # first, because nearly all are
                pass
            case events.MessageSent(room_id, message_id):
                home, message = found.get(room_id), messages.get(message_id)
                return None if home is None or message is None else self.message(message, home, cursor, at)
            case (
                events.QueueJoined()
                | events.QueueLeft()
                | events.UserSuspended()
                | events.UserWarned()
                | events.PreKeysLow()
            ):
                return _of_viewer(event, cursor, at)
            case events.CaseChanged(case_id):
                case = self.cases.get(case_id)
                return None if case is None else CaseChanged(cursor=cursor, at=at, case=case)
        room = found.get(event.room_id)
        return None if room is None else self._of_room(event, room, cursor, at)

    def message(self, message: chat.Message, known: rooms.Room, cursor: Cursor, at: datetime) -> MessageSent | None:
        """The message for the viewer; None unless they hold a seat in its room, which is as it is now."""
        if not known.holds(self._viewer_id):
            return None
        room, members = self._room(known)
        return MessageSent(cursor=cursor, at=at, room=room, edge=MessageEdge.of(message, members[message.sender_id]))

    def _of_room(
        self,
        event: events.SeatEvent | events.KeysPublished,
        known: rooms.Room,
        cursor: Cursor,
        at: datetime,
    ) -> Event | None:
        room, members = self._room(known)
        if isinstance(event, events.MatchEnded):
            return MatchEnded(cursor=cursor, at=at, room=room, match_end_reason=event.reason)
        subject = subject_of(event)
        member = None if subject is None else members.get(subject)
        if member is None:
            return None
        if isinstance(event, events.SignalReceived):
            return SignalReceived(
                cursor=cursor,
                at=at,
                id=strawberry.ID(str(event.id)),
                room=room,
                sender=member,
                call_id=None if event.call_id is None else strawberry.ID(event.call_id),
                signal=shown_signal(event.signal),
            )
        if isinstance(event, events.Matched):
            ticket, reaching = Ticket.of(event.ticket), self._reaching(known)
            return Matched(cursor=cursor, at=at, ticket=ticket, room=room, partner=member, on_delivered=reaching)
        return _of_member(event, room, member, cursor, at)

    def _room(self, room: rooms.Room) -> tuple[Room, dict[UUID, Member]]:
        known = self._mapped.get(room.id)
        if known is not None and known[0] is room:
            return known[1], known[2]
        now = self._clock()
        mapped = Room.of(room, self._viewer_id, now=now)
        members = {m.id: Member.of(m, room, self._viewer_id, now=now) for m in room.members}
        if any(m.typing_until is not None for m in room.members):
            self._mapped.pop(room.id, None)  # What it looks like depends on the time.
        else:
            if len(self._mapped) >= ROOMS_KEPT:
                self._mapped.clear()
            self._mapped[room.id] = (room, mapped, members)
        return mapped, members

    def _reaching(self, room: rooms.Room) -> Callable[[], None] | None:
        seat = room.seat_of(self._viewer_id)
        return None if seat is None else partial(self._reached, seat.id)


def _of_member(
    event: events.MemberJoined | events.MemberLeft | events.MemberUpdated | events.KeysPublished,
    room: Room,
    member: Member,
    cursor: Cursor,
    at: datetime,
) -> Event:
    match event:
        case events.MemberJoined():
            return MemberJoined(cursor=cursor, at=at, room=room, member=member)
        case events.MemberLeft(reason=reason):
            return MemberLeft(cursor=cursor, at=at, room=room, member=member, member_leave_reason=reason)
        case events.KeysPublished(identity_changed=changed):
            return KeysPublished(cursor=cursor, at=at, room=room, member=member, identity_changed=changed)
    return MemberUpdated(cursor=cursor, at=at, room=room, member=member)


def _of_viewer(
    event: events.QueueJoined | events.QueueLeft | events.UserSuspended | events.UserWarned | events.PreKeysLow,
    cursor: Cursor,
    at: datetime,
) -> Event | None:
    """What happened to the viewer in no room."""
    shown: Event | None = None
    match event:
        case events.QueueJoined(ticket):
            shown = QueueJoined(cursor=cursor, at=at, ticket=Ticket.of(ticket))
        case events.QueueLeft(ticket, reason):
            shown = QueueLeft(cursor=cursor, at=at, ticket=Ticket.of(ticket), queue_leave_reason=reason)
        case events.UserSuspended(suspension):
            shown = Suspended(cursor=cursor, at=at, suspension=Suspension.of(suspension))
        case events.UserWarned(warning):
            shown = Warned(cursor=cursor, at=at, warning=AccountWarning.of(warning))
        case events.PreKeysLow(kind, remaining):
            shown = PreKeysLow(cursor=cursor, at=at, kind=kind, remaining=remaining)
    return shown
