"""Signals per second through the storage alone, without sockets and GraphQL: what a worker's `SignalPost` takes and readers read.

A hundred senders, in fifty rooms, each post one signal after the other; everybody's inbox is followed, by the same worker or by
another one in a process of its own. PostgreSQL has the true schema, `fsync` and `synchronous_commit` on; senders, readers and
database share the machine. A signal takes from the call until it is read; every one that was acknowledged has to be read once and
in order. Beside it stand the same rows written by bare SQL in as large commits on as many connections, which checks nothing and
tells nobody: what the database would give. In memory nothing is written.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import asyncpg
import orjson
import uvloop

from api import migrations
from api.clock import utc_now
from bench.load.inboxes import Readers, written
from bench.load.watching import Usage, percentiles
from bench.report import Figure
from bench.workers import worker
from domain.events import SignalReceived
from persistence.embedded import embedded_postgres
from persistence.inbox.codec import KINDS, encode
from persistence.inbox.memory import MemoryInbox
from persistence.inbox.ring import EVENTS
from persistence.signals import MemorySignalPost, PostgresSignalPost
from persistence.signals.postgres import LANES
from tests.acceptance.server import ROOT
from tests.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bench.workers import Worker

SENDERS: Final = 100
BYTES: Final = (200, 6 * 1024)
"""Of an SDP."""
LONGEST_LINE: Final = 1 << 28
"""Bytes: the readers' own report has all times in it."""
PAIRS: Final = """
    WITH given AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[]) AS g (user_id, room_id, member_id, place)),
         accounts AS (INSERT INTO account (id, display_name, created_at) SELECT user_id, 'someone', now() FROM given),
         heads AS (INSERT INTO head (user_id, workers) SELECT user_id, ARRAY[$5::uuid] FROM given),
         rooms AS (INSERT INTO room (id, kind, mode, capacity, shared_interests, created_at)
                   SELECT DISTINCT room_id, 'MATCH', 'VIDEO', 2, '{}'::text[], now() FROM given)
    INSERT INTO member (id, room_id, room_kind, user_id, display_name, role, muted, status, camera, microphone, screen, position,
                        joined_at)
    SELECT member_id, room_id, 'MATCH', user_id, 'someone', 'MEMBER', FALSE, 'ONLINE', FALSE, FALSE, FALSE, place, now() FROM given
"""
BARE: Final = f"""
    WITH moved AS (UPDATE head SET seq = seq + 1 WHERE user_id = ANY($1::uuid[]) RETURNING user_id, seq)
    INSERT INTO inbox_event (slot, user_id, seq, kind, previous, at, payload)
    SELECT {EVENTS.slot}, user_id, seq, $2, seq - 1, now(), $3 FROM moved
"""  # noqa: S608  # names of ours


@dataclass(frozen=True, slots=True)
class Case:
    """One way to run it. Readers sit in another process when `apart`."""

    name: str
    bus: str | None
    apart: bool = False
    client_ids: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """A sender, and the member that they send to."""

    user_id: UUID
    to: UUID


@dataclass
class Tally:
    """What the senders saw."""

    measuring: bool = False
    sending: bool = True
    acknowledged: int = 0
    commits: list[float] = field(default_factory=list)
    """Seconds from the call to the acknowledgement, while measuring."""


def measure(*, quick: bool = False) -> list[Figure]:
    """Every case on one database."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        embedded_postgres(Path(folder) / "database") as server,
        Valkey(Path(folder) / "bus") as valkey,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        bench = _Bench(server.dsn(), server.pid, valkey.pid, quick=quick)
        cases = (
            Case("memory", None),
            Case("PostgreSQL, read by the same worker", "memory://"),
            Case("PostgreSQL, read by another, Redis", valkey.url, apart=True),
            Case("PostgreSQL, read by another, Redis, client IDs", valkey.url, apart=True, client_ids=True),
            Case("PostgreSQL, read by another, NOTIFY", "postgresql://", apart=True),
        )
        return runner.run(bench.run(cases))


class _Bench:
    def __init__(self, dsn: str, database: int, bus: int, *, quick: bool) -> None:
        self._dsn = dsn
        self._database = database
        self._bus = bus
        self._senders = 30 if quick else SENDERS
        self._lengths = BYTES[:1] if quick else BYTES
        self._seconds, self._warm_up = (2.0, 0.5) if quick else (6.0, 2.0)

    async def run(self, cases: tuple[Case, ...]) -> list[Figure]:
        await migrations.upgrade(self._dsn)
        figures = [Figure("one commit of one row by itself p50", await self._alone(), "ms")]
        for length in self._lengths:
            bare = await self._bare(length)
            for case in cases:
                figures += _figures(case, length, await self._measured(case, length), bare)
        return figures

    async def _measured(self, case: Case, length: int) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            place = await stack.enter_async_context(worker(self._dsn, bus=case.bus))
            reader = uuid4() if case.apart else place.id
            seats = await self._crowd(reader)
            tally = Tally()
            reading = self._apart(case, reader) if case.apart else self._here(place, seats)
            pid, finish = await stack.enter_async_context(reading)
            watched = ([] if pid is None else [pid], self._database, self._bus)
            post = _post(place)
            sending = [
                asyncio.create_task(_send(post, seat, tally, length, client_ids=case.client_ids)) for seat in seats
            ]
            await asyncio.sleep(self._warm_up)
            before, tally.measuring = Usage.now(*watched), True
            await asyncio.sleep(self._seconds)
            usage, tally.measuring = Usage.now(*watched).since(before), False
            tally.sending = False
            await asyncio.gather(*sending)
            if isinstance(post, PostgresSignalPost):
                await post.close()
            seen = await finish(tally.acknowledged)
            return {
                **usage,
                "rate": len(tally.commits) / usage["seconds"],
                "commit_ms": percentiles(tally.commits),
                "way_ms": percentiles(seen["ways"]),
                "failures": seen["failures"],
            }

    @asynccontextmanager
    async def _here(self, place: Worker, seats: list[Seat]) -> AsyncIterator[_Reading]:
        readers = Readers(place)

        async def finish(count: int) -> dict[str, Any]:
            await readers.until(count)
            return readers.seen()

        async with readers.following([seat.user_id for seat in seats]):
            yield None, finish

    @asynccontextmanager
    async def _apart(self, case: Case, reader: UUID) -> AsyncIterator[_Reading]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.load.inboxes", self._dsn, str(case.bus), str(reader)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            limit=LONGEST_LINE,
        )
        assert process.stdin is not None  # noqa: S101  # they were asked for
        assert process.stdout is not None  # noqa: S101
        stdin, stdout = process.stdin, process.stdout

        async def finish(count: int) -> dict[str, Any]:
            stdin.write(f"{count}\n".encode())
            return dict(orjson.loads(await stdout.readline()))

        try:
            if not await stdout.readline():
                msg = "the readers did not begin"
                raise RuntimeError(msg)
            yield process.pid, finish
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def _crowd(self, reader: UUID) -> list[Seat]:
        """Pairs of new users in rooms, everybody at that worker."""
        users, members = ([uuid4() for _ in range(self._senders)] for _ in range(2))
        rooms = [room for _ in range(self._senders // 2) for room in (uuid4(),) * 2]
        connection = await asyncpg.connect(self._dsn)
        try:
            places = [number % 2 for number in range(self._senders)]
            await connection.execute(PAIRS, users, rooms, members, places, reader)
            await connection.execute("ANALYZE")
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()
        return [Seat(user, members[number ^ 1]) for number, user in enumerate(users)]

    async def _bare(self, length: int) -> float:
        """Rows per second, with as many in a commit as there are for each lane."""
        seats = await self._crowd(uuid4())
        payload = encode(SignalReceived(uuid4(), uuid4(), uuid4(), None, written(1, length, counts=False)))
        size, kind = self._senders // LANES, KINDS[SignalReceived]
        began = time.monotonic()
        end = began + self._seconds

        async def lane(users: list[UUID]) -> int:
            connection, done = await asyncpg.connect(self._dsn), 0
            try:
                while time.monotonic() < end:
                    written_rows = await connection.execute(BARE, users, kind, payload)
                    done += int(written_rows.rpartition(" ")[2])  # "INSERT 0 50"
            finally:
                await connection.close()
            return done

        lanes = (lane([seat.user_id for seat in seats[first : first + size]]) for first in range(0, len(seats), size))
        rows = sum(await asyncio.gather(*lanes))
        return rows / (time.monotonic() - began)

    async def _alone(self) -> float | None:
        """Milliseconds of a commit that waits for the disk by itself: what this machine's disk is like."""
        (seat, *_) = await self._crowd(uuid4())
        connection, times = await asyncpg.connect(self._dsn), list[float]()
        try:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                began = time.monotonic()
                await connection.execute("UPDATE head SET seq = seq + 1 WHERE user_id = $1", seat.user_id)
                times.append(time.monotonic() - began)
        finally:
            await connection.close()
        value: float | None = percentiles(times)["p50"]
        return value


def _post(place: Worker) -> MemorySignalPost | PostgresSignalPost:
    if isinstance(place.inbox, MemoryInbox):
        return MemorySignalPost(place.inbox, place.directory)
    return PostgresSignalPost(place.database)


async def _send(
    post: MemorySignalPost | PostgresSignalPost, seat: Seat, tally: Tally, length: int, *, client_ids: bool
) -> None:
    number = 0
    while tally.sending:
        number += 1
        began, counts = time.monotonic(), tally.measuring
        await post.post(
            seat.user_id,
            seat.to,
            written(number, length, counts=counts),
            call_id=None,
            client_signal_id=f"signal {number}" if client_ids else None,
            now=utc_now(),
        )
        tally.acknowledged += 1
        if tally.measuring:
            tally.commits.append(time.monotonic() - began)
        if isinstance(post, MemorySignalPost):
            await asyncio.sleep(0)  # Nothing was waited for, and readers want to read.


def _figures(case: Case, length: int, found: dict[str, Any], bare: float) -> list[Figure]:
    what = f"{case.name}, {length} B" if length < 1024 else f"{case.name}, {length // 1024} KiB"
    cores = (
        f"cores: senders{'' if case.apart else ' and readers'} {found['load_core']:.2f}, "
        + (f"readers {found['server_core']:.2f}, " if case.apart else "")
        + f"database {found['database_core']:.2f}, Valkey {found['bus_core']:.2f}"
    )
    verdict = f"FAILED {found['failures']}" if found["failures"] else "each read once, in order"
    way, commit = found["way_ms"], found["commit_ms"]
    return [
        Figure(f"signals, {what}", found["rate"], "/s", None if case.bus is None else bare, cores),
        Figure(f"CPU of all a signal, {what}", _cpu_ms(found), "ms", None, "two cores give 2,000 ms a second"),
        Figure(f"acknowledged p99, {what}", commit["p99"], "ms", None, f"p50 {commit['p50'] or 0:.1f} ms"),
        Figure(f"read p99, {what}", way["p99"], "ms", None, f"p50 {way['p50'] or 0:.1f} ms; {verdict}"),
    ]


def _cpu_ms(found: dict[str, Any]) -> float | None:
    """Of senders, readers, database and Valkey together."""
    cores = sum(found[f"{part}_core"] for part in ("load", "server", "database", "bus"))
    return 1000 * cores / found["rate"] if found["rate"] else None


if TYPE_CHECKING:
    _Reading = tuple[int | None, Callable[[int], Awaitable[dict[str, Any]]]]
