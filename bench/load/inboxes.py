"""Readers of inboxes, who check what they read: in a process of their own as `python -m bench.load.inboxes DSN BUS WORKER`.

That follows everybody who is at that worker, prints a line when it does, and takes how many signals were acknowledged from a line
of its stdin; once it has read these it prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import uvloop
from sqlalchemy import text

from api.clock import utc_now
from bench.workers import Worker, worker
from domain.events import SignalReceived
from domain.following import Follower, Found
from domain.inbox import SIGNAL_KINDS, View
from domain.signaling import Offer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

JSON = dict[str, Any]
QUIET_SECONDS = 10.0


def written(number: int, length: int, *, counts: bool) -> Offer:
    """The sender's signal of that number, with the time of now, and so many bytes long."""
    return Offer(f"{number:08d} {time.monotonic_ns():020d} {int(counts)}\r\n".ljust(length, "x"))


class Readers:
    """One reader of signals per user, as subscriptions read them."""

    def __init__(self, place: Worker) -> None:
        self.arrived = 0
        self.ways: list[float] = []
        """Seconds from sending to reading, of those signals that count."""
        self.failures: Counter[str] = Counter()
        self._place = place
        self._numbers: Counter[UUID] = Counter()

    @asynccontextmanager
    async def following(self, users: Sequence[UUID]) -> AsyncIterator[None]:
        """They read for as long as the context is open."""
        ready = [asyncio.Event() for _ in users]
        tasks = [asyncio.create_task(self._follow(user, event)) for user, event in zip(users, ready, strict=True)]
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await asyncio.gather(*(event.wait() for event in ready))
            yield
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    self.failures[repr(outcome)] += 1

    async def until(self, count: int) -> None:
        """Waits until so many signals have been read; when nothing has come for a while, the rest is a failure."""
        seen, since = -1, 0.0
        while self.arrived < count:
            now = time.monotonic()
            if self.arrived != seen:
                seen, since = self.arrived, now
            elif now - since > QUIET_SECONDS:
                break
            await asyncio.sleep(0.005)
        if self.arrived != count:
            self.failures["signals lost" if self.arrived < count else "signals repeated"] = abs(count - self.arrived)

    def seen(self) -> JSON:
        """What they saw."""
        return {"arrived": self.arrived, "ways": self.ways, "failures": self.failures}

    async def _follow(self, user_id: UUID, ready: asyncio.Event) -> None:
        inbox = self._place.inbox
        with self._place.hub.watch(user_id) as watch:
            end = await inbox.end(user_id)
            follower = Follower(inbox, watch, utc_now, user_id=user_id, view=View(SIGNAL_KINDS), after=end)
            ready.set()
            while True:
                found = await follower.next()
                if not isinstance(found, Found):
                    self.failures["gaps"] += 1
                    continue
                for entry in found.entries:
                    if isinstance(entry.event, SignalReceived) and isinstance(entry.event.signal, Offer):
                        self._take(user_id, entry.event.signal.sdp)

    def _take(self, user_id: UUID, sdp: str) -> None:
        number, sent_at, counts = sdp[:31].split()
        self.arrived += 1
        self._numbers[user_id] += 1
        if int(number) != self._numbers[user_id]:
            self.failures["signals out of order"] += 1
        if counts == "1":
            self.ways.append((time.monotonic_ns() - int(sent_at)) / 1e9)


async def main(dsn: str, bus: str, incarnation: str) -> None:
    """See above."""
    async with worker(dsn, bus=bus, id=UUID(incarnation)) as place:
        async with place.database.reading() as connection:
            found = await connection.execute(
                text("SELECT user_id FROM head WHERE :id = ANY(workers)"), {"id": place.id}
            )
            users = list(found.scalars())
        readers = Readers(place)
        async with readers.following(users):
            print(len(users), flush=True)
            await readers.until(int(await asyncio.to_thread(sys.stdin.readline)))
    sys.stdout.buffer.write(orjson.dumps(readers.seen()) + b"\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
