"""Inboxes for tests: what happens in them, both stores behind one face, and workers that share a database and a bus."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

from sqlalchemy import text

from domain import ports
from domain.events import Event, MemberJoined, SignalReceived
from domain.identity import User
from domain.inbox import ALL_KINDS, Batch, Position, View
from domain.ports import UnitOfWork
from domain.signaling import Offer
from persistence.bus import Bus, MemoryBackend, ReliableBroadcast
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.hub import Hub
from persistence.inbox.memory import RETENTION, MemoryInbox
from persistence.inbox.postgres import PostgresInbox
from persistence.inbox.ring import EVENTS
from persistence.transcript import RecentMessages, Transcript

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ROOM, OTHER_ROOM = UUID(int=1), UUID(int=2)
EVERYTHING = View(ALL_KINDS)
NEVER = 3600.0
"""Seconds between sweeps where a test is about hints."""


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def joined(room: UUID = ROOM) -> MemberJoined:
    """Somebody else came."""
    return MemberJoined(room, uuid4())


def signal(sdp: str = "v=0", room: UUID = ROOM) -> SignalReceived:
    """An offer of somebody else."""
    return SignalReceived(uuid4(), room, uuid4(), None, Offer(sdp))


def events_of(batch: Batch) -> list[Event]:
    """What the batch shows."""
    return [entry.event for entry in batch.entries]


def make_memory(time: Time | None = None, hints: list[UUID] | None = None) -> MemoryInbox:
    """An inbox with epochs that a test can tell apart; whom it hints at goes into `hints`."""
    epochs = itertools.count(1000)
    told = [] if hints is None else hints
    return MemoryInbox(clock=time or Time(), hint=told.extend, new_epoch=lambda: next(epochs))


# ------------------------------------------------------------------------------------------ workers


class LossyBus:
    """A bus that loses what `loses` says, and notes what it was given."""

    def __init__(self, bus: Bus, loses: Callable[[], bool] = lambda: False) -> None:
        self._bus = bus
        self.loses = loses
        self.published: list[str] = []
        self.subscribe = bus.subscribe

    async def publish(self, channel: str, message: str) -> None:
        """Raises what a bus raises that is cut off, or says nothing of its loss."""
        self.published.append(message)
        if not self.loses():
            await self._bus.publish(channel, message)
        elif random.random() < 0.5:
            raise ConnectionError("lost")


@dataclass(frozen=True)
class Worker:
    """One of several, with an inbox in PostgreSQL."""

    id: UUID
    bus: LossyBus
    hub: Hub
    inbox: PostgresInbox
    database: Database
    rooms: CachedRooms
    directory: Directory
    transcript: Transcript

    async def user(self, *workers: UUID) -> UUID:
        """A new user, who is attached to these workers."""
        user_id = uuid4()
        await self.database.transact(lambda uow: uow.users.add(User(user_id, "Ada", START, None, None)))
        await self.run("UPDATE head SET workers = :workers WHERE user_id = :id", id=user_id, workers=list(workers))
        return user_id

    async def put(self, *told: tuple[UUID, Event], controls: Collection[UUID] = ()) -> None:
        """A unit that tells users something."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users({*(user_id for user_id, _ in told), *controls})
            for user_id, event in told:
                uow.append(user_id, event)
            for user_id in controls:
                uow.raise_control(user_id)

        await self.database.transact(work)

    async def run(self, statement: str, **values: object) -> None:
        """What nobody does but a test."""
        async with self.database.engine.begin() as connection:
            await connection.execute(text(statement), values)


@asynccontextmanager
async def a_bus() -> AsyncIterator[ReliableBroadcast]:
    """A bus for several workers of this process."""
    bus = ReliableBroadcast(MemoryBackend(), backoff=lambda _: 0.001)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.disconnect()


@asynccontextmanager
async def a_worker(
    database_url: str,
    bus: Bus,
    *,
    sweep_seconds: float = NEVER,
    loses: Callable[[], bool] = lambda: False,
    clock: ports.Clock = lambda: START,
    max_age_seconds: float = 1.0,
) -> AsyncIterator[Worker]:
    """A worker that listens, until it is stopped."""
    worker, lossy, rooms, recent = (
        uuid4(),
        LossyBus(bus, loses),
        CachedRooms(max_age_seconds=max_age_seconds),
        RecentMessages(),
    )
    hub = Hub(lossy, worker, sweep_seconds=sweep_seconds)
    inbox = PostgresInbox(hub, forget_rooms=rooms.drop)
    database = Database(database_url, outbox=inbox, cache=rooms, messages=recent, worker=worker, clock=clock)
    directory, transcript = Directory(rooms, database.reading), Transcript(recent, database.reading)
    try:
        await inbox.open(database.reading)
        await hub.start(inbox)
        yield Worker(worker, lossy, hub, inbox, database, rooms, directory, transcript)
    finally:
        await hub.stop()
        await database.close()


@asynccontextmanager
async def two_workers(
    database_url: str, *, sweep_seconds: float = NEVER, loses: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two of them, on one bus."""
    async with (
        a_bus() as bus,
        a_worker(database_url, bus, sweep_seconds=sweep_seconds, loses=loses) as one,
        a_worker(database_url, bus, sweep_seconds=sweep_seconds, loses=loses) as two,
    ):
        yield one, two


# ------------------------------------------------------------------------------------------ both stores


class Store(Protocol):
    """An inbox, and what a test does to it."""

    @property
    def inbox(self) -> ports.Inbox: ...
    @property
    def hub(self) -> Hub: ...
    async def user(self) -> UUID: ...
    async def put(self, user: UUID, *events: Event, controls: Collection[UUID] = ()) -> None:
        """A commit that appended these."""

    async def age(self) -> None:
        """Lets so much time pass that nothing of before is retained."""


class MemoryStore:
    """`MemoryInbox` as a store."""

    def __init__(self) -> None:
        self.time = Time()
        self.hub = Hub(ReliableBroadcast(MemoryBackend()), uuid4())
        self.inbox = MemoryInbox(clock=self.time, hint=self.hub.wake)

    async def user(self) -> UUID:
        return uuid4()

    async def put(self, user: UUID, *events: Event, controls: Collection[UUID] = ()) -> None:
        self.inbox.deliver([(user, event) for event in events], controls, self.time.now)

    async def age(self) -> None:
        self.time.now += RETENTION


@dataclass(frozen=True)
class PostgresStore:
    """`PostgresInbox` of one worker as a store."""

    worker: Worker

    @property
    def inbox(self) -> PostgresInbox:
        return self.worker.inbox

    @property
    def hub(self) -> Hub:
        return self.worker.hub

    async def user(self) -> UUID:
        return await self.worker.user(self.worker.id)

    async def put(self, user: UUID, *events: Event, controls: Collection[UUID] = ()) -> None:
        await self.worker.put(*((user, event) for event in events), controls=controls)

    async def age(self) -> None:
        await self.worker.run("TRUNCATE " + ", ".join(EVENTS.names))


@asynccontextmanager
async def a_postgres_store(database_url: str) -> AsyncIterator[PostgresStore]:
    """One worker over the database."""
    async with a_bus() as bus, a_worker(database_url, bus) as worker:
        yield PostgresStore(worker)


async def read_all(
    inbox: ports.Inbox, user: UUID, view: View = EVERYTHING, after: Position | None = None
) -> list[Event]:
    """Everything of the view behind the position, page by page."""
    found: list[Event] = []
    while True:
        batch = await inbox.read(user, after, view)
        assert not batch.lost
        found += events_of(batch)
        if not batch.entries:
            return found
        after = batch.position
