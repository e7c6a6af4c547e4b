"""What matchmaking needs, wired over a database of the test's own: backends (as many as a race needs) and the people on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from api.clock import utc_now
from api.matcher import Matcher
from domain import presence
from domain.events import Event
from domain.identity import User
from domain.matchmaking.commit import NewMatch, Refused, commit_pairs
from domain.matchmaking.pool import Pair, PoolTicket
from domain.matchmaking.queue import join_queue, skip
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket
from domain.ports import Clock, UnitOfWork
from domain.rooms import Room
from domain.safety import Suspension, SuspensionScope
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.inbox.memory import MemoryInbox
from persistence.safety import SuspensionRepository

ANYONE = Preferences(ChatMode.TEXT, (), (), 10)
COOLDOWN = timedelta(minutes=5)
DEADLINE = 20.0
"""Seconds after which a condition that a test waits for is taken for lost."""

T = TypeVar("T")


class Recorder(MemoryInbox):
    """The inbox in memory, which also keeps everything that was told, and whose inboxes began anew."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, hint=lambda _: None)
        self.told: list[tuple[UUID, Event]] = []
        self.renewed: set[UUID] = set()

    def deliver(self, entries: Sequence[tuple[UUID, Event]], controls: Iterable[UUID], at: datetime) -> None:
        self.told.extend(entries)
        super().deliver(entries, controls, at)

    def renew(self, user_ids: Iterable[UUID]) -> None:
        users = tuple(user_ids)
        self.renewed.update(users)
        super().renew(users)

    def of(self, user_id: UUID) -> list[Event]:
        """What the user was told, the oldest first."""
        return [event for told, event in self.told if told == user_id]


@dataclass
class Backend:
    """One process of Parley, as far as matching goes."""

    database: Database
    inbox: Recorder
    clock: Clock
    matcher: Matcher
    sockets: dict[UUID, UUID] = field(default_factory=dict)

    async def transact(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Runs work in a unit of work."""
        return await self.database.transact(work)

    async def person(self, name: str = "Ada", *, attached: bool = True) -> UUID:
        """A new account, with an open socket or without."""
        user = User(uuid4(), name, self.clock(), None, None)
        await self.transact(lambda uow: uow.users.add(user))
        if attached:
            await self.attach(user.id)
        return user.id

    async def people(self, count: int) -> list[UUID]:
        """So many, all attached."""
        return [await self.person(f"Person {i}") for i in range(count)]

    async def attach(self, user_id: UUID) -> None:
        """Opens a socket."""
        socket = self.sockets.setdefault(user_id, uuid4())
        await self.transact(lambda uow: presence.attach(uow, socket, user_id, now=self.clock()))

    async def detach(self, user_id: UUID, resume: timedelta = timedelta(seconds=20)) -> None:
        """Closes it."""
        socket = self.sockets.pop(user_id, None)
        if socket is not None:
            await self.transact(lambda uow: presence.detach(uow, socket, user_id, resume=resume, now=self.clock()))

    async def join(self, user_id: UUID, preferences: Preferences = ANYONE) -> Ticket:
        """Lets the user wait."""
        return await self.transact(lambda uow: join_queue(uow, user_id, preferences, new_id=uuid4, clock=self.clock))

    async def skip(
        self, user_id: UUID, room_id: UUID, *, requeue: bool = True, cooldown: timedelta = COOLDOWN
    ) -> Ticket | None:
        """Skips the match."""
        return await self.transact(
            lambda uow: skip(uow, user_id, room_id, requeue=requeue, cooldown=cooldown, new_id=uuid4, clock=self.clock)
        )

    async def commit(self, *pairs: tuple[Ticket, Ticket]) -> list[NewMatch | Refused]:
        """What a matcher that believes in these pairs achieves."""
        proposed = [Pair(_pooled(one), _pooled(other)) for one, other in pairs]
        return await self.transact(lambda uow: commit_pairs(uow, proposed, new_id=uuid4, clock=self.clock))

    async def match(self, one: UUID, other: UUID, preferences: Preferences = ANYONE) -> Room:
        """Lets two join and meet."""
        (result,) = await self.commit((await self.join(one, preferences), await self.join(other, preferences)))
        assert isinstance(result, NewMatch), result
        return await self.room(result.room_id)

    async def bar(self, one: UUID, other: UUID, kind: str = "BLOCK_BY_LOW", until: datetime | None = None) -> None:
        """Keeps two apart, as a block does: under the locks of both."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((one, other))
            await uow.bars.raise_bar(one, other, kind, until, self.clock())

        await self.transact(work)

    async def suspend(self, user_id: UUID, scope: SuspensionScope = SuspensionScope.MATCHING) -> Suspension:
        """Suspends the user for good."""
        suspension = Suspension(uuid4(), user_id, scope, "Be kind.", None, False, self.clock(), None, None)  # noqa: FBT003

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((user_id,))
            assert isinstance(uow.suspensions, SuspensionRepository)
            await uow.suspensions.add(suspension, None)

        await self.transact(work)
        return suspension

    async def room(self, room_id: UUID) -> Room:
        """The room as it is."""
        room = await self.database.read(lambda uow: uow.rooms.get(room_id))
        assert room is not None
        return room

    async def open_match(self, user_id: UUID) -> Room | None:
        """The match in which the user sits."""
        return await self.database.read(lambda uow: uow.rooms.open_match_of(user_id))

    async def waiting(self, user_id: UUID) -> Ticket | None:
        """The user's WAITING ticket."""
        return await self.database.read(lambda uow: uow.tickets.waiting(user_id))

    async def reach(self, *member_ids: UUID) -> None:
        """Notes that members were told of their match."""
        await self.transact(lambda uow: uow.rooms.mark_reached(member_ids, self.clock()))


@asynccontextmanager
async def backend(dsn: str, clock: Clock = utc_now, pool_size: int = 10) -> AsyncIterator[Backend]:
    """A backend with a matcher that does not run yet; both stopped afterwards."""
    inbox = Recorder(clock)
    database = Database(dsn, outbox=inbox, cache=CachedRooms(), worker=uuid4(), clock=clock, pool_size=pool_size)
    matcher = Matcher(transact=database.transact, read=database.read, clock=clock, new_id=uuid4)
    try:
        await database.transact(lambda uow: uow.connections.register_worker(utc_now(), utc_now() + timedelta(days=1)))
        yield Backend(database, inbox, clock, matcher)
    finally:
        await matcher.stop()
        await database.close()


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = DEADLINE) -> float:
    """Waits for the condition, and returns how many seconds it took."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not await condition():
        assert loop.time() - start < seconds, "it did not happen in time"
        await asyncio.sleep(0.005)
    return loop.time() - start


def _pooled(ticket: Ticket) -> PoolTicket:
    asked = ticket.preferences
    return PoolTicket(
        ticket.id,
        ticket.user_id,
        asked.mode,
        frozenset(asked.interests),
        frozenset(asked.languages),
        ticket.enqueued_at,
        ticket.widens_at,
        attached=True,
    )
