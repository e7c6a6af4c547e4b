"""Parley without its transports: the real parts over a database of the test's own, and the people in it.

    async with open_world(database_url) as world:
        ada, bob, room = await world.pair()
        answer = await world.ask("{ rooms { id } }", ada)

A `World` is one server: its parts and `ask` are in `parts`, who is there in `people`, how they come together in `matching`
and `rooms`, what they say in `chat`, their keys in `keys`, and who judges them in `safety`.
Its subscriptions are in `tests.streams`. Tests of what needs no database have `tests.stream_world`, those of the transports
`tests.toy_server`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from persistence.database import POOL_SIZE, Database
from persistence.directory import CachedRooms, Directory
from persistence.leases import WorkerLease
from persistence.transcript import RecentMessages, Transcript
from tests.world.matching import ANYONE, seat
from tests.world.parts import COOLDOWN, NETWORK, RESUME, START, Clock, Recorder
from tests.world.people import FakeSocket
from tests.world.safety import Safety

__all__ = [
    "ANYONE",
    "COOLDOWN",
    "NETWORK",
    "RESUME",
    "START",
    "Clock",
    "FakeSocket",
    "World",
    "open_world",
    "seat",
]


class World(Safety):
    """One server, as far as it can be had without a socket of the network."""


@asynccontextmanager
async def open_world(
    database_url: str, clock: Clock | None = None, *, one_of_several: bool = False, pool_size: int = POOL_SIZE
) -> AsyncIterator[World]:
    """A server that just began, on a clock that stands unless another is given; stopped afterwards.

    The server before it, if there was one, counts as killed; `one_of_several` leaves those others alone.
    """
    clock = clock or Clock()
    inbox, cache = Recorder(clock), CachedRooms()
    recent = RecentMessages()
    worker = uuid4()
    database = Database(
        database_url,
        outbox=inbox,
        cache=cache,
        messages=recent,
        worker=worker,
        clock=clock,
        pool_size=pool_size,
    )
    directory, transcript = Directory(cache, database.reading), Transcript(recent, database.reading)
    lease = WorkerLease(database_url, worker)
    world = World(database, lease, inbox, directory, transcript, clock)
    try:
        await world.registration.register()
        if not one_of_several:
            await world.reaper.take_over()
        yield world
    finally:
        await world.matcher.stop()
        lease.close()
        await database.close()
