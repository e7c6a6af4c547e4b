"""`broadcaster`, through its extension point, without the faults that lose messages.

What `broadcaster` 0.3.1 does by itself, and what is done here instead:

- Of two concurrent first subscribers of a channel one gets nothing: here one reconciler subscribes and unsubscribes the backend.
- Its queues have no bound: here a subscriber that lags loses the backlog and is told so by a `GAP`.
- A listener that dies takes all subscribers with it in silence: here the backend is connected again, and every subscriber gets
  a `GAP` once the backend has confirmed its channel.
- `disconnect()` leaves subscribers hanging: here their iteration ends.

Its backends for Redis and PostgreSQL, and ours: see `redis` and `postgres`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog
from broadcaster import Broadcast, BroadcastBackend

from persistence.backoff import backoff
from persistence.bus.messages import GAP, QUEUE_LIMIT, Lagged, Received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between two attempts to connect."""
BURST: Final = 256
"""Messages that are handed out before their readers get a turn, so that a burst does not overrun a reader that is quick."""


class _Reader:
    """One subscriber's bounded queue."""

    __slots__ = ("_ended", "_moved", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Received] = deque()
        self._moved = asyncio.Event()
        self._ended = False

    def offer(self, message: Received) -> bool:
        """Whether the reader was told of a gap by it."""
        gap = message is GAP or len(self._waiting) >= QUEUE_LIMIT
        if gap:
            self._waiting.clear()
            self._waiting.append(GAP)
        if message is not GAP:
            self._waiting.append(message)
        self._moved.set()
        return gap

    def end(self) -> None:
        self._ended = True
        self._moved.set()

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> Received:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._moved.clear()
            await self._moved.wait()
        return self._waiting.popleft()


class _Channel:
    """Who reads a channel, and whether the backend has confirmed it."""

    __slots__ = ("confirmed", "readers")

    def __init__(self) -> None:
        self.readers: set[_Reader] = set()
        self.confirmed = asyncio.Event()


def _pause(attempt: int) -> float:
    return backoff(attempt, LONGEST_PAUSE_SECONDS)


class ReliableBroadcast(Broadcast):
    """See the module. A backend tells that it lost its connection by raising, from `next_published` above all."""

    def __init__(self, backend: BroadcastBackend, *, backoff: Callable[[int], float] = _pause) -> None:
        super().__init__(backend=backend)
        self.connected = False
        """Whether the backend is connected and has confirmed the channels."""
        self.losses = 0
        """How often a connection, or an attempt to connect again, failed."""
        self.gaps = 0
        """How many gaps subscribers were told of."""
        self.failed_publishes = 0
        self._channels: dict[str, _Channel] = {}
        self._desired = asyncio.Event()
        self._gap_due = False
        self._backoff = backoff
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def queue_usage(self) -> float | None:
        """How full PostgreSQL's notification queue is, 0 to 1; None on another bus, or before it is known."""
        return getattr(self._backend, "queue_usage", None)

    async def connect(self) -> None:
        """Connects, or raises what the backend raises. From then on a lost connection is mended by itself."""
        await self._backend.connect()
        self._supervisor = asyncio.create_task(self._supervise(), name="bus")

    async def disconnect(self) -> None:
        """Ends the iteration of every subscriber, those included that still wait for their channel to be confirmed."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        supervisor.cancel()
        await asyncio.wait((supervisor,))
        self.connected = False
        for channel in self._channels.values():
            for reader in channel.readers:
                reader.end()
            channel.confirmed.set()
        await self._backend.disconnect()

    async def publish(self, channel: str, message: str) -> None:
        try:
            self._check()
            await self._backend.publish(channel, message)
        except ConnectionError:
            self.failed_publishes += 1
            raise

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[AsyncIterator[Received]]:  # type: ignore[override]  # theirs yields a Subscriber, which has no GAP
        self._check()
        reader = _Reader()
        state = self._channels.setdefault(channel, _Channel())
        state.readers.add(reader)
        self._desired.set()
        try:
            await state.confirmed.wait()
            yield reader
        finally:
            reader.end()
            state.readers.discard(reader)
            if not state.readers and self._channels.get(channel) is state:
                del self._channels[channel]
                self._desired.set()

    def _check(self) -> None:
        if self._supervisor is None:
            msg = "the bus is not connected"
            raise ConnectionError(msg)

    async def _supervise(self) -> None:
        failures = 0
        connected = True
        while True:
            try:
                if not connected:
                    await self._backend.connect()
                connected, began = True, asyncio.get_running_loop().time()
                try:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listener(), name="bus-listener")
                        tasks.create_task(self._reconcile(), name="bus-reconciler")
                finally:
                    # A connection that held for a while was a good one: the next loss is a new one.
                    failures = 0 if asyncio.get_running_loop().time() - began > self._backoff(failures) else failures
            except Exception as error:  # noqa: BLE001  # whatever a backend raises means that its connection is lost
                cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                log.warning("bus lost", error=type(cause).__name__, reason=str(cause), attempt=failures)
            self.losses += 1
            connected, self.connected, self._gap_due = False, False, True
            for channel in self._channels.values():
                channel.confirmed.clear()
            with suppress(Exception):
                await self._backend.disconnect()
            await asyncio.sleep(self._backoff(failures))
            failures += 1

    async def _listener(self) -> None:
        handed_out = 0
        while True:
            try:
                event = await self._backend.next_published()
            except Lagged:
                self._tell_gap()
                continue
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # Something inside the backend was cancelled, not we: a task group would take that for a quiet end.
                msg = "the backend's reader was cancelled"
                raise ConnectionError(msg) from error
            channel = self._channels.get(event.channel)
            if channel is not None:
                self._tell(channel, event.message)
            handed_out += 1
            if handed_out % BURST == 0:
                await asyncio.sleep(0)

    async def _reconcile(self) -> None:
        """Brings the backend's channels to the desired ones, one call at a time: nobody else subscribes or unsubscribes it."""
        subscribed: set[str] = set()
        while True:
            self._desired.clear()
            for name, channel in list(self._channels.items()):
                if name not in subscribed:
                    await self._backend.subscribe(name)
                    subscribed.add(name)
                channel.confirmed.set()
            for name in subscribed - self._channels.keys():
                await self._backend.unsubscribe(name)
                subscribed.discard(name)
            if self._gap_due:
                self._gap_due = False
                self._tell_gap()
            self.connected = True
            await self._desired.wait()

    def _tell_gap(self) -> None:
        for channel in self._channels.values():
            self._tell(channel, GAP)

    def _tell(self, channel: _Channel, message: Received) -> None:
        for reader in channel.readers:
            self.gaps += reader.offer(message)
