"""One worker leads, by the database's clock; another one goes on within a second, however the first one ended."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from api.leader import IN_TOUCH_SECONDS, TERM_SECONDS, Leader
from api.pokes import CHANNEL, Pokes
from api.shared_clock import SharedClock
from domain.errors import Unavailable
from persistence.bus import open_bus
from persistence.leases import Claim, LeaderLease
from tests.waiting import until
from tests.world import Clock, World, open_world

PROMISED = 5.0
"""Seconds from the loss of a leader to the match of two who wait. Measured 0.7 to 0.9: its term, the next claim, and the first look
of a matcher; the rest is for a machine that runs everybody's tests."""


class Duty:
    """Counts how often it began and how many of it run."""

    def __init__(self) -> None:
        self.begun = self.running = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Runs."""
        self.begun += 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


def leader_over(database_url: str, duty: Duty) -> Leader:
    """One of the workers."""
    return Leader(LeaderLease(database_url, uuid4()), (duty,))


# --- the lease --------------------------------------------------------------------------------------------------------------


async def test_of_many_workers_one_leads(database_url: str) -> None:
    """Forty matchers would refuse each other's pairs all day."""
    duty = Duty()
    leaders = [leader_over(database_url, duty) for _ in range(8)]
    async with AsyncExitStack() as running:
        for leader in leaders:
            await running.enter_async_context(leader.running())
        for _ in range(100):
            assert sum(leader.leading for leader in leaders) <= 1
            assert duty.running <= 1
            await asyncio.sleep(0.02)
        assert duty.running == 1
        await until(lambda: all(leader.healthy(dutiful=True) for leader in leaders))
    assert duty.running == 0


async def test_after_a_clean_stop_the_next_one_leads_at_once(database_url: str) -> None:
    """A deployment stops every leader there is: each time waiting for a term to end would be seen."""
    duty = Duty()
    async with AsyncExitStack() as running:
        leaders = [leader_over(database_url, duty) for _ in range(4)]
        stops = {}
        for leader in leaders:
            stops[leader] = await running.enter_async_context(AsyncExitStack())
            await stops[leader].enter_async_context(leader.running())
        took = []
        for remaining in range(3, 0, -1):
            await until(lambda: duty.running == 1)
            first = next(leader for leader in leaders if leader.leading)
            await stops[first].aclose()
            leaders.remove(first)
            stopped = time.monotonic()
            assert duty.running == 0 or first not in leaders
            await until(lambda: any(leader.leading for leader in leaders))
            took.append(time.monotonic() - stopped)
            assert len(leaders) == remaining
    assert min(took) < TERM_SECONDS / 2


ANSWERED_SECONDS = 0.6
"""After which a slow database answers: the term would end so much later, were it counted from the answer."""


class SlowLease(LeaderLease):
    """Answers the first claim, and none after it."""

    def __init__(self) -> None:
        self.claims = 0

    async def claim(self) -> Claim:
        """Asks the database."""
        self.claims += 1
        if self.claims > 1:
            await asyncio.Event().wait()
        await asyncio.sleep(ANSWERED_SECONDS)
        return Claim(leads=True, remaining=0.0)

    async def resign(self) -> None:
        """Cannot be told."""
        raise Unavailable

    def close(self) -> None:
        """There is nothing to close."""


async def test_who_gets_no_answer_stops_before_its_term_ends() -> None:
    """The term is counted from before the question: the answer may have been under way for long."""
    led = []
    for _ in range(3):  # A busy machine makes any one of them late.
        duty, lease = Duty(), SlowLease()
        leader = Leader(lease, (duty,))
        began = time.monotonic()
        async with leader.running():
            await until(lambda duty=duty: duty.running)  # type: ignore[misc]  # bound here
            assert time.monotonic() - began >= ANSWERED_SECONDS
            await until(lambda duty=duty: not duty.running)  # type: ignore[misc]
            led.append(time.monotonic() - began)
            assert lease.claims == 2
            assert not leader.leading
    assert TERM_SECONDS - 0.1 < min(led) < TERM_SECONDS + ANSWERED_SECONDS - 0.1


async def test_a_lease_that_cannot_be_renewed_is_left_and_taken_again(database_url: str) -> None:
    """The database stands still for two seconds: nobody leads meanwhile, and somebody does afterwards."""
    duty = Duty()
    async with leader_over(database_url, duty).running():
        await until(lambda: duty.running)
        blocker = await asyncpg.connect(database_url)
        async with blocker.transaction():
            await blocker.execute("SELECT FROM lease FOR UPDATE")
            await until(lambda: not duty.running)
        await blocker.close()
        await until(lambda: duty.running)
        assert duty.begun == 2


async def test_a_connection_that_is_lost_does_not_cost_the_lease(database_url: str) -> None:
    """A proxy that restarts breaks connections: a new one is made long before the term ends."""
    worker, duty = uuid4(), Duty()
    other = await asyncpg.connect(database_url)
    async with Leader(LeaderLease(database_url, worker), (duty,)).running():
        await until(lambda: duty.running)
        sessions = "SELECT array_agg(pid) FROM pg_stat_activity WHERE application_name = $1"
        (old,) = await other.fetchval(sessions, f"parley lease {worker}")
        await other.execute("SELECT pg_terminate_backend($1)", old)

        async def renewed() -> bool:
            pids = await other.fetchval(sessions, f"parley lease {worker}")
            return pids is not None and old not in pids

        await until(renewed)
        assert duty.begun == duty.running == 1
    await other.close()


async def test_the_lease_is_one_holders_by_the_databases_clock(database_url: str) -> None:
    """Hosts whose clocks differ agree about who leads."""
    one, other = (LeaderLease(database_url, uuid4()) for _ in range(2))
    assert (await one.claim()).leads
    refused = await other.claim()
    assert not refused.leads
    assert 0 < refused.remaining <= TERM_SECONDS
    assert (await one.claim()).leads
    await other.resign()  # It has nothing to give up.
    assert not (await other.claim()).leads
    await one.resign()
    assert (await other.claim()).leads
    assert not (await one.claim()).leads
    one.close()
    other.close()


async def test_a_clock_that_was_set_back_does_not_keep_everybody_from_leading(database_url: str) -> None:
    """The database's clock was an hour fast, and the leader died before it renewed: its term is none of an hour."""
    dead, other = (LeaderLease(database_url, uuid4()) for _ in range(2))
    assert (await dead.claim()).leads
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE lease SET expires_at = expires_at + interval '1 hour'")
    await connection.close()
    assert (await other.claim()).leads
    assert not (await dead.claim()).leads
    dead.close()
    other.close()


async def test_claims_at_the_same_moment_have_one_winner(database_url: str) -> None:
    """All workers claim when a term ends."""
    leases = [LeaderLease(database_url, uuid4()) for _ in range(10)]
    for _ in range(5):
        claims = await asyncio.gather(*(lease.claim() for lease in leases))
        assert sum(claim.leads for claim in claims) == 1
        for lease in leases:
            await lease.resign()
    for lease in leases:
        lease.close()


async def test_duties_that_fail_are_begun_again(database_url: str) -> None:
    """A fault in one of them must not leave everybody without a matcher while the lease is held."""
    begun = 0

    @asynccontextmanager
    async def faulty() -> AsyncIterator[None]:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise RuntimeError
        yield

    async with Leader(LeaderLease(database_url, uuid4()), (faulty,)).running():
        await until(lambda: begun == 2)


async def test_a_worker_is_healthy_while_it_gets_answers(database_url: str) -> None:
    """A load balancer takes out who lost touch, and nobody else: a leader that does not match is its own fault alone."""
    now = 100.0
    duty = Duty()
    lease = LeaderLease(database_url, uuid4())
    leader = Leader(lease, (duty,), monotonic=lambda: now)
    assert not leader.healthy(dutiful=True)
    async with leader.running():
        await until(lambda: duty.running)
        assert leader.healthy(dutiful=False)  # It has just begun.
        now += IN_TOUCH_SECONDS + 0.1
        await until(lambda: leader.healthy(dutiful=True))
    alone = Leader(None, (duty,))
    assert alone.leading
    assert not alone.healthy(dutiful=False)
    assert alone.healthy(dutiful=True)


async def test_alone_a_server_leads_without_a_lease() -> None:
    """With the bus in memory there is nobody else."""
    duty = Duty()
    async with Leader(None, (duty,)).running():
        assert duty.running == 1
    assert duty.running == 0


# --- matching goes on -------------------------------------------------------------------------------------------------------


class OtherWorker:
    """A worker in a process of its own, which leads; see `tests.leading`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self) -> str:
        """What it says next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(120):  # Loading it takes half a minute on a machine that is busy.
            while True:
                line = (await self._process.stdout.readline()).decode().strip()
                if line in ("leads", "stops", ""):  # The rest is what it logs.
                    return line

    def signal(self, number: signal.Signals) -> None:
        """Kills, freezes or wakes it."""
        self._process.send_signal(number)


@asynccontextmanager
async def other_worker(database_url: str) -> AsyncIterator[OtherWorker]:
    """Leads already."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.leading", database_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        worker = OtherWorker(process)
        assert await worker.says() == "leads"
        yield worker
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def wait_and_meet(world: World) -> float:
    """Two people begin to wait; returns how many seconds later they are matched."""
    ada, bob = await world.people(2)
    await world.join(ada)
    await world.join(bob)
    began = time.monotonic()

    async def met() -> bool:
        return await world.open_match(ada) is not None

    await until(met)
    return time.monotonic() - began


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_the_leader_is_killed_or_frozen_matching_goes_on(database_url: str, fate: signal.Signals) -> None:
    """People who wait do not notice; and a leader that comes back finds that it leads no more, and has done no harm."""
    async with (
        open_world(database_url, Clock(goes=True), one_of_several=True) as world,
        other_worker(database_url) as first,
    ):
        leader = Leader(LeaderLease(database_url, uuid4()), (world.matcher.running,))
        async with leader.running():
            await wait_and_meet(world)
            assert leader.elections == 0
            first.signal(fate)
            assert await wait_and_meet(world) < PROMISED
            assert leader.elections == 1
            if fate is signal.SIGSTOP:
                first.signal(signal.SIGCONT)
                assert await first.says() == "stops"
                await wait_and_meet(world)
                assert leader.elections == 1


async def test_two_leaders_at_once_break_nothing(database_url: str) -> None:
    """A leader that was frozen acts for a moment beside the next one."""
    clock = Clock(goes=True)
    async with open_world(database_url, clock) as one, open_world(database_url, clock, one_of_several=True) as other:
        both = [Leader(None, (each.matcher.running, each.sweeps.running, each.reaper.running)) for each in (one, other)]
        async with both[0].running(), both[1].running():
            people = await one.people(40)
            await asyncio.gather(*(one.join(user_id) for user_id in people))

            async def all_met() -> bool:
                return all([await one.open_match(user_id) is not None for user_id in people])

            await until(all_met)
            assert one.matcher.matches + other.matcher.matches == 20


# --- pokes ------------------------------------------------------------------------------------------------------------------


async def test_a_poke_reaches_the_leader_on_another_worker() -> None:
    """Somebody joins on one worker, and the matcher runs on another: with two people in the queue nobody waits for a tick."""
    heard: list[str] = []
    bus = open_bus("memory://")
    await bus.connect()
    here, there = Pokes(bus, lambda: heard.append("here")), Pokes(bus, lambda: heard.append("there"))
    async with here.running(), there.running():
        async with there.heeded():
            there.poke()
            assert heard == ["there"]  # At once, and not through the bus.
            # One that comes before the leader listens is lost.
            await until(lambda: _poked(here, lambda: len(heard) > 1))
            assert "here" not in heard
        async with here.heeded():
            await until(lambda: _poked(there, lambda: "here" in heard))
    await bus.disconnect()


def _poked(pokes: Pokes, heard: Callable[[], bool]) -> bool:
    """Pokes, and tells whether one was heard."""
    pokes.poke()
    return heard()


async def test_pokes_of_one_moment_are_one_message() -> None:
    """A thousand people who join in one second must not be a thousand notifications."""
    bus = open_bus("memory://")
    await bus.connect()
    pokes = Pokes(bus, lambda: None)
    received = []
    async with bus.subscribe(CHANNEL) as messages, pokes.running():
        for _ in range(500):
            pokes.poke()
        received.append(await anext(messages))
        await asyncio.sleep(0.1)
        pokes.poke()
        received.append(await anext(messages))
    assert received == ["", ""]
    await bus.disconnect()


async def test_a_bus_that_is_down_costs_pokes_and_nothing_else() -> None:
    """The matcher looks by itself; joining must not fail."""
    heard: list[None] = []
    bus = open_bus("memory://")  # Not connected yet.
    pokes = Pokes(bus, lambda: heard.append(None))
    async with pokes.running():
        pokes.poke()
        await asyncio.sleep(0.05)
        await bus.connect()
        async with pokes.heeded():
            other = Pokes(bus, lambda: None)
            async with other.running():
                await until(lambda: _poked(other, lambda: bool(heard)))
    await bus.disconnect()


# --- the shared clock -------------------------------------------------------------------------------------------------------


def test_the_clock_follows_the_database_and_not_the_host() -> None:
    """A host that is wrong by a minute would end everybody's seat at once, or never."""
    seconds = 1000.0
    clock = SharedClock(lambda: seconds)
    then = datetime(2030, 1, 1, tzinfo=UTC)
    clock.observe(then, 0.0)
    assert clock() == then
    seconds += 90.5
    assert clock() == then + timedelta(seconds=90.5)


def test_an_answer_moves_the_clock_only_as_far_as_it_proves_it_wrong() -> None:
    """Answers that were long under way would make time jump to and fro."""
    seconds = 1000.0
    clock = SharedClock(lambda: seconds)
    then = datetime(2030, 1, 1, tzinfo=UTC)
    clock.observe(then, 0.0)
    clock.observe(then - timedelta(seconds=1), 2.0)  # The answer took two seconds: it may well be `then` now.
    assert clock() == then
    clock.observe(then + timedelta(seconds=3), 2.0)
    assert clock() == then + timedelta(seconds=3)
    clock.observe(then, 2.0)
    assert clock() == then + timedelta(seconds=2)


def test_before_the_first_answer_the_clock_is_the_hosts() -> None:
    """Something starts before the database has answered."""
    assert abs(SharedClock()() - datetime.now(UTC)) < timedelta(seconds=1)
