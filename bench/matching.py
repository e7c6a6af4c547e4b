"""Matches per second through PostgreSQL, with everything that a match writes, and how long people wait in a burst.

So many people wait at once, all of whom take anyone, and a matcher begins. A match is a room, two seats, two tickets that ended and
two events in inboxes, committed with `fsync` and `synchronous_commit` on. Matcher and PostgreSQL share the machine. Beside it stands
the same rows written by bare SQL in batches as large, by one connection that checks nothing: what the database would give.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import asyncpg

from api import migrations
from api.clock import utc_now
from api.matcher import Matcher
from bench.report import Figure
from domain.matchmaking.commit import MOST_PAIRS
from persistence.bus import open_bus
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.embedded import embedded_postgres
from persistence.hub import Hub
from persistence.inbox.postgres import PostgresInbox
from persistence.transcript import RecentMessages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZES: Final = (10_000, 50_000)
LONGEST_SECONDS: Final = 120.0

PEOPLE: Final = """
    WITH people AS (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)),
         accounts AS (INSERT INTO account (id, display_name, created_at) SELECT id, 'someone', now() FROM people),
         heads AS (INSERT INTO head (user_id, workers) SELECT id, ARRAY[$2::uuid] FROM people),
         sockets AS (INSERT INTO connection (id, user_id, worker, connected_at)
                     SELECT gen_random_uuid(), id, $2, now() FROM people)
    INSERT INTO ticket (id, user_id, status, mode, interests, languages, patience, enqueued_at, widens_at, changed_at,
                        joined_at, paused, attended)
    SELECT gen_random_uuid(), id, 'WAITING', 'VIDEO', '{}', '{}', 0, clock_timestamp(), now(), clock_timestamp(), now(),
           FALSE, TRUE
    FROM people
"""
BARE: Final = """
    WITH pair AS (SELECT gen_random_uuid() AS room, a.id AS one, b.id AS other
                  FROM unnest($1::uuid[]) WITH ORDINALITY a (id, n) JOIN unnest($2::uuid[]) WITH ORDINALITY b (id, n) USING (n)),
         opened AS (INSERT INTO room (id, kind, mode, capacity, shared_interests, created_at)
                    SELECT room, 'MATCH', 'VIDEO', 2, '{}', now() FROM pair),
         sides AS (SELECT room, one AS user_id, 0 AS position FROM pair UNION ALL SELECT room, other, 1 FROM pair),
         seated AS (INSERT INTO member (id, room_id, room_kind, user_id, display_name, role, muted, status, camera, microphone,
                                        screen, position, joined_at)
                    SELECT gen_random_uuid(), room, 'MATCH', user_id, 'someone', 'MEMBER', FALSE, 'ONLINE', FALSE, FALSE, FALSE,
                           position, now() FROM sides),
         moved AS (UPDATE head SET seq = seq + 1 FROM sides WHERE head.user_id = sides.user_id RETURNING head.user_id, seq),
         told AS (INSERT INTO inbox_event (slot, user_id, seq, kind, previous, at, payload)
                  SELECT 0, user_id, seq, 2, 0, now(), convert_to(repeat('x', 400), 'UTF8') FROM moved)
    UPDATE ticket SET status = 'MATCHED', room_id = room, matched_at = now(), changed_at = clock_timestamp()
    FROM sides WHERE ticket.user_id = sides.user_id AND status = 'WAITING'
"""
WAITS: Final = """
    SELECT count(*) / 2 AS matches, extract(epoch FROM max(changed_at) - $1)::float AS seconds,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM changed_at - $1))::float AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM changed_at - $1))::float AS p99
    FROM ticket WHERE status = 'MATCHED'
"""


def measure(*, quick: bool = False) -> list[Figure]:
    """Every size on a database of its own."""
    return [figure for size in (SIZES[:1] if quick else SIZES) for figure in asyncio.run(_measured(size))]


async def _measured(size: int) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, embedded_postgres(Path(folder)) as server:
        dsn = server.dsn()
        await migrations.upgrade(dsn)
        connection = await asyncpg.connect(dsn)
        try:
            ours = await _drained(connection, dsn, size)
            bare = await _bare(connection, size)
        finally:
            await connection.close()
    name = f"{size:,} waiting"
    note = f"{ours['matches']:,.0f} matches, all of them in the database with their events"
    return [
        Figure(f"matches, {name}", ours["matches"] / ours["seconds"], "/s", bare, note),
        Figure(f"wait p50, {name}", ours["p50"] * 1000, "ms"),
        Figure(f"wait p99, {name}", ours["p99"] * 1000, "ms"),
    ]


async def _drained(connection: asyncpg.Connection, dsn: str, size: int) -> dict[str, float]:
    """Lets a matcher loose on so many who wait; the figures are from its first look on, by the database's clock."""
    async with _worker(dsn) as (worker, matcher):
        await _crowd(connection, size, worker)
        began = await connection.fetchval("SELECT clock_timestamp()")
        await matcher.start()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while matcher.matches < size // 2:
                    await asyncio.sleep(0.05)
        finally:
            await matcher.stop()
        return dict(await connection.fetchrow(WAITS, began) or {})


async def _bare(connection: asyncpg.Connection, size: int) -> float:
    """Pairs per second of the bare statement, over as many who wait."""
    await _crowd(connection, size, uuid4())
    users = [row[0] for row in await connection.fetch("SELECT user_id FROM ticket WHERE status = 'WAITING'")]
    began = time.perf_counter()
    for first in range(0, len(users), 2 * MOST_PAIRS):
        some = users[first : first + 2 * MOST_PAIRS]
        await connection.execute(BARE, some[::2], some[1::2])
    return size / 2 / (time.perf_counter() - began)


async def _crowd(connection: asyncpg.Connection, size: int, worker: UUID) -> None:
    await connection.execute(
        "INSERT INTO worker (incarnation, started_at, lease_until) VALUES ($1, now(), now() + interval '1 hour')"
        " ON CONFLICT DO NOTHING",
        worker,
    )
    await connection.execute(PEOPLE, size, worker)
    await connection.execute("ANALYZE")
    await connection.execute("CHECKPOINT")


@asynccontextmanager
async def _worker(dsn: str) -> AsyncIterator[tuple[UUID, Matcher]]:
    """A worker as far as matching needs one, with the inbox in PostgreSQL."""
    worker, bus, rooms = uuid4(), open_bus("memory://"), CachedRooms()
    hub = Hub(bus, worker)
    inbox = PostgresInbox(hub, forget_rooms=rooms.drop)
    database = Database(dsn, outbox=inbox, cache=rooms, messages=RecentMessages(), worker=worker, clock=utc_now)
    await bus.connect()
    try:
        await inbox.open(database.reading)
        await hub.start(inbox)
        yield worker, Matcher(transact=database.transact, read=database.read, clock=utc_now, new_id=uuid4)
    finally:
        await hub.stop()
        await bus.disconnect()
        await database.close()
