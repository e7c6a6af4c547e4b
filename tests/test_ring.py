"""Tables that forget by themselves: nothing young is thrown away, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from persistence.inbox import ring
from persistence.inbox.memory import RETENTION
from persistence.inbox.ring import EVENTS, LOCK_MILLISECONDS, RECEIPTS, RINGS, Ring, turn
from persistence.signals.memory import REMEMBERED_FOR
from tests.inboxes import Worker, a_bus, a_worker, joined, read_all
from tests.waiting import DEADLINE, until


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Worker]:
    """A worker over the test's database."""
    async with a_bus() as bus, a_worker(database_url, bus) as made:
        yield made


async def slots(worker: Worker) -> set[int]:
    """Which partitions hold events."""
    async with worker.database.reading() as connection:
        return set(await connection.scalars(text("SELECT DISTINCT slot FROM inbox_event")))


async def now(worker: Worker) -> int:
    """The partition that is written now, by the database's clock."""
    async with worker.database.reading() as connection:
        return int(await connection.scalar(text(f"SELECT {EVENTS.slot}")) or 0)


async def fill(worker: Worker) -> None:
    """Puts an event into each partition of each ring."""
    for slot in range(EVENTS.partitions):
        await worker.run(
            "INSERT INTO inbox_event (slot, user_id, seq, kind, previous, at, payload)"
            " VALUES (:slot, :id, 1, 5, 0, now(), '{}')",
            slot=slot,
            id=uuid4(),
        )
    for slot in range(RECEIPTS.partitions):
        await worker.run(
            "INSERT INTO signal_receipt (slot, sender_id, receiver_id, client_id, signal_id)"
            " VALUES (:slot, :id, :id, 'x', :id)",
            slot=slot,
            id=uuid4(),
        )


async def steady(worker: Worker) -> int:
    """The partition that is written now, and will be for seconds: at the end of its turn the test waits for the next."""

    async def far_from_the_end() -> bool:
        async with worker.database.reading() as connection:
            left = f"SELECT {EVENTS.seconds} - extract(epoch FROM clock_timestamp())::numeric % {EVENTS.seconds}"  # noqa: S608  # numbers of ours
            return bool(await connection.scalar(text(left)) > 3)

    await until(far_from_the_end)
    return await now(worker)


@given(st.integers(0, 10**6), st.integers(0, 29_999), st.integers(0, 5000))
def test_events_are_kept_for_two_minutes_to_two_and_a_half(written: int, late: int, job: int) -> None:
    """By arithmetic: an event of turn n is gone at the first call of the job in turn n + 5, whenever in its turn it was written."""
    turns, partitions = EVENTS.seconds * 1000, EVENTS.partitions
    at = written * turns + late
    emptied = next(t for t in range(written + 1, written + 20) if (t + 1) % partitions == written % partitions)
    kept = timedelta(milliseconds=emptied * turns + job - at)
    assert RETENTION <= kept <= RETENTION + timedelta(milliseconds=turns + job)


def test_client_ids_of_signals_are_remembered_for_ten_minutes() -> None:
    """As long as in memory: a retry within that time is sent once."""
    assert timedelta(seconds=(RECEIPTS.partitions - 2) * RECEIPTS.seconds) >= REMEMBERED_FOR


async def test_events_go_into_the_partition_of_their_time(worker: Worker) -> None:
    """By the database's clock, which all workers share."""
    user = await worker.user()
    slot = await steady(worker)
    await worker.put((user, joined()))
    assert await slots(worker) == {slot}


async def test_only_the_next_partition_is_emptied(worker: Worker) -> None:
    """What is old goes before its partition is written again; nothing else is touched."""
    slot = await steady(worker)
    await fill(worker)
    emptied = await turn(worker.database.reading)
    following = (slot + 1) % EVENTS.partitions
    assert emptied[0] == EVENTS.names[following]
    assert [name.rsplit("_", 1)[0] for name in emptied] == [ring.table for ring in RINGS]
    assert await slots(worker) == set(range(EVENTS.partitions)) - {following}
    assert await turn(worker.database.reading) == [], "an empty partition costs no lock"


async def test_a_partition_in_use_is_left_alone_within_the_time_of_its_lock(worker: Worker) -> None:
    """A long reader does not make everybody wait behind a truncation that waits for it; the next call empties the partition."""
    slot = await steady(worker)
    await fill(worker)
    name = EVENTS.names[(slot + 1) % EVENTS.partitions]
    loop = asyncio.get_running_loop()
    async with worker.database.engine.begin() as reader:
        await reader.execute(text(f"SELECT FROM {name}"))
        began = loop.time()
        assert name not in await turn(worker.database.reading)
        assert LOCK_MILLISECONDS / 1000 <= loop.time() - began < LOCK_MILLISECONDS / 1000 + 1.5
    assert name in await turn(worker.database.reading)


async def test_who_reads_while_a_truncation_waits_waits_no_longer_than_that(worker: Worker) -> None:
    """Readers queue behind a lock that is wanted: for a fifth of a second at most, not for as long as somebody reads."""
    slot = await steady(worker)
    await fill(worker)
    name = EVENTS.names[(slot + 1) % EVENTS.partitions]
    user = await worker.user()
    await worker.put((user, joined()))
    loop = asyncio.get_running_loop()
    async with worker.database.engine.begin() as reader:
        await reader.execute(text(f"SELECT FROM {name}"))
        job = asyncio.create_task(turn(worker.database.reading))
        longest = 0.0
        while not job.done():
            began = loop.time()
            assert len(await read_all(worker.inbox, user)) == 1
            longest = max(longest, loop.time() - began)
        assert longest < LOCK_MILLISECONDS / 1000 + 1.0
        await job


async def test_a_job_that_stood_still_throws_nothing_young_away(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped after it had looked finds, under the lock, that the partition is another's turn by now."""
    slot = await steady(worker)
    await fill(worker)

    class Stale(Ring):
        """A ring whose first look was long ago, when this turn's partition was the next."""

        looks = 0

        @property
        def slot(self) -> str:
            Stale.looks += 1
            return str(slot - 1) if Stale.looks == 1 else EVENTS.slot

    monkeypatch.setattr(ring, "RINGS", (Stale(EVENTS.table, EVENTS.partitions, EVENTS.seconds),))
    assert await turn(worker.database.reading) == []
    assert Stale.looks == 2
    assert await slots(worker) == set(range(EVENTS.partitions))


async def test_it_turns_while_everybody_is_busy(worker: Worker) -> None:
    """Readers and writers go on, none of them fails, and the partition is emptied in the end."""
    slot = await steady(worker)
    await fill(worker)
    following = (slot + 1) % EVENTS.partitions
    users = [await worker.user() for _ in range(3)]
    done = asyncio.Event()
    written = dict.fromkeys(users, 0)

    async def busy(number: int) -> None:
        user = users[number % len(users)]
        while not done.is_set():
            await worker.put((user, joined()))
            written[user] += 1
            await read_all(worker.inbox, user)

    tasks = [asyncio.create_task(busy(number)) for number in range(6)]
    async with asyncio.timeout(DEADLINE):
        while EVENTS.names[following] not in await turn(worker.database.reading):
            await asyncio.sleep(0.01)
    done.set()
    await asyncio.gather(*tasks)
    assert following not in await slots(worker)
    for user in users:
        assert len(await read_all(worker.inbox, user)) == written[user]


async def test_two_jobs_at_once_do_no_harm(worker: Worker) -> None:
    """Two leaders for a moment: the partition is emptied once or twice, and nothing else."""
    slot = await steady(worker)
    await fill(worker)
    await asyncio.gather(*(turn(worker.database.reading) for _ in range(4)))
    assert await slots(worker) == set(range(EVENTS.partitions)) - {(slot + 1) % EVENTS.partitions}


async def test_another_error_than_a_busy_partition_is_told(worker: Worker) -> None:
    """A partition that is missing is a fault to be seen, not one to be passed over every few seconds."""
    for name in EVENTS.names:
        await worker.run(f"DROP TABLE {name}")
    with pytest.raises(Exception, match="does not exist"):
        await turn(worker.database.reading)
