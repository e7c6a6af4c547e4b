"""The hub: readers are woken by hints, and find by themselves what hints did not tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from uuid import UUID, uuid4

from domain.ports import Watch
from persistence.bus import ReliableBroadcast
from persistence.hub import USERS_PER_HINT, Hub, channel_of
from tests.inboxes import NEVER, LossyBus, a_bus
from tests.waiting import DEADLINE, until


class Inboxes:
    """How far each user's inbox is, and how far this worker knows it."""

    def __init__(self) -> None:
        self.ends: dict[UUID, int] = {}
        self.known: dict[UUID, int] = {}
        self.refreshed: list[set[UUID]] = []
        self.sweeps = 0
        self.forgotten: list[UUID] = []
        self.fail = False
        self.gate = asyncio.Event()
        self.gate.set()

    def grow(self, user_id: UUID) -> None:
        """Something is written by another worker."""
        self.ends[user_id] = self.ends.get(user_id, 0) + 1

    async def refresh(self, user_ids: Iterable[UUID]) -> None:
        """See `hub.Store`."""
        users = set(user_ids)
        self.refreshed.append(users)
        if self.fail:
            raise OSError("no database")
        found = {user: self.ends.get(user, 0) for user in users}
        await self.gate.wait()
        self.known |= found

    async def changed(self, user_ids: Collection[UUID]) -> Collection[UUID]:
        """See `hub.Store`."""
        self.sweeps += 1
        if self.fail:
            raise OSError("no database")
        return [user for user in user_ids if self.known.get(user) != self.ends.get(user, 0)]

    def forget(self, user_id: UUID) -> None:
        """See `hub.Store`."""
        self.forgotten.append(user_id)
        self.known.pop(user_id, None)


@asynccontextmanager
async def hub_on(
    bus: ReliableBroadcast, inboxes: Inboxes, sweep_seconds: float = NEVER
) -> AsyncIterator[tuple[Hub, LossyBus, UUID]]:
    """A started hub, the bus under it, and its worker."""
    lossy, worker = LossyBus(bus), uuid4()
    hub = Hub(lossy, worker, sweep_seconds=sweep_seconds)
    await hub.start(inboxes)
    try:
        yield hub, lossy, worker
    finally:
        await hub.stop()


@contextmanager
def calm(hub: Hub, *users: UUID) -> Iterator[list[Watch]]:
    """A watch on each of the users."""
    with ExitStack() as stack:
        yield [stack.enter_context(hub.watch(user)) for user in users]


async def settle(inboxes: Inboxes, *users: UUID) -> None:
    """Returns once what is watched was read for the first time, and everybody was woken for it."""
    await until(lambda: all(user in inboxes.known for user in users))
    await asyncio.sleep(0)


async def wait_for(watch: Watch, seconds: float = DEADLINE) -> None:
    """Waits for the watch to be woken, not for its own timeout."""
    await asyncio.wait_for(watch.changed(60), seconds)


async def test_waking_reaches_the_readers_of_that_user_only() -> None:
    """Somebody's signal does not cost everybody a look into their inbox. In one process nothing needs to be started for it."""
    async with a_bus() as bus:
        hub, mine, other = Hub(bus, uuid4()), uuid4(), uuid4()
        with calm(hub, mine, mine, other) as (tab, phone, stranger):
            waits = [asyncio.create_task(w.changed(60)) for w in (tab, phone, stranger)]
            await asyncio.sleep(0)
            hub.wake([mine])
            await asyncio.wait_for(asyncio.gather(*waits[:2]), DEADLINE)
            assert not waits[2].done()
            waits[2].cancel()
        assert hub.watched == 0


async def test_a_wakeup_between_reading_and_waiting_is_not_lost() -> None:
    """The event that arrives just after a reader found nothing is told at once, not at the next sweep."""
    user = uuid4()
    async with a_bus() as bus, hub_on(bus, Inboxes()) as (hub, _, worker):
        with hub.watch(user) as watch:
            hub.hint([(user, (worker,))])  # while the reader reads
            await wait_for(watch)


async def test_each_wait_ends_by_its_own_timeout_and_not_by_that_of_one_before_it() -> None:
    """The timer of a wait that was woken goes on: whoever waits next for longer is not disturbed, nor kept if it is for less."""
    async with a_bus() as bus:
        hub, user = Hub(bus, uuid4()), uuid4()
        with hub.watch(user) as watch, hub.watch(uuid4()) as clock:

            async def woken(timeout: float) -> None:
                waiting = asyncio.create_task(watch.changed(timeout))
                await asyncio.sleep(0)
                hub.wake((user,))
                await waiting

            await woken(0.01)
            longer = asyncio.create_task(watch.changed(60))
            await clock.changed(0.05)
            assert not longer.done()
            hub.wake((user,))
            await longer
            await woken(60)
            await asyncio.wait_for(watch.changed(0.01), DEADLINE)
            await woken(0.01)
            await asyncio.wait_for(watch.changed(0.1), DEADLINE)


async def test_a_wait_ends_by_its_timeout_and_a_cancelled_one_leaves_nothing() -> None:
    """Readers look for themselves now and then, and a closed tab leaves no timer behind."""
    async with a_bus() as bus:
        hub, user = Hub(bus, uuid4()), uuid4()
        with hub.watch(user) as watch:
            await asyncio.wait_for(watch.changed(0.01), DEADLINE)
            waiting = asyncio.create_task(watch.changed(60))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            hub.wake([user])
            await wait_for(watch)


async def test_a_hint_crosses_the_bus_and_what_it_told_is_read_before_anybody_wakes() -> None:
    """A signal sent on one worker reaches the partner on another in milliseconds, and a woken reader finds it."""
    user = uuid4()
    theirs, ours = Inboxes(), Inboxes()
    async with a_bus() as bus, hub_on(bus, theirs) as (sender, _, _), hub_on(bus, ours) as (hub, _, worker):
        with hub.watch(user) as watch:
            await settle(ours, user)
            await watch.changed(0.01)
            ours.grow(user)
            sender.hint([(user, (worker,))])
            await wait_for(watch)
            assert ours.known[user] == 1


async def test_hints_that_come_while_one_is_on_its_way_share_a_message() -> None:
    """A matcher's commit of two hundred matches does not become four hundred messages on the bus, or tasks."""
    users, elsewhere = [uuid4() for _ in range(150)], uuid4()
    async with a_bus() as bus, hub_on(bus, Inboxes()) as (hub, lossy, _):
        tasks = len(asyncio.all_tasks())
        for user in users:
            hub.hint([(user, (elsewhere,))])
            hub.hint([(user, (elsewhere,)), (user, ())])
        assert len(asyncio.all_tasks()) == tasks
        await until(lambda: bool(lossy.published))
        await asyncio.sleep(0)
        assert [len(message.split(",")) for message in lossy.published] == [150]


async def test_a_message_fits_into_a_notification_of_postgresql() -> None:
    """Longer than 8,000 bytes it would be refused, and a thousand users would wait for the sweep."""
    users, elsewhere = [uuid4() for _ in range(3 * USERS_PER_HINT + 1)], uuid4()
    async with a_bus() as bus, hub_on(bus, Inboxes()) as (hub, lossy, _):
        hub.hint((user, (elsewhere,)) for user in users)
        await until(lambda: len(lossy.published) == 4)
        assert max(map(len, lossy.published)) < 7999
        assert {UUID(part) for message in lossy.published for part in message.split(",")} == set(users)


async def test_nobody_is_told_through_the_bus_of_what_only_this_worker_has_to_know() -> None:
    """A pair on one worker costs the bus nothing."""
    user = uuid4()
    async with a_bus() as bus, hub_on(bus, Inboxes()) as (hub, lossy, worker):
        with hub.watch(user) as watch:
            hub.hint([(user, (worker,))])
            await wait_for(watch)
        await asyncio.sleep(0.01)
        assert lossy.published == []


async def test_a_lost_hint_costs_one_sweep_and_not_the_others() -> None:
    """Each message may be lost: who is told by the next one is told, and the sweep finds the rest."""
    lost, told = uuid4(), uuid4()
    inboxes = Inboxes()
    async with (
        a_bus() as bus,
        hub_on(bus, Inboxes()) as (sender, lossy, _),
        hub_on(bus, inboxes, sweep_seconds=0.1) as (hub, _, worker),
    ):
        with calm(hub, lost, told) as (first, second):
            await settle(inboxes, lost, told)
            await first.changed(0.01)
            await second.changed(0.01)
            lossy.loses = lambda: True
            inboxes.grow(lost)
            sender.hint([(lost, (worker,))])
            await until(lambda: len(lossy.published) == 1)
            await wait_for(first)
            assert inboxes.known[lost] == 1
            assert hub.swept_up == 1
            lossy.loses = lambda: False
            inboxes.grow(told)
            sender.hint([(told, (worker,))])
            await wait_for(second)
            assert sender.hints in (1, 2)  # The bus may have refused the first, or have taken and lost it.


async def test_a_gap_makes_everybody_look() -> None:
    """What was said while the bus was away is found as soon as it is back."""
    users = [uuid4() for _ in range(3)]
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes) as (hub, _, _):
        with calm(hub, *users) as watches:
            await settle(inboxes, *users)
            for watch in watches:
                await watch.changed(0.01)
            for user in users:
                inboxes.grow(user)
            bus._tell_gap()
            await asyncio.gather(*map(wait_for, watches))
            assert [inboxes.known[user] for user in users] == [1, 1, 1]


async def test_a_hint_that_nobody_can_read_breaks_nothing() -> None:
    """A stranger on the channel, or a version of tomorrow: the next hint is heard."""
    user = uuid4()
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes) as (hub, _, worker):
        with hub.watch(user) as watch:
            await settle(inboxes, user)
            await watch.changed(0.01)
            for nonsense in ("", "x", "deadbeef", f"{user.hex},", "\N{WAVING HAND SIGN}"):
                await bus.publish(channel_of(worker), nonsense)
            inboxes.grow(user)
            await bus.publish(channel_of(worker), user.hex)
            await until(lambda: inboxes.known[user] == 1)
            await wait_for(watch)


async def test_users_who_are_not_here_are_not_read() -> None:
    """The head may name a worker that the user has just left."""
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes) as (hub, _, worker):
        with hub.watch(here := uuid4()):
            await settle(inboxes, here)
            await bus.publish(channel_of(worker), uuid4().hex)
            await bus.publish(channel_of(worker), here.hex)
            await until(lambda: len(inboxes.refreshed) == 2)
            assert inboxes.refreshed == [{here}, {here}]


async def test_a_user_whom_nobody_watches_is_forgotten_and_read_anew() -> None:
    """Closing the last tab frees the memory; the next one does not believe what was known before."""
    user = uuid4()
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes) as (hub, _, _):
        with hub.watch(user):
            with hub.watch(user):
                assert hub.watches(user)
            assert inboxes.forgotten == []
            await settle(inboxes, user)
        assert not hub.watches(user)
        assert inboxes.forgotten == [user]
        inboxes.grow(user)
        with hub.watch(user) as watch:
            await wait_for(watch)
            assert inboxes.known[user] == 1


async def test_what_happens_while_an_inbox_is_read_is_read_after_it() -> None:
    """A hint that comes while its user's inbox is just being read is not taken for what that reading found."""
    user = uuid4()
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes) as (hub, _, _):
        inboxes.gate.clear()
        with hub.watch(user):
            await until(lambda: len(inboxes.refreshed) == 1)
            inboxes.grow(user)
            hub.stale((user,))
            inboxes.gate.set()
            await until(lambda: inboxes.known.get(user) == 1)


async def test_an_outage_of_the_database_is_outlasted() -> None:
    """Whom a hint named during an outage is read after it, also if the sweep itself would find nothing new about them."""
    user = uuid4()
    inboxes = Inboxes()
    async with a_bus() as bus, hub_on(bus, inboxes, sweep_seconds=0.05) as (hub, _, _):
        with hub.watch(user) as watch:
            await settle(inboxes, user)
            await watch.changed(0.01)
            inboxes.fail = True
            hub.stale((user,))
            sweeps = inboxes.sweeps
            await until(lambda: inboxes.sweeps > sweeps + 2)
            inboxes.fail = False
            await wait_for(watch)


async def test_stopping_leaves_no_task_and_wakes_nobody() -> None:
    """A worker ends in its time."""

    def running() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("hub-")}

    async with a_bus() as bus:
        async with hub_on(bus, Inboxes()) as (hub, lossy, _):
            assert len(running()) == 4
        assert running() == set()
        hub.hint([(uuid4(), (uuid4(),))])
        hub.stale([uuid4()])
        await asyncio.sleep(0.01)
        assert (running(), lossy.published) == (set(), [])
