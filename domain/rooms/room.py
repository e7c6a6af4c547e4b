"""Rooms and the members in them: everything in Parley happens in a room."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.ticket import ChatMode


class RoomKind(StrEnum):
    """How a room came to be."""

    MATCH = "MATCH"
    INVITE = "INVITE"


class MemberRole(StrEnum):
    """Rank in a room: OWNER over MODERATOR over MEMBER."""

    OWNER = "OWNER"
    MODERATOR = "MODERATOR"
    MEMBER = "MEMBER"


class MemberStatus(StrEnum):
    """Whether a member is there."""

    ONLINE = "ONLINE"
    AWAY = "AWAY"
    LEFT = "LEFT"


class MemberLeaveReason(StrEnum):
    """Why a member left, as the others are told."""

    LEFT = "LEFT"
    KICKED = "KICKED"
    CONNECTION_LOST = "CONNECTION_LOST"
    ROOM_CLOSED = "ROOM_CLOSED"


class MatchEndReason(StrEnum):
    """Why a match ended, as one side is told."""

    YOU_SKIPPED = "YOU_SKIPPED"
    YOU_LEFT = "YOU_LEFT"
    PARTNER_LEFT = "PARTNER_LEFT"
    PARTNER_LOST = "PARTNER_LOST"
    YOU_WERE_SUSPENDED = "YOU_WERE_SUSPENDED"


@dataclass(frozen=True, slots=True)
class MediaState:
    """What a member says that they send."""

    camera: bool = False
    microphone: bool = False
    screen: bool = False


@dataclass(frozen=True, slots=True)
class Invite:
    """What a room's invite code is derived from: how often it was rotated, and the ID of the root secret that it is made with."""

    version: int
    key_id: str


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a room. `position` is the order of joining, from 0, and decides politeness and standing.

    Whoever comes back has the same ID, takes the next position, and begins anew with `joined_at`. `kicked` bars the room's
    invites for them.
    """

    id: UUID
    room_id: UUID
    user_id: UUID
    display_name: str
    role: MemberRole
    muted: bool
    status: MemberStatus
    media: MediaState
    typing_until: datetime | None
    position: int
    joined_at: datetime
    left_at: datetime | None
    kicked: bool = False

    @property
    def inside(self) -> bool:
        """Whether the seat is held: ONLINE or AWAY."""
        return self.left_at is None

    def typing(self, now: datetime) -> bool:
        """Whether the member is typing at `now`: it lapses by itself."""
        return self.typing_until is not None and now < self.typing_until

    def tombstone(self) -> Member:
        """What remains to be seen of a member once they, or whoever looks, have left the room: the name."""
        return replace(
            self,
            role=MemberRole.MEMBER,
            muted=False,
            status=MemberStatus.LEFT,
            media=MediaState(),
            typing_until=None,
            left_at=self.left_at or self.joined_at,
        )

    def polite_toward(self, other: Member) -> bool:
        """Whether this side is the polite peer toward `other` in WebRTC perfect negotiation (W3C WebRTC 1.0, section 10.7).

        Of each pair exactly one is: the earlier joiner. The later one is impolite and offers first.
        """
        return self.position < other.position


@dataclass(frozen=True, slots=True)
class Room:
    """A room with everyone who is or was in it."""

    id: UUID
    kind: RoomKind
    mode: ChatMode | None
    name: str | None
    capacity: int
    shared_interests: tuple[str, ...]
    created_at: datetime
    closed_at: datetime | None
    members: tuple[Member, ...]
    invite: Invite | None = None
    """Of an INVITE room."""

    @property
    def open(self) -> bool:
        """Whether anything may still happen in it."""
        return self.closed_at is None

    @property
    def inside(self) -> tuple[Member, ...]:
        """Those who hold a seat, in the order of joining; nobody once the room is closed."""
        return tuple(m for m in self.members if m.inside) if self.open else ()

    def seat_of(self, user_id: UUID) -> Member | None:
        """The user's seat, held or left; None for somebody who never was in."""
        return next((m for m in self.members if m.user_id == user_id), None)

    def held_seat_of(self, user_id: UUID) -> Member | None:
        """The seat that the user holds in the open room; None for everybody else."""
        if self.closed_at is None:
            for member in self.members:
                if member.left_at is None and member.user_id == user_id:
                    return member
        return None

    def member(self, member_id: UUID) -> Member | None:
        """The member of that ID, inside or left."""
        for member in self.members:
            if member.id == member_id:
                return member
        return None

    def holds(self, user_id: UUID) -> bool:
        """Whether the user holds a seat in the open room: the whole of the authority to see what happens in it."""
        return self.held_seat_of(user_id) is not None

    def others(self, user_id: UUID) -> tuple[Member, ...]:
        """Those inside other than the user."""
        return tuple(m for m in self.inside if m.user_id != user_id)


def held_seat(room: Room | None, user_id: UUID) -> tuple[Room, Member]:
    """The open room and the seat that the user holds in it. Raises `NotFound` to everybody else: whether there is such a room, only
    those inside are told.
    """
    seat = room.held_seat_of(user_id) if room is not None else None
    if room is None or seat is None:
        raise NotFound
    return room, seat
