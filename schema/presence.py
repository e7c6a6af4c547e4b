"""One's own presence in a room: what one sends, and whether one types."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain import presence
from domain.errors import NotFound
from schema.context import Info
from schema.errors import NotFoundError, answers
from schema.ids import known_id
from schema.inputs import given
from schema.rooms import Member


@strawberry.input(description="The viewer's own presence in one room. Fields left out, or null, stay as they are.")
class UpdatePresenceInput:
    room_id: strawberry.ID = strawberry.field(description="A room that the viewer is in.")
    typing: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="The viewer types now. It lapses by itself after 6 seconds: repeat it while they go on.",
    )
    camera: bool | None = strawberry.field(default=strawberry.UNSET, description="The camera is on.")
    microphone: bool | None = strawberry.field(default=strawberry.UNSET, description="The microphone is on.")
    screen: bool | None = strawberry.field(default=strawberry.UNSET, description="The screen is shared.")


@strawberry.type(
    description="The presence is changed, and everybody in the room is told if there is anything new to see."
)
class UpdatePresenceSuccess:
    member: Member = strawberry.field(description="The viewer's own seat, as it is now.")


UpdatePresencePayload = Annotated[
    UpdatePresenceSuccess | NotFoundError,
    strawberry.union("UpdatePresencePayload", description="What `updatePresence` answers."),
]


@strawberry.type
class PresenceMutation:
    """`updatePresence`."""

    @strawberry.mutation(
        description=(
            "Says what the viewer sends and whether they type, in one room. More than a burst of 20 and then 10 a second are "
            "refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(NotFound)
    async def update_presence(
        self, info: Info, input: Annotated[UpdatePresenceInput, strawberry.argument(description="What changed.")]
    ) -> UpdatePresencePayload:
        services, viewer = info.context.services, info.context.viewer
        room_id, now = known_id(input.room_id), services.clock()
        change = presence.PresenceChange(
            typing=given(input.typing),
            camera=given(input.camera),
            microphone=given(input.microphone),
            screen=given(input.screen),
        )
        services.throttle.presence(viewer.user_id)
        room, seat = await services.transact(
            lambda uow: presence.update_presence(uow, viewer.user_id, room_id, change, now=now)
        )
        services.reached(seat.id)
        return UpdatePresenceSuccess(member=Member.of(seat, room, viewer.user_id, now))
