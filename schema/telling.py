"""What every stream does with what its follower found: load the state that it shows, look at who may see it, and show it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar
from uuid import UUID

from domain.errors import Forbidden, Unavailable
from domain.events import CaseChanged, MessageSent
from domain.following import Standing
from domain.inbox import Entry, Position
from schema.cases import Case, shown
from schema.context import Context
from schema.cursors import inbox_cursor
from schema.events import Event, ResyncRequired
from schema.scalars import Cursor
from schema.showing import Showing, room_of, subject_of

if TYPE_CHECKING:
    from domain.chat import Message
    from domain.rooms.room import Member, Room

P = ParamSpec("P")
T = TypeVar("T")

MESSAGES_AT_ONCE: Final = 8
"""Messages of up to 64 KiB each that a stream holds, however slowly its client reads."""


async def checked(context: Context) -> Standing:
    """The standing of the viewer, who is signed in. Raises `Unauthenticated`."""
    services = context.services
    standing = Standing(services.inbox, services.read, services.clock, context.viewer)
    await standing.check()
    return standing


async def patiently(ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Asks until the database answers: what is behind lies in the inbox meanwhile, and the stream goes on where it was."""
    while True:
        try:
            return await ask(*args, **kwargs)
        except Unavailable as error:
            await asyncio.sleep(error.retry_after)


def slices(entries: Sequence[Entry]) -> Iterable[Sequence[Entry]]:
    """The entries in pieces of at most `MESSAGES_AT_ONCE` messages. Without messages it is one piece."""
    return (entries,) if len(entries) <= MESSAGES_AT_ONCE else _sliced(entries)


def _sliced(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    start = messages = 0
    for end, entry in enumerate(entries):
        if type(entry.event) is MessageSent:
            if messages == MESSAGES_AT_ONCE:
                yield entries[start:end]
                start, messages = end, 0
            messages += 1
    yield entries[start:]


class Telling:
    """Makes what one stream of one viewer tells. Outlasts an outage of the database.

    Authority is per event and not per connection: raises `Unauthenticated` once the viewer has signed out.
    """

    def __init__(self, context: Context, showing: Showing, standing: Standing) -> None:
        self._context = context
        self._services = context.services
        self._user_id = context.viewer.user_id
        self._showing = showing
        self._standing = standing
        self._rooms: Mapping[UUID, Room] = {}
        self._messages: Mapping[UUID, Message] = {}

    async def prepare(self, entries: Sequence[Entry]) -> None:
        """Loads what the entries show, a slice of them at once: rooms and messages by one query each at most, cases by a few."""
        wanted: set[UUID] = set()
        cases: set[UUID] = set()
        messages: list[UUID] = []
        for _, _, event in entries:
            if (room_id := room_of(event)) is not None:
                wanted.add(room_id)
            elif isinstance(event, CaseChanged):
                cases.add(event.case_id)
            if isinstance(event, MessageSent):
                messages.append(event.message_id)
        self._rooms = rooms = await patiently(self._services.directory.rooms, wanted) if wanted else {}
        for _, _, event in entries if rooms else ():
            room_id, subject = room_of(event), subject_of(event)
            shown = None if room_id is None or subject is None else self._rooms.get(room_id)
            if shown is not None and subject is not None and shown.member(subject) is None:
                # Came in through another worker, and what tells of that may not have been read here.
                self._rooms = {**self._rooms, **await self._room_now(shown.id)}
        self._messages = await patiently(self._services.transcript.messages, messages) if messages else {}
        if cases:
            self._showing.cases = await self._cases(cases)

    async def event(self, entry: Entry) -> Event | None:
        """One of the entries that were prepared; None for what is gone, or not for the viewer any more."""
        rooms = self._rooms
        if isinstance(entry.event, MessageSent):
            # Delivering a slice takes as long as its client does: whoever was made to leave meanwhile is told no more.
            message = self._messages.get(entry.event.message_id)
            rooms = {} if message is None else await self._room_of(message)
        event = self._showing.event(entry, rooms, self._messages)
        if event is not None and self._standing.moved:
            await patiently(self._standing.check)
        return event

    async def message(self, message: Message, cursor: Cursor, at: datetime) -> Event | None:
        """That the message was sent; None once the viewer has left the room."""
        room = (await self._room_of(message)).get(message.room_id)
        event = None if room is None else self._showing.message(message, room, cursor, at)
        if event is not None:
            await self._check()
        return event

    async def lost(self, position: Position, at: datetime) -> ResyncRequired:
        """That something was missed. The stream goes on behind `position`."""
        await self._check()
        return ResyncRequired(cursor=inbox_cursor(position), at=at)

    async def rescoped(self) -> bool:
        """Whether what the session may do has changed: what happened up to that is still told, and then the stream ends."""
        if self._standing.moved:
            await patiently(self._standing.look)
        return self._standing.rescoped

    async def outside(self, room_id: UUID) -> bool:
        """Whether the viewer holds no seat in the room."""
        return await self._held_seat(room_id) is None

    async def outside_now(self, room_id: UUID) -> bool:
        """The same, whoever changed the room: after reading what may be newer than what is known of the room here."""
        room = (await self._room_now(room_id)).get(room_id)
        return room is None or not room.holds(self._user_id)

    async def seat_ended(self, seat: Member) -> bool:
        """Whether the viewer does not hold that seat any more. Whoever is back has another place in the order of joining, and lacks
        what happened meanwhile.
        """
        held = await self._held_seat(seat.room_id)
        return held is None or held.position != seat.position

    async def _held_seat(self, room_id: UUID) -> Member | None:
        room = (await self._room(room_id)).get(room_id)
        return None if room is None else room.held_seat_of(self._user_id)

    async def _room(self, room_id: UUID) -> Mapping[UUID, Room]:
        return await patiently(self._services.directory.rooms, (room_id,))

    async def _room_of(self, message: Message) -> Mapping[UUID, Room]:
        """The message's room. Where the sender is not known or the viewer is not inside, it is looked at afresh: they may have come
        in through another worker, and what tells of that may not have been read here.
        """
        rooms = await self._room(message.room_id)
        room = rooms.get(message.room_id)
        if room is None or (room.member(message.sender_id) is not None and room.holds(self._user_id)):
            return rooms
        return await self._room_now(message.room_id)

    async def _cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Case]:
        """None of them for somebody who is no operator any more: what they were told while they were one is still in the inbox."""
        try:
            return await patiently(shown, self._context, case_ids)
        except Forbidden:
            await patiently(self._standing.check)
            return {}

    async def _room_now(self, room_id: UUID) -> Mapping[UUID, Room]:
        room = await patiently(self._services.directory.room, room_id)
        return {} if room is None else {room_id: room}

    async def _check(self) -> None:
        if self._standing.moved:
            await patiently(self._standing.check)
