"""What is told and shown while it happens: inboxes, who waits for them, rooms and messages at hand, signals, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from uuid import UUID

    from domain.chat import Message
    from domain.inbox import Batch, Position, View
    from domain.rooms.room import Room
    from domain.signaling import Signal
    from domain.stats import Stats


class Inbox(Protocol):
    """The reading side of the inbox. A user's positions grow by one an event, in commit order.

    Whatever reads may raise `Unavailable` where the inbox is in the database.
    """

    async def end(self, user_id: UUID) -> Position:
        """The present end: what is appended from now on lies behind it."""

    async def read(self, user_id: UUID, after: Position | None, view: View, limit: int = 64) -> Batch:
        """The next page of the view after the position; None is from the oldest retained. See `Batch.lost`."""

    async def settled(self, user_id: UUID) -> None:
        """Returns once the inbox holds every event of the commits that a state read before this call may have shown."""

    def control_version(self, user_id: UUID) -> int:
        """Raised whenever what the user may do changed; never lowered. What another worker changed is known here within a second
        of those who are watched.
        """


class Watch(Protocol):
    """Wakes a reader of one user's inbox. Hints may be lost or doubled: the inbox decides what is new."""

    async def changed(self, timeout: float) -> None:
        """Returns once something may have happened since the last call returned, or after `timeout` seconds."""


class Hub(Protocol):
    """Where readers wait."""

    def watch(self, user_id: UUID) -> AbstractContextManager[Watch]:
        """Wakes for as long as the context is open, within about a second also for what other workers wrote. Watch first, then
        read: what comes between wakes the watch.
        """


class Directory(Protocol):
    """Rooms for showing and for authority; a batch of rooms costs at most one query.

    What this process changed, and what an event that it has read tells of, is seen at once; what else other workers changed, within
    a second.
    """

    async def rooms(self, room_ids: Iterable[UUID]) -> Mapping[UUID, Room]:
        """Those of the rooms that exist, by ID."""

    async def room(self, room_id: UUID) -> Room | None:
        """The room as it is now, whoever changed it: for who asks first, and for what goes on from an end of an inbox."""

    async def room_of_member(self, member_id: UUID, seen_by: UUID | None = None) -> Room | None:
        """The room of the member, who is inside or has left. That user `seen_by` and the member do not both hold seats in it is
        not said before it was looked at afresh.
        """


class Transcript(Protocol):
    """Messages by ID, for showing."""

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        """Those that are still retained, by ID; at most one query for all that are not at hand."""


class SignalPost(Protocol):
    """Relays signals: authorises, appends and acknowledges as one step."""

    async def post(
        self,
        sender_id: UUID,
        to: UUID,
        signal: Signal,
        *,
        call_id: str | None,
        client_signal_id: str | None,
        now: datetime,
    ) -> UUID:
        """Puts the signal into the inbox of member `to` and returns its ID, the same for a repeat of `client_signal_id`
        from the same member to the same member within 10 minutes. Raises `NotFound` unless user `sender_id` and `to`
        hold different seats in one open room.
        """


class StatsSource(Protocol):
    """Figures of all workers together, at most two seconds old, or as old as it takes to count them."""

    async def now(self) -> Stats: ...
    async def next(self, seen: Stats) -> Stats:
        """Waits for figures that differ from those `seen`, at least a second. Goes on waiting while the database is away."""
