"""One server per database, as long as bus and inbox are in memory: an advisory lock on a connection of its own.

Servers with a bus between them share the lock, any number of them, so that they and one without keep each other out.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import structlog

from api.loops import cancelled
from api.refusal import Refusal
from persistence.driver import FAULTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = structlog.get_logger(__name__)

LOCK_KEY = 0x7061726C6F6E65
CHECK_SECONDS = 2.0
TAKE = "SELECT pg_try_advisory_lock($1)"
SHARE = "SELECT pg_try_advisory_lock_shared($1)"
END_OLD_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def sole_server(dsn: str, usurped: Callable[[], None]) -> AsyncIterator[None]:
    """Holds the lock for as long as the context is open. Raises `Refusal` when another server holds it.

    The lock goes with its connection, as after a restart of PostgreSQL: it is taken again at once, and when somebody
    else was faster `usurped` is called, because two in-memory inboxes over one database lose events.
    """
    refusal = (
        "Another Parley server uses this database: with the in-memory bus only one can; stop it, give this one its own "
        "with PARLEY_DATA_DIR or PARLEY_DATABASE_URL, or set PARLEY_BUS_URL for both."
    )
    async with _held(_Lock(dsn, TAKE), usurped, refusal):
        yield


@asynccontextmanager
async def one_of_many(dsn: str, usurped: Callable[[], None]) -> AsyncIterator[None]:
    """Holds the lock together with others whose bus is not in memory. As `sole_server`, where another is one whose bus is."""
    refusal = (
        "A Parley server with the in-memory bus uses this database: stop it, or give it the PARLEY_BUS_URL of this one."
    )
    async with _held(_Lock(dsn, SHARE), usurped, refusal):
        yield


@asynccontextmanager
async def _held(lock: _Lock, usurped: Callable[[], None], refusal: str) -> AsyncIterator[None]:
    if not await lock.take():
        raise Refusal(refusal)
    keeper = asyncio.create_task(_keep(lock, usurped))
    try:
        yield
    finally:
        await cancelled((keeper,))
        lock.let_go()


class _Lock:
    """The lock on a connection of its own, by whose name PostgreSQL tells our sessions from another server's."""

    def __init__(self, dsn: str, statement: str) -> None:
        self._dsn = dsn
        self._statement = statement
        self._name = f"parley server {uuid4().hex}"
        self._connection: asyncpg.Connection | None = None

    @property
    def taken(self) -> bool:
        return self._connection is not None

    async def take(self) -> bool:
        """Whether it was free, or will be: false means that somebody else has it."""
        connection = await asyncpg.connect(self._dsn, timeout=10, server_settings={"application_name": self._name})
        try:
            if await connection.fetchval(self._statement, LOCK_KEY):
                self._connection = connection
                return True
            # A session that we gave up, because it did not answer, may still be there: that is nobody else.
            if await connection.fetch(END_OLD_SESSIONS, self._name):
                return True
            # It may also have gone between the two statements; it lets go of the lock before it leaves that list.
            if await connection.fetchval(self._statement, LOCK_KEY):
                self._connection = connection
            return self.taken
        finally:
            if self._connection is not connection:
                connection.terminate()

    async def check(self) -> None:
        """Raises what the driver raises when the lock is no longer known to be held."""
        if self._connection is not None:
            await self._connection.fetchval("SELECT 1", timeout=CHECK_SECONDS)

    def let_go(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _keep(lock: _Lock, usurped: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            if lock.taken:
                await lock.check()
            elif not await lock.take():
                log.critical("another server took this database over")
                usurped()
                return
        except FAULTS:
            lock.let_go()
