"""Rooms in memory, as they are now: for showing in events, and for authority over signals without a query.

Two parts, because the database must be able to drop what a unit changed, and the directory must be able to read the database:
`CachedRooms` is made first and given to `Database`, `Directory` is made last with `Database.reading`.

Never ask the directory while holding an inbox: all connections of the pool may be held by units that wait for that inbox.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Self

from persistence.rooms import RoomRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.rooms.room import Room

CAPACITY: Final = 20_000
"""Members, of those who have left too: ten thousand matches, about 2 KB each, or a hundred rooms in which two hundred were."""


class CachedRooms:
    """`database.RoomCache`: the rooms used last, by ID and by member, each as this process last committed it."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._rooms: OrderedDict[UUID, Room] = OrderedDict()
        self._room_of: dict[UUID, UUID] = {}
        self._loads: set[Load] = set()

    def get(self, room_id: UUID) -> Room | None:
        room = self._rooms.get(room_id)
        if room is not None:
            self._rooms.move_to_end(room_id)
        return room

    def of_member(self, member_id: UUID) -> Room | None:
        room_id = self._room_of.get(member_id)
        return None if room_id is None else self.get(room_id)

    def drop(self, room_ids: Iterable[UUID]) -> None:
        """Forgets rooms that changed, also those that are being read at this moment: what was read may be what was before."""
        for room_id in room_ids:
            self._forget(room_id)
            for load in self._loads:
                load.dropped.add(room_id)

    def loading(self) -> Load:
        """Call before reading the database, with what it returns as a context around reading and `store`."""
        return Load(self, self._loads)

    def store(self, room: Room) -> None:
        self._forget(room.id)
        self._rooms[room.id] = room
        for member in room.members:
            self._room_of[member.id] = room.id
        while len(self._room_of) > self._capacity and len(self._rooms) > 1:
            self._forget(next(iter(self._rooms)))

    def __len__(self) -> int:
        """How many rooms are cached."""
        return len(self._rooms)

    def _forget(self, room_id: UUID) -> None:
        room = self._rooms.pop(room_id, None)
        if room is not None:
            for member in room.members:
                self._room_of.pop(member.id, None)


class Load:
    """A reading under way, and which rooms changed meanwhile: those are not stored."""

    __slots__ = ("_cache", "_loads", "dropped")

    def __init__(self, cache: CachedRooms, loads: set[Load]) -> None:
        self._cache = cache
        self._loads = loads
        self.dropped: set[UUID] = set()

    def __enter__(self) -> Self:
        self._loads.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._loads.discard(self)

    def store(self, rooms: Iterable[Room]) -> None:
        for room in rooms:
            if room.id not in self.dropped:
                self._cache.store(room)


class _Batch:
    """What callers of one turn of the loop are missing, read by one query for all of them."""

    __slots__ = ("members", "rooms", "task")

    def __init__(self) -> None:
        self.rooms: set[UUID] = set()
        self.members: set[UUID] = set()
        self.task: asyncio.Task[dict[UUID, Room]] | None = None


def _retrieve(task: asyncio.Task[dict[UUID, Room]]) -> None:
    """The error was for the callers: when all of them have gone, it is nobody's."""
    if not task.cancelled():
        task.exception()


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

    async def room_of_member(self, member_id: UUID) -> Room | None:
        room = self._cache.of_member(member_id)
        if room is None:
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
            batch.task.add_done_callback(_retrieve)
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
