"""Rooms and the people in them, each as one viewer may see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.errors import NotFound
from domain.following import seat_in
from domain.rooms import room as rooms
from domain.rooms.invites import may_invite
from schema.context import Info
from schema.enums import ChatMode, MemberRole, MemberStatus, RoomKind
from schema.ids import known_id


@strawberry.type(
    description="What a member says that they send. The server does not see media: it passes the statement on."
)
class MediaState:
    camera: bool = strawberry.field(description="The camera is on.")
    microphone: bool = strawberry.field(description="The microphone is on.")
    screen: bool = strawberry.field(description="The screen is shared.")

    @classmethod
    def of(cls, media: rooms.MediaState) -> MediaState:
        """The API's form of a media state."""
        return cls(camera=media.camera, microphone=media.microphone, screen=media.screen)


@strawberry.type(
    description=(
        "A person in a room. Somebody who has left remains as a tombstone: the name and the status LEFT, and nothing else."
    )
)
class Member:
    id: strawberry.ID = strawberry.field(
        description="Theirs in this room only, also after leaving and coming back; it means nothing in any other room."
    )
    display_name: str = strawberry.field(description="The name under which they took the seat.")
    role: MemberRole = strawberry.field(description="Their rank in the room.")
    muted: bool = strawberry.field(description="Whether a moderator stopped their messages; signals still pass.")
    status: MemberStatus = strawberry.field(description="Whether they are there.")
    media: MediaState = strawberry.field(description="What they say that they send.")
    typing: bool = strawberry.field(description="Whether they type now; it lapses 6 seconds after they last said so.")
    polite: bool = strawberry.field(
        description=(
            "Whether the viewer is the polite peer toward this member in WebRTC perfect negotiation. Of each pair exactly one side "
            "is polite; the impolite side offers first. False on the viewer's own seat."
        )
    )
    joined_at: datetime = strawberry.field(description="When they took the seat; coming back counts anew.")

    @classmethod
    def of(cls, member: rooms.Member, room: rooms.Room, viewer_id: UUID, now: datetime) -> Member:
        """The member as the viewer may see it: a tombstone once either of the two has left the room."""
        seat = room.held_seat_of(viewer_id)
        shown = member if seat is not None and member.inside else member.tombstone()
        return cls(
            id=strawberry.ID(str(shown.id)),
            display_name=shown.display_name,
            role=shown.role,
            muted=shown.muted,
            status=shown.status,
            media=MediaState.of(shown.media),
            typing=shown.typing(now),
            polite=seat is not None and shown.inside and seat.polite_toward(shown),
            joined_at=shown.joined_at,
        )


@strawberry.type(
    description=(
        "Where people meet. A room that the viewer has left, or that is closed, remains as a tombstone: no members, no invite, no "
        "seat of the viewer's own."
    )
)
class Room:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    kind: RoomKind = strawberry.field(description="How it came to be.")
    mode: ChatMode | None = strawberry.field(
        description="How two matched people want to talk; null for an INVITE room."
    )
    me: Member | None = strawberry.field(description="The viewer's own seat; null once they have left.")
    name: str | None = strawberry.field(description="What its owner called it; null for a MATCH room.")
    capacity: int = strawberry.field(description="How many it seats.")
    members: list[Member] = strawberry.field(description="Those inside, ONLINE and AWAY, in the order of joining.")
    shared_interests: list[str] = strawberry.field(
        description="Interests that both sides of a match named; empty for an INVITE room."
    )
    created_at: datetime = strawberry.field(description="When it was opened.")
    closed_at: datetime | None = strawberry.field(description="When it was closed; null while it is open.")
    invite: strawberry.Private[rooms.Invite | None]
    """Of an open room, for a viewer who may invite into it."""

    @strawberry.field(
        description=(
            "What lets others in, as `joinRoom` takes it: four groups of five letters and digits. Null to those who may not invite "
            "(the owner and moderators may), always for a MATCH room, and when the service has retired the secret with which the "
            "code was made: then `rotateInvite` makes a new one."
        )
    )
    def invite_code(self, info: Info) -> str | None:
        return None if self.invite is None else info.context.services.invites.code(UUID(self.id), self.invite)

    @classmethod
    def of(cls, room: rooms.Room, viewer_id: UUID, now: datetime) -> Room:
        """The room as the viewer may see it: a tombstone unless they hold a seat in it."""
        seat = room.held_seat_of(viewer_id)
        return cls(
            id=strawberry.ID(str(room.id)),
            kind=room.kind,
            mode=room.mode,
            me=None if seat is None else Member.of(seat, room, viewer_id, now),
            name=room.name,
            capacity=room.capacity,
            members=[] if seat is None else [Member.of(member, room, viewer_id, now) for member in room.inside],
            shared_interests=list(room.shared_interests),
            created_at=room.created_at,
            closed_at=room.closed_at,
            invite=room.invite if seat is not None and may_invite(seat) else None,
        )


@strawberry.type
class RoomsQuery:
    """`rooms` and `room`."""

    @strawberry.field(
        description=(
            "Open rooms that the viewer is in, the newest first. More than 2000 rooms in such lists at once and then 100 a second "
            "are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    async def rooms(self, info: Info) -> list[Room]:
        services, viewer = info.context.services, info.context.viewer
        held = await services.read(lambda uow: uow.rooms.held_by(viewer.user_id))
        services.throttle.list_rooms(viewer.user_id, len(held))
        now = services.clock()
        return [Room.of(room, viewer.user_id, now) for room in held]

    @strawberry.field(description="An open room that the viewer is in; null for any other.")
    async def room(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The room's ID.")]
    ) -> Room | None:
        services, viewer = info.context.services, info.context.viewer
        try:
            room, seat = await seat_in(services.directory, known_id(id), viewer.user_id)
        except NotFound:
            return None
        services.reached(seat.id)
        return Room.of(room, viewer.user_id, services.clock())
