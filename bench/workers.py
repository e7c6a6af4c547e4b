"""Workers as far as their stores go: inbox, hub and database of one, without sockets and without GraphQL."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import text

from api.clock import utc_now
from persistence.bus import open_bus
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.hub import Hub
from persistence.inbox.memory import MemoryInbox
from persistence.inbox.postgres import PostgresInbox
from persistence.transcript import RecentMessages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Worker:
    """The stores of a worker, wired as in `api.parts`."""

    id: UUID
    hub: Hub
    inbox: MemoryInbox | PostgresInbox
    database: Database
    directory: Directory


@asynccontextmanager
async def worker(dsn: str, *, bus: str | None, id: UUID | None = None) -> AsyncIterator[Worker]:
    """One over that bus and with the inbox in PostgreSQL; without a bus with everything in memory.

    Raises `RuntimeError` for a database that may lose what it has acknowledged: such figures would be no figures.
    """
    incarnation, hints, rooms = id or uuid4(), open_bus(bus or "memory://", dsn), CachedRooms()
    hub = Hub(hints, incarnation)
    inbox = MemoryInbox(clock=utc_now, hint=hub.wake) if bus is None else PostgresInbox(hub, forget_rooms=rooms.drop)
    database = Database(dsn, outbox=inbox, cache=rooms, messages=RecentMessages(), worker=incarnation, clock=utc_now)
    await hints.connect()
    try:
        await _check_durability(database)
        if isinstance(inbox, PostgresInbox):
            await inbox.open(database.reading)
            await hub.start(inbox)
        yield Worker(incarnation, hub, inbox, database, Directory(rooms, database.reading))
    finally:
        await hub.stop()
        await hints.disconnect()
        await database.close()


async def _check_durability(database: Database) -> None:
    async with database.reading() as connection:
        for setting in ("fsync", "synchronous_commit"):
            if await connection.scalar(text(f"SHOW {setting}")) != "on":
                msg = f"{setting} is off"
                raise RuntimeError(msg)
