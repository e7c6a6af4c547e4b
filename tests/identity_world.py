"""The parts of Parley that identity needs, wired over a database of the test's own, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from api.admission import Admission
from api.buckets import LocalThrottle
from api.tokens import KeyedDigests, RootSecrets, SignedTokens
from domain.errors import Failure, NotAllowed
from domain.identity import Caller, Grant, SignedIn, refresh_session, sign_in_anonymously
from domain.inbox import ALL_KINDS, View
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import RateLimits, UnitOfWork
from domain.safety import Suspension, SuspensionScope
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.inbox.memory import MemoryInbox
from persistence.limits import NoRateLimits
from persistence.safety import SuspensionRepository
from schema.context import Context, Services
from schema.identity import IdentityMutation, IdentityQuery
from schema.scalars import SCALARS

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NETWORK = "203.0.113.7"
ROOTS = RootSecrets((("test", b"t" * 32),))
SCHEMA = strawberry.Schema(IdentityQuery, IdentityMutation, config=StrawberryConfig(scalar_map=SCALARS))


@dataclass
class Clock:
    """A clock that stands until the test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.now.timestamp()

    def forward(self, **time: float) -> None:
        """Moves it by so many `seconds`, `minutes`, `days`."""
        self.now += timedelta(**time)


@dataclass(frozen=True)
class Answer:
    """What the API answered: data, and the failures behind its errors."""

    data: Any
    failures: list[Failure]


@dataclass
class World:
    """What identity works with."""

    database: Database
    inbox: MemoryInbox
    clock: Clock
    limits: RateLimits = field(default_factory=NoRateLimits)
    secrets: KeyedDigests = field(default_factory=lambda: KeyedDigests(ROOTS))
    tokens: SignedTokens = field(default_factory=lambda: SignedTokens(ROOTS))
    admission: Admission = field(init=False)
    throttle: LocalThrottle = field(init=False)

    def __post_init__(self) -> None:
        self.throttle = LocalThrottle(self.clock.monotonic)
        self.admission = self.another_worker(self.inbox)

    def another_worker(self, inbox: MemoryInbox) -> Admission:
        """The gate of a worker whose control versions are those of `inbox`; standings age by the test's clock."""
        return Admission(self.tokens, self.database.read, inbox.control_version, self.clock, self.clock.monotonic)

    async def sign_in(self, name: str = "Ada", device_token: str | None = None, network: str = NETWORK) -> SignedIn:
        """A new account."""
        return await sign_in_anonymously(
            self.database.transact,
            self.limits,
            self.secrets,
            uuid4,
            name=name,
            device_token=device_token,
            network=network,
            now=self.clock(),
        )

    async def refresh(self, refresh_token: str) -> Grant:
        """The next tokens of a session."""
        return await refresh_session(
            self.database.transact,
            self.throttle,
            self.secrets,
            refresh_token=refresh_token,
            network=NETWORK,
            now=self.clock(),
        )

    def bearer(self, grant: Grant) -> str:
        """An `Authorization` value with a new access token."""
        return f"Bearer {self.tokens.issue(grant.session, self.clock())[0]}"

    def caller(self, grant: Grant) -> Caller:
        """Who the grant's access token names."""
        return self.tokens.verify(self.tokens.issue(grant.session, self.clock())[0], self.clock())

    async def suspend(
        self,
        user_id: UUID,
        scope: SuspensionScope = SuspensionScope.ALL,
        *,
        device_id: UUID | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        lifted_at: datetime | None = None,
    ) -> Suspension:
        """Suspends the user, and with `device_id` the device, by default from now on and for good."""
        starts_at = starts_at or self.clock()
        suspension = Suspension(uuid4(), user_id, scope, "Be kind.", None, False, starts_at, ends_at, lifted_at)  # noqa: FBT003

        async def work(uow: UnitOfWork) -> None:
            await cast("SuspensionRepository", uow.suspensions).add(suspension, device_id)
            uow.raise_control(user_id)

        await self.database.transact(work)
        return suspension

    async def revoked(self, grant: Grant, *tokens: str) -> bool:
        """Whether the whole family is gone: every token, the session, and its sockets were told to look."""
        for token in tokens:
            with pytest.raises(NotAllowed):
                await self.refresh(token)
        told = self.inbox.control_version(grant.user.id) > 0
        return told and await self.admission.standing(self.caller(grant)) is None

    async def queue(self, user_id: UUID) -> Ticket:
        """Lets the user wait."""
        ticket = Ticket(
            uuid4(), user_id, TicketStatus.WAITING, Preferences(ChatMode.TEXT, (), (), 10), self.clock(), self.clock()
        )
        await self.database.transact(lambda uow: uow.tickets.add(ticket, self.clock(), attached=True))
        return ticket

    async def match(self, one: Ticket, other: Ticket) -> UUID:
        """Opens a match of two who wait, as the matcher's commit does; returns its room."""
        room_id = uuid4()

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((one.user_id, other.user_id))
            await uow.matching.open([NewMatch(room_id, one, other, uuid4(), uuid4(), ())], self.clock())

        await self.database.transact(work)
        return room_id

    async def told(self, user_id: UUID) -> list[object]:
        """The user's events so far."""
        batch = await self.inbox.read(user_id, None, View(ALL_KINDS))
        return [entry.event for entry in batch.entries]

    async def ask(self, operation: str, caller: Caller | None = None, **variables: object) -> Answer:
        """What the API answers."""
        parts: dict[str, Any] = dict.fromkeys(part.name for part in fields(Services))  # Identity needs no others.
        parts |= {"transact": self.database.transact, "read": self.database.read, "limits": self.limits}
        parts |= {"tokens": self.tokens, "secrets": self.secrets, "clock": self.clock, "new_id": uuid4}
        parts |= {"throttle": self.throttle}
        services = Services(**parts)
        context = Context(services, caller, NETWORK)
        result = await SCHEMA.execute(operation, variables, context_value=context)
        failures = [error.original_error for error in result.errors or ()]
        return Answer(result.data, [failure for failure in failures if isinstance(failure, Failure)])


@asynccontextmanager
async def identity_world(database_url: str) -> AsyncIterator[World]:
    """Everything, closed afterwards."""
    clock = Clock()
    inbox = MemoryInbox(clock=clock, hint=lambda _: None)
    database = Database(database_url, outbox=inbox, cache=CachedRooms(), worker=uuid4(), clock=clock)
    try:
        yield World(database, inbox, clock)
    finally:
        await database.close()
