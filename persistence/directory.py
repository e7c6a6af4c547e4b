"""Rooms in memory, as they are now: for showing in events, and for authority over signals without a query.

Alone, a process knows of every change, because it made it. With other workers beside it it is told of theirs by the events of those
who follow here, and what it has in memory is believed for a second: for showing, and never for saying that somebody has no seat.

Two parts, because the database must be able to drop what a unit changed, and the directory must be able to read the database:
`CachedRooms` is made first and given to `Database`, `Directory` is made last with `Database.reading`.

Never ask the directory while holding an inbox: all connections of the pool may be held by units that wait for that inbox.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from persistence.rooms import RoomRepository
from persistence.tasks import retrieved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.rooms.room import Room

CAPACITY: Final = 20_000
"""Members, of those who have left too: ten thousand matches, about 2 KB each, or a hundred rooms in which two hundred were."""


@dataclass(frozen=True, slots=True)
class _Cached:
    room: Room
    read_at: float


class CachedRooms:
    """`database.RoomCache`: the rooms used last, by ID and by member, each as this process last committed or read it.

    With `max_age_seconds`, by `monotonic`, a room counts as unknown so long after its reading began: others may have changed it.
    """

    def __init__(
        self,
        capacity: int = CAPACITY,
        *,
        max_age_seconds: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._max_age = max_age_seconds
        self._monotonic = monotonic
        self._rooms: OrderedDict[UUID, _Cached] = OrderedDict()
        self._room_of: dict[UUID, UUID] = {}
        self._rooms_of: dict[UUID, set[UUID]] = {}
        """By user, where they sit or sat."""
        self._loads: set[Load] = set()

    @property
    def shared(self) -> bool:
        """Whether other workers change rooms too, so that what is in here may be what was before."""
        return self._max_age is not None

    def get(self, room_id: UUID) -> Room | None:
        cached = self._rooms.get(room_id)
        if cached is None or (self._max_age is not None and self._monotonic() - cached.read_at >= self._max_age):
            return None
        self._rooms.move_to_end(room_id)
        return cached.room

    def of_member(self, member_id: UUID) -> Room | None:
        room_id = self._room_of.get(member_id)
        return None if room_id is None else self.get(room_id)

    def drop(self, ids: Iterable[UUID]) -> None:
        """Forgets rooms that changed, named by their IDs or by that of a user who sits or sat in them, also those that are being
        read at this moment: what was read may be what was before.
        """
        for known_id in ids:
            self._forget(known_id)
            for room_id in self._rooms_of.get(known_id, frozenset()).copy():
                self._forget(room_id)
            for load in self._loads:
                load.dropped.add(known_id)

    def loading(self) -> Load:
        """Call before reading the database, with what it returns as a context around reading and `store`."""
        return Load(self, self._loads, self._monotonic())

    def store(self, room: Room, read_at: float | None = None) -> None:
        """Remembers a room as it was at that time, or is now."""
        self._forget(room.id)
        self._rooms[room.id] = _Cached(room, self._monotonic() if read_at is None else read_at)
        for member in room.members:
            self._room_of[member.id] = room.id
            self._rooms_of.setdefault(member.user_id, set()).add(room.id)
        while len(self._room_of) > self._capacity and len(self._rooms) > 1:
            self._forget(next(iter(self._rooms)))

    def __len__(self) -> int:
        """How many rooms are cached."""
        return len(self._rooms)

    def _forget(self, room_id: UUID) -> None:
        cached = self._rooms.pop(room_id, None)
        if cached is None:
            return
        for member in cached.room.members:
            self._room_of.pop(member.id, None)
            theirs = self._rooms_of.get(member.user_id)
            if theirs is not None:
                theirs.discard(room_id)
                if not theirs:
                    del self._rooms_of[member.user_id]


class Load:
    """A reading under way, and what changed meanwhile, by room or by user: that is not stored."""

    __slots__ = ("_began", "_cache", "_loads", "dropped")

    def __init__(self, cache: CachedRooms, loads: set[Load], began: float) -> None:
        self._cache = cache
        self._loads = loads
        self._began = began
        self.dropped: set[UUID] = set()

    def __enter__(self) -> Self:
        self._loads.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._loads.discard(self)

    def store(self, rooms: Iterable[Room]) -> None:
        for room in rooms:
            if not self.dropped or self.dropped.isdisjoint((room.id, *(member.user_id for member in room.members))):
                self._cache.store(room, self._began)


class _Batch:
    """What callers of one turn of the loop are missing, read by one query for all of them."""

    __slots__ = ("members", "rooms", "task")

    def __init__(self) -> None:
        self.rooms: set[UUID] = set()
        self.members: set[UUID] = set()
        self.task: asyncio.Task[dict[UUID, Room]] | None = None


def _may_meet(room: Room, member_id: UUID, user_id: UUID | None) -> bool:
    """Whether the user, if there is one, and the member hold seats: if not, somebody may have come in since."""
    member = room.member(member_id)
    return user_id is None or (member is not None and member.inside and room.holds(user_id))


class Directory:
    """See `ports.Directory`. `reading` opens a connection for reading, as `Database.reading` does.

    Raises `Unavailable` when the database does not answer and a room is not cached.
    """

    def __init__(self, cache: CachedRooms, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._cache = cache
        self._reading = reading
        self._next: _Batch | None = None

    async def rooms(self, room_ids: Iterable[UUID]) -> Mapping[UUID, Room]:
        found: dict[UUID, Room] = {}
        missing: list[UUID] = []
        for room_id in room_ids:
            room = self._cache.get(room_id)
            if room is None:
                missing.append(room_id)
            else:
                found[room_id] = room
        if missing:
            loaded = await self._load(rooms=missing)
            found.update((room_id, loaded[room_id]) for room_id in missing if room_id in loaded)
        return found

    async def room(self, room_id: UUID) -> Room | None:
        if not self._cache.shared:
            return (await self.rooms((room_id,))).get(room_id)
        return (await self._load(rooms=(room_id,))).get(room_id)

    async def room_of_member(self, member_id: UUID, seen_by: UUID | None = None) -> Room | None:
        room = self._cache.of_member(member_id)
        if room is None or (self._cache.shared and not _may_meet(room, member_id, seen_by)):
            loaded = await self._load(members=(member_id,))
            room = next((r for r in loaded.values() if r.member(member_id)), None)
        return room

    def cached_room_of_member(self, member_id: UUID) -> Room | None:
        """The room if it is cached: for those who hold an inbox, and must not wait for the database."""
        return self._cache.of_member(member_id)

    async def _load(self, *, rooms: Iterable[UUID] = (), members: Iterable[UUID] = ()) -> dict[UUID, Room]:
        batch = self._next
        if batch is None or batch.task is None:
            batch = self._next = _Batch()
            batch.task = asyncio.create_task(self._read(batch), name="directory")
            batch.task.add_done_callback(retrieved)
        batch.rooms.update(rooms)
        batch.members.update(members)
        # A caller that goes away does not take the others' rooms with it.
        return await asyncio.shield(batch.task)

    async def _read(self, batch: _Batch) -> dict[UUID, Room]:
        # Whoever comes from here on may want a state that is newer than what this batch reads.
        self._next = None
        with self._cache.loading() as load:
            async with self._reading() as connection:
                repository = RoomRepository(connection, set())
                found = {
                    room.id: room for room in (await repository.get_many(list(batch.rooms)) if batch.rooms else ())
                }
                for member_id in batch.members:
                    room = await repository.room_of_member(member_id)
                    if room is not None:
                        found[room.id] = room
            load.store(found.values())
        return found
