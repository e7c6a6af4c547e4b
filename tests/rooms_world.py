"""What rooms, signals, presence and stats need, wired over a database of the test's own, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.buckets import LocalThrottle, NoThrottle
from api.graphql_ws.socket import GraphQLSocket
from api.presence import Presence
from domain.errors import Failure
from domain.events import Event
from domain.identity import Caller, SessionScope, User
from domain.inbox import ALL_KINDS, View
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import UnitOfWork
from domain.rooms import Member, MemberStatus, Room
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.inbox.memory import MemoryInbox
from persistence.signals import MemorySignalPost
from persistence.stats import DatabaseStats
from schema.context import Context, IceSettings, Services
from schema.presence import PresenceMutation
from schema.rooms import RoomsQuery
from schema.scalars import SCALARS
from schema.signaling import SignalingMutation, SignalingQuery
from schema.stats import StatsQuery, StatsSubscription
from tests.identity_world import Clock

RESUME = timedelta(seconds=20)


@strawberry.type
class Query(RoomsQuery, SignalingQuery, StatsQuery):
    """What reads."""


@strawberry.type
class Mutation(SignalingMutation, PresenceMutation):
    """What writes."""


SCHEMA = strawberry.Schema(Query, Mutation, StatsSubscription, config=StrawberryConfig(scalar_map=SCALARS))


@dataclass(eq=False)
class FakeSocket:
    """What presence knows of a socket."""

    id: UUID = field(default_factory=uuid4)
    codes: list[int] = field(default_factory=list)

    def close(self, code: int, reason: str) -> None:
        """Remembers with which code it was closed."""
        self.codes.append(code)


@dataclass(frozen=True)
class Answer:
    """What the API answered: data, the failures behind its errors, and its other errors."""

    data: Any
    failures: list[Failure]
    errors: list[str]


@dataclass
class World:
    """One run of a server, as far as rooms need it. `revoked` holds the sessions that no longer stand."""

    database: Database
    inbox: MemoryInbox
    directory: Directory
    clock: Clock
    ice: IceSettings = field(default_factory=lambda: IceSettings(("stun:stun.example.org",), None))
    reached: list[UUID] = field(default_factory=list)
    revoked: set[UUID] = field(default_factory=set)
    returned: int = 0
    presence: Presence = field(init=False)
    signals: MemorySignalPost = field(init=False)
    throttle: LocalThrottle = field(init=False)
    stats: DatabaseStats = field(init=False)

    def __post_init__(self) -> None:
        self.signals = MemorySignalPost(self.inbox, self.directory)
        self.throttle = LocalThrottle(self.clock.monotonic)
        self.stats = DatabaseStats(self.database.reading, self.clock, monotonic=self.clock.monotonic)
        self.presence = Presence(
            transact=self.database.transact,
            read=self.database.read,
            clock=self.clock,
            resume=RESUME,
            control_version=self.inbox.control_version,
            standing=self._standing,
            attached=self._returned,
            opening=NoThrottle().socket,
        )

    async def _standing(self, caller: Caller) -> Caller | None:
        return None if caller.session_id in self.revoked else caller

    def _returned(self) -> None:
        self.returned += 1

    async def user(self, name: str = "Ada") -> Caller:
        """A new account, signed in."""
        user = User(uuid4(), name, self.clock(), None, None)
        await self.database.transact(lambda uow: uow.users.add(user))
        return Caller(user.id, uuid4(), SessionScope.FULL, self.clock() + timedelta(hours=1))

    async def queue(self, caller: Caller, *, attached: bool = True) -> Ticket:
        """Lets the user wait."""
        ticket = Ticket(
            uuid4(),
            caller.user_id,
            TicketStatus.WAITING,
            Preferences(ChatMode.VIDEO, (), (), 10),
            self.clock(),
            self.clock(),
        )
        await self.database.transact(lambda uow: uow.tickets.add(ticket, self.clock(), attached=attached))
        return ticket

    async def match(self, one: Caller, other: Caller, *shared: str) -> Room:
        """Opens a match of two, as the matcher's commit does. `one` joins first and is the polite side."""
        room_id, first, second = uuid4(), await self.queue(one), await self.queue(other)

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((one.user_id, other.user_id))
            await uow.matching.open([NewMatch(room_id, first, second, uuid4(), uuid4(), shared)], self.clock())

        await self.database.transact(work)
        return await self.room(room_id)

    async def pair(self, *names: str) -> tuple[Caller, Caller, Room]:
        """Two users with a socket each, in a match."""
        one, other = await self.user("Ada"), await self.user("Bob")
        await self.connect(one)
        await self.connect(other)
        return one, other, await self.match(one, other, *names)

    async def room(self, room_id: UUID) -> Room:
        """The room as it stands in the database."""
        room = await self.database.read(lambda uow: uow.rooms.get(room_id))
        assert room is not None
        return room

    async def end(self, room: Room) -> None:
        """Closes the room."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id)
            await uow.rooms.close(room.id, self.clock())

        await self.database.transact(work)

    async def status(self, room: Room, caller: Caller) -> MemberStatus:
        """How the user stands in the room."""
        return seat(await self.room(room.id), caller).status

    async def connect(self, caller: Caller) -> FakeSocket:
        """Opens a socket."""
        socket = FakeSocket()
        await self.presence.opened(caller, cast("GraphQLSocket", socket))
        return socket

    async def drop(self, *sockets: FakeSocket) -> None:
        """Closes sockets, and waits until the database knows."""
        for socket in sockets:
            await self.presence.closed(cast("GraphQLSocket", socket))
        await until(lambda: self.presence.leaving == 0)

    async def attached(self, caller: Caller) -> bool:
        """Whether the user has a connection."""
        return await self.database.read(lambda uow: uow.connections.attached(caller.user_id))

    async def told(self, caller: Caller) -> list[Event]:
        """The user's events so far."""
        batch = await self.inbox.read(caller.user_id, None, View(ALL_KINDS))
        return [entry.event for entry in batch.entries]

    async def ask(self, operation: str, caller: Caller | None = None, **variables: object) -> Answer:
        """What the API answers."""
        result = await SCHEMA.execute(operation, variables, context_value=self.context(caller))
        errors = result.errors or ()
        failures = [e.original_error for e in errors if isinstance(e.original_error, Failure)]
        return Answer(result.data, failures, [e.message for e in errors])

    def context(self, caller: Caller | None) -> Context:
        """What resolvers find."""
        parts: dict[str, Any] = dict.fromkeys(part.name for part in fields(Services))  # What rooms need no more of.
        parts |= {"transact": self.database.transact, "read": self.database.read, "directory": self.directory}
        parts |= {"clock": self.clock, "new_id": uuid4, "ice": self.ice, "reached": self.reached.append}
        parts |= {"signals": self.signals, "throttle": self.throttle, "stats": self.stats}
        return Context(Services(**parts), caller, "203.0.113.7")


def seat(room: Room, caller: Caller) -> Member:
    """The user's seat, held or left."""
    member = room.seat_of(caller.user_id)
    assert member is not None
    return member


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for the condition, with a deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def rooms_world(database_url: str, clock: Clock | None = None) -> AsyncIterator[World]:
    """A server that just began: the worker before it, if there was one, counts as killed."""
    clock = clock or Clock()
    inbox = MemoryInbox(clock=clock, hint=lambda _: None)
    cache = CachedRooms()
    database = Database(database_url, outbox=inbox, cache=cache, worker=uuid4(), clock=clock)
    world = World(database, inbox, Directory(cache, database.reading), clock)
    try:
        await world.presence.begin()
        yield world
    finally:
        await database.close()
