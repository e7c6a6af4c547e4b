"""The faults of the schedule, done to the stage and undone again; and how long people felt each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.acceptance.server import START_DEADLINE
from tests.chaos.schedule import Fault

if TYPE_CHECKING:
    from tests.chaos.ledger import Ledger
    from tests.chaos.network import Link
    from tests.chaos.schedule import Planned
    from tests.chaos.stage import Stage, Worker

DELAY_SECONDS: Final = 0.15
PATIENCE: Final = 10.0


@dataclass
class Felt:
    """A fault that happened. Times are of the monotonic clock."""

    planned: Planned
    what: str
    began: float
    ended: float | None = None
    """When what had failed was whole again."""


class Chaos:
    """Does what the schedule says. Faults may overlap, but nothing is broken that is just being mended."""

    def __init__(self, stage: Stage, tell: Callable[[str], None]) -> None:
        self.felt: list[Felt] = []
        self._started = 0.0
        self._stage = stage
        self._tell = tell
        self._workers = [asyncio.Lock() for _ in stage.workers]
        self._database = asyncio.Lock()
        self._bus = asyncio.Lock()

    async def run(self, planned: list[Planned], felt_well: Callable[[float], bool]) -> None:
        """Returns when all have been done and undone. On a machine that is slow for them they take longer: a fault waits, for
        `PATIENCE` seconds, until people `felt_well` since the last one was undone. Else the database would be down all the time.
        """
        self._started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for each in planned:
                await asyncio.sleep(max(0.0, self._started + each.at - time.monotonic()))
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        while not felt_well(self._quiet_since):
                            await asyncio.sleep(0.05)
                tasks.create_task(self._do(each))

    @property
    def _quiet_since(self) -> float:
        """When the last of the faults that are over was undone."""
        return max((felt.ended for felt in self.felt if felt.ended is not None), default=0.0)

    async def _do(self, planned: Planned) -> None:
        match planned.fault:
            case Fault.KILL | Fault.DRAIN:
                await self._restart(planned)
            case Fault.FREEZE:
                await self._freeze(planned)
            case Fault.DATABASE | Fault.DATABASE_CRASH:
                await self._restart_database(planned)
            case Fault.BUS:
                await self._restart_bus(planned)
            case fault if fault in _NETWORK:
                links = _NETWORK[fault](self._stage, planned)
                self._begin(planned, f"{sum(link.open_now for link in links)} connections")
                for link in links:
                    _trouble(link, planned)
                await asyncio.sleep(planned.seconds)
                for link in links:
                    link.weather.delay = 0.0
        self._finish(planned)

    async def _restart_database(self, planned: Planned) -> None:
        async with self._database:
            self._begin(planned)
            await self._stage.database.stop(crash=planned.fault is Fault.DATABASE_CRASH)
            await asyncio.sleep(planned.seconds)
            await self._stage.database.start()

    async def _restart_bus(self, planned: Planned) -> None:
        assert self._stage.bus is not None
        async with self._bus:
            self._begin(planned)
            await asyncio.to_thread(self._stage.bus.stop)
            await asyncio.sleep(planned.seconds)
            await asyncio.to_thread(self._stage.bus.start)

    async def _restart(self, planned: Planned) -> None:
        worker = self._stage.workers[planned.worker]
        async with self._workers[planned.worker]:
            self._begin(planned)
            if planned.fault is Fault.KILL:
                await asyncio.to_thread(worker.kill)
            else:
                self._stage.ends.append(await asyncio.to_thread(worker.end_well))
            await asyncio.sleep(planned.seconds)
            await asyncio.to_thread(self._start, worker)

    def _start(self, worker: Worker) -> None:
        """As a supervisor does: one that finds no database, because that is away too, is started again. What it should not have
        said of that, its log shows.
        """
        deadline = time.monotonic() + START_DEADLINE
        while True:
            worker.launch()
            try:
                worker.wait_until_ready()
            except RuntimeError:
                if worker.process.poll() is None or time.monotonic() > deadline:
                    raise
            else:
                return

    async def _freeze(self, planned: Planned) -> None:
        async with self._database:  # Which one leads, is asked there.
            leader = await self._stage.leader()
        place = planned.worker if leader is None else self._stage.workers.index(leader)
        async with self._workers[place]:
            worker = self._stage.workers[place]
            self._begin(planned, f"worker {place}, {'which nobody knew to lead' if leader is None else 'the leader'}")
            worker.freeze()
            try:
                await asyncio.sleep(planned.seconds)
            finally:
                worker.thaw()

    def _begin(self, planned: Planned, what: str = "") -> None:
        self.felt.append(Felt(planned, what, time.monotonic()))
        late = time.monotonic() - self._started - planned.at
        self._tell(f"{planned}{f': {what}' if what else ''}{f', {late:.1f} s late' if late > 1.0 else ''}")

    def _finish(self, planned: Planned) -> None:
        for felt in self.felt:
            if felt.planned is planned:
                felt.ended = time.monotonic()


_NETWORK: Final[dict[Fault, Callable[[Stage, Planned], list[Link]]]] = {
    Fault.CUT_CLIENTS: lambda stage, planned: [stage.to_workers[planned.worker]],
    Fault.CUT_DATABASE: lambda stage, _: [stage.to_database],
    Fault.CUT_BUS: lambda stage, _: [stage.to_bus],
    Fault.STALL_DATABASE: lambda stage, _: [stage.to_database],
    Fault.STALL_BUS: lambda stage, _: [stage.to_bus],
    Fault.DELAY: lambda stage, _: stage.links,
}
"""Faults of the network, and where."""


def _trouble(link: Link, planned: Planned) -> None:
    match planned.fault:
        case Fault.CUT_CLIENTS | Fault.CUT_DATABASE | Fault.CUT_BUS:
            link.cut()
        case Fault.STALL_DATABASE | Fault.STALL_BUS:
            link.stall(planned.seconds)
        case Fault.DELAY:
            link.weather.delay = DELAY_SECONDS


def recovery(felt: Felt, ledger: Ledger) -> float:
    """The longest that anything which was under way during the fault, or begun right after, took from the fault (or from being
    sent) to everybody who was to have it. Seconds.
    """
    ended = felt.ended or felt.began
    longest = 0.0
    for item in ledger:
        for at, _ in item.received.values():
            if item.asked_at <= ended and at >= felt.began:
                longest = max(longest, at - max(item.asked_at, felt.began))
    return longest
