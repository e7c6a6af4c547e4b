"""Everything that runs in a server, wired on one screen. What starts later stops earlier."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from uuid import uuid4

from sqlalchemy import text

from api import loops
from api.abandoned import erase_all_abandoned
from api.admission import Admission
from api.buckets import LocalThrottle, NoThrottle
from api.connections.live import LiveSockets
from api.connections.preparing import preparing_of
from api.figures import Recorder
from api.franking import DerivedFrankingKeys
from api.graphql_http.endpoint import UserTurns
from api.graphql_http.streams import StreamCounts
from api.invites import InviteCodes
from api.leader import Leader
from api.matcher import Matcher
from api.networks import network_of
from api.operation_rates import NoRates, OperationRates
from api.origins import Origins
from api.oversight import Oversight
from api.pages import PageRefusals
from api.pokes import Pokes
from api.presence import Presence
from api.reach import bus_at, bus_reached
from api.reached import Reached
from api.reaper import Reaper
from api.registration import Registration
from api.settings import Switch
from api.shared_clock import SharedClock
from api.shared_rates import ConfiguredRateLimits
from api.sweeps import Sweeps
from api.tokens import KeyedDigests, SignedTokens
from api.turns import Turns
from api.xeddsa import ThreadedKeyVerifier
from domain.errors import Unavailable
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.hub import Hub
from persistence.inbox.memory import MemoryInbox
from persistence.inbox.postgres import PostgresInbox
from persistence.inbox.ring import turn
from persistence.leases import LeaderLease, WorkerLease
from persistence.limits import NoRateLimits, PostgresRateLimits
from persistence.operators import OperatorWatch
from persistence.retention import purge
from persistence.signals import MemorySignalPost, PostgresSignalPost
from persistence.stats import DatabaseStats
from persistence.transcript import RecentMessages, Transcript
from schema.api import schema
from schema.context import Context, IceSettings, Services
from schema.execution.execute import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import HTTPConnection

    from api.databases import Source
    from api.operation_rates import Rates
    from api.settings import Settings
    from api.tokens import RootSecrets
    from domain.identity import Caller
    from domain.ports import Clock, RateLimits, Throttle
    from persistence.bus import ReliableBroadcast

READY_SECONDS = 1.0
"""How long the database may take to answer before a load balancer should look elsewhere."""
SWEEP_INBOX_SECONDS = 5.0
OPERATORS_SECONDS = 1.0
"""How late a server with its inbox in memory hears of what the command line did: with the recheck of sockets within 2 s."""
PURGE_SECONDS = 600.0
TURN_SECONDS = 5.0
ROOMS_AGE_SECONDS = 1.0
"""For how long a room is shown as it was, when other workers may have changed it and nobody here was told."""


@runtime_checkable
class Refusing(Protocol):
    """A part that refuses what is too much."""

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often since the start, by limit."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes, the metrics and the shutdown need to see."""

    settings: Settings
    services: Services
    engine: Engine
    admission: Admission
    presence: Presence
    origins: Origins
    database: Database
    inbox: MemoryInbox | PostgresInbox
    rooms: CachedRooms
    hub: Hub
    matcher: Matcher
    leader: Leader
    reaper: Reaper
    oversight: Oversight
    bus: ReliableBroadcast
    rates: Rates
    turns: UserTurns
    refusing: tuple[Refusing, ...]
    """What counts how often it refused, beside documents and sockets."""
    live: LiveSockets = field(default_factory=LiveSockets)
    streams: StreamCounts = field(default_factory=StreamCounts)

    def context(self, caller: Caller | None, request: HTTPConnection, after: str | None) -> Context:
        """What resolvers find as `info.context`: see `gate.MakeContext`."""
        return Context(self.services, caller, network_of(request), after)

    async def failing(self) -> list[str]:
        """Which parts keep this server from being useful; none when it is ready."""
        found = ["draining"] if self.live.draining else []
        if not self.leader.healthy(dutiful=self.matcher.healthy(self.services.clock())):
            found.append("matcher")
        try:
            async with asyncio.timeout(READY_SECONDS), self.database.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except (Unavailable, TimeoutError):
            found.append("database")
        return found

    async def drain(self) -> None:
        """Closes all sockets with 1012, in random order and spread out: their clients come back to somebody."""
        await self.live.close_all(over=self.settings.drain.total_seconds())


@asynccontextmanager
async def assembled(settings: Settings, source: Source, roots: RootSecrets) -> AsyncIterator[Parts]:
    """The parts of one worker, running for as long as the context is open: alone with its inbox in memory, or one of several that
    share the inbox in PostgreSQL. Raises `Refusal` when the bus cannot be reached, and `Unavailable` when the database cannot.
    """
    worker, clock = uuid4(), SharedClock()
    bus = bus_at(settings.bus_url, source.direct)
    hub = Hub(bus, worker)
    rooms = CachedRooms(max_age_seconds=ROOMS_AGE_SECONDS if settings.scaled else None)
    recent = RecentMessages()
    inbox = PostgresInbox(hub, forget_rooms=rooms.drop) if settings.scaled else MemoryInbox(clock=clock, hint=hub.wake)
    database = Database(source.dsn, outbox=inbox, cache=rooms, messages=recent, worker=worker, clock=clock)
    directory = Directory(rooms, database.reading)
    tokens = SignedTokens(roots)
    admission = Admission(tokens, database.read, inbox.control_version, clock)
    throttle, rates, shared = _limits(settings, database)
    preparing = preparing_of(asyncio.get_running_loop())
    turns = UserTurns(settings.mutations_per_user, settings.mutations_at_once)
    pages = PageRefusals()
    matcher = Matcher(transact=database.transact, read=database.read, clock=clock, new_id=uuid4)
    pokes = Pokes(bus, matcher.poke)
    reached = Reached(transact=database.transact, clock=clock)
    resume = timedelta(seconds=settings.resume_seconds)
    lease = WorkerLease(source.direct, worker, observed=clock.observe)
    registration = Registration(lease, returned=lambda: presence.attach_again())  # noqa: PLW0108  # it is made below
    presence = Presence(
        transact=database.transact,
        read=database.read,
        clock=clock,
        resume=resume,
        control_version=inbox.control_version,
        standing=admission.standing,
        attached=pokes.poke,
        opening=throttle.socket,
        watch=hub.watch,
        reaped=registration.reaped,
    )
    sweeps = Sweeps(transact=database.transact, read=database.read, clock=clock, resume=resume)
    reaper = Reaper(transact=database.transact, read=database.read, clock=clock, steady=registration.steady)
    oversight = Oversight(database.reading, clock)
    stats = DatabaseStats(database.reading, clock)
    recorder = Recorder(database.reading, stats, clock)
    leader = Leader(
        LeaderLease(source.direct, worker) if settings.scaled else None,
        (
            pokes.heeded,
            sweeps.running,
            reaper.running,
            matcher.running,
            oversight.running,
            recorder.running,
            *_housekeeping(database, clock),
        ),
    )
    signals = MemorySignalPost(inbox, directory) if isinstance(inbox, MemoryInbox) else PostgresSignalPost(database)
    services = Services(
        transact=database.transact,
        read=database.read,
        inbox=inbox,
        hub=hub,
        directory=directory,
        signals=signals,
        transcript=Transcript(recent, database.reading),
        stats=stats,
        limits=shared,
        throttle=throttle,
        tokens=tokens,
        secrets=KeyedDigests(roots),
        invites=InviteCodes(roots),
        franking=DerivedFrankingKeys(roots),
        key_verifier=ThreadedKeyVerifier(),
        one_by_one=Turns(),
        clock=clock,
        new_id=uuid4,
        ice=IceSettings(settings.ice_urls, settings.turn_secret),
        skip_cooldown=timedelta(seconds=settings.skip_cooldown_seconds),
        reached=reached.note,
        queue_changed=pokes.poke,
        page_refused=pages.note,
        largest_page=settings.max_page,
    )
    engine = Engine(schema, settings.document_limits, introspection=settings.introspectable)
    origins = Origins.of(settings.allowed_origins, development=not settings.production)
    parts = Parts(
        settings,
        services,
        engine,
        admission,
        presence,
        origins,
        database,
        inbox,
        rooms,
        hub,
        matcher,
        leader,
        reaper,
        oversight,
        bus,
        rates,
        turns,
        tuple(part for part in (rates, turns, preparing, pages, throttle, shared) if isinstance(part, Refusing)),
    )
    async with AsyncExitStack() as running:
        running.push_async_callback(database.close)
        await bus_reached(bus.connect(), settings.bus_url)
        running.push_async_callback(bus.disconnect)
        await running.enter_async_context(_followed(inbox, hub, database, clock))
        if isinstance(signals, PostgresSignalPost):
            running.push_async_callback(signals.close)
        await running.enter_async_context(registration.running())
        if not settings.scaled:
            await reaper.take_over()
        await running.enter_async_context(reached.running())
        await running.enter_async_context(presence.running())
        await running.enter_async_context(pokes.running())
        await running.enter_async_context(leader.running())
        yield parts


def _limits(settings: Settings, database: Database) -> tuple[Throttle, Rates, RateLimits]:
    """What this process alone limits, operations, and what holds across workers."""
    if settings.rate_limits is not Switch.ON:
        return NoThrottle(), NoRates(), NoRateLimits()
    return (
        LocalThrottle(rates=settings.throttle_rates),
        OperationRates(settings.rate_operations_of_user, settings.rate_operations_of_network),
        ConfiguredRateLimits(PostgresRateLimits(database.reading), settings.shared_rates),
    )


def _housekeeping(database: Database, clock: Clock) -> tuple[Callable[[], AbstractAsyncContextManager[object]], ...]:
    """What the leader deletes, each of it from time to time."""
    return (
        partial(loops.running, "purge", PURGE_SECONDS, lambda: purge(database.reading, clock())),
        partial(
            loops.running,
            "abandoned accounts",
            PURGE_SECONDS,
            lambda: erase_all_abandoned(database.transact, database.read, uuid4, clock),
        ),
        partial(loops.running, "rings", TURN_SECONDS, lambda: turn(database.reading)),
    )


@asynccontextmanager
async def _followed(
    inbox: MemoryInbox | PostgresInbox, hub: Hub, database: Database, clock: Clock
) -> AsyncIterator[None]:
    """Readers of the inbox are woken for as long as the context is open."""
    if isinstance(inbox, PostgresInbox):
        await inbox.open(database.reading)
        await hub.start(inbox)
        try:
            yield
        finally:
            await hub.stop()
        return

    async def sweep() -> None:
        inbox.sweep(clock())

    watch = OperatorWatch(database.reading, inbox.renew, clock)
    async with (
        loops.running("inbox sweep", SWEEP_INBOX_SECONDS, sweep),
        loops.running("operator watch", OPERATORS_SECONDS, watch.look),
    ):
        yield
