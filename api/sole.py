"""One server per database, as long as bus and inbox are in memory: an advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
import structlog

from api.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = structlog.get_logger(__name__)

LOCK_KEY = 0x7061726C6F6E65
CHECK_SECONDS = 2.0


@asynccontextmanager
async def sole_server(dsn: str, usurped: Callable[[], None]) -> AsyncIterator[None]:
    """Holds the lock for as long as the context is open. Raises `Refusal` when another server holds it.

    The lock goes with its connection, as after a restart of PostgreSQL: it is taken again at once, and when somebody
    else was faster `usurped` is called, because two in-memory inboxes over one database lose events.
    """
    connection = await _locked(dsn)
    if connection is None:
        msg = (
            "Another Parley server uses this database: with the in-memory bus only one can; stop it, or give this one "
            "its own with PARLEY_DATA_DIR or PARLEY_DATABASE_URL."
        )
        raise Refusal(msg)
    keeper = asyncio.create_task(_keep(dsn, connection, usurped))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _locked(dsn: str) -> asyncpg.Connection | None:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "parley sole server"})
    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
        return connection
    await connection.close()
    return None


async def _keep(dsn: str, connection: asyncpg.Connection, usurped: Callable[[], None]) -> None:
    held: asyncpg.Connection | None = connection
    try:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if held is not None:
                    await held.fetchval("SELECT 1", timeout=CHECK_SECONDS)
                    continue
                held = await _locked(dsn)
                if held is None:
                    log.critical("another server took this database over")
                    usurped()
                    return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                if held is not None:
                    held.terminate()
                held = None
    finally:
        if held is not None:
            held.terminate()
