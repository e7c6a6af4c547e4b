"""What happens to a subscriber, as the API shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import strawberry

from domain.keys.bundle import LOW_MARK
from schema.cases import Case
from schema.chat import MessageEdge
from schema.enums import MatchEndReason, MemberLeaveReason, OneTimeKeyKind, QueueLeaveReason
from schema.matchmaking import Ticket
from schema.rooms import Member, Room
from schema.safety import AccountWarning, Suspension
from schema.scalars import Cursor
from schema.signaling import Signal

ROOM = "The room, as it is now for the viewer: once they have left, without members."


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


@strawberry.type(description="Somebody came into the room, perhaps the viewer.")
class MemberJoined(Event):
    """See `domain.events.MemberJoined`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Who came.")


@strawberry.type(description="Somebody left the room, or was made to: perhaps the viewer.")
class MemberLeft(Event):
    """See `domain.events.MemberLeft`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Who left.")
    member_leave_reason: MemberLeaveReason = strawberry.field(description="Why, as everybody is told.")


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


@strawberry.type(
    description="Somebody in the room sent an encrypted message; the viewer's own is told to all of their devices."
)
class MessageSent(Event):
    """See `domain.events.MessageSent`."""

    cursor: Cursor = strawberry.field(
        description=(
            "The event's place in the viewer's inbox. Of a message that `messages` tells out of the history it is `edge.cursor`, "
            "which no subscription but `messages` takes."
        )
    )
    room: Room = strawberry.field(description=ROOM)
    edge: MessageEdge = strawberry.field(description="The message and its place in the room.")


@strawberry.type(
    description=(
        "A member of the room published a key bundle; the viewer's own is told to all of their devices. It is for new sessions: "
        "those that were begun with the one before go on with whoever has its keys, and `identityChanged` tells when that may not "
        "be the same person."
    )
)
class KeysPublished(Event):
    """See `domain.events.KeysPublished`."""

    room: Room = strawberry.field(description=ROOM)
    member: Member = strawberry.field(description="Whose keys they are.")
    identity_changed: bool = strawberry.field(
        description=(
            "The identity key is another than before: warn people in the room that it may not be the same device, or not the same "
            "person, until they have compared safety numbers again. False for the first bundle."
        )
    )


@strawberry.type(
    description=(
        f"The viewer's one-time keys of one kind fell below the refill mark of {LOW_MARK}: call `addOneTimePreKeys`. Told once on "
        "the way down, and so never of a store that was smaller from the beginning: publish at least as many, or look at the "
        "counts of `me`."
    )
)
class PreKeysLow(Event):
    """See `domain.events.PreKeysLow`."""

    kind: OneTimeKeyKind = strawberry.field(description="Of which kind.")
    remaining: int = strawberry.field(description="How many were left at that moment.")


@strawberry.type(description="A suspension of the viewer began. One of scope ALL ends the connection next.")
class Suspended(Event):
    """See `domain.events.UserSuspended`."""

    suspension: Suspension = strawberry.field(description="What restricts the viewer.")


@strawberry.type(description="A moderator warned the viewer.")
class Warned(Event):
    """See `domain.events.UserWarned`."""

    warning: AccountWarning = strawberry.field(description="What the warning is about.")


@strawberry.type(
    description="For operators: a case was opened, got another report, was claimed, given back, decided or appealed."
)
class CaseChanged(Event):
    """See `domain.events.CaseChanged`."""

    case: Case = strawberry.field(description="The case, as it is now.")


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
MessageEvent = Annotated[
    MessageSent | ResyncRequired, strawberry.union("MessageEvent", description="What happens in a stream of messages.")
]
CaseEvent = Annotated[CaseChanged | ResyncRequired, strawberry.union("CaseEvent", description="What happens to cases.")]
KeyEvent = Annotated[
    KeysPublished | PreKeysLow | ResyncRequired,
    strawberry.union("KeyEvent", description="What happens to the keys of the viewer, and of those in a room."),
]
