"""The queue: join it, leave it, and skip from one match into the next."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain import errors
from domain.identity import while_signed_in
from domain.matchmaking import queue, ticket
from domain.matchmaking.preferences import preferences
from schema.context import Info
from schema.enums import ChatMode, TicketStatus
from schema.errors import AlreadyInMatchError, InvalidInputError, NotFoundError, SuspendedError, answers
from schema.ids import known_id
from schema.rooms import Room


@strawberry.type(description="A place in the queue. A user holds at most one that is WAITING.")
class Ticket:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    status: TicketStatus = strawberry.field(description="Where the ticket stands.")
    mode: ChatMode = strawberry.field(description="How the user wants to talk; partners want the same.")
    interests: list[str] = strawberry.field(
        description="What the user named, in the form in which it is compared: trimmed, Unicode NFKC, case-folded, without repeats."
    )
    languages: list[str] = strawberry.field(
        description="The languages that the user named, in lower case and without repeats; empty is any."
    )
    enqueued_at: datetime = strawberry.field(
        description="Since when the user waits: older tickets go first. Kept when a partner could not be reached."
    )
    widens_at: datetime = strawberry.field(
        description="From then on a partner who shares no interest and no language is accepted too."
    )
    room_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, of: ticket.Ticket) -> Ticket:
        """The API's form of the viewer's own ticket."""
        return cls(
            id=strawberry.ID(str(of.id)),
            status=of.status,
            mode=of.preferences.mode,
            interests=list(of.preferences.interests),
            languages=list(of.preferences.languages),
            enqueued_at=of.enqueued_at,
            widens_at=of.widens_at,
            room_id=of.room_id,
        )

    @strawberry.field(description="The room that the match opened; null unless the ticket is MATCHED.")
    async def room(self, info: Info) -> Room | None:
        if self.room_id is None:
            return None
        found = await info.context.services.directory.room(self.room_id)
        return None if found is None else Room.of(found, info.context.signed_in.user_id, info.context.services.clock())


@strawberry.input(description="What the viewer asks of a partner.")
class JoinQueueInput:
    mode: ChatMode = strawberry.field(default=ChatMode.VIDEO, description="How to talk.")
    interests: list[str] = strawberry.field(
        default_factory=list,
        description=(
            "At most 10 of 1 to 40 characters, counted after trimming and Unicode NFKC; compared without regard to case. An "
            "empty list means any."
        ),
    )
    languages: list[str] = strawberry.field(
        default_factory=list,
        description=(
            "At most 10 BCP 47 tags of at most 35 characters; an empty list means any. Tags are compared whole and without regard "
            "to case: give `en` beside `en-GB` to meet speakers of any English."
        ),
    )
    patience: int = strawberry.field(
        default=10,
        description="Seconds, 0 to 120, to hold out for a shared interest and language before anyone of the same mode will do.",
    )


@strawberry.type(description="The viewer is in the queue.")
class JoinQueueSuccess:
    ticket: Ticket = strawberry.field(
        description="The ticket that is WAITING: a repeated call changes its preferences and keeps its place."
    )


JoinQueuePayload = Annotated[
    JoinQueueSuccess | InvalidInputError | AlreadyInMatchError | SuspendedError,
    strawberry.union("JoinQueuePayload", description="What `joinQueue` answers."),
]


@strawberry.type(description="The viewer is not in the queue.")
class LeaveQueueSuccess:
    ticket: Ticket | None = strawberry.field(description="The ticket that was cancelled; null when none was waiting.")


LeaveQueuePayload = Annotated[
    LeaveQueueSuccess, strawberry.union("LeaveQueuePayload", description="What `leaveQueue` answers.")
]


@strawberry.input(description="The match to end.")
class SkipInput:
    room_id: strawberry.ID = strawberry.field(
        description="The room of the viewer's match; also of one that ended within the last 60 seconds with no newer match since."
    )
    requeue: bool = strawberry.field(default=True, description="False ends the match without a new ticket.")


@strawberry.type(description="The match is over.")
class SkipSuccess:
    ticket: Ticket | None = strawberry.field(
        description="The ticket that is WAITING now, with the preferences of the last; null with `requeue: false`."
    )


SkipPayload = Annotated[
    SkipSuccess | NotFoundError | SuspendedError,
    strawberry.union("SkipPayload", description="What `skip` answers."),
]


@strawberry.type
class MatchmakingQuery:
    """`ticket`."""

    @strawberry.field(description="The viewer's ticket that is WAITING; null when there is none.")
    async def ticket(self, info: Info) -> Ticket | None:
        viewer = info.context.viewer
        found = await info.context.services.read(lambda uow: uow.tickets.waiting(viewer.user_id))
        return None if found is None else Ticket.of(found)


@strawberry.type
class MatchmakingMutation:
    """`joinQueue`, `leaveQueue` and `skip`."""

    @strawberry.mutation(
        description=(
            "Lets the viewer wait for a partner. What follows is told by `matchEvents`. Only users with an open WebSocket are "
            "matched: without one the ticket ends after 30 seconds. More than a burst of 60 and then 3 a second, of `joinQueue`, "
            "`leaveQueue` and `skip` together, are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.InvalidInput, errors.AlreadyInMatch, errors.Suspended)
    async def join_queue(
        self, info: Info, input: Annotated[JoinQueueInput, strawberry.argument(description="What to ask of a partner.")]
    ) -> JoinQueuePayload:
        services, viewer = info.context.services, info.context.viewer
        asked = preferences(input.mode, input.interests, input.languages, input.patience)
        services.throttle.queue(viewer.user_id)
        joined = await while_signed_in(services.transact, viewer)(
            lambda uow: queue.join_queue(uow, viewer.user_id, asked, new_id=services.new_id, clock=services.clock)
        )
        services.queue_changed()
        return JoinQueueSuccess(ticket=Ticket.of(joined))

    @strawberry.mutation(
        description="Takes the viewer out of the queue. Has no effect on a match that was made already."
    )
    async def leave_queue(self, info: Info) -> LeaveQueuePayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.queue(viewer.user_id)
        left = await services.transact(lambda uow: queue.leave_queue(uow, viewer.user_id))
        return LeaveQueueSuccess(ticket=None if left is None else Ticket.of(left))

    @strawberry.mutation(
        description="Ends the match for both sides, bars the two from meeting again for the cooldown, and queues the viewer anew."
    )
    @answers(errors.NotFound, errors.Suspended)
    async def skip(
        self, info: Info, input: Annotated[SkipInput, strawberry.argument(description="The match to end.")]
    ) -> SkipPayload:
        services, viewer = info.context.services, info.context.viewer
        room_id = known_id(input.room_id)
        services.throttle.queue(viewer.user_id)
        queued = await while_signed_in(services.transact, viewer)(
            lambda uow: queue.skip(
                uow,
                viewer.user_id,
                room_id,
                requeue=input.requeue,
                cooldown=services.skip_cooldown,
                new_id=services.new_id,
                clock=services.clock,
            )
        )
        services.queue_changed()
        return SkipSuccess(ticket=None if queued is None else Ticket.of(queued))
