"""One server without its transports, wired as in `api.parts` but on a clock of the test's, and what its API answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from strawberry.extensions import ParserCache, ValidationCache

from api.admission import Admission
from api.buckets import LocalThrottle, NoThrottle
from api.clock import utc_now
from api.franking import DerivedFrankingKeys
from api.invites import InviteCodes
from api.matcher import Matcher
from api.pages import PageRefusals
from api.presence import Presence
from api.reaper import Reaper
from api.registration import Registration
from api.sweeps import Sweeps
from api.tokens import KeyedDigests, RootSecrets, SignedTokens
from api.turns import Turns
from api.xeddsa import ThreadedKeyVerifier
from domain.errors import Failure
from domain.events import Event
from domain.identity import Caller
from domain.inbox import ALL_KINDS, View
from domain.ports import RateLimits, StatsSource, Throttle, Transact, UnitOfWork
from persistence.bus import open_bus
from persistence.database import Database
from persistence.directory import Directory
from persistence.hub import Hub
from persistence.inbox.memory import MemoryInbox
from persistence.leases import WorkerLease
from persistence.limits import NoRateLimits
from persistence.signals import MemorySignalPost
from persistence.stats import DatabaseStats
from persistence.transcript import Transcript
from schema.api import schema
from schema.context import Context, IceSettings, Services

# Validating the same documents again was half of the time of the tests that ask most; the product keeps what it validated, too.
schema.extensions = (ParserCache, ValidationCache)

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NETWORK = "203.0.113.7"
ROOTS = RootSecrets((("test", b"t" * 32),))
RESUME = timedelta(seconds=20)
COOLDOWN = timedelta(minutes=5)

T = TypeVar("T")

Who = UUID | Caller
"""Somebody, by ID or as whom they ask."""


def id_of(who: Who) -> UUID:
    """The user's ID."""
    return who.user_id if isinstance(who, Caller) else who


@dataclass
class Clock:
    """Stands until the test moves it, or goes by itself and can be moved as well."""

    goes: bool = False
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return (utc_now() if self.goes else START) + self.moved

    def monotonic(self) -> float:
        """The same in seconds."""
        return self().timestamp()

    def forward(self, **time: float) -> None:
        """Moves it by so many `seconds`, `minutes`, `days`."""
        self.moved += timedelta(**time)


class Recorder(MemoryInbox):
    """The inbox in memory, which also keeps everything that was told to anybody, and whose inboxes began anew."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, hint=lambda users: self.wake(users))  # noqa: PLW0108  # it is given later
        self.wake: Callable[[Iterable[UUID]], None] = lambda _: None
        self.told: list[tuple[UUID, Event]] = []
        self.renewed: set[UUID] = set()

    def deliver(self, entries: Sequence[tuple[UUID, Event]], controls: Iterable[UUID], at: datetime) -> None:
        self.told.extend(entries)
        super().deliver(entries, controls, at)

    def renew(self, user_ids: Iterable[UUID]) -> None:
        users = tuple(user_ids)
        self.renewed.update(users)
        super().renew(users)


@dataclass(frozen=True)
class Answer:
    """What the API answered: data, the failures behind its errors, and what all its errors say."""

    data: Any
    failures: list[Failure]
    errors: list[str]


@dataclass
class Parts:
    """One server. `reached` holds the members that were noted as told of their match; `returned` counts who came back."""

    database: Database
    lease: WorkerLease
    inbox: Recorder
    directory: Directory
    transcript: Transcript
    clock: Clock
    limits: RateLimits = field(default_factory=NoRateLimits)
    secrets: KeyedDigests = field(default_factory=lambda: KeyedDigests(ROOTS))
    invites: InviteCodes = field(default_factory=lambda: InviteCodes(ROOTS))
    franking: DerivedFrankingKeys = field(default_factory=lambda: DerivedFrankingKeys(ROOTS))
    key_verifier: ThreadedKeyVerifier = field(default_factory=ThreadedKeyVerifier)
    one_by_one: Turns = field(default_factory=Turns)
    pages: PageRefusals = field(default_factory=PageRefusals)
    tokens: SignedTokens = field(default_factory=lambda: SignedTokens(ROOTS))
    ice: IceSettings = field(default_factory=lambda: IceSettings(("stun:stun.example.org",), None))
    hub: Hub = field(default_factory=lambda: Hub(open_bus("memory://"), uuid4()))
    """Not started: nobody follows here, tests read the inbox."""
    reached: list[UUID] = field(default_factory=list)
    returned: int = 0
    connections: dict[UUID, UUID] = field(default_factory=dict)
    """Of those who were attached without a socket, by user."""
    signals: MemorySignalPost = field(init=False)
    throttle: Throttle = field(init=False)
    stats: StatsSource = field(init=False)
    admission: Admission = field(init=False)
    matcher: Matcher = field(init=False)
    """Runs once the test starts it."""
    presence: Presence = field(init=False)
    sweeps: Sweeps = field(init=False)
    """When the test says so."""
    registration: Registration = field(init=False)
    """Renews when the test says so."""
    reaper: Reaper = field(init=False)
    """Reaps when the test says so, and then as if this worker had lived for long."""

    def __post_init__(self) -> None:
        transact, read = self.database.transact, self.database.read
        self.signals = MemorySignalPost(self.inbox, self.directory)
        self.throttle = LocalThrottle(self.clock.monotonic)
        self.stats = DatabaseStats(self.database.reading, self.clock, monotonic=self.clock.monotonic)
        self.admission = self.another_worker(self.inbox)
        self.matcher = Matcher(transact=transact, read=read, clock=self.clock, new_id=uuid4)
        self.registration = Registration(self.lease, returned=lambda: self.presence.attach_again())  # noqa: PLW0108  # it is made below
        self.presence = Presence(
            transact=transact,
            read=read,
            clock=self.clock,
            resume=RESUME,
            control_version=self.inbox.control_version,
            standing=self.admission.standing,
            attached=self._returned,
            opening=NoThrottle().socket,
            watch=self.hub.watch,
            reaped=self.registration.reaped,
        )
        self.sweeps = Sweeps(transact=transact, read=read, clock=self.clock, resume=RESUME)
        self.reaper = Reaper(transact=transact, read=read, clock=self.clock, steady=lambda: True)

    def another_worker(self, inbox: MemoryInbox) -> Admission:
        """The gate of a worker whose control versions are those of `inbox`; standings age by the test's clock."""
        return Admission(self.tokens, self.database.read, inbox.control_version, self.clock, self.clock.monotonic)

    def _returned(self) -> None:
        self.returned += 1
        self.matcher.poke()

    async def ask(self, operation: str, caller: Caller | None = None, **variables: object) -> Answer:
        """What the API answers."""
        return await _answered(self.context(caller), operation, variables)

    async def answer(self, operation: str, caller: Caller | None, **variables: object) -> Any:  # noqa: ANN401  # JSON
        """The one field that the API answers; raises the failure that it answers instead."""
        answer = await self.ask(operation, caller, **variables)
        if answer.failures:
            raise answer.failures[0]
        assert not answer.errors, answer.errors
        (field,) = answer.data.values()
        return field

    async def overtake(
        self, happens: Callable[[], Awaitable[object]], operation: str, caller: Caller, **variables: object
    ) -> Answer:
        """What the API answers when something happens before each reading of the database."""
        context = self.context(caller)
        read = context.services.read

        async def late(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
            await happens()
            return await read(work)

        overtaken = replace(context, services=replace(context.services, read=late))
        return await _answered(overtaken, operation, variables)

    def too_early(self, happens: Callable[[], Awaitable[object]]) -> Transact:
        """A `transact` in which something happens, once, between the look at a user's rooms and their locks."""
        happened: list[object] = []

        async def transact(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
            async def meddled(uow: UnitOfWork) -> T:
                look = uow.rooms.held_ids

                async def held_ids(user_id: UUID) -> frozenset[UUID]:
                    found = await look(user_id)
                    if not happened:
                        happened.append(await happens())
                    return found

                cast("Any", uow.rooms).held_ids = held_ids
                return await work(uow)

            return await self.database.transact(meddled)

        return transact

    def context(self, caller: Caller | None) -> Context:
        """What resolvers find."""
        services = Services(
            transact=self.database.transact,
            read=self.database.read,
            inbox=self.inbox,
            hub=self.hub,
            directory=self.directory,
            signals=self.signals,
            transcript=self.transcript,
            stats=self.stats,
            limits=self.limits,
            throttle=self.throttle,
            tokens=self.tokens,
            secrets=self.secrets,
            invites=self.invites,
            franking=self.franking,
            key_verifier=self.key_verifier,
            one_by_one=self.one_by_one,
            clock=self.clock,
            new_id=uuid4,
            ice=self.ice,
            skip_cooldown=COOLDOWN,
            reached=self.reached.append,
            queue_changed=self.matcher.poke,
            page_refused=self.pages.note,
        )
        return Context(services, caller, NETWORK)

    async def told(self, who: Who) -> list[Event]:
        """The user's events so far."""
        batch = await self.inbox.read(id_of(who), None, View(ALL_KINDS), 10_000)
        return [entry.event for entry in batch.entries]


async def _answered(context: Context, operation: str, variables: dict[str, Any]) -> Answer:
    result = await schema.execute(operation, variables, context_value=context)
    errors = result.errors or ()
    failures = [e.original_error for e in errors if isinstance(e.original_error, Failure)]
    return Answer(result.data, failures, [e.message for e in errors])
