"""The streams of the viewer's inbox: `events`, `matchEvents`, `signals`, `presence`, `messages`, `keyEvents`, `caseEvents`.

What may be refused is refused before a stream begins. One that runs outlasts an outage of the database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import strawberry

from domain.following import Follower, Lost, Standing, seat_in
from domain.inbox import (
    ALL_KINDS,
    CASE_KINDS,
    KEY_KINDS,
    MATCH_KINDS,
    PRESENCE_KINDS,
    SIGNAL_KINDS,
    Entry,
    Position,
    View,
)
from domain.matchmaking.ticket import Ticket
from domain.ports import UnitOfWork
from domain.rooms.room import Member, Room, RoomKind
from domain.safety.operators import acting
from schema.context import Context, Info
from schema.cursors import inbox_position
from schema.events import CaseEvent, Event, KeyEvent, MatchEvent, MessageEvent, PresenceEvent, SignalEvent
from schema.ids import known_id
from schema.inputs import given
from schema.message_stream import messages_of
from schema.scalars import Cursor
from schema.showing import Showing
from schema.telling import Telling, checked, slices


@strawberry.type
class RealtimeSubscription:
    """Resolvers return their generator instead of being one, so that a refusal is an error of the operation, not of an event."""

    @strawberry.subscription(
        description=(
            "Everything that happens to the viewer, in order: one subscription and one cursor are enough for a front end. "
            "Begins with `MatchSnapshot`, or goes on behind `after`."
        )
    )
    async def events(
        self,
        info: Info,
        after: Annotated[
            Cursor | None,
            strawberry.argument(
                description=(
                    "The `cursor` of the last event that was handled. An `after` in the payload of `connection_init` wins."
                )
            ),
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[Event, None]:
        of_socket = info.context.after
        return await _standing(info.context, View(ALL_KINDS), given(after) if of_socket is None else of_socket)

    @strawberry.subscription(
        description=(
            "What happens to the viewer on the way into, through and out of matches. Begins with `MatchSnapshot`, or goes "
            "on behind `after`."
        )
    )
    async def match_events(
        self,
        info: Info,
        after: Annotated[
            Cursor | None, strawberry.argument(description="The `cursor` of the last event that was handled.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[MatchEvent, None]:
        return await _standing(info.context, View(MATCH_KINDS), given(after))

    @strawberry.subscription(
        description=(
            "Signals to the viewer in one room. Without `after` it begins with those that were already sent to the viewer "
            "there, so an offer that came before the subscription is not lost. Completes when the viewer leaves or the "
            "room closes."
        )
    )
    async def signals(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")],
        after: Annotated[
            Cursor | None, strawberry.argument(description="The `cursor` of the last event that was handled.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[SignalEvent, None]:
        return await _signals(info.context, room_id, given(after))

    @strawberry.subscription(
        description=(
            "Who comes, goes and changes in one room. Begins with `PresenceSnapshot`; completes when the viewer leaves or "
            "the room closes."
        )
    )
    async def presence(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")],
    ) -> AsyncGenerator[PresenceEvent, None]:
        return await _presence(info.context, room_id)

    @strawberry.subscription(
        description=(
            "Encrypted messages in one room, in their order, each once. Without `after` it tells what is sent from now on. Query "
            "`messages` and give its `endCursor` as `after`: then history and live join without a hole or a repeat, however "
            "long ago that was. Completes when the viewer leaves or the room closes."
        )
    )
    async def messages(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")],
        after: Annotated[
            Cursor | None,
            strawberry.argument(
                description=(
                    "The `cursor` of the last event that was handled, or of an edge of `messages`. Only a cursor of an event "
                    "leads to `ResyncRequired`, when the event is no longer retained or the viewer has been outside since: one of "
                    "a message never does."
                )
            ),
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[MessageEvent, None]:
        return await messages_of(info.context, room_id, given(after))

    @strawberry.subscription(
        description=(
            "Bundles published by members of one room, and the viewer's own one-time keys running low. Without `after` it tells "
            "what happens from now on: subscribe, then query `keys`, and both again after having been outside. Completes when the "
            "viewer leaves or the room closes."
        )
    )
    async def key_events(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="A room that the viewer is in.")],
        after: Annotated[
            Cursor | None, strawberry.argument(description="The `cursor` of the last event that was handled.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[KeyEvent, None]:
        return await _key_events(info.context, room_id, given(after))

    @strawberry.subscription(
        description=(
            "Operators only. What happens to cases; one about the viewer is not told. Without `after` it tells what happens from "
            "now on: subscribe, then query `cases`."
        )
    )
    async def case_events(
        self,
        info: Info,
        after: Annotated[
            Cursor | None, strawberry.argument(description="The `cursor` of the last event that was handled.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[CaseEvent, None]:
        return await _case_events(info.context, given(after))


async def _standing(context: Context, view: View, after: str | None) -> AsyncGenerator[Any, None]:
    """A stream that goes on behind `after`, or begins with where the viewer stands in matching."""
    viewer, services = context.viewer, context.services
    position = None if after is None else inbox_position(after)
    standing = await checked(context)
    showing = Showing(viewer.user_id, services.reached, services.clock)
    if position is not None:
        return _stream(context, showing, standing, view, position)
    # The position first: what the state does not show yet is then told as an event.
    position = await services.inbox.end(viewer.user_id)

    async def state(uow: UnitOfWork) -> tuple[Ticket | None, Room | None]:
        return await uow.tickets.waiting(viewer.user_id), await uow.rooms.open_match_of(viewer.user_id)

    ticket, room = await services.read(state)
    snapshot = showing.standing(position, ticket, room, services.clock())
    return _stream(context, showing, standing, view, position, first=snapshot)


async def _signals(context: Context, room_id: str, after: str | None) -> AsyncGenerator[Any, None]:
    viewer, services = context.viewer, context.services
    position = None if after is None else inbox_position(after)
    standing = await checked(context)
    room, seat = await seat_in(services.directory, known_id(room_id), viewer.user_id)
    return _stream(
        context,
        Showing(viewer.user_id, services.reached, services.clock),
        standing,
        View(SIGNAL_KINDS, room.id),
        position,
        seat=seat,
        # Nobody comes into a match a second time, and two workers' clocks, a few milliseconds apart, must not lose an offer.
        since=seat.joined_at if position is None and room.kind is RoomKind.INVITE else None,
    )


async def _presence(context: Context, room_id: str) -> AsyncGenerator[Any, None]:
    viewer, services = context.viewer, context.services
    standing = await checked(context)
    position = await services.inbox.end(viewer.user_id)
    room, seat = await seat_in(services.directory, known_id(room_id), viewer.user_id)
    showing = Showing(viewer.user_id, services.reached, services.clock)
    snapshot = showing.present(position, room, services.clock())
    view = View(PRESENCE_KINDS, room.id)
    return _stream(context, showing, standing, view, position, first=snapshot, seat=seat)


async def _key_events(context: Context, room_id: str, after: str | None) -> AsyncGenerator[Any, None]:
    viewer, services = context.viewer, context.services
    position = None if after is None else inbox_position(after)
    standing = await checked(context)
    if position is None:
        position = await services.inbox.end(viewer.user_id)
    room, seat = await seat_in(services.directory, known_id(room_id), viewer.user_id)
    showing = Showing(viewer.user_id, services.reached, services.clock)
    return _stream(context, showing, standing, View(KEY_KINDS, room.id), position, seat=seat)


async def _case_events(context: Context, after: str | None) -> AsyncGenerator[Any, None]:
    viewer, services = context.viewer, context.services
    position = None if after is None else inbox_position(after)
    standing = await checked(context)
    await services.read(lambda uow: acting(uow, viewer.user_id))
    if position is None:
        position = await services.inbox.end(viewer.user_id)
    showing = Showing(viewer.user_id, services.reached, services.clock)
    return _stream(context, showing, standing, View(CASE_KINDS), position)


async def _stream(
    context: Context,
    showing: Showing,
    standing: Standing,
    view: View,
    after: Position | None,
    *,
    first: Event | None = None,
    since: datetime | None = None,
    seat: Member | None = None,
) -> AsyncGenerator[Any, None]:
    """Tells `first`, then what the view shows behind `after`; of what had happened already, nothing before `since`.

    A view of a room ends with the viewer's `seat` in it, also when they are back; any other with what the session may do.
    """
    services, user_id = context.services, context.viewer.user_id
    end = await services.inbox.end(user_id)

    def due(entry: Entry) -> bool:
        # What comes from now on is told whatever its time: the clock may have been set back.
        before = entry.position.epoch == end.epoch and entry.position.seq <= end.seq
        return since is None or not before or entry.at >= since

    telling = Telling(context, showing, standing)
    ends = telling.rescoped if seat is None else partial(telling.seat_ended, seat)
    steady = standing.steady if seat is None else None
    with services.hub.watch(user_id) as watch:
        follower = Follower(
            services.inbox, watch, services.clock, user_id=user_id, view=view, after=after, over=ends, steady=steady
        )
        if first is not None:
            yield first
        while (told := await follower.next()) is not None:
            if isinstance(told, Lost):
                yield await telling.lost(told.position, told.at)
                continue
            for entries in slices(told.entries if since is None else list(filter(due, told.entries))):
                await telling.prepare(entries)
                for entry in entries:
                    event = await telling.event(entry)
                    if event is not None:
                        yield event
