"""Invite rooms and the way in: open one, look at it through its code, join it, and make a new code."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain import errors
from domain.identity import while_signed_in
from domain.rooms import invites
from domain.rooms import room as rooms
from schema.context import Info
from schema.errors import InvalidInputError, NotAllowedError, NotFoundError, RoomFullError, SuspendedError, answers
from schema.ids import known_id
from schema.rooms import Room

CODE = (
    "An invite code as a room shows it. Case, spaces and hyphens do not matter, and O, I and L are taken for the digits that they "
    "look like."
)
RATES = (
    "Making, entering, leaving and ruling rooms together are refused with RATE_LIMITED and `retryAfter` beyond a burst of 256 and "
    "then one a second."
)
GUESSING = (
    f"Codes that lead nowhere are counted, for this and for {{other}} together: beyond {invites.GUESSES_OF_USER} of a user, or "
    f"{invites.GUESSES_OF_NETWORK} of a network, in {invites.GUESSES_PERIOD.seconds // 60} minutes, any code is refused with "
    "RATE_LIMITED and `retryAfter`."
)


@strawberry.type(
    description="What a holder of an invite code may see before joining. Nobody inside learns of the look."
)
class RoomPreview:
    name: str | None = strawberry.field(description="What its owner called it.")
    member_count: int = strawberry.field(description="How many are inside, ONLINE and AWAY.")
    capacity: int = strawberry.field(
        description="How many it seats: with as many inside, joining answers `RoomFullError`."
    )

    @classmethod
    def of(cls, room: rooms.Room) -> RoomPreview:
        """What somebody outside may see of the room."""
        return cls(name=room.name, member_count=len(room.inside), capacity=room.capacity)


@strawberry.input(description="The room to open.")
class CreateRoomInput:
    name: str = strawberry.field(
        description=(
            f"1 to {invites.NAME_LENGTH} characters after trimming and Unicode NFC, one of which can be seen; no control "
            "characters and none that change the direction of text."
        )
    )
    capacity: int = strawberry.field(
        default=8,
        description=(
            f"{invites.SMALLEST} to {invites.LARGEST} seats, the owner's included: every pair of members keeps a peer connection "
            "of its own."
        ),
    )


@strawberry.type(description="The room is open, and the viewer is its owner.")
class CreateRoomSuccess:
    room: Room = strawberry.field(description="The room with its `inviteCode`; the viewer is the only one inside.")


CreateRoomPayload = Annotated[
    CreateRoomSuccess | InvalidInputError | SuspendedError,
    strawberry.union("CreateRoomPayload", description="What `createRoom` answers."),
]


@strawberry.input(description="The room to join.")
class JoinRoomInput:
    invite_code: str = strawberry.field(description=CODE)


@strawberry.type(description="The viewer is in the room.")
class JoinRoomSuccess:
    room: Room = strawberry.field(description="The room with everybody in it, the viewer included.")


JoinRoomPayload = Annotated[
    JoinRoomSuccess | NotFoundError | RoomFullError | SuspendedError,
    strawberry.union("JoinRoomPayload", description="What `joinRoom` answers."),
]


@strawberry.input(description="The room whose invite to replace.")
class RotateInviteInput:
    room_id: strawberry.ID = strawberry.field(
        description="An INVITE room of which the viewer is the owner or a moderator."
    )


@strawberry.type(description="The room has a new invite code; the old one is dead.")
class RotateInviteSuccess:
    room: Room = strawberry.field(description="The room with the new `inviteCode`.")


RotateInvitePayload = Annotated[
    RotateInviteSuccess | NotFoundError | NotAllowedError,
    strawberry.union("RotateInvitePayload", description="What `rotateInvite` answers."),
]


@strawberry.type
class InvitesQuery:
    """`roomByInvite`."""

    @strawberry.field(
        description=(
            "The room that an invite code leads to. Null alike for a code that is unknown, malformed or rotated, of a room that is "
            "closed, of one from which the viewer was kicked, or of one that somebody is in whom the viewer blocks or who blocks "
            "the viewer. " + GUESSING.format(other="`joinRoom`")
        )
    )
    async def room_by_invite(
        self, info: Info, invite_code: Annotated[str, strawberry.argument(description=CODE)]
    ) -> RoomPreview | None:
        services, viewer = info.context.services, info.context.viewer
        found = await invites.preview(
            services.read,
            services.limits,
            services.secrets,
            services.invites,
            user_id=viewer.user_id,
            network=info.context.network,
            code=invite_code,
        )
        return None if found is None else RoomPreview.of(found)


@strawberry.type
class InvitesMutation:
    """`createRoom`, `joinRoom` and `rotateInvite`."""

    @strawberry.mutation(
        description=(
            "Opens a room that others enter with its invite code; repeated, it opens another one. Whoever has no connection open "
            f"has {invites.HOLD.seconds} seconds to open one, or loses the seat. Nobody sits in more than {invites.SEATS_AT_ONCE} "
            "INVITE rooms: one more is a CONFLICT. " + RATES
        )
    )
    @answers(errors.InvalidInput, errors.Suspended)
    async def create_room(
        self, info: Info, input: Annotated[CreateRoomInput, strawberry.argument(description="What to open.")]
    ) -> CreateRoomPayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        room = await while_signed_in(services.transact, viewer)(
            lambda uow: invites.create_room(
                uow,
                services.invites,
                viewer.user_id,
                name=input.name,
                capacity=input.capacity,
                new_id=services.new_id,
                clock=services.clock,
            )
        )
        return CreateRoomSuccess(room=Room.of(room, viewer.user_id, services.clock()))

    @strawberry.mutation(
        description=(
            "Seats the viewer in the room that an invite code leads to; somebody inside already stays as they are. Whoever comes "
            "back is the same member, a MEMBER by rank and the latest to join, and still muted if they were. Where `roomByInvite` "
            f"answers null this answers `NotFoundError`, and `RoomFullError` also once {invites.MEMBERS_EVER} different people "
            f"have been in the room. Connections and the {invites.SEATS_AT_ONCE} rooms of a user are as for `createRoom`. "
            + GUESSING.format(other="`roomByInvite`")
            + " "
            + RATES
        )
    )
    @answers(errors.NotFound, errors.RoomFull, errors.Suspended)
    async def join_room(
        self, info: Info, input: Annotated[JoinRoomInput, strawberry.argument(description="Where to go.")]
    ) -> JoinRoomPayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        room = await invites.join_room(
            while_signed_in(services.transact, viewer),
            services.limits,
            services.secrets,
            services.invites,
            user_id=viewer.user_id,
            network=info.context.network,
            code=input.invite_code,
            new_id=services.new_id,
            clock=services.clock,
        )
        return JoinRoomSuccess(room=Room.of(room, viewer.user_id, services.clock()))

    @strawberry.mutation(
        description=(
            "Replaces a room's invite code: from then on the old one leads nowhere. Everybody inside stays, and nobody is told: "
            "others who may invite see the new code when they look at the room. A repeated call makes yet another code, and of two "
            "at once the last wins. " + RATES
        )
    )
    @answers(errors.NotFound, errors.NotAllowed)
    async def rotate_invite(
        self, info: Info, input: Annotated[RotateInviteInput, strawberry.argument(description="Whose code to replace.")]
    ) -> RotateInvitePayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        room_id = known_id(input.room_id)
        room = await services.transact(
            lambda uow: invites.rotate_invite(uow, services.invites, viewer.user_id, room_id)
        )
        return RotateInviteSuccess(room=Room.of(room, viewer.user_id, services.clock()))
