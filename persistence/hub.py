"""Where readers of inboxes wait: one listener per worker turns hints from the bus into wake-ups.

A hint names users and carries nothing else: the inbox decides what is new. A lost hint costs at most a second, because a
sweep looks at the inboxes themselves.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from persistence.bus import GAP

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Coroutine,
        Hashable,
        Iterable,
        Iterator,
        Mapping,
    )
    from uuid import UUID

    from domain.ports import Watch
    from persistence.bus import Bus, Received

log = structlog.get_logger(__name__)

SWEEP_SECONDS: Final = 1.0
USERS_PER_HINT: Final = 200
"""33 bytes each: stays below the 8,000 bytes of a NOTIFY."""


class _Watch:
    """See `ports.Watch`. Costs one future and one timer while it waits, and nothing else."""

    __slots__ = ("_loop", "_moved", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._moved = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        self._moved = True
        if self._waiter is not None:
            _finish(self._waiter)

    async def changed(self, timeout: float) -> None:
        if not self._moved:
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(timeout, _finish, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        self._moved = False


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Hub:
    """See `ports.Hub`. `hint` may be called before `start`: such hints are sent once it runs."""

    def __init__(self, bus: Bus, incarnation: UUID, *, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self._bus = bus
        self._channel = f"worker:{incarnation}"
        self._sweep_seconds = sweep_seconds
        self._watches: dict[UUID, set[_Watch]] = {}
        self._by_hex: dict[str, set[_Watch]] = {}
        self._seen: Mapping[UUID, Hashable] = {}
        self._pending: set[str] = set()
        self._due = asyncio.Event()
        self._running: tuple[asyncio.Task[None], ...] = ()
        self._subscription = AsyncExitStack()

    async def start(self, marks: Callable[[Collection[UUID]], Awaitable[Mapping[UUID, Hashable]]]) -> None:
        """Returns once hints to this worker arrive. `marks` gives for each user what differs whenever a reader should look."""
        messages = await self._subscription.enter_async_context(self._bus.subscribe(self._channel))
        work: tuple[Coroutine[None, None, None], ...] = (self._listen(messages), self._send(), self._sweep(marks))
        self._running = tuple(asyncio.create_task(each, name=f"hub-{i}") for i, each in enumerate(work))

    async def stop(self) -> None:
        """Nobody is woken afterwards but by their own timeout."""
        running, self._running = self._running, ()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._subscription.aclose()

    @contextmanager
    def watch(self, user_id: UUID) -> Iterator[Watch]:
        """See `ports.Hub`. Watch first, then read: what comes between wakes the watch."""
        watch = _Watch(asyncio.get_running_loop())
        watches = self._watches.get(user_id)
        if watches is None:
            watches = self._watches[user_id] = self._by_hex[user_id.hex] = set()
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(user_id) is watches:
                del self._watches[user_id], self._by_hex[user_id.hex]

    def hint(self, user_ids: Iterable[UUID]) -> None:
        """There may be news for these users. What is told within one turn of the loop goes out as one message."""
        pending = self._pending
        for user_id in user_ids:
            if user_id in self._watches:  # Who begins to watch later reads first.
                pending.add(user_id.hex)
        if pending:
            self._due.set()

    @property
    def watched(self) -> int:
        """How many users have a reader here."""
        return len(self._watches)

    async def _send(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            users = list(self._pending)
            self._pending.clear()
            try:
                for i in range(0, len(users), USERS_PER_HINT):
                    await self._bus.publish(self._channel, ",".join(users[i : i + USERS_PER_HINT]))
            except Exception as error:  # noqa: BLE001  # a hint may be lost: the sweep finds what it told
                log.warning("hint lost", error=type(error).__name__)

    async def _listen(self, messages: AsyncIterator[Received]) -> None:
        async for message in messages:
            woken = self._by_hex.keys() if message is GAP else message.split(",")
            for user in tuple(woken):
                for watch in self._by_hex.get(user, ()):
                    watch.wake()

    async def _sweep(self, marks: Callable[[Collection[UUID]], Awaitable[Mapping[UUID, Hashable]]]) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            try:
                found = await marks(tuple(self._watches))
            except Exception as error:  # noqa: BLE001  # the next sweep may succeed, and ending this one would make losses of hints silent
                log.warning("sweep failed", error=type(error).__name__)
                continue
            for user_id, mark in found.items():
                if self._seen.get(user_id) != mark:
                    for watch in self._watches.get(user_id, ()):
                        watch.wake()
            self._seen = found
