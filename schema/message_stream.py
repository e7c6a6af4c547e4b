"""The stream of a room's messages: history out of the table and live out of the inbox, joined without a hole or a repeat.

What makes it right: places in a room (`Message.seq`) are given out under the room's lock, so they are committed in their order,
and an event is appended to the inboxes after its commit. Whoever takes the end of the inbox first and then reads the table
therefore finds every message that is not in the table behind that end, whatever is sent meanwhile; those found twice are known by
their place. As the stream always knows the place that it told last, a lost position in the inbox is mended by reading the table.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from domain.chat import LONGEST_CIPHERTEXT, Message
from domain.events import MemberLeft, MessageSent
from domain.following import Follower, Lost, seat_in
from domain.inbox import MESSAGE_KINDS, Entry, Position, View
from schema.context import Context, Services
from schema.cursors import inbox_cursor, inbox_position, message_cursor, message_place, names_message
from schema.ids import known_id
from schema.scalars import Cursor
from schema.showing import Showing
from schema.telling import MESSAGES_AT_ONCE, Telling, checked, patiently

if TYPE_CHECKING:
    from domain.ports import Inbox, UnitOfWork
    from domain.rooms.room import Member

REPLAYED_AT_ONCE: Final = 16
REPLAYED_BYTES: Final = 256 * 1024
"""Messages, and bytes of ciphertext, that are read from the table at once: a stream holds them for as long as its client takes."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Everything up to the place `seq` is known to the client; what is not stands behind `position`, or, if `behind`, in the table.

    `lost`: what was between the client's cursor and `position` is gone from the inbox.
    """

    seq: int
    position: Position
    behind: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message, with the cursor behind which a stream that told it goes on, and when it was told."""

    message: Message
    cursor: Cursor
    at: datetime


async def messages_of(context: Context, room_id: str, after: str | None) -> AsyncGenerator[Any, None]:
    """See `RealtimeSubscription.messages`. Raises `BadInput` for a cursor that is none of the viewer's inbox nor of the room,
    and `NotFound` for a room in which they hold no seat.
    """
    viewer, services = context.viewer, context.services
    known = known_id(room_id)
    place = None if after is None else message_place(after, known) if names_message(after) else inbox_position(after)
    standing = await checked(context)
    _, seat = await seat_in(services.directory, known, viewer.user_id)
    beginning = await _beginning(context, seat, place)
    showing = Showing(viewer.user_id, services.reached, services.clock)
    return _stream(context, Telling(context, showing, standing), known, beginning)


async def _beginning(context: Context, seat: Member, place: Position | int | None) -> _Beginning:
    inbox, user_id = context.services.inbox, context.viewer.user_id

    async def newest(uow: UnitOfWork) -> int:
        return await uow.messages.end(seat.room_id)

    # Whoever does not go on in the inbox: its end is taken before the table is looked at.
    end = await inbox.end(user_id)
    known = await context.services.read(newest)
    if isinstance(place, int):
        # A place that no message has had yet, as after a restore of the database, must not swallow those that come.
        return _Beginning(min(place, known), end, behind=place < known)
    if place is None:
        return _Beginning(known, end)
    # A commit that `newest` has seen may be a moment ahead of its event, which must not be taken for one before `place`.
    await inbox.settled(user_id)
    before = await _told_before(inbox, user_id, place, seat, known)
    return _Beginning(known, end, lost=True) if before is None else _Beginning(before, place)


async def _told_before(inbox: Inbox, user_id: UUID, place: Position, seat: Member, known: int) -> int | None:
    """The place in the room up to which a client that read its inbox up to `place` was told everything; None when nobody knows.

    `known` is the newest, unless the inbox has one behind `place`. Whoever left since then was not told what was sent meanwhile,
    and no place behind that shows a hole when nothing before it does.
    """
    view, position = View(MESSAGE_KINDS | {MemberLeft}, seat.room_id), place
    while not (batch := await inbox.read(user_id, position, view)).lost:
        for entry in batch.entries:
            if isinstance(entry.event, MessageSent):
                return entry.event.seq - 1
            if isinstance(entry.event, MemberLeft) and entry.event.member_id == seat.id:
                return None
        if not batch.entries:
            return known
        position = batch.position
    return None


async def _stream(
    context: Context, telling: Telling, room_id: UUID, beginning: _Beginning
) -> AsyncGenerator[Any, None]:
    """Tells every message behind the beginning once, in order, until the viewer is outside. Whoever is back before that was seen is
    told the rest as well, out of the table.
    """
    services, user_id = context.services, context.viewer.user_id
    with services.hub.watch(user_id) as watch:
        follower = Follower(
            services.inbox,
            watch,
            services.clock,
            user_id=user_id,
            view=View(MESSAGE_KINDS, room_id),
            after=beginning.position,
            over=partial(telling.outside, room_id),
        )
        merged = _Merged(services, telling, follower, room_id, beginning)
        if beginning.lost:
            yield await telling.lost(beginning.position, services.clock())
        while (found := await merged.next()) is not None:
            for sent in found:
                event = await telling.message(sent.message, sent.cursor, sent.at)
                if event is None:
                    merged.go_back(sent.message)
                    break
                yield event


class _Merged:
    """The messages behind a beginning, out of the table while it knows more than the inbox, and out of the inbox otherwise."""

    def __init__(
        self, services: Services, telling: Telling, follower: Follower, room_id: UUID, beginning: _Beginning
    ) -> None:
        self._services = services
        self._telling = telling
        self._follower = follower
        self._room_id = room_id
        self._seq = beginning.seq
        self._behind = beginning.behind
        self._due: Sequence[Entry] = ()
        """Found in the inbox, and not loaded yet."""

    async def next(self) -> Sequence[_Sent] | None:
        """The next few, oldest first, waiting for them; None once the viewer's seat has ended and all before that was told."""
        while True:
            if self._due:
                entries, self._due = self._due[:MESSAGES_AT_ONCE], self._due[MESSAGES_AT_ONCE:]
                if found := await self._loaded(entries):
                    return found
            elif self._behind and not await self._telling.outside(self._room_id):
                if found := await self._replayed():
                    return found
            elif not await self._followed():
                return None

    def go_back(self, message: Message) -> None:
        """This message and those behind it were not told, because the viewer was outside: should they be back, it begins here."""
        self._seq, self._behind, self._due = message.seq - 1, True, ()

    async def _loaded(self, entries: Sequence[Entry]) -> Sequence[_Sent]:
        """What is still there of these."""
        ids = [entry.event.message_id for entry in entries if isinstance(entry.event, MessageSent)]
        found = await patiently(self._services.transcript.messages, ids)
        return [
            _Sent(found[message_id], inbox_cursor(entry.position), entry.at)
            for message_id, entry in zip(ids, entries, strict=True)
            if message_id in found
        ]

    async def _replayed(self) -> Sequence[_Sent]:
        """The next page of the table. With the last one the stream is no longer behind."""
        seq = self._seq
        page = await patiently(
            lambda: self._services.read(
                lambda uow: uow.messages.after(self._room_id, seq, REPLAYED_AT_ONCE, REPLAYED_BYTES)
            )
        )
        if await self._telling.outside_now(self._room_id):
            return ()
        size = sum(len(message.ciphertext) for message in page)
        # Whatever a page had no place for would have had it here.
        self._behind = len(page) == REPLAYED_AT_ONCE or size > REPLAYED_BYTES - LONGEST_CIPHERTEXT
        self._seq = page[-1].seq if page else seq
        return [_Sent(message, message_cursor(message.room_id, message.seq), message.sent_at) for message in page]

    async def _followed(self) -> bool:
        """Waits for the inbox, and notes what came of it. False once nothing more can come."""
        told = await self._follower.next()
        if told is None:
            return False
        due = [] if isinstance(told, Lost) else [entry for entry in told.entries if _place_of(entry) > self._seq]
        # A hole among places: the viewer was outside, and their inbox was not told what was sent meanwhile.
        if isinstance(told, Lost) or (due and _place_of(due[-1]) - self._seq != len(due)):
            self._behind = True
        elif due:
            self._due, self._seq = due, _place_of(due[-1])
        return True


def _place_of(entry: Entry) -> int:
    """The place in the room of an entry of a view that shows nothing but messages."""
    if not isinstance(entry.event, MessageSent):
        raise TypeError(entry.event)
    return entry.event.seq
