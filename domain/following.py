"""Following an inbox: what a subscription tells next, where it goes on, and when it ends.

Pure over the ports: what waits and what time it is come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.errors import Unauthenticated, Unavailable
from domain.events import MemberUpdated
from domain.identity import present_scope
from domain.presence import MEMBER_UPDATES_EVERY
from domain.rooms.room import held_seat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.identity import Caller, SessionScope
    from domain.inbox import Entry, Position, View
    from domain.ports import Clock, Directory, Inbox, Transact, Watch
    from domain.rooms.room import Member, Room

PAGE: Final = 64
"""Events that a reader takes out of the inbox at once: what lies undelivered beyond them stays there."""
IDLE_SECONDS: Final = 30.0
"""How long a reader waits without looking; it also keeps the mailbox from being forgotten."""
TOLD_KEPT: Final = 64
"""Members whose last update is remembered before those that no longer matter are cleared away."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of the view are gone, or the inbox began anew. The reader goes on from `position`, the present end."""

    position: Position
    at: datetime


class Found(NamedTuple):
    """What happened next, oldest first; never empty."""

    entries: tuple[Entry, ...]


class Follower:
    """A reader of one view of one inbox. `after` None begins with the oldest event that is retained.

    The `watch` must have been opened before the follower is made. `over` tells whether nothing further can come; the follower then
    tells what had happened before that, and ends. It is asked twice for every look at the inbox; with `steady`, only when that is
    False: what makes it so wakes the watch.
    """

    def __init__(
        self,
        inbox: Inbox,
        watch: Watch,
        clock: Clock,
        *,
        user_id: UUID,
        view: View,
        after: Position | None,
        over: Callable[[], Awaitable[bool]] | None = None,
        steady: Callable[[], bool] | None = None,
    ) -> None:
        self._inbox = inbox
        self._watch = watch
        self._clock = clock
        self._user_id = user_id
        self._view = view
        self._position = after
        self._at_end = False
        """Whether the last read left nothing behind: there is no need to look before the watch says so."""
        self._over = over
        self._steady = steady
        self._stirred = False
        """Whether it was over when that was asked last."""
        self._told: dict[UUID, datetime] = {}
        """When each member's update was told last."""

    async def next(self) -> Found | Lost | None:
        """Waits for what happens next; None once nothing can happen any more."""
        while True:
            over = await self._rest()
            try:
                if over:
                    # The end was seen in the state, whose commit may be a moment ahead of its events.
                    await self._inbox.settled(self._user_id)
                batch = await self._inbox.read(self._user_id, self._position, self._view, PAGE)
            except Unavailable as error:  # The stream outlasts an outage: what it has not told stays where it is.
                await self._watch.changed(error.retry_after)
                continue
            if batch.lost:
                self._position = batch.position
                return Lost(batch.position, self._clock())
            latest = last_update_of_each_member(batch.entries)
            # A full page may hide something behind it that must not wait.
            if latest and not over and len(batch.entries) < PAGE:
                due = self._due(latest)
                if due < len(latest):
                    later = latest[due]
                    latest = latest[:due]
                    if not latest:
                        await self._watch.changed(self._until_due(later))
                        continue
                    self._position = latest[-1].position
                    self._note(latest)
                    return Found(tuple(latest))
            self._position = batch.position
            if latest:
                self._at_end = batch.at_end
                self._note(latest)
                return Found(tuple(latest))
            if over:
                return None
            await self._watch.changed(IDLE_SECONDS)

    async def _rest(self) -> bool:
        """Whether it is over; waits before that for as long as there is nothing to look for."""
        if self._steady is not None and not self._stirred:
            if self._at_end:
                await self._watch.changed(IDLE_SECONDS)
                self._at_end = False
            if self._steady():
                return False
        over = self._stirred = self._over is not None and await self._over()
        if self._at_end and not over:
            await self._watch.changed(IDLE_SECONDS)
            over = self._over is not None and await self._over()
        self._at_end = False
        return over

    def _due(self, entries: Sequence[Entry]) -> int:
        """How many of the entries may be told now: all up to the last that is no update, then updates until one came too soon."""
        due = len(entries)
        while due and type(entries[due - 1].event) is MemberUpdated:
            due -= 1
        if due == len(entries):
            return due
        now = self._clock()
        while due < len(entries):
            event = entries[due].event
            told = self._told.get(event.member_id) if isinstance(event, MemberUpdated) else None
            # A time that lies ahead is of a clock that was set back since.
            if told is not None and now - MEMBER_UPDATES_EVERY < told <= now:
                break
            due += 1
        return due

    def _until_due(self, entry: Entry) -> float:
        event = entry.event
        told = self._told[event.member_id] if isinstance(event, MemberUpdated) else self._clock()
        return max(0.001, (told + MEMBER_UPDATES_EVERY - self._clock()).total_seconds())

    def _note(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if type(entry.event) is MemberUpdated:
                now = self._clock()
                self._told[entry.event.member_id] = now
                if len(self._told) > TOLD_KEPT:
                    soon = now - MEMBER_UPDATES_EVERY
                    self._told = {member: told for member, told in self._told.items() if told > soon}


def last_update_of_each_member(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries without those updates of a member that a later one in the same page replaces: state is loaded when it is told."""
    if len(entries) == 1:
        return entries
    last: dict[UUID, Entry] = {}
    updates = 0
    for entry in entries:
        if type(entry.event) is MemberUpdated:
            last[entry.event.member_id] = entry
            updates += 1
    if updates == len(last):
        return entries
    return [e for e in entries if type(e.event) is not MemberUpdated or last[e.event.member_id] is e]


class Standing:
    """Whether a session may still be told things: asked again only when the user's control version has moved."""

    def __init__(self, inbox: Inbox, read: Transact, clock: Clock, caller: Caller) -> None:
        self._inbox = inbox
        self._read = read
        self._clock = clock
        self._caller = caller
        self._version, self._user_id, self._begun_with = inbox.control_version, caller.user_id, caller.scope
        self._seen: int | None = None
        self._scope: SessionScope | None = None
        """What the session may do, as `_seen` was; None once it is revoked."""

    @property
    def moved(self) -> bool:
        """Whether what the user may do has changed since the last `check`, or was never checked."""
        return self._inbox.control_version(self._caller.user_id) != self._seen

    def steady(self) -> bool:
        """Whether the session may do what it might at its beginning, and nothing about the user has changed since that was seen:
        asked for every event, so it looks at what is known here and no further.
        """
        return self._version(self._user_id) == self._seen and self._scope is self._begun_with

    @property
    def rescoped(self) -> bool:
        """Whether the session may do something else than at its beginning, as it was seen last: all that is owed to the stream is
        what happened up to that.
        """
        return self._scope is not None and self._scope is not self._caller.scope

    async def check(self) -> None:
        """Raises `Unauthenticated` when the session was revoked."""
        await self.look()
        if self._scope is None:
            raise Unauthenticated

    async def look(self) -> None:
        """The same without a word: whoever is told something next is refused."""
        version = self._inbox.control_version(self._caller.user_id)
        self._scope = await self._read(lambda uow: present_scope(uow, self._caller.session_id, self._clock()))
        if self._scope is not None:
            self._seen = version


async def seat_in(directory: Directory, room_id: UUID, user_id: UUID) -> tuple[Room, Member]:
    """The open room and the seat that the user holds in it. Raises `NotFound` to everybody else."""
    return held_seat(await directory.room(room_id), user_id)
