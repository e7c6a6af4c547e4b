"""Matches per second through PostgreSQL, with everything that a match writes, and how long people wait among many who do.

A burst: so many people wait at once, all of whom take anyone, and a matcher begins; a wait counts from then. A match is a room, two
seats, two tickets that ended and two events in inboxes, committed with `fsync` and `synchronous_commit` on. Matcher and PostgreSQL
share the machine. Beside it stand the same rows written by bare SQL in batches as large, by one connection that checks nothing:
what the database would give. Then a trickle: as many wait whom nobody suits, and pairs that suit each other arrive all the time;
a wait counts from when a ticket was written until it was matched, both by the database's clock.
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
from api.loops import cancelled
from api.matcher import Matcher
from bench.report import Figure
from bench.workers import worker
from domain.matchmaking.commit import MOST_PAIRS
from persistence.embedded import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZES: Final = (10_000, 50_000)
LONGEST_SECONDS: Final = 120.0

TRICKLE_PEOPLE: Final = 10
TRICKLE_EVERY: Final = 0.05
"""So many arrive at once, and so many seconds later the next: a hundred matches a second."""
PEOPLE: Final = """
    WITH people AS (SELECT gen_random_uuid() AS id, n FROM generate_series(0, $1 - 1) n),
         accounts AS (INSERT INTO account (id, display_name, created_at) SELECT id, 'someone', now() FROM people),
         heads AS (INSERT INTO head (user_id, workers) SELECT id, ARRAY[$2::uuid] FROM people),
         sockets AS (INSERT INTO connection (id, user_id, worker, connected_at)
                     SELECT gen_random_uuid(), id, $2, now() FROM people)
    INSERT INTO ticket (id, user_id, status, mode, interests, languages, patience, enqueued_at, widens_at, changed_at,
                        joined_at, paused, attended)
    SELECT gen_random_uuid(), id, 'WAITING', 'VIDEO',
           CASE WHEN $3 = 0 THEN '{}'::text[] ELSE ARRAY[left(id_of_crowd::text, 8) || (n / $3)] END, '{}', 120,
           clock_timestamp(), now() + CASE WHEN $3 = 0 THEN interval '0' ELSE interval '1 hour' END, clock_timestamp(), now(),
           FALSE, TRUE
    FROM people, (SELECT gen_random_uuid()) AS crowd (id_of_crowd)
"""
"""So many people who are at a worker and wait. Of an interest there are as many as $3 says, and none has any if that is 0."""
TOLD: Final = (
    "UPDATE member SET reached_at = now() WHERE room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL"
)
"""What workers write about those whom they told (`api.reached`). Matches of which nobody was told would be ended after 5 s."""
TOLD_EVERY: Final = 0.1
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
           percentile_cont(0.5) WITHIN GROUP (ORDER BY wait)::float AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY wait)::float AS p99
    FROM (SELECT changed_at, extract(epoch FROM changed_at - greatest(enqueued_at, $1)) AS wait
          FROM ticket WHERE status = 'MATCHED' AND changed_at > $1) AS matched
"""


def measure(*, quick: bool = False) -> list[Figure]:
    """Every size on a database of its own."""
    seconds = 3 if quick else 10
    return [figure for size in (SIZES[:1] if quick else SIZES) for figure in asyncio.run(_measured(size, seconds))]


async def _measured(size: int, seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, embedded_postgres(Path(folder)) as server:
        dsn = server.dsn()
        await migrations.upgrade(dsn)
        connection = await asyncpg.connect(dsn)
        try:
            ours = await _drained(connection, dsn, size)
            bare = await _bare(connection, size)
            later = await _trickled(connection, dsn, size, seconds)
        finally:
            await connection.close()
    name = f"{size:,} waiting"
    note = f"{ours['matches']:,.0f} matches, all of them in the database with their events"
    return [
        Figure(f"matches, {name}", ours["matches"] / ours["seconds"], "/s", bare, note),
        *(Figure(f"wait {p} in that burst, {name}", ours[p] * 1000, "ms") for p in ("p50", "p99")),
        Figure(f"wait p50 of a trickle, {name}", later["p50"] * 1000, "ms", None, f"{later['matches']:,.0f} matches"),
        Figure(f"wait p99 of a trickle, {name}", later["p99"] * 1000, "ms"),
    ]


async def _drained(connection: asyncpg.Connection, dsn: str, size: int) -> dict[str, float]:
    """Lets a matcher loose on so many who wait; the figures are from its first look on, by the database's clock."""
    async with _place(dsn) as (incarnation, matcher):
        await _crowd(connection, size, incarnation, 0)
        began = await connection.fetchval("SELECT clock_timestamp()")
        async with matcher.running():
            await _until(matcher, size // 2)
        return dict(await connection.fetchrow(WAITS, began) or {})


async def _trickled(connection: asyncpg.Connection, dsn: str, size: int, seconds: float) -> dict[str, float]:
    """Pairs arrive for so long while as many as `size` wait for nobody; the figures are of those who arrive."""
    async with _place(dsn) as (incarnation, matcher), matcher.running():
        await _crowd(connection, size, incarnation, 1)
        await connection.execute(PEOPLE, 2, incarnation, 2)
        await _until(matcher, 1)  # Everybody has been loaded.
        began, expected = await connection.fetchval("SELECT clock_timestamp()"), 1
        due = end = time.monotonic()
        end += seconds
        while due < end:
            await connection.execute(PEOPLE, TRICKLE_PEOPLE, incarnation, 2)
            matcher.poke()  # As whoever joins does.
            expected += TRICKLE_PEOPLE // 2
            due += TRICKLE_EVERY
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await _until(matcher, expected)
        return dict(await connection.fetchrow(WAITS, began) or {})


async def _until(matcher: Matcher, matches: int) -> None:
    """Raises `TimeoutError`, and `RuntimeError` when a match that was made has been taken back: it would count twice."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while matcher.matches < matches:
            await asyncio.sleep(0.02)
    if matcher.lost or matcher.expired:
        msg = f"{matcher.lost} matches and {matcher.expired} tickets were ended meanwhile"
        raise RuntimeError(msg)


@asynccontextmanager
async def _place(dsn: str) -> AsyncIterator[tuple[UUID, Matcher]]:
    """A worker's name and its matcher, while those who are matched are told of it."""

    async def tell() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            while True:
                await connection.execute(TOLD)
                await asyncio.sleep(TOLD_EVERY)
        finally:
            await connection.close()

    async with worker(dsn, bus="memory://") as place:
        telling = asyncio.create_task(tell())
        try:
            database = place.database
            yield place.id, Matcher(transact=database.transact, read=database.read, clock=utc_now, new_id=uuid4)
        finally:
            await cancelled((telling,))


async def _bare(connection: asyncpg.Connection, size: int) -> float:
    """Pairs per second of the bare statement, over as many who wait."""
    await _crowd(connection, size, uuid4(), 0)
    users = [row[0] for row in await connection.fetch("SELECT user_id FROM ticket WHERE status = 'WAITING'")]
    began = time.perf_counter()
    for first in range(0, len(users), 2 * MOST_PAIRS):
        some = users[first : first + 2 * MOST_PAIRS]
        await connection.execute(BARE, some[::2], some[1::2])
    return size / 2 / (time.perf_counter() - began)


async def _crowd(connection: asyncpg.Connection, size: int, incarnation: UUID, alike: int) -> None:
    await connection.execute(
        "INSERT INTO worker (incarnation, started_at, lease_until) VALUES ($1, now(), now() + interval '1 hour')"
        " ON CONFLICT DO NOTHING",
        incarnation,
    )
    await connection.execute(PEOPLE, size, incarnation, alike)
    # Not the others, which may be empty: plans of foreign keys are kept, and would read a whole table that had no page when they
    # were made. Autovacuum does not look at empty tables either.
    await connection.execute("ANALYZE account, connection, head, ticket")
    await connection.execute("CHECKPOINT")
