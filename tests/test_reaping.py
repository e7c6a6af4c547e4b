"""What becomes of a dead worker's people; and of a worker that was taken for dead and is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from api import presence as api_presence
from api import reaper as api_reaper
from api.graphql_ws.socket import GraphQLSocket
from api.reaper import Reaper
from api.registration import LONGEST_GAP_SECONDS, TERM_SECONDS, Registration
from domain import presence
from domain.errors import Unavailable
from domain.events import MemberUpdated
from domain.ports import UnitOfWork
from domain.presence import LOST_WORKER_RESUME, Reaped
from domain.rooms.room import MemberStatus
from persistence.leases import WorkerLease
from tests.waiting import DEADLINE, until
from tests.world import RESUME, Clock, FakeSocket, World, open_world, seat

T = TypeVar("T")


@pytest.fixture
async def worlds(database_url: str) -> AsyncIterator[list[World]]:
    """Three workers with one clock; the first was never reaped, and reaps."""
    clock = Clock()
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_world(database_url, clock, one_of_several=True)) for _ in range(3)]


async def workers_of(world: World, user_id: UUID) -> set[UUID]:
    """Where the user's head says that they are; no worker twice."""
    async with world.database.reading() as connection:
        found = await connection.scalar(text("SELECT workers FROM head WHERE user_id = :id"), {"id": user_id})
    assert len(set(found)) == len(found)
    return set(found)


async def registered(world: World) -> set[UUID]:
    """The workers that there are."""
    async with world.database.reading() as connection:
        return set(await connection.scalars(text("SELECT incarnation FROM worker")))


async def offered(world: World, user_id: UUID) -> bool:
    """Whether the matcher may pair the user."""
    query = text("SELECT NOT paused FROM ticket WHERE user_id = :id AND status = 'WAITING'")
    async with world.database.reading() as connection:
        return bool(await connection.scalar(query, {"id": user_id}))


def me(world: World) -> UUID:
    """The worker's incarnation."""
    return world.database._worker


async def die(world: World) -> None:
    """The worker's lease ends."""
    await world.lease.release()


# --- the dead ---------------------------------------------------------------------------------------------------------------


async def test_the_people_of_a_dead_worker_have_a_minute_to_come_back(worlds: list[World]) -> None:
    """A crash is nobody's fault: seats and places are held for longer than for somebody whose own connection was lost."""
    here, dead, _ = worlds
    ada, bob, room = await dead.pair()
    eve = await dead.user("Eve")
    await dead.connect(eve)
    ticket = await dead.queue(eve)
    await die(dead)
    await here.reaper.look()
    for who in (ada, bob, eve):
        assert not await here.attached(who)
        assert await workers_of(here, who.user_id) == set()
        hold = await here.database.read(lambda uow, who=who: uow.connections.hold(who.user_id))  # type: ignore[misc]  # its type is not inferred
        assert hold == (here.clock(), here.clock() + LOST_WORKER_RESUME)
    assert not await offered(here, eve.user_id)
    assert await here.database.read(lambda uow: uow.rooms.unreached(here.clock())) == []
    assert me(dead) not in await registered(here)
    here.clock.forward(seconds=59)
    await here.sweeps.sweep()
    for who in (ada, eve):
        await here.connect(who)
    assert await here.status(room, ada) is MemberStatus.ONLINE
    assert await offered(here, eve.user_id)
    assert await here.waiting(eve) == ticket
    here.clock.forward(seconds=1)
    await here.sweeps.sweep()
    assert not (await here.room(room.id)).open  # Bob never came.


async def test_who_has_a_tab_on_another_worker_stays(worlds: list[World]) -> None:
    """Half of somebody's tabs were on the worker that died: they are still there."""
    here, dead, other = worlds
    ada, bob = await dead.user(), await dead.user()
    await dead.connect(ada)
    await other.connect(ada)
    await here.connect(bob)
    room = await here.match(ada, bob)
    assert await workers_of(here, ada.user_id) == {me(dead), me(other)}
    await die(dead)
    await here.reaper.look()
    assert await here.attached(ada)
    assert await workers_of(here, ada.user_id) == {me(other)}
    assert await here.database.read(lambda uow: uow.connections.hold(ada.user_id)) is None
    assert await here.status(room, ada) is MemberStatus.ONLINE


async def test_who_lives_is_not_reaped(worlds: list[World]) -> None:
    """The lease is what tells the dead from the living, and it is looked at again under lock."""
    here, other, _ = worlds
    ada = await other.user()
    await other.connect(ada)
    await here.reaper.look()
    await here.reaper._reap(me(other), dead=False)  # Its lease was renewed since somebody looked.
    assert await here.attached(ada)
    assert me(other) in await registered(here)


async def test_many_are_reaped_in_batches(worlds: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand heads locked at once would stop everybody else for seconds."""
    monkeypatch.setattr(api_reaper, "REAPED_AT_ONCE", 3)
    here, dead, _ = worlds
    people = [await dead.user() for _ in range(10)]
    for who in people:
        await dead.connect(who)
    await die(dead)
    await here.reaper.look()
    assert not any([await here.attached(who) for who in people])
    assert here.reaper.reaped == 1


async def test_two_reapers_at_once_release_everybody_once(worlds: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers believe that they lead."""
    monkeypatch.setattr(api_reaper, "REAPED_AT_ONCE", 2)
    here, dead, other = worlds
    people = [await dead.user() for _ in range(20)]
    for who in people:
        await dead.connect(who)
        await dead.queue(who)
    await other.connect(people[0])
    await die(dead)
    await asyncio.gather(*(each.reaper.look() for each in (here, other) for _ in range(2)))
    assert [await here.attached(who) for who in people] == [True] + 19 * [False]
    assert await offered(here, people[0].user_id)
    assert await registered(here) == {me(here), me(other)}
    assert here.reaper.reaped + other.reaper.reaped == 1


async def test_a_reaper_that_died_is_continued(worlds: list[World]) -> None:
    """The leader is killed in the middle of reaping: the next one finds the rest."""
    here, dead, other = worlds
    people = [await dead.user() for _ in range(3)]
    for who in people:
        await dead.connect(who)
    await die(dead)
    await other.database.transact(lambda uow: uow.connections.condemn(me(dead), dead=False))
    first = people[0].user_id
    await other.database.transact(lambda uow: presence.reap(uow, me(dead), (first,), now=here.clock()))
    await here.reaper.look()
    assert not any([await here.attached(who) for who in people])
    assert me(dead) not in await registered(here)


async def test_coming_back_while_the_dead_are_reaped_keeps_the_user_there(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody reconnects to another worker in the very second in which the old one is reaped."""
    monkeypatch.setattr(api_reaper, "REAPED_AT_ONCE", 3)
    here, dead, other = worlds
    people = [await dead.user() for _ in range(20)]
    for who in people:
        await dead.connect(who)
        await dead.queue(who)
    await die(dead)
    await asyncio.gather(here.reaper.look(), *(other.connect(who) for who in people))
    for who in people:
        assert await here.attached(who)
        assert await workers_of(here, who.user_id) == {me(other)}
        assert await offered(here, who.user_id)


# --- when a worker may judge others -----------------------------------------------------------------------------------------


class Steps:
    """A lease that answers as the test says."""

    def __init__(self) -> None:
        self.down = self.gone = False
        self.registered = 0

    async def register(self) -> None:
        """Enters the worker."""
        self.registered += 1
        self.gone = False

    async def renew(self) -> bool:
        """Renews it."""
        if self.down:
            raise Unavailable
        return not self.gone


async def test_only_who_held_the_own_lease_for_a_full_term_reaps() -> None:
    """After an outage of PostgreSQL all leases have ended, and the first to come back must not take all others for dead."""
    now, steps, returned = 100.0, Steps(), 0

    def again() -> None:
        nonlocal returned
        returned += 1

    registration = Registration(cast("WorkerLease", steps), returned=again, monotonic=lambda: now)
    await registration.register()

    async def pass_time(seconds: float) -> None:
        nonlocal now
        for _ in range(int(seconds)):
            now += 1
            await registration.renew()

    assert not registration.steady()
    await pass_time(TERM_SECONDS - 1)
    assert not registration.steady()
    await pass_time(1)
    assert registration.steady()
    now += LONGEST_GAP_SECONDS + 0.1
    assert not registration.steady()  # It stood still, or the database does not answer.
    await pass_time(TERM_SECONDS)
    assert not registration.steady()
    await pass_time(1)
    assert registration.steady()
    steps.gone = True
    await registration.renew()
    assert (steps.registered, returned) == (2, 1)
    assert not registration.steady()


async def test_who_is_not_steady_reaps_nobody(worlds: list[World]) -> None:
    """The other half of that."""
    here, dead, _ = worlds
    ada = await dead.user()
    await dead.connect(ada)
    await die(dead)
    database = here.database
    unsteady = Reaper(transact=database.transact, read=database.read, clock=here.clock, steady=lambda: False)
    await unsteady.look()
    assert await here.attached(ada)


async def test_a_full_pool_does_not_delay_the_lease(database_url: str) -> None:
    """The busiest worker of all must not be taken for dead."""
    async with open_world(database_url, one_of_several=True, pool_size=1) as world, world.database.reading():
        assert await asyncio.wait_for(world.lease.renew(), DEADLINE)


async def test_the_clock_does_not_count_how_long_it_took_to_connect(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of that would be how far a new worker's clock is ahead of the others': enough to lose the offers of first matches."""
    connect: Any = asyncpg.connect

    async def slowly(*args: object, **options: object) -> object:
        await asyncio.sleep(1)
        return await connect(*args, **options)

    monkeypatch.setattr(asyncpg, "connect", slowly)
    observed: list[float] = []
    lease = WorkerLease(database_url, uuid4(), observed=lambda _, took: observed.append(took))
    await lease.register()
    lease.close()
    assert len(observed) == 1
    assert observed[0] < 0.9


async def test_the_lease_is_renewed_until_the_worker_stops(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that lives is not reaped, through a loss of its connection too; one that stopped is at once."""
    monkeypatch.setattr("api.registration.RENEW_SECONDS", 0.05)
    worker = uuid4()
    other = await asyncpg.connect(database_url)
    query = "SELECT lease_until > clock_timestamp() + interval '7 seconds' FROM worker WHERE incarnation = $1"
    registration = Registration(WorkerLease(database_url, worker), returned=lambda: None)
    async with registration.running():
        await other.execute("UPDATE worker SET lease_until = clock_timestamp() + interval '5 seconds'")
        end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"
        assert await other.fetchval(end, f"parley worker {worker}") == 1
        await until(lambda: other.fetchval(query, worker))
    assert await other.fetchval("SELECT lease_until <= clock_timestamp() FROM worker WHERE incarnation = $1", worker)
    await other.close()


# --- the living that were reaped --------------------------------------------------------------------------------------------


async def come_back(world: World) -> None:
    """What the renewal of a worker leads to that was reaped."""
    assert not await world.lease.renew()
    await world.registration.register()
    await world.presence.return_all()


async def test_a_worker_that_was_reaped_comes_back_with_its_people(worlds: list[World]) -> None:
    """It stood still for fifteen seconds and goes on: its sockets are open, and nobody has to reconnect."""
    here, frozen, _ = worlds
    ada, bob, room = await frozen.pair()
    eve = await frozen.user("Eve")
    await frozen.connect(eve)
    ticket = await frozen.queue(eve)
    await die(frozen)
    await here.reaper.look()
    here.clock.forward(seconds=4)
    await here.sweeps.sweep()
    assert await here.status(room, ada) is MemberStatus.AWAY
    returned = frozen.returned
    await come_back(frozen)
    for who in (ada, bob, eve):
        assert await here.attached(who)
        assert await workers_of(here, who.user_id) == {me(frozen)}
    assert await here.status(room, ada) is await here.status(room, bob) is MemberStatus.ONLINE
    assert [seat(room, who).id for who in (ada, bob)] == sorted(
        [event.member_id for event in await frozen.told(ada) if isinstance(event, MemberUpdated)],
        key=[seat(room, who).id for who in (ada, bob)].index,
    )
    assert await offered(here, eve.user_id)
    assert await here.waiting(eve) == ticket
    assert frozen.returned == returned + 1
    assert me(frozen) in await registered(here)
    told = await frozen.told(ada)
    await frozen.presence.return_all()  # Once more changes nothing.
    assert await frozen.told(ada) == told
    assert await here.attached(ada)


async def test_who_left_meanwhile_is_not_brought_back(worlds: list[World], monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that closed while the worker registered again is closed: a ghost would be matched with somebody."""
    monkeypatch.setattr(api_presence, "ATTACHED_AGAIN_AT_ONCE", 3)
    here, frozen, _ = worlds
    people = [await frozen.user() for _ in range(30)]
    sockets = [await frozen.connect(who) for who in people]
    await die(frozen)
    await here.reaper.look()
    await frozen.registration.register()
    await frozen.drop(sockets[0])
    await asyncio.gather(frozen.presence.return_all(), frozen.drop(*sockets[1:20]))
    assert [await here.attached(who) for who in people] == 20 * [False] + 10 * [True]
    for who in people[:20]:
        assert await workers_of(here, who.user_id) == set()


async def test_a_socket_that_closes_while_it_is_added_again_is_detached_afterwards(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, with the one order of things in which a detach would be overtaken."""
    here, frozen, _ = worlds
    ada = await frozen.user()
    socket = await frozen.connect(ada)
    await die(frozen)
    await here.reaper.look()
    await frozen.registration.register()
    transact, held, reached = frozen.database.transact, asyncio.Event(), asyncio.Event()

    async def slow(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        reached.set()
        await held.wait()
        return await transact(work)

    monkeypatch.setattr(frozen.presence, "_transact", slow)
    returning = asyncio.create_task(frozen.presence.return_all())
    await reached.wait()
    monkeypatch.setattr(frozen.presence, "_transact", transact)
    dropping = asyncio.create_task(frozen.drop(socket))
    await asyncio.wait((dropping,), timeout=0.3)
    held.set()
    await asyncio.gather(returning, dropping)
    assert not await here.attached(ada)


async def test_a_worker_that_comes_back_in_the_middle_ends_the_reaping(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It renews between two batches: what was taken is added again, and the rest is left."""
    monkeypatch.setattr(api_reaper, "REAPED_AT_ONCE", 2)
    here, frozen, _ = worlds
    people = [await frozen.user() for _ in range(10)]
    for who in people:
        await frozen.connect(who)
    await die(frozen)
    batches = 0
    transact = here.database.transact

    async def interrupted(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        nonlocal batches
        batches += 1
        if batches == 3:  # The worker is condemned, and the first batch is gone.
            await come_back(frozen)
        return await transact(work)

    monkeypatch.setattr(here.reaper, "_transact", interrupted)
    await here.reaper.look()
    assert batches == 3
    assert all([await here.attached(who) for who in people])
    assert me(frozen) in await registered(here)
    await here.reaper.look()
    assert await frozen.lease.renew()


async def test_renewals_and_reapings_at_once_end_with_everybody_there(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the two interleave: a worker that lives has its people, on its own list and on theirs."""
    monkeypatch.setattr(api_reaper, "REAPED_AT_ONCE", 2)
    monkeypatch.setattr(api_presence, "ATTACHED_AGAIN_AT_ONCE", 3)
    here, frozen, other = worlds
    people = [await frozen.user() for _ in range(12)]
    for who in people:
        await frozen.connect(who)
        await frozen.queue(who)

    async def renew() -> None:
        await frozen.registration.renew()
        if frozen.presence._return_due.is_set():
            await frozen.presence._return_when_due()

    for turn in range(6):
        await die(frozen)
        await asyncio.gather(here.reaper.look(), other.reaper.look(), _after(turn * 0.004, renew))
        await renew()
        for who in people:
            assert await here.attached(who)
            assert await workers_of(here, who.user_id) == {me(frozen)}
            assert await offered(here, who.user_id)


async def _after(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(seconds)
    await work()


async def test_opening_a_socket_on_a_worker_that_was_reaped_registers_it_again(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is back before it knows: whoever connects first finds out, and waits for it; whoever was there is added too."""
    monkeypatch.setattr(api_presence, "RETURN_RETRY_SECONDS", 0.01)
    here, frozen, _ = worlds
    ada, bob = await frozen.user(), await frozen.user()
    await frozen.connect(ada)
    await die(frozen)
    await here.reaper.look()
    async with frozen.registration.running(), frozen.presence.running():
        # As if it had stood still again since it registered.
        await here.database.transact(lambda uow: uow.connections.condemn(me(frozen), dead=True))
        await here.reaper._reap(me(frozen), dead=True)
        assert me(frozen) not in await registered(here)
        await frozen.connect(bob)
        assert await here.attached(bob)
        await until(lambda: here.attached(ada))


async def test_a_worker_that_cannot_register_refuses_sockets(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is told so goes to another worker."""
    monkeypatch.setattr(api_presence, "REGISTERED_WITHIN_SECONDS", 0.2)
    here, frozen, _ = worlds
    await die(frozen)
    await here.reaper.look()
    ada, socket = await here.user(), FakeSocket()
    with pytest.raises(Unavailable):
        await frozen.presence.opened(ada, cast("GraphQLSocket", socket))
    await frozen.drop(socket)
    with pytest.raises(Reaped):
        await frozen.attach(ada)
    assert not await here.attached(ada)


async def test_a_return_is_tried_again_until_the_database_takes_it(
    worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL was away, so the worker was reaped, and now it is away again: nobody may be left behind."""
    monkeypatch.setattr(api_presence, "RETURN_RETRY_SECONDS", 0.01)
    here, frozen, _ = worlds
    ada = await frozen.user()
    await frozen.connect(ada)
    await die(frozen)
    await here.reaper.look()
    await frozen.registration.register()
    transact, failures = frozen.database.transact, 0

    async def away(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise Unavailable
        return await transact(work)

    monkeypatch.setattr(frozen.presence, "_transact", away)
    async with frozen.presence.running():
        frozen.presence.attach_again()
        await until(lambda: here.attached(ada))
    assert failures >= 3


# --- the head's list of workers -----------------------------------------------------------------------------------------------


async def test_a_head_names_the_workers_where_its_user_is(worlds: list[World]) -> None:
    """Whoever is not on that list hears of nothing before the sweep; whoever is on it for nothing costs messages."""
    one, two, _ = worlds
    ada = await one.user()
    first, second, third = await one.connect(ada), await one.connect(ada), await two.connect(ada)
    assert await workers_of(one, ada.user_id) == {me(one), me(two)}
    await one.drop(first)
    assert await workers_of(one, ada.user_id) == {me(one), me(two)}
    await one.drop(second)
    assert await workers_of(one, ada.user_id) == {me(two)}
    assert await one.attached(ada)
    await two.drop(third)
    assert await workers_of(one, ada.user_id) == set()
    hold = await one.database.read(lambda uow: uow.connections.hold(ada.user_id))
    assert hold == (one.clock(), one.clock() + RESUME)


async def test_tabs_on_two_workers_that_come_and_go_leave_the_truth_behind(worlds: list[World]) -> None:
    """Attaches and detaches of one user on several workers follow each other under the user's lock."""
    one, two, three = worlds
    ada = await one.user()
    stays = await one.connect(ada)

    async def come_and_go(world: World) -> None:
        await world.drop(await world.connect(ada))

    await asyncio.gather(*(come_and_go(world) for world in (two, three) for _ in range(10)))
    assert await workers_of(one, ada.user_id) == {me(one)}
    await asyncio.gather(one.drop(stays), *(come_and_go(world) for world in (two, three) for _ in range(5)))
    assert await workers_of(one, ada.user_id) == set()
    assert not await one.attached(ada)
