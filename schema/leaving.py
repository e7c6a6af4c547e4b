"""The ways out of a room."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.errors import NotAllowed, NotFound
from domain.rooms import leaving
from schema.context import Info
from schema.errors import NotAllowedError, NotFoundError, answers
from schema.ids import known_id
from schema.invites import RATES
from schema.rooms import Room


@strawberry.input(description="The room to leave.")
class LeaveRoomInput:
    room_id: strawberry.ID = strawberry.field(description="A room that the viewer is in, or was in.")


@strawberry.type(description="The viewer is not in the room.")
class LeaveRoomSuccess:
    room: Room = strawberry.field(description="What remains to the viewer of the room: a tombstone.")


LeaveRoomPayload = Annotated[
    LeaveRoomSuccess | NotFoundError,
    strawberry.union("LeaveRoomPayload", description="What `leaveRoom` answers."),
]


@strawberry.input(description="The room to close.")
class CloseRoomInput:
    room_id: strawberry.ID = strawberry.field(description="An INVITE room that the viewer owns.")


@strawberry.type(description="The room is closed: nobody is in it, and its messages are deleted.")
class CloseRoomSuccess:
    room: Room = strawberry.field(description="What remains of the room: a tombstone.")


CloseRoomPayload = Annotated[
    CloseRoomSuccess | NotFoundError | NotAllowedError,
    strawberry.union("CloseRoomPayload", description="What `closeRoom` answers."),
]


@strawberry.type
class LeavingMutation:
    """`leaveRoom` and `closeRoom`."""

    @strawberry.mutation(
        description=(
            "Gives the viewer's seat up at once. A match ends by it for both sides, without a cooldown: they may meet again. An "
            "INVITE room that its owner leaves passes to whoever has been in it longest, moderators before members; the last to "
            "leave closes it. Repeating it changes nothing. " + RATES
        )
    )
    @answers(NotFound)
    async def leave_room(
        self, info: Info, input: Annotated[LeaveRoomInput, strawberry.argument(description="The room to leave.")]
    ) -> LeaveRoomPayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        room_id, now = known_id(input.room_id), services.clock()
        room = await services.transact(lambda uow: leaving.leave_room(uow, viewer.user_id, room_id, now=now))
        return LeaveRoomSuccess(room=Room.of(room, viewer.user_id, now))

    @strawberry.mutation(
        description=(
            "Closes an INVITE room for everybody in it, and deletes its messages. Only its owner may. Repeating it changes "
            "nothing. " + RATES
        )
    )
    @answers(NotFound, NotAllowed)
    async def close_room(
        self, info: Info, input: Annotated[CloseRoomInput, strawberry.argument(description="The room to close.")]
    ) -> CloseRoomPayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        room_id, now = known_id(input.room_id), services.clock()
        room = await services.transact(lambda uow: leaving.close_room(uow, viewer.user_id, room_id, now=now))
        return CloseRoomSuccess(room=Room.of(room, viewer.user_id, now))
