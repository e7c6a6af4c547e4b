"""What the inbox in PostgreSQL alone has to keep: workers that write and read at once, hints that are lost, other beginnings."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from uuid import UUID

import asyncpg
import pytest

from api import migrations
from domain.errors import Unavailable
from domain.events import Event
from domain.following import PAGE, Follower, Found, Lost
from domain.inbox import PRESENCE_KINDS, SIGNAL_KINDS, Position, View
from persistence.embedded import embedded_postgres
from persistence.embedded.accounts import service_account
from persistence.embedded.binaries import programs_for
from persistence.inbox import postgres
from persistence.inbox.codec import KINDS
from persistence.inbox.postgres import EPOCH, TAIL_SWEEPS
from persistence.inbox.ring import EVENTS
from persistence.inbox.tail import TAIL_BYTES, TAIL_EVENTS
from tests.inboxes import (
    EVERYTHING,
    START,
    Worker,
    a_bus,
    a_worker,
    events_of,
    joined,
    read_all,
    signal,
    two_workers,
)
from tests.waiting import DEADLINE, until


class Reader:
    """Follows one user on one worker, and keeps what it was told."""

    def __init__(self, worker: Worker, user_id: UUID, view: View = EVERYTHING) -> None:
        self.told: list[Event] = []
        self.positions: list[int] = []
        self.lost = 0
        self._worker, self._user_id, self._view = worker, user_id, view
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def __aenter__(self) -> Self:
        await asyncio.wait_for(self._ready.wait(), DEADLINE)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        after = await self._worker.inbox.end(self._user_id)
        with self._worker.hub.watch(self._user_id) as watch:
            follower = Follower(
                self._worker.inbox, watch, lambda: START, user_id=self._user_id, view=self._view, after=after
            )
            self._ready.set()
            while (found := await follower.next()) is not None:
                if isinstance(found, Lost):
                    self.lost += 1
                else:
                    assert isinstance(found, Found)
                    self.told += [entry.event for entry in found.entries]
                    self.positions += [entry.position.seq for entry in found.entries]


async def rows_of(worker: Worker, user_id: UUID) -> Sequence[Mapping[str, object]]:
    """The user's events in the table."""
    async with worker.database.reading() as connection:
        found = await connection.exec_driver_sql(
            "SELECT seq, kind, previous, slot, payload FROM inbox_event WHERE user_id = $1 ORDER BY seq", (user_id,)
        )
        return [dict(row._mapping) for row in found]


async def head_of(worker: Worker, user_id: UUID) -> Mapping[str, object]:
    """The user's head."""
    async with worker.database.reading() as connection:
        found = await connection.exec_driver_sql(
            "SELECT seq, latest, control_version FROM head WHERE user_id = $1", (user_id,)
        )
        return dict(found.one()._mapping)


# ------------------------------------------------------------------------------------------ many at once


@pytest.mark.parametrize("lost", [0.0, 0.5, 1.0])
async def test_every_event_comes_once_in_order_whatever_the_bus_loses(database_url: str, lost: float) -> None:
    """Two workers write for the same people at once, and each reader, on either worker, is told everything once, in one order."""
    async with two_workers(database_url, sweep_seconds=0.3, loses=lambda: random.random() < lost) as (
        one,
        two,
    ):  # a coin
        users = [await one.user(one.id, two.id) for _ in range(4)]
        readers = [Reader(worker, user) for user in users for worker in (one, two, two)]
        written: dict[UUID, int] = dict.fromkeys(users, 0)

        async def unit(number: int) -> None:
            chosen = random.sample(users, random.randint(1, 3))  # not a secret
            told = [(user, random.choice((joined, signal))()) for user in chosen for _ in range(random.randint(1, 3))]
            await (one, two)[number % 2].put(*told)
            for user, _ in told:
                written[user] += 1

        for reader in readers:
            await reader.__aenter__()
        for first in range(0, 120, 20):
            await asyncio.gather(*(unit(first + i) for i in range(20)))
        await until(lambda: sum(len(reader.told) for reader in readers) >= 3 * sum(written.values()))
        for number, user in enumerate(users):
            rows = await rows_of(one, user)
            theirs = readers[3 * number : 3 * number + 3]
            assert [row["seq"] for row in rows] == list(range(1, written[user] + 1))
            assert all(reader.positions == [row["seq"] for row in rows] for reader in theirs)
            assert theirs[0].told == theirs[1].told == theirs[2].told == await read_all(two.inbox, user)
            assert not any(reader.lost for reader in theirs)
            latest: dict[object, object] = {}
            for row in rows:
                assert row["previous"] == latest.get(row["kind"], 0)
                latest[row["kind"]] = row["seq"]
            head = await head_of(one, user)
            assert head["seq"] == written[user]
            ends = head["latest"]
            assert isinstance(ends, list)
            assert {kind: seq for kind, seq in enumerate(ends) if seq} == latest
        for reader in readers:
            await reader.__aexit__()


async def test_order_is_that_of_the_commits(database_url: str) -> None:
    """A unit that began first and committed last comes last: nobody reads past a place that is filled later."""
    async with two_workers(database_url) as (one, two):
        user = await one.user(one.id, two.id)
        under_way, go_on = asyncio.Event(), asyncio.Event()
        first, second = joined(), joined()

        async def slow() -> None:
            async def work(uow: object) -> None:
                under_way.set()
                await go_on.wait()
                await uow.lock_users((user,))  # type: ignore[attr-defined]  # a unit
                uow.append(user, first)  # type: ignore[attr-defined]

            await one.database.transact(work)

        task = asyncio.create_task(slow())
        await asyncio.wait_for(under_way.wait(), DEADLINE)
        await two.put((user, second))
        go_on.set()
        await asyncio.wait_for(task, DEADLINE)
        assert await read_all(two.inbox, user) == [second, first]


async def test_what_is_rolled_back_was_never_told(database_url: str) -> None:
    """A refused command leaves no event, no hole, and wakes nobody."""
    async with two_workers(database_url) as (one, two):
        user = await one.user(one.id, two.id)

        async def refused(uow: object) -> None:
            await uow.lock_users((user,))  # type: ignore[attr-defined]  # a unit
            uow.append(user, joined())  # type: ignore[attr-defined]
            raise LookupError

        async with Reader(two, user) as reader:
            with pytest.raises(LookupError):
                await one.database.transact(refused)
            kept = joined()
            await one.put((user, kept))
            await until(lambda: reader.told)
            assert (reader.told, reader.positions) == ([kept], [1])


async def test_a_hint_tells_another_worker_at_once(database_url: str) -> None:
    """Not at the next sweep: a signal that crosses workers is there in milliseconds."""
    async with two_workers(database_url) as (one, two):
        user = await one.user(two.id)
        async with Reader(two, user) as reader:
            for count in range(1, 20):
                await one.put((user, signal()))
                await until(lambda count=count: len(reader.told) == count, 2.0)  # type: ignore[misc]  # bound here


# ------------------------------------------------------------------------------------------ ends in memory


async def test_readers_of_one_user_cost_one_query_together(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five tabs and three subscriptions in each: what they are told was read once."""
    async with two_workers(database_url) as (one, two):
        user = await one.user(two.id)
        readers = [Reader(two, user) for _ in range(15)]
        for reader in readers:
            await reader.__aenter__()
        await until(lambda: len(two.inbox) == 1)
        pages = 0
        page = two.inbox._page

        async def counted(*arguments: object) -> object:
            nonlocal pages
            pages += 1
            return await page(*arguments)  # type: ignore[arg-type]

        await asyncio.sleep(0.05)
        monkeypatch.setattr(two.inbox, "_page", counted)
        await one.put((user, joined()))
        await until(lambda: all(len(reader.told) == 1 for reader in readers))
        assert pages == 1
        await two.put((user, joined()))
        await until(lambda: all(len(reader.told) == 2 for reader in readers))
        assert pages == 1, "what this worker wrote itself it need not read"
        for reader in readers:
            await reader.__aexit__()
        assert len(two.inbox) == 0


async def test_memory_is_bounded_and_a_slow_reader_reads_back(database_url: str) -> None:
    """Who lags finds the rest in the tables; the worker's memory holds no more than the end."""
    async with two_workers(database_url) as (one, two):
        user = await one.user(two.id)
        with two.hub.watch(user):
            await two.inbox.refresh((user,))
            start = await two.inbox.end(user)
            tail = two.inbox._tails[user]
            sent: list[Event] = []
            for size in (0, 0, 60_000):
                batch = [signal("x" * size) for _ in range(10 if size else TAIL_EVENTS + 1)]
                sent += batch
                await two.put(*((user, event) for event in batch))
                assert len(tail._entries) <= TAIL_EVENTS
                assert tail._size <= TAIL_BYTES
            assert not tail.covers(start)
            assert await read_all(two.inbox, user, after=start) == sent
            assert tail.covers(tail.position)


async def test_what_everybody_has_long_read_takes_no_memory(database_url: str) -> None:
    """A socket is open for hours, and ten thousand of them would keep a gigabyte of what was told in the last call."""
    async with two_workers(database_url) as (one, _):
        user = await one.user(one.id)
        with one.hub.watch(user):
            await one.inbox.refresh((user,))
            start = await one.inbox.end(user)
            sent = [signal() for _ in range(2)]
            await one.put((user, sent[0]))
            for _ in range(TAIL_SWEEPS):
                await one.inbox.changed((user,))
            tail = one.inbox._tails[user]
            assert len(tail._entries) == 1, "a slow reader has a few seconds"
            await one.put((user, sent[1]))
            for _ in range(TAIL_SWEEPS):
                await one.inbox.changed((user,))
            assert events_of(tail.read(Position(start.epoch, start.seq + 1), EVERYTHING, PAGE)) == sent[1:]
            for _ in range(TAIL_SWEEPS):
                await one.inbox.changed((user,))
            assert (len(tail._entries), tail._size) == (0, 0)
            assert tail.covers(tail.position)
            assert await read_all(one.inbox, user, after=start) == sent


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
async def test_a_worker_that_stood_still_goes_on_where_it_was(database_url: str, count: int) -> None:
    """After a freeze the rest is read page by page, by each reader for itself, and nothing is missing."""
    async with two_workers(database_url) as (one, two):
        user = await one.user()
        async with Reader(two, user) as reader:
            await until(lambda: len(two.inbox) == 1)
            sent = [signal() for _ in range(count)]
            await one.put(*((user, event) for event in sent))
            two.hub.stale((user,))
            await until(lambda: len(reader.told) == count)
            assert reader.told == sent


async def test_a_worker_that_stood_still_for_too_long_says_what_is_lost(database_url: str) -> None:
    """Frozen for longer than events are kept: who missed something is told so, and who missed nothing is not."""
    async with two_workers(database_url) as (one, two):
        user = await one.user()
        async with Reader(two, user, View(SIGNAL_KINDS)) as signals, Reader(two, user, View(PRESENCE_KINDS)) as quiet:
            await until(lambda: len(two.inbox) == 1)
            await one.put(*((user, signal()) for _ in range(100)))
            await one.run("TRUNCATE " + ", ".join(EVENTS.names))
            kept = [joined(), joined()]
            await one.put(*((user, event) for event in kept))
            two.hub.stale((user,))
            await until(lambda: signals.lost and len(quiet.told) == 2)
            assert (quiet.told, quiet.lost, signals.lost) == (kept, 0, 1)
            after = signal()
            await one.put((user, after))
            two.hub.stale((user,))
            await until(lambda: signals.told == [after])


async def test_a_hole_in_the_middle_is_seen(database_url: str) -> None:
    """A partition that outlived its turn may hold what is older than what is gone: no reader is led over the hole."""
    async with two_workers(database_url) as (one, two):
        user = await one.user()
        with two.hub.watch(user):
            await two.inbox.refresh((user,))
            start = await two.inbox.end(user)
            sent = [signal() for _ in range(9)]
            await one.put(*((user, event) for event in sent))
            await one.run("DELETE FROM inbox_event WHERE user_id = :id AND seq BETWEEN 4 AND 6", id=user)
            await two.inbox.refresh((user,))
            batch = await two.inbox.read(user, start, View(SIGNAL_KINDS), 3)
            assert events_of(batch) == sent[:3]
            assert (await two.inbox.read(user, batch.position, View(SIGNAL_KINDS))).lost
            assert not (await two.inbox.read(user, batch.position, View(PRESENCE_KINDS))).lost
            assert two.inbox._tails[user].start >= 6


@pytest.mark.parametrize("reopened", [False, True])
async def test_reading_on_while_the_worker_itself_writes_repeats_and_loses_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, reopened: bool
) -> None:
    """What was read before this worker's own commit arrives after it: it is neither told twice nor taken for the newest."""
    async with two_workers(database_url) as (one, two):
        user = await one.user()
        watch = two.hub.watch(user)
        watch.__enter__()
        await two.inbox.refresh((user,))
        await until(lambda: not two.hub._stale)
        start = await two.inbox.end(user)
        has_read, go_on = asyncio.Event(), asyncio.Event()
        page = two.inbox._page

        async def held(*arguments: object) -> object:
            found = await page(*arguments)  # type: ignore[arg-type]
            has_read.set()
            await go_on.wait()
            return found

        theirs, ours = [signal() for _ in range(3)], [signal() for _ in range(2)]
        await one.put(*((user, event) for event in theirs))
        monkeypatch.setattr(two.inbox, "_page", held)
        reading = asyncio.create_task(two.inbox.refresh((user,)))
        await asyncio.wait_for(has_read.wait(), DEADLINE)
        monkeypatch.setattr(two.inbox, "_page", page)
        if reopened:
            watch.__exit__(None, None, None)
            watch = two.hub.watch(user)
            watch.__enter__()
        await two.inbox.refresh((user,))
        await two.put(*((user, event) for event in ours))
        go_on.set()
        await reading
        assert await read_all(two.inbox, user, after=start) == theirs + ours
        tail = two.inbox._tails[user]
        assert (tail.position.seq, [e.event for e, _ in tail._entries][-2:]) == (5, ours)
        watch.__exit__(None, None, None)
        assert len(two.inbox) == 0


async def test_an_event_that_this_version_cannot_read_keeps_nobody_from_the_next(database_url: str) -> None:
    """While a release rolls out, new workers write what old ones pass over: places stay without a hole, and nobody resyncs."""
    async with two_workers(database_url) as (one, two):
        user = await one.user()
        async with Reader(two, user) as reader:
            await until(lambda: len(two.inbox) == 1)
            first, last = joined(), joined()
            await one.put((user, first), (user, joined()), (user, joined()), (user, last))
            tomorrow = len(KINDS) + 5
            await one.run("UPDATE inbox_event SET kind = :kind WHERE user_id = :id AND seq = 2", id=user, kind=tomorrow)
            await one.run("UPDATE inbox_event SET payload = '[' WHERE user_id = :id AND seq = 3", id=user)
            await one.run("UPDATE inbox_event SET previous = 1 WHERE user_id = :id AND seq = 3", id=user)
            two.hub.stale((user,))
            await until(lambda: len(reader.told) == 2)
            assert (reader.told, reader.lost) == ([first, last], 0)
            assert two.inbox._tails[user].start == 0, "no hole was seen where there is none"


# ------------------------------------------------------------------------------------------ control versions


async def test_a_control_version_crosses_workers_without_any_event(database_url: str) -> None:
    """Signing out on one worker is looked at on the other at once, and within a sweep when the hint is lost."""
    async with two_workers(database_url, sweep_seconds=0.2) as (one, two):
        user = await one.user(two.id)
        with two.hub.watch(user) as watch:
            await until(lambda: len(two.inbox) == 1)
            for loses in (False, True):
                one.bus.loses = lambda loses=loses: loses  # type: ignore[misc]  # bound here
                await watch.changed(0.01)
                await watch.changed(0.01)
                before = two.inbox.control_version(user)
                await one.put(controls=[user])
                await asyncio.wait_for(watch.changed(60), 30)
                assert two.inbox.control_version(user) > before


async def test_control_versions_take_bounded_memory_and_are_never_lowered(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was forgotten counts as raised. Whoever is watched is not forgotten, however many others there are."""
    monkeypatch.setattr(postgres, "CONTROLS_KEPT", 3)
    async with a_bus() as bus, a_worker(database_url, bus) as worker:
        watched, *others = [await worker.user() for _ in range(8)]
        with worker.hub.watch(watched):
            await worker.put(controls=[watched])
            seen = {watched: worker.inbox.control_version(watched)}
            for user in others:
                await worker.put(controls=[user])
                seen[user] = worker.inbox.control_version(user)
            assert len(worker.inbox._controls) == 4
            assert worker.inbox.control_version(watched) == seen[watched]
            for user in others:
                assert worker.inbox.control_version(user) >= seen[user]
                before = worker.inbox.control_version(user)
                await worker.put(controls=[user])
                assert worker.inbox.control_version(user) > before


# ------------------------------------------------------------------------------------------ other beginnings


async def epoch_of(dsn: str) -> str:
    """What the epoch is made of."""
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval(str(EPOCH)))
    finally:
        await connection.close()


async def test_everybody_is_told_when_the_tables_were_restored(database_url: str) -> None:
    """pg_restore --clean makes the tables anew: every cursor is of another beginning, and what people may do is looked at again."""
    async with two_workers(database_url, sweep_seconds=0.1) as (one, two):
        user, idle = await one.user(one.id, two.id), await one.user()
        await one.put((user, signal()), controls=[user, idle])
        cursor = await one.inbox.end(user)
        async with Reader(one, user) as here, Reader(two, user) as there, Reader(two, idle) as quiet:
            await until(lambda: len(two.inbox) == 2)
            controls = [two.inbox.control_version(u) for u in (user, idle)]
            before = await epoch_of(database_url)
            await one.run("CREATE TABLE kept AS SELECT * FROM head")
            await one.run("ALTER TABLE head RENAME TO gone")
            await one.run("CREATE TABLE head (LIKE gone INCLUDING ALL)")
            await one.run("INSERT INTO head SELECT * FROM kept")
            await one.run("UPDATE head SET control_version = 0")
            await one.run("DROP TABLE gone, kept CASCADE")
            assert await epoch_of(database_url) != before
            await until(lambda: here.lost and there.lost and quiet.lost)
            assert (await two.inbox.read(user, cursor, EVERYTHING)).lost
            assert all(two.inbox.control_version(u) > c for u, c in zip((user, idle), controls, strict=True))
            after = joined()
            await one.put((user, after))
            await until(lambda: after in here.told and after in there.told)
            assert (here.lost, there.lost) == (1, 1)
            assert not await two.inbox.changed([user, idle]), "nobody is taken for changed again and again"


async def test_a_stream_is_told_of_a_past_that_came_back(database_url: str) -> None:
    """A copy of the files that is started in the place of the database has the same epoch, and lacks what was told last: the next
    numbers are given out a second time.
    """
    async with two_workers(database_url, sweep_seconds=0.1) as (one, two):
        user = await one.user(one.id, two.id)
        await one.put((user, joined()))
        async with Reader(one, user) as here, Reader(two, user) as there:
            await until(lambda: len(one.inbox) == len(two.inbox) == 1)
            await one.put(*((user, joined()) for _ in range(5)))
            await until(lambda: len(here.told) == len(there.told) == 5)
            await one.run("DELETE FROM inbox_event WHERE seq > 1")
            await one.run("UPDATE head SET seq = 1, latest[5 + 1] = 1")
            await until(lambda: here.lost and there.lost)
            again = joined()
            await one.put((user, again))
            await until(lambda: here.told[-1] == there.told[-1] == again)
            assert (here.lost, there.lost) == (1, 1)


async def test_the_epoch_is_of_the_cluster_and_of_the_database(postgres, database_url: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # the fixture
    """Another database is another beginning; so is another cluster, although its IDs of tables may be the same."""
    here = await epoch_of(database_url)
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await connection.execute("CREATE DATABASE another_beginning")
        other = postgres.dsn("another_beginning")
        made = await asyncpg.connect(other)
        await made.execute("CREATE TABLE head ()")
        await made.close()
        assert await epoch_of(other) != here
        await connection.execute("DROP DATABASE another_beginning")
    finally:
        await connection.close()


async def test_an_ordinary_role_may_read_the_epoch(database_url: str) -> None:
    """Managed databases give nobody a superuser."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE ROLE ordinary")
        await connection.execute("GRANT SELECT ON head TO ordinary")
        expected = await connection.fetchval(str(EPOCH))
        await connection.execute("SET ROLE ordinary")
        assert await connection.fetchval("SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert await connection.fetchval(str(EPOCH)) == expected
    finally:
        await connection.execute("RESET ROLE")
        await connection.execute("DROP OWNED BY ordinary")
        await connection.execute("DROP ROLE ordinary")
        await connection.close()


async def test_streams_outlast_a_restart_and_are_told_of_a_failover(tmp_path: Path) -> None:
    """PostgreSQL is restarted: whatever reads says so meanwhile, and streams go on with nothing lost or repeated. After a
    failover it is on another timeline: what was there last may be gone, and everybody is told to look.
    """
    with ExitStack() as running:
        cluster = running.enter_context(embedded_postgres(tmp_path, durable=False))
        link = tmp_path / "socket"  # Each start has a socket of its own; the workers know one address.
        link.symlink_to(cluster.socket_folder)
        dsn = cluster.dsn().replace(str(cluster.socket_folder), str(link))
        await migrations.upgrade(dsn)
        async with two_workers(dsn, sweep_seconds=0.2) as (one, two):
            user = await one.user(one.id, two.id)
            async with Reader(one, user) as here, Reader(two, user) as there:
                told: list[Event] = []

                async def put_once() -> None:
                    told.append(joined())
                    while True:
                        try:
                            await one.put((user, told[-1]))
                        except Unavailable:
                            continue
                        return

                await put_once()
                await until(lambda: here.told == there.told == told)
                before = await epoch_of(dsn)

                link.unlink()
                await asyncio.to_thread(running.close)
                for work in (two.inbox.end(user), two.inbox.read(user, None, EVERYTHING), two.inbox.refresh([user])):
                    with pytest.raises(Unavailable):
                        await work
                with pytest.raises(Unavailable):
                    await two.inbox.changed([user])
                cluster = await asyncio.to_thread(running.enter_context, embedded_postgres(tmp_path, durable=False))
                link.symlink_to(cluster.socket_folder)
                assert await epoch_of(dsn) == before
                for _ in range(3):
                    await put_once()
                await until(lambda: here.told == there.told == told)
                assert (here.lost, there.lost) == (0, 0)

                link.unlink()
                await asyncio.to_thread(running.close)
                data = tmp_path / "postgres"
                # What a promotion does to the log: it goes on under the number of the next timeline.
                program = programs_for(service_account(data)) / "pg_resetwal"
                owner = data.stat()
                moved = await asyncio.create_subprocess_exec(
                    program,
                    "-f",
                    "-l",
                    "000000020000000000000020",
                    ".",
                    cwd=data,
                    user=owner.st_uid,
                    group=owner.st_gid,
                )
                assert await moved.wait() == 0
                cluster = await asyncio.to_thread(running.enter_context, embedded_postgres(tmp_path, durable=False))
                link.symlink_to(cluster.socket_folder)
                assert await epoch_of(dsn) != before
                await until(lambda: here.lost and there.lost)
                await put_once()
                await until(lambda: here.told == there.told == told)
                assert (here.lost, there.lost) == (1, 1)
