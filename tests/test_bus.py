"""The bus and the hub: hints arrive, or their loss is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from broadcaster import BroadcastBackend, Event

from persistence.bus import GAP, QUEUE_LIMIT, MemoryBackend, Received, ReliableBroadcast, open_bus
from persistence.hub import Hub
from tests.waiting import until

DEADLINE = 5.0


class ShakyBackend(BroadcastBackend):
    """A server whose connection a test can cut. It takes its time to confirm a channel, and notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refuse_connections = 0
        self.confirm = asyncio.Event()
        self.confirm.set()
        self._inner = MemoryBackend()
        self._cut: asyncio.Queue[BaseException] = asyncio.Queue()

    def cut(self, error: BaseException | None = None) -> None:
        self._cut.put_nowait(error or ConnectionError("cut"))

    async def connect(self) -> None:
        self.calls.append("connect")
        if self.refuse_connections:
            self.refuse_connections -= 1
            raise ConnectionError("refused")
        await self._inner.connect()

    async def disconnect(self) -> None:
        self.calls.append("disconnect")
        await self._inner.disconnect()

    async def subscribe(self, group: str) -> None:
        self.calls.append(f"subscribe {group}")
        await asyncio.sleep(0)
        await self.confirm.wait()
        await self._inner.subscribe(group)

    async def unsubscribe(self, group: str) -> None:
        self.calls.append(f"unsubscribe {group}")
        await self._inner.unsubscribe(group)

    async def publish(self, channel: str, message: str) -> None:
        await self._inner.publish(channel, message)

    async def next_published(self) -> Event:
        next_one = asyncio.ensure_future(self._inner.next_published())
        cut = asyncio.ensure_future(self._cut.get())
        try:
            await asyncio.wait((next_one, cut), return_when=asyncio.FIRST_COMPLETED)
            if cut.done():
                raise cut.result()
            return next_one.result()
        finally:
            next_one.cancel()
            cut.cancel()


@asynccontextmanager
async def running(backend: BroadcastBackend) -> AsyncIterator[ReliableBroadcast]:
    """A connected bus that does not wait long before it connects again."""
    bus = ReliableBroadcast(backend, backoff=lambda _: 0.001)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.disconnect()


async def take(messages: AsyncIterator[Received]) -> Received:
    """The next message, with a deadline."""
    async with asyncio.timeout(DEADLINE):
        return await anext(messages)


async def test_two_first_subscribers_of_a_channel_both_get_everything() -> None:
    """With the library's own, one of two tabs that open at once hears nothing, and the other's leaving fails with a KeyError."""
    async with running(ShakyBackend()) as bus:

        async def one() -> Received:
            async with bus.subscribe("c") as messages:
                ready.append(None)
                return await take(messages)

        ready: list[None] = []
        readers = [asyncio.create_task(one()) for _ in range(2)]
        await until(lambda: len(ready) == 2)
        await bus.publish("c", "hello")
        assert await asyncio.gather(*readers) == ["hello", "hello"]


async def test_subscribe_returns_only_once_the_server_has_confirmed() -> None:
    """What is published right after subscribing is not lost: a hint in that moment would cost a second."""
    backend = ShakyBackend()
    backend.confirm.clear()
    async with running(backend) as bus:
        entered = asyncio.Event()

        async def read() -> Received:
            async with bus.subscribe("c") as messages:
                entered.set()
                return await take(messages)

        reader = asyncio.create_task(read())
        await until(lambda: "subscribe c" in backend.calls)
        assert not entered.is_set()
        backend.confirm.set()
        await asyncio.wait_for(entered.wait(), DEADLINE)
        await bus.publish("c", "first")
        assert await reader == "first"


async def test_a_channel_without_subscribers_is_given_back() -> None:
    """Channels of users who left do not pile up at the server, and one that is wanted again works again."""
    backend = ShakyBackend()
    async with running(backend) as bus:
        async with bus.subscribe("c"):
            pass
        await until(lambda: "unsubscribe c" in backend.calls)
        async with bus.subscribe("c") as messages:
            await bus.publish("c", "again")
            assert await take(messages) == "again"


async def test_a_subscriber_that_lags_gets_a_gap_and_not_a_silent_hole() -> None:
    """A slow reader costs bounded memory, and knows that it must look for itself."""
    async with running(MemoryBackend()) as bus, bus.subscribe("slow") as slow, bus.subscribe("fast") as fast:
        for i in range(3 * QUEUE_LIMIT):
            await bus.publish("slow", str(i))
        await bus.publish("fast", "still served")
        assert await take(fast) == "still served"
        assert await take(slow) is GAP
        await bus.publish("slow", "end")
        rest = []
        while (message := await take(slow)) != "end":
            assert isinstance(message, str)
            rest.append(int(message))
        assert len(rest) < QUEUE_LIMIT
        assert rest == sorted(rest)


async def test_a_publisher_waits_while_too_much_is_under_way() -> None:
    """A flood of messages does not fill the memory of a worker that is busy elsewhere."""
    backend = MemoryBackend()
    await backend.subscribe("c")
    for i in range(QUEUE_LIMIT):
        await backend.publish("c", str(i))
    blocked = asyncio.create_task(backend.publish("c", "one more"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not blocked.done()
    assert (await backend.next_published()).message == "0"
    await asyncio.wait_for(blocked, DEADLINE)


@pytest.mark.parametrize("error", [ConnectionError("reset"), ValueError("garbled"), asyncio.CancelledError()])
async def test_a_lost_backend_is_connected_again_and_everybody_gets_a_gap(error: BaseException) -> None:
    """With the library's own, a listener that dies takes all subscribers with it in silence: nobody would ever be woken again."""
    backend = ShakyBackend()
    async with running(backend) as bus, bus.subscribe("a") as a, bus.subscribe("b") as b:
        backend.refuse_connections = 3
        backend.cut(error)
        assert await take(a) is GAP
        assert await take(b) is GAP
        assert backend.calls.count("connect") == 5
        await bus.publish("a", "back")
        await bus.publish("b", "back too")
        assert await take(a) == "back"
        assert await take(b) == "back too"


async def test_the_gap_comes_after_the_server_confirmed_the_channels_again() -> None:
    """A reader that looks after the gap misses nothing: what is published from then on arrives."""
    backend = ShakyBackend()
    async with running(backend) as bus, bus.subscribe("c") as messages:
        backend.confirm.clear()
        backend.cut()
        await until(lambda: backend.calls.count("subscribe c") == 2)
        waiting = asyncio.create_task(take(messages))
        late = asyncio.create_task(bus.subscribe("c").__aenter__())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        assert not late.done(), "a subscription during the outage is not acknowledged either"
        backend.confirm.set()
        assert await waiting is GAP
        await asyncio.wait_for(late, DEADLINE)
        await bus.publish("c", "after")
        assert await take(messages) == "after"


async def test_disconnecting_ends_every_subscriber() -> None:
    """With the library's own, subscribers hang for ever and a shutdown never ends."""
    backend = ShakyBackend()
    bus = ReliableBroadcast(backend)
    await bus.connect()

    async def read(channel: str) -> list[Received]:
        async with bus.subscribe(channel) as messages:
            return [message async for message in messages]

    confirmed = asyncio.create_task(read("a"))
    await until(lambda: "subscribe a" in backend.calls)
    backend.confirm.clear()
    unconfirmed = asyncio.create_task(read("b"))
    await until(lambda: "subscribe b" in backend.calls)
    await bus.disconnect()
    ended = await asyncio.wait_for(asyncio.gather(confirmed, unconfirmed), DEADLINE)
    assert [*ended] == [[], []]
    with pytest.raises(ConnectionError):
        await bus.publish("a", "too late")
    with pytest.raises(ConnectionError):
        await bus.subscribe("a").__aenter__()


async def test_a_bus_that_cannot_be_connected_at_first_says_so() -> None:
    """A wrong address is a mistake to report at start, not to retry in silence."""
    backend = ShakyBackend()
    backend.refuse_connections = 1
    with pytest.raises(ConnectionError):
        await ReliableBroadcast(backend).connect()


def test_an_unknown_bus_is_refused_with_a_sentence() -> None:
    """An operator reads what to set, not a traceback from inside a library."""
    with pytest.raises(ValueError, match="set PARLEY_BUS_URL to memory://"):
        open_bus("kafka://somewhere")
    assert isinstance(open_bus("memory://"), ReliableBroadcast)


# ------------------------------------------------------------------------------------------ the hub


class Inboxes:
    """How far each user's inbox is, as the sweep sees it."""

    def __init__(self) -> None:
        self.ends: dict[UUID, int] = {}
        self.asked = 0
        self.fail = False

    async def marks(self, users: Collection[UUID]) -> Mapping[UUID, Hashable]:
        self.asked += 1
        if self.fail:
            raise OSError("no database")
        return {user: self.ends.get(user, 0) for user in users}


class CountingBus:
    """Counts messages; loses them on request."""

    def __init__(self, bus: ReliableBroadcast) -> None:
        self._bus = bus
        self.published: list[str] = []
        self.lose = False
        self.subscribe = bus.subscribe

    async def publish(self, channel: str, message: str) -> None:
        self.published.append(message)
        if self.lose:
            raise ConnectionError("lost")
        await self._bus.publish(channel, message)


@asynccontextmanager
async def hub_on(
    backend: BroadcastBackend, inboxes: Inboxes, sweep_seconds: float = 3600.0
) -> AsyncIterator[tuple[Hub, CountingBus]]:
    """A started hub and the bus under it."""
    async with running(backend) as bus:
        counting = CountingBus(bus)
        hub = Hub(counting, uuid4(), sweep_seconds=sweep_seconds)
        await hub.start(inboxes.marks)
        try:
            yield hub, counting
        finally:
            await hub.stop()


async def test_a_hint_wakes_the_readers_of_that_user_only() -> None:
    """Somebody's signal does not cost everybody a look into their inbox."""
    mine, other = uuid4(), uuid4()
    async with hub_on(MemoryBackend(), Inboxes()) as (hub, _):
        with hub.watch(mine) as tab, hub.watch(mine) as phone, hub.watch(other) as stranger:
            waits = [asyncio.create_task(w.changed(60)) for w in (tab, phone, stranger)]
            await asyncio.sleep(0)
            hub.hint([mine])
            await asyncio.wait_for(asyncio.gather(*waits[:2]), DEADLINE)
            assert not waits[2].done()
            waits[2].cancel()


async def test_what_is_appended_in_one_turn_is_one_message() -> None:
    """A matcher's commit of two hundred matches does not become four hundred messages on the bus, or tasks."""
    users = [uuid4() for _ in range(150)]
    async with hub_on(MemoryBackend(), Inboxes()) as (hub, bus):
        watches = [hub.watch(user) for user in users]
        opened = [watch.__enter__() for watch in watches]
        tasks = len(asyncio.all_tasks())
        for user in users:
            hub.hint([user])
            hub.hint([user, uuid4()])
        assert len(asyncio.all_tasks()) == tasks
        await asyncio.wait_for(asyncio.gather(*(watch.changed(60) for watch in opened)), DEADLINE)
        assert len(bus.published) == 1
        assert len(bus.published[0].split(",")) == 150
        for watch in watches:
            watch.__exit__(None, None, None)
        assert hub.watched == 0


async def test_a_wakeup_between_reading_and_waiting_is_not_lost() -> None:
    """The event that arrives just after a reader found nothing is told at once, not at the next sweep."""
    user = uuid4()
    async with hub_on(MemoryBackend(), Inboxes()) as (hub, bus):
        with hub.watch(user) as watch:
            hub.hint([user])  # while the reader reads
            await until(lambda: bool(bus.published))
            await asyncio.wait_for(watch.changed(60), DEADLINE)
            waiting = asyncio.create_task(watch.changed(60))
            await asyncio.sleep(0.01)
            assert not waiting.done(), "one hint is one wake-up"
            waiting.cancel()


async def test_waiting_ends_at_its_timeout_and_leaves_no_timer() -> None:
    """Two thousand idle readers that come and go leave nothing behind."""
    user = uuid4()
    async with hub_on(MemoryBackend(), Inboxes()) as (hub, _):
        with hub.watch(user) as watch:
            await asyncio.wait_for(watch.changed(0.01), DEADLINE)
            waiting = asyncio.create_task(watch.changed(3600))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait((waiting,))
            scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # asyncio's own loop has it
            assert [timer for timer in scheduled if not timer.cancelled() and "_finish" in repr(timer)] == []


async def test_a_gap_on_the_bus_wakes_everybody() -> None:
    """Hints that were lost with a connection cost one look each, and no event."""
    backend = ShakyBackend()
    users = [uuid4() for _ in range(5)]
    async with hub_on(backend, Inboxes()) as (hub, _):
        watches = [hub.watch(user) for user in users]
        opened = [watch.__enter__() for watch in watches]
        backend.cut()
        await asyncio.wait_for(asyncio.gather(*(watch.changed(60) for watch in opened)), DEADLINE)
        for watch in watches:
            watch.__exit__(None, None, None)


async def test_lost_hints_are_found_by_the_sweep() -> None:
    """While the bus is down events come up to a second later, and none is missed. Readers without news are left alone."""
    inboxes, mine, other = Inboxes(), uuid4(), uuid4()
    async with hub_on(MemoryBackend(), inboxes, sweep_seconds=0.01) as (hub, bus):
        bus.lose = True
        with hub.watch(mine) as watch, hub.watch(other) as quiet:
            await quiet.changed(60)  # The first sweep after a watch began wakes it once.
            await watch.changed(60)
            inboxes.fail = True
            seen = inboxes.asked
            await until(lambda: inboxes.asked > seen)
            inboxes.fail = False
            inboxes.ends[mine] = 1
            hub.hint([mine])
            idle = asyncio.create_task(quiet.changed(60))
            await asyncio.wait_for(watch.changed(60), DEADLINE)
            assert not idle.done()
            idle.cancel()
