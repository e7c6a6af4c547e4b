"""Everything that runs in a server, wired on one screen. What starts later stops earlier."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from sqlalchemy import text

from api.admission import Admission
from api.buckets import LocalThrottle, NoThrottle
from api.clock import utc_now
from api.franking import DerivedFrankingKeys
from api.graphql_ws.live import LiveSockets
from api.invites import InviteCodes
from api.matcher import Matcher
from api.networks import network_of
from api.origins import Origins
from api.presence import Presence, Reached
from api.settings import Switch
from api.tokens import KeyedDigests, SignedTokens
from api.turns import Turns
from api.xeddsa import ThreadedKeyVerifier
from domain.errors import Unavailable
from persistence.bus import open_bus
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.hub import Hub
from persistence.inbox.memory import MemoryInbox
from persistence.limits import NoRateLimits, PostgresRateLimits
from persistence.retention import purge
from persistence.signals import MemorySignalPost
from persistence.stats import DatabaseStats
from persistence.transcript import RecentMessages, Transcript
from schema.api import schema
from schema.context import Context, IceSettings, Services
from schema.execution.execute import Engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import HTTPConnection

    from api.settings import Settings
    from api.tokens import RootSecrets
    from domain.identity import Caller

log = structlog.get_logger(__name__)

READY_SECONDS = 1.0
"""How long the database may take to answer before a load balancer should look elsewhere."""
SWEEP_INBOX_SECONDS = 5.0
PURGE_SECONDS = 600.0


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
    inbox: MemoryInbox
    rooms: CachedRooms
    hub: Hub
    matcher: Matcher
    live: LiveSockets = field(default_factory=LiveSockets)

    def context(self, caller: Caller | None, request: HTTPConnection, after: str | None) -> Context:
        """What resolvers find as `info.context`: see `gate.MakeContext`."""
        return Context(self.services, caller, network_of(request), after)

    async def failing(self) -> list[str]:
        """Which parts keep this server from being useful; none when it is ready."""
        found = ["draining"] if self.live.draining else []
        if not self.matcher.healthy(self.services.clock()):
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
async def assembled(settings: Settings, dsn: str, roots: RootSecrets) -> AsyncIterator[Parts]:
    """The parts of one server, running for as long as the context is open."""
    worker = uuid4()
    bus = open_bus(settings.bus_url)
    hub = Hub(bus, worker)
    inbox = MemoryInbox(clock=utc_now, hint=hub.wake)
    rooms = CachedRooms()
    recent = RecentMessages()
    database = Database(dsn, outbox=inbox, cache=rooms, messages=recent, worker=worker, clock=utc_now)
    directory = Directory(rooms, database.reading)
    tokens = SignedTokens(roots)
    admission = Admission(tokens, database.read, inbox.control_version, utc_now)
    limited = settings.rate_limits is Switch.ON
    throttle = LocalThrottle() if limited else NoThrottle()
    matcher = Matcher(transact=database.transact, read=database.read, clock=utc_now, new_id=uuid4)
    reached = Reached(transact=database.transact, clock=utc_now)
    presence = Presence(
        transact=database.transact,
        read=database.read,
        clock=utc_now,
        resume=timedelta(seconds=settings.resume_seconds),
        control_version=inbox.control_version,
        standing=admission.standing,
        attached=matcher.poke,
        opening=throttle.socket,
    )
    services = Services(
        transact=database.transact,
        read=database.read,
        inbox=inbox,
        hub=hub,
        directory=directory,
        signals=MemorySignalPost(inbox, directory),
        transcript=Transcript(recent, database.reading),
        stats=DatabaseStats(database.reading, utc_now),
        limits=PostgresRateLimits(database.reading) if limited else NoRateLimits(),
        throttle=throttle,
        tokens=tokens,
        secrets=KeyedDigests(roots),
        invites=InviteCodes(roots),
        franking=DerivedFrankingKeys(roots),
        key_verifier=ThreadedKeyVerifier(),
        one_by_one=Turns(),
        clock=utc_now,
        new_id=uuid4,
        ice=IceSettings(settings.ice_urls, settings.turn_secret),
        skip_cooldown=timedelta(seconds=settings.skip_cooldown_seconds),
        reached=reached.note,
        queue_changed=matcher.poke,
    )
    engine = Engine(schema, introspection=settings.introspectable)
    origins = Origins.of(settings.allowed_origins, development=not settings.production)
    parts = Parts(settings, services, engine, admission, presence, origins, database, inbox, rooms, hub, matcher)
    async with AsyncExitStack() as running:
        running.push_async_callback(database.close)
        await bus.connect()
        running.push_async_callback(bus.disconnect)
        await hub.start()
        running.push_async_callback(hub.stop)
        await running.enter_async_context(repeated("inbox sweep", SWEEP_INBOX_SECONDS, _sweep_of(inbox)))
        await running.enter_async_context(repeated("purge", PURGE_SECONDS, lambda: purge(database.reading, utc_now())))
        await running.enter_async_context(reached.running())
        await running.enter_async_context(presence.running())
        await matcher.start()
        running.push_async_callback(matcher.stop)
        yield parts


def _sweep_of(inbox: MemoryInbox) -> Callable[[], Awaitable[None]]:
    async def sweep() -> None:
        inbox.sweep(utc_now())

    return sweep


@asynccontextmanager
async def repeated(name: str, seconds: float, step: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Repeats the step, whatever it raises, for as long as the context is open."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await step()
            except Unavailable:
                log.warning("the database is away", step=name)
            except Exception:
                log.exception("a background step failed", step=name)

    task = asyncio.create_task(loop(), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
