"""The database: a pool of connections, units of work over it, and the one seam where driver errors become ours."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from domain.errors import Conflict, Unavailable
from persistence.appeals import AppealRepository
from persistence.audit import AuditRepository
from persistence.base import UUIDS
from persistence.blocks import BlockRepository
from persistence.cases import CaseRepository
from persistence.chat import MessageRepository
from persistence.driver import connector
from persistence.figures import FigureRepository
from persistence.heads import Head, locked_heads
from persistence.identity import DeviceRepository, SessionRepository, UserRepository
from persistence.keys import KeyBundleRepository
from persistence.matchmaking import BarRepository, MatchingRepository, TicketRepository
from persistence.operators import OperatorRepository
from persistence.presence import ConnectionRepository
from persistence.privacy import PrivacyRepository
from persistence.reports import ReportRepository
from persistence.rooms import RoomRepository
from persistence.signals.admission import SignalRepository
from persistence.suspensions import SuspensionRepository
from persistence.tasks import retrieved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from domain import ports
    from domain.chat import Message
    from domain.events import Event
    from domain.ports import Clock, UnitOfWork
    from domain.rooms.room import Room

log = structlog.get_logger(__name__)

T = TypeVar("T")

RETRIED = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected: the same work may well succeed the next time."""
ATTEMPTS = 4
POOL_SIZE = 10
POOL_WAIT_SECONDS = 10.0
PATIENCE_SECONDS = 20.0
"""How long a statement may take: most take a millisecond, and who waits for a lock longer than that waits for ever."""
DOUBT_SECONDS = 1.0
"""After a commit of unknown outcome, how often PostgreSQL is asked whether it has finished, while it does not answer."""
DOUBTS_AT_ONCE = 2
"""Connections that wait for that."""

LOCK_ROOMS = text("SELECT id FROM room WHERE id = ANY(:ids) ORDER BY id FOR UPDATE").bindparams(
    bindparam("ids", type_=UUIDS)
)


def engine_for(dsn: str, *, patience: float | None = None, **options: object) -> AsyncEngine:
    """An engine over asyncpg for an address as libpq writes it, with all that it may say (`sslmode`, socket folders).

    A statement that takes longer than `patience` seconds raises `TimeoutError`.
    """
    # What people say stands in parameters, and exceptions that quote them end in logs.
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connector(dsn, patience=patience), hide_parameters=True, **options
    )


class Outbox(Protocol):
    """Where a committed unit's events go."""

    def hold(self, user_ids: Sequence[UUID]) -> AbstractAsyncContextManager[None]:
        """Holds the users' inboxes, given in the order of their IDs, from before their heads are locked until all is told."""

    async def write(
        self,
        connection: AsyncConnection,
        heads: Mapping[UUID, Head],
        entries: Sequence[tuple[UUID, Event]],
        controls: Collection[UUID],
        at: datetime,
    ) -> Callable[[], None]:
        """The last thing in a transaction: appends the events, in their order, and raises control versions. `heads` are the locked
        ones, of everybody concerned. What it returns is called once the transaction is committed: it tells
        readers, and cannot fail.
        """

    def renew(self, user_ids: Iterable[UUID]) -> None:
        """After a commit of unknown outcome: what these users were told, and what they may do, is looked at anew."""


class RoomCache(Protocol):
    """What must forget a room once a unit changed it."""

    def drop(self, room_ids: Iterable[UUID]) -> None: ...


class MessageCache(Protocol):
    """What remembers the messages of a unit, for those who will be told of them."""

    def keep(self, messages: Iterable[Message]) -> None:
        """Called once the messages are committed, before anybody is told. Cannot fail."""


class Unit:
    """A `UnitOfWork` on one connection."""

    def __init__(self, connection: AsyncConnection, held: AsyncExitStack, outbox: Outbox, worker: UUID) -> None:
        self.touched_rooms: set[UUID] = set()
        self.added_messages: list[Message] = []
        self.events: list[tuple[UUID, Event]] = []
        self.controls: set[UUID] = set()
        self.locked: list[UUID] = []
        self.heads: dict[UUID, Head] = {}
        self.users: ports.Users = UserRepository(connection)
        self.devices: ports.Devices = DeviceRepository(connection)
        self.sessions: ports.Sessions = SessionRepository(connection)
        self.tickets: ports.Tickets = TicketRepository(connection)
        self.bars: ports.Bars = BarRepository(connection)
        self.matching: ports.Matching = MatchingRepository(connection)
        self.rooms: ports.Rooms = RoomRepository(connection, self.touched_rooms)
        self.messages: ports.Messages = MessageRepository(connection, self.added_messages)
        self.keys: ports.KeyBundles = KeyBundleRepository(connection)
        self.suspensions: ports.Suspensions = SuspensionRepository(connection)
        self.blocks: ports.Blocks = BlockRepository(connection)
        self.reports: ports.Reports = ReportRepository(connection)
        self.cases: ports.Cases = CaseRepository(connection)
        self.appeals: ports.Appeals = AppealRepository(connection)
        self.audit: ports.Audit = AuditRepository(connection)
        self.operators: ports.Operators = OperatorRepository(connection)
        self.privacy: ports.Privacy = PrivacyRepository(connection, self.touched_rooms)
        self.figures: ports.Figures = FigureRepository(connection)
        self.connections: ports.Connections = ConnectionRepository(connection, worker)
        self.signals = SignalRepository(connection)
        self._connection = connection
        self._held = held
        self._outbox = outbox

    async def lock_users(self, user_ids: Iterable[UUID]) -> None:
        if self.locked:
            msg = "a unit of work locks users once: a second time could wait in a circle"
            raise RuntimeError(msg)
        self.locked = sorted(set(user_ids))
        await self._held.enter_async_context(self._outbox.hold(self.locked))
        self.heads = await locked_heads(self._connection, self.locked)

    async def lock_room(self, room_id: UUID, also: Iterable[UUID] = ()) -> Room | None:
        return next(iter(await self.lock_rooms((room_id,), also)), None)

    async def lock_rooms(self, room_ids: Iterable[UUID], also: Iterable[UUID] = ()) -> Sequence[Room]:
        ids = sorted(set(room_ids))
        await self._connection.execute(LOCK_ROOMS, {"ids": ids})
        # A room and its seats change only under the room's lock, so they are still like this once the heads are locked.
        rooms = await self.rooms.get_many(ids)
        await self.lock_users({m.user_id for room in rooms for m in room.inside} | set(also))
        return rooms

    def append(self, user_id: UUID, event: Event) -> None:
        self._require_lock(user_id)
        self.events.append((user_id, event))

    def raise_control(self, user_id: UUID) -> None:
        self._require_lock(user_id)
        self.controls.add(user_id)

    def _require_lock(self, user_id: UUID) -> None:
        if user_id not in self.heads:
            msg = "something was written for a user who is not locked"
            raise RuntimeError(msg)


class Database:
    """A pool of at most ten connections, no overflow, and the units of work over it."""

    def __init__(
        self,
        dsn: str,
        *,
        outbox: Outbox,
        cache: RoomCache,
        messages: MessageCache,
        worker: UUID,
        clock: Clock,
        pool_size: int = POOL_SIZE,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.engine = engine_for(
            dsn, patience=patience, pool_size=pool_size, max_overflow=0, pool_timeout=POOL_WAIT_SECONDS
        )
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._outbox = outbox
        self._cache = cache
        self._messages = messages
        self._worker = worker
        self._clock = clock
        self._running: set[asyncio.Task[Any]] = set()
        self._doubting: set[asyncio.Task[None]] = set()
        self._doubts = asyncio.Semaphore(DOUBTS_AT_ONCE)

    async def transact(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        """See `ports.Transact`."""
        task = asyncio.ensure_future(self._retried(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def read(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Runs statements that only read, each on its own snapshot, with no transaction around them. `ports.Transact` in shape."""
        async with self.reading() as connection:
            return await work(Unit(connection, AsyncExitStack(), self._outbox, self._worker))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit, with driver errors translated."""
        try:
            async with self._reading.connect() as connection, _giving_up(connection):
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise translated(error) from error

    @property
    def connections_in_use(self) -> int:
        """How many of the pool's connections are taken."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def close(self) -> None:
        """Waits for the units under way, then closes the pool."""
        if self._running:
            await asyncio.wait(self._running, timeout=POOL_WAIT_SECONDS)
        for task in self._doubting:
            task.cancel()
        await asyncio.gather(*self._doubting, return_exceptions=True)
        await self.engine.dispose()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        retrieved(task)

    async def _retried(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(work)
            except (SQLAlchemyError, OSError) as error:
                if attempt == ATTEMPTS or _sqlstate(error) not in RETRIED:
                    raise translated(error) from error
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311  # jitter, not a secret
        raise AssertionError

    async def _once(self, work: Callable[[Unit], Awaitable[T]]) -> T:
        # The inboxes are let go only after the append, and the connection before them: whoever waits for an inbox
        # already has its connection.
        async with AsyncExitStack() as held, self.engine.connect() as connection, _giving_up(connection):
            unit = Unit(connection, held, self._outbox, self._worker)
            result = await work(unit)
            tell = await self._outbox.write(connection, unit.heads, unit.events, unit.controls, self._clock())
            try:
                await connection.commit()
            except BaseException as error:
                if not isinstance(error, DBAPIError) or error.connection_invalidated or _sqlstate(error) is None:
                    self._doubt(unit)
                    task = asyncio.create_task(self._doubt_again(unit), name="doubt")
                    self._doubting.add(task)
                    task.add_done_callback(self._doubting.discard)
                raise
            self._cache.drop(unit.touched_rooms)
            self._messages.keep(unit.added_messages)
            tell()
            return result

    def _doubt(self, unit: Unit) -> None:
        """Whether the unit was committed is not known: whom it told something, and its rooms, are looked at anew."""
        self._outbox.renew(unit.controls.union(user_id for user_id, _ in unit.events))
        self._cache.drop(unit.touched_rooms)

    async def _doubt_again(self, unit: Unit) -> None:
        """The server may still be at it, however long that takes: what is read meanwhile may be what was before. What the unit had
        locked stays locked until it is done.
        """
        while True:
            try:
                async with self._doubts, self.engine.connect() as connection, _giving_up(connection):
                    await locked_heads(connection, unit.locked)
                break
            except (SQLAlchemyError, OSError):
                await asyncio.sleep(DOUBT_SECONDS)
        self._doubt(unit)


@asynccontextmanager
async def _giving_up(connection: AsyncConnection) -> AsyncIterator[None]:
    """Drops a connection that does not answer: it would not take a rollback either, while the inboxes are held."""
    try:
        yield
    except TimeoutError:
        await connection.invalidate()
        raise


def _sqlstate(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def translated(error: BaseException) -> Exception:
    """What a driver's error means to a use case: `Conflict`, `Unavailable`, or the error itself when it is a fault of ours."""
    state = _sqlstate(error)
    if state == "23505":  # unique_violation: two commands raced, and the constraint decided.
        return Conflict("Somebody else acted first: read the current state and try again.")
    lost = isinstance(error, (OSError, PoolTimeout, InterfaceError, OperationalError))
    if (
        lost
        or state in RETRIED
        or (state or "").startswith(("08", "53", "57"))
        or getattr(error, "connection_invalidated", False)
    ):
        log.warning("database unavailable", error=type(error).__name__, sqlstate=state)
        return Unavailable()
    return error if isinstance(error, Exception) else RuntimeError(str(error))
