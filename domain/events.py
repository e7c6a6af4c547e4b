"""What happens to a subscriber, in the past tense. Events hold IDs and immutable facts; changing state is loaded at read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from domain.keys.bundle import OneTimeKeyKind
    from domain.matchmaking.ticket import QueueLeaveReason, Ticket
    from domain.ports import UnitOfWork
    from domain.rooms.room import MatchEndReason, Member, MemberLeaveReason
    from domain.safety.case import AccountWarning
    from domain.safety.suspension import Suspension
    from domain.signaling import Signal


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """The user's ticket waits, or its preferences changed."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class QueueLeft:
    """The user's ticket ended without a match; `ticket` is as it ended."""

    ticket: Ticket
    reason: QueueLeaveReason


@dataclass(frozen=True, slots=True)
class Matched:
    """The user's ticket opened a room with a partner."""

    ticket: Ticket
    room_id: UUID
    partner_id: UUID


@dataclass(frozen=True, slots=True)
class MatchEnded:
    """The match is over for the user."""

    room_id: UUID
    reason: MatchEndReason


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Another member sent a signal to the user's seat in the room."""

    id: UUID
    room_id: UUID
    sender_id: UUID
    call_id: str | None
    signal: Signal


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """Somebody took a seat."""

    room_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """Somebody gave up or lost a seat."""

    room_id: UUID
    member_id: UUID
    reason: MemberLeaveReason


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    """Status, media, typing, role or mute changed; the latest state is loaded at read, so only the last of a burst is told."""

    room_id: UUID
    member_id: UUID


@dataclass(frozen=True, slots=True)
class MessageSent:
    """Somebody sent an encrypted message into the room; `seq` is its place there. What it holds is loaded at read."""

    room_id: UUID
    message_id: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class KeysPublished:
    """A member of the room published a key bundle; `identity_changed` if its identity key is another than before."""

    room_id: UUID
    member_id: UUID
    identity_changed: bool


@dataclass(frozen=True, slots=True)
class PreKeysLow:
    """The user's own one-time keys of one kind fell below the refill mark."""

    kind: OneTimeKeyKind
    remaining: int


@dataclass(frozen=True, slots=True)
class UserSuspended:
    """A suspension of the user began."""

    suspension: Suspension


@dataclass(frozen=True, slots=True)
class UserWarned:
    """A case about the user ended with a warning."""

    warning: AccountWarning


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """For operators: a case was opened, got another report, was claimed, decided or appealed. It is loaded at read."""

    case_id: UUID


Event = (
    QueueJoined
    | QueueLeft
    | Matched
    | MatchEnded
    | SignalReceived
    | MemberJoined
    | MemberLeft
    | MemberUpdated
    | MessageSent
    | KeysPublished
    | PreKeysLow
    | UserSuspended
    | UserWarned
    | CaseChanged
)
SeatEvent = Matched | MatchEnded | SignalReceived | MemberJoined | MemberLeft | MemberUpdated
RoomEvent = SeatEvent | MessageSent | KeysPublished


def tell(uow: UnitOfWork, members: Iterable[Member], event: Event) -> None:
    """Puts the event into the inbox of each of the members. Their heads are locked."""
    for member in members:
        uow.append(member.user_id, event)
