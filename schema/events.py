"""What happens to a subscriber, as the API shows it, and how entries of the inbox become it.

Events of the inbox hold IDs; rooms and members are loaded for a whole page before, so that nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from domain import events, rooms
from domain.inbox import Entry, Position
from domain.matchmaking import ticket as tickets
from schema.cursors import inbox_cursor
from schema.enums import MatchEndReason, MemberLeaveReason, QueueLeaveReason
from schema.matchmaking import Ticket
from schema.rooms import Member, Room
from schema.safety import Suspension
from schema.scalars import Cursor
from schema.signaling import Signal, shown_signal

ROOM = "The room, as it is now for the viewer: once they have left, without members."
ROOMS_KEPT = 16
"""Mapped rooms that a stream keeps: more than anybody sits in at once."""


@strawberry.interface(
    description=(
        "Something that happened to the subscriber. Everybody has one inbox, and events in it have a total order: "
        "subscribe again with the last `cursor` as `after`, and nothing is missed and nothing repeated while the event "
        "is retained (two minutes)."
    )
)
class Event:
    """An entry of the inbox."""

    cursor: Cursor = strawberry.field(
        description="The event's place in the viewer's inbox; give it as `after` to go on behind it."
    )
    at: datetime = strawberry.field(description="When it happened.")


@strawberry.type(
    description=(
        "Events since `after` are gone, or the inbox began anew: query the state again. The stream goes on from here by itself."
    )
)
class ResyncRequired(Event):
    """See `domain.following.Lost`."""


@strawberry.type(
    description=(
        "Where the viewer stands: the first event of `events` and `matchEvents` without `after`. Whatever happens from "
        "then on is told, so this is the moment to query the rest."
    )
)
class MatchSnapshot(Event):
    """`on_delivered` is for the transport: to be called once the response was written."""

    waiting_ticket: Ticket | None = strawberry.field(
        description="The viewer's place in the queue; null if they have none."
    )
    current_room: Room | None = strawberry.field(
        description="The room of the viewer's open match; null if there is none."
    )
    on_delivered: strawberry.Private[Callable[[], None] | None] = None


@strawberry.type(description="The viewer is in the queue, or has changed what they ask for there.")
class QueueJoined(Event):
    """See `domain.events.QueueJoined`."""

    ticket: Ticket = strawberry.field(description="The place in the queue.")


@strawberry.type(description="The viewer left the queue without a match.")
class QueueLeft(Event):
    """See `domain.events.QueueLeft`."""

    ticket: Ticket = strawberry.field(description="The place that they had.")
    queue_leave_reason: QueueLeaveReason = strawberry.field(description="Why.")


@strawberry.type(description="The viewer has met somebody: both are in the room now.")
class Matched(Event):
    """See `domain.events.Matched`; `on_delivered` as in `MatchSnapshot`."""

    ticket: Ticket = strawberry.field(description="The place in the queue that led to it.")
    room: Room = strawberry.field(description=ROOM)
    partner: Member = strawberry.field(description="Whom they met; `polite` tells which side makes the first offer.")
    on_delivered: strawberry.Private[Callable[[], None] | None] = None


@strawberry.type(description="The viewer's match is over, and its room is closed.")
class MatchEnded(Event):
    """See `domain.events.MatchEnded`."""

    room: Room = strawberry.field(description=ROOM)
    match_end_reason: MatchEndReason = strawberry.field(description="Why, as this side is told.")


@strawberry.type(description="Another member of the room sent the viewer a signal.")
class SignalReceived(Event):
    """See `domain.events.SignalReceived`."""

    id: strawberry.ID = strawberry.field(description="The ID that `sendSignal` returned to the sender.")
    room: Room = strawberry.field(description=ROOM)
    sender: Member = strawberry.field(description="Who sent it: stamped by the server.")
    call_id: strawberry.ID | None = strawberry.field(
        description="The peer connection that it belongs to, as the sender named it: drop signals of one that is gone."
    )
    signal: Signal = strawberry.field(description="What was sent, unchanged.")


@strawberry.type(description="Who is in the room: the first event of `presence`.")
class PresenceSnapshot(Event):
    """The state from which the others go on."""

    room: Room = strawberry.field(description="The room with everyone in it.")


@strawberry.type(description="Somebody came into the room.")
class MemberJoined(Event):
    """See `domain.events.MemberJoined`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Who came.")


@strawberry.type(description="Somebody left the room, or was made to.")
class MemberLeft(Event):
    """See `domain.events.MemberLeft`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Who left.")
    member_leave_reason: MemberLeaveReason = strawberry.field(description="Why, as the others are told.")


@strawberry.type(
    description=(
        "Status, media, typing, role or mute of a member changed. Told about four times a second for each member at "
        "most, with the latest state."
    )
)
class MemberUpdated(Event):
    """See `domain.events.MemberUpdated`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Who changed, as they are now.")


@strawberry.type(description="A suspension of the viewer began. One of scope ALL ends the connection next.")
class Suspended(Event):
    """See `domain.events.UserSuspended`."""

    suspension: Suspension = strawberry.field(description="What restricts the viewer.")


@strawberry.type(name="Warning", description="A decision that warned the viewer without taking anything away.")
class AccountWarning:
    """`Warning` in the API: in Python that name is taken."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    reason: str = strawberry.field(description="The statement of reasons.")
    at: datetime = strawberry.field(description="When it was decided.")


@strawberry.type(description="A moderator warned the viewer.")
class Warned(Event):
    """Declared for the union to be complete; nothing tells it yet."""

    warning: AccountWarning = strawberry.field(description="What the warning is about.")


MatchEvent = Annotated[
    MatchSnapshot | QueueJoined | QueueLeft | Matched | MatchEnded | Suspended | Warned | ResyncRequired,
    strawberry.union(
        "MatchEvent", description="What happens to the viewer on the way into, through and out of matches."
    ),
]
SignalEvent = Annotated[
    SignalReceived | ResyncRequired, strawberry.union("SignalEvent", description="What happens in a stream of signals.")
]
PresenceEvent = Annotated[
    PresenceSnapshot | MemberJoined | MemberLeft | MemberUpdated | ResyncRequired,
    strawberry.union("PresenceEvent", description="What happens to the members of a room."),
]


def room_of(event: events.Event) -> UUID | None:
    """The room that the event shows, None if it shows none."""
    return getattr(event, "room_id", None)


class Showing:
    """Makes events for one viewer. `reached` is told the viewer's member ID once a `Matched` or a current room was delivered.

    A room that is the same as for the event before is mapped once: signals come in their dozens while nothing else changes.
    """

    def __init__(self, viewer_id: UUID, reached: Callable[[UUID], None]) -> None:
        self._viewer_id = viewer_id
        self._reached = reached
        self._mapped: dict[UUID, tuple[rooms.Room, Room, dict[UUID, Member]]] = {}

    def lost(self, position: Position, at: datetime) -> ResyncRequired:
        return ResyncRequired(cursor=inbox_cursor(position), at=at)

    def standing(
        self, position: Position, ticket: tickets.Ticket | None, room: rooms.Room | None, now: datetime
    ) -> MatchSnapshot:
        return MatchSnapshot(
            cursor=inbox_cursor(position),
            at=now,
            waiting_ticket=None if ticket is None else Ticket.of(ticket),
            current_room=None if room is None else self._room(room, now)[0],
            on_delivered=None if room is None else self._reaching(room),
        )

    def present(self, position: Position, room: rooms.Room, now: datetime) -> PresenceSnapshot:
        return PresenceSnapshot(cursor=inbox_cursor(position), at=now, room=self._room(room, now)[0])

    def event(self, entry: Entry, found: Mapping[UUID, rooms.Room], now: datetime) -> Event | None:
        """The entry for the viewer, with rooms as `found` has them; None when what it shows is gone for good."""
        event, cursor, at = entry.event, inbox_cursor(entry.position), entry.at
        match event:
            case events.QueueJoined(ticket):
                return QueueJoined(cursor=cursor, at=at, ticket=Ticket.of(ticket))
            case events.QueueLeft(ticket, reason):
                return QueueLeft(cursor=cursor, at=at, ticket=Ticket.of(ticket), queue_leave_reason=reason)
            case events.UserSuspended(suspension):
                return Suspended(cursor=cursor, at=at, suspension=Suspension.of(suspension))
        room = found.get(event.room_id)
        return None if room is None else self._of_room(event, room, cursor, at, now)

    def _of_room(
        self, event: events.RoomEvent, known: rooms.Room, cursor: Cursor, at: datetime, now: datetime
    ) -> Event | None:
        room, members = self._room(known, now)
        if isinstance(event, events.MatchEnded):
            return MatchEnded(cursor=cursor, at=at, room=room, match_end_reason=event.reason)
        member = members.get(_subject(event))
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

    def _room(self, room: rooms.Room, now: datetime) -> tuple[Room, dict[UUID, Member]]:
        known = self._mapped.get(room.id)
        if known is not None and known[0] is room:
            return known[1], known[2]
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


def _subject(
    event: events.SignalReceived | events.Matched | events.MemberJoined | events.MemberLeft | events.MemberUpdated,
) -> UUID:
    """The member whom the event is about."""
    match event:
        case events.SignalReceived():
            return event.sender_id
        case events.Matched():
            return event.partner_id
    return event.member_id


def _of_member(
    event: events.MemberJoined | events.MemberLeft | events.MemberUpdated,
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
    return MemberUpdated(cursor=cursor, at=at, room=room, member=member)
