"""Where readers of inboxes wait, and how one worker tells another that there is something to read.

A hint names users and carries nothing else: the inbox decides what is new. Hints may be lost or doubled: a sweep once a second
compares what this worker knows with the inboxes themselves.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Protocol, Self
from uuid import UUID

import structlog

from domain.errors import Unavailable
from persistence.bus import GAP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
    from contextlib import AbstractContextManager

    from domain.ports import Watch
    from persistence.bus import Bus, Received

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
USERS_PER_HINT: Final = 200
"""33 bytes each: stays below the 8,000 bytes of a NOTIFY."""


class Store(Protocol):
    """An inbox that other workers write too."""

    async def refresh(self, user_ids: Iterable[UUID]) -> None:
        """Looks at what happened to these users: those who are woken next find it."""

    async def changed(self, user_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of the users of whom something happened that this worker does not know."""

    def forget(self, user_id: UUID) -> None:
        """Nobody watches the user any more."""


class _Watch:
    """See `ports.Watch`, and the context that `ports.Hub` gives. Costs one future and one timer while it waits, nothing else.

    The timer goes on when something happened before its time: whoever is told of signals would else set one for each.
    """

    __slots__ = ("_due", "_hub", "_loop", "_moved", "_timer", "_user_id", "_waiter")

    def __init__(self, hub: Hub, user_id: UUID) -> None:
        self._hub = hub
        self._user_id = user_id
        self._loop = asyncio.get_running_loop()
        self._moved = False
        self._waiter: asyncio.Future[None] | None = None
        self._due = 0.0
        """When the one who waits has waited long enough, by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        """Comes then, or earlier and looks."""

    def __enter__(self) -> Self:
        self._hub.begin(self._user_id, self)
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.end(self._user_id, self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        self._moved = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def changed(self, timeout: float) -> None:
        if not self._moved:
            loop = self._loop
            self._waiter = waiter = loop.create_future()
            self._due = due = loop.time() + timeout
            timer = self._timer
            if timer is None or timer.when() > due:
                if timer is not None:
                    timer.cancel()
                self._timer = loop.call_at(due, self._look)
            try:
                await waiter
            finally:
                self._waiter = None
        self._moved = False

    def _look(self) -> None:
        """The timer has come."""
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self.wake()


def channel_of(worker: UUID) -> str:
    """The channel on which a worker is told of its users."""
    return f"worker:{worker.hex}"


class Hub:
    """See `ports.Hub`. Readers of an inbox in memory are woken by `wake` alone, and nothing is to be started. With a store that
    other workers write `start` listens to them; what is to be told before is told once it runs.

    The counters are for `/metrics`.
    """

    def __init__(self, bus: Bus, worker: UUID, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self.hints = 0
        """Messages to other workers."""
        self.refreshed = 0
        """Inboxes that were read because there might be something new in them."""
        self.swept_up = 0
        """Those of which only the sweep told that there was, or told it first."""
        self._bus = bus
        self._worker = worker
        self._sweep_seconds = sweep_seconds
        self._watches: dict[UUID, tuple[_Watch, ...]] = {}
        self._store: Store | None = None
        self._stale: set[UUID] = set()
        self._stale_due = asyncio.Event()
        self._hints: dict[UUID, set[UUID]] = {}
        """Users by the other worker that is to be told."""
        self._hints_due = asyncio.Event()
        self._running: tuple[asyncio.Task[None], ...] = ()
        self._subscription = AsyncExitStack()

    async def start(self, store: Store) -> None:
        """Returns once hints to this worker arrive."""
        self._store = store
        messages = await self._subscription.enter_async_context(self._bus.subscribe(channel_of(self._worker)))
        work: tuple[Coroutine[None, None, None], ...] = (
            self._listen(messages),
            self._refresh(store),
            self._send(),
            self._sweep(store),
        )
        self._running = tuple(asyncio.create_task(each, name=f"hub-{i}") for i, each in enumerate(work))

    async def stop(self) -> None:
        """Nobody is woken afterwards but by their own timeout."""
        running, self._running = self._running, ()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._subscription.aclose()

    def watch(self, user_id: UUID) -> AbstractContextManager[Watch]:
        """See `ports.Hub`. Watch first, then read: what comes between wakes the watch."""
        return _Watch(self, user_id)

    def begin(self, user_id: UUID, watch: _Watch) -> None:
        """The watch is woken from now on."""
        watches = self._watches.get(user_id)
        self._watches[user_id] = (*(watches or ()), watch)
        if watches is None:
            self.stale((user_id,))

    def end(self, user_id: UUID, watch: _Watch) -> None:
        """The watch is not woken any more."""
        watches = tuple(each for each in self._watches[user_id] if each is not watch)
        if watches:
            self._watches[user_id] = watches
            return
        del self._watches[user_id]
        if self._store is not None:
            self._store.forget(user_id)

    def watches(self, user_id: UUID) -> bool:
        """Whether somebody reads that user's inbox here, or holds a socket of theirs."""
        return user_id in self._watches

    @property
    def watched(self) -> int:
        """How many users are watched here."""
        return len(self._watches)

    def wake(self, user_ids: Iterable[UUID]) -> None:
        """There is something to read for these users, at hand already."""
        for user_id in user_ids:
            for watch in self._watches.get(user_id, ()):
                watch.wake()

    def stale(self, user_ids: Iterable[UUID]) -> None:
        """There may be something for these users that this worker has not read: reads it, and wakes them."""
        if self._store is None:
            return
        self._stale.update(user_id for user_id in user_ids if user_id in self._watches)
        if self._stale:
            self._stale_due.set()

    def hint(self, news: Iterable[tuple[UUID, Collection[UUID]]]) -> None:
        """Something was written for these users, who are at these workers. Those here are woken, the others are told through the
        bus, in one message for all that comes while the last one is on its way.
        """
        for user_id, workers in news:
            self.wake((user_id,))
            for worker in workers:
                if worker != self._worker:
                    self._hints.setdefault(worker, set()).add(user_id)
        if self._hints:
            self._hints_due.set()

    async def _send(self) -> None:
        while True:
            await self._hints_due.wait()
            self._hints_due.clear()
            hints, self._hints = self._hints, {}
            told = (self._tell(worker, list(users)) for worker, users in hints.items())
            for outcome in await asyncio.gather(*told, return_exceptions=True):
                if isinstance(outcome, BaseException):  # A hint may be lost: the sweep finds what it told.
                    log.warning("hint lost", error=type(outcome).__name__)

    async def _tell(self, worker: UUID, users: list[UUID]) -> None:
        for i in range(0, len(users), USERS_PER_HINT):
            message = ",".join(user_id.hex for user_id in users[i : i + USERS_PER_HINT])
            await self._bus.publish(channel_of(worker), message)
            self.hints += 1

    async def _listen(self, messages: AsyncIterator[Received]) -> None:
        async for message in messages:
            try:
                self.stale(tuple(self._watches) if message is GAP else map(UUID, message.split(",")))
            except ValueError:
                log.warning("a hint could not be read")

    async def _refresh(self, store: Store) -> None:
        while True:
            await self._stale_due.wait()
            self._stale_due.clear()
            users, self._stale = self._stale, set()
            try:
                await store.refresh(users)
            except Exception as error:  # noqa: BLE001  # the next sweep that succeeds has them read again
                _report("inboxes could not be read", error)
                self._stale |= users
                continue
            self.refreshed += len(users)
            self.wake(users)

    async def _sweep(self, store: Store) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            try:
                found = await store.changed(tuple(self._watches))
            except Exception as error:  # noqa: BLE001  # the next sweep may succeed, and ending this one would make losses of hints silent
                _report("inboxes could not be compared", error)
                continue
            self.swept_up += len(found)
            self.stale(found)


def _report(event: str, error: Exception) -> None:
    """An outage says so in one line; a fault of ours with its traceback."""
    if isinstance(error, Unavailable):
        log.warning(event, error=type(error).__name__)
    else:
        log.error(event, exc_info=error)
