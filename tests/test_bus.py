"""The bus, whatever its backend: messages arrive, or their loss is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from broadcaster import BroadcastBackend, Event

from persistence.bus import GAP, QUEUE_LIMIT, Lagged, MemoryBackend, Received, ReliableBroadcast, open_bus
from persistence.bus.links import BACKLOG_LIMIT, Incoming
from tests.waiting import DEADLINE, until


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


async def test_a_burst_does_not_overrun_a_reader_that_is_quick() -> None:
    """One read of a socket brings more messages than a subscriber's queue holds: the subscriber gets its turns in between."""

    class Bursting(MemoryBackend):
        left = 3 * QUEUE_LIMIT

        async def next_published(self) -> Event:
            if self.left and "c" in self._channels:
                self.left -= 1
                return Event("c", str(self.left))
            return await super().next_published()

    async with running(Bursting()) as bus, bus.subscribe("c") as messages:
        await bus.publish("c", "go")
        assert await take(messages) == "go"
        for i in reversed(range(3 * QUEUE_LIMIT)):
            assert await take(messages) == str(i)


async def test_what_waits_between_the_socket_and_the_subscribers_is_bounded() -> None:
    """The callbacks of a connection put and never wait: what they put beyond the bound is dropped, and said to be."""
    incoming = Incoming()
    for i in range(BACKLOG_LIMIT + 1):
        incoming.put(Event("c", str(i)))
    with pytest.raises(Lagged):
        await incoming.next()
    assert await incoming.next() == Event("c", str(BACKLOG_LIMIT))
    incoming.put(Event("c", "last"))
    incoming.fail("cut")
    incoming.fail("cut again")
    assert await incoming.next() == Event("c", "last")
    with pytest.raises(ConnectionError, match=r"cut$"):
        await incoming.next()


async def test_a_backend_that_lagged_is_a_gap_and_not_a_loss() -> None:
    """Connecting again would cost a busy worker more of what it has not."""
    backend = ShakyBackend()
    async with running(backend) as bus, bus.subscribe("a") as a, bus.subscribe("b") as b:
        backend.cut(Lagged())
        assert await take(a) is GAP
        assert await take(b) is GAP
        await bus.publish("a", "still there")
        assert await take(a) == "still there"
        assert (bus.losses, bus.gaps, bus.connected) == (0, 2, True)
        assert backend.calls.count("connect") == 1


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
