"""How long people wait after each kind of fault, and how long the same takes them without it.

Two workers in processes of their own over one PostgreSQL and one bus. Clients connect again, and ask again, every 20 ms: how long a
real one backs off is its own choice. Every fault happens a few times; told are the median and the worst, beside the median of the
same action without the fault. From the fault it is measured

  worker killed         until a client of it, back at the other one with its cursor, has a signal that was sent after the kill
  leader killed, frozen until two people at the other worker, who join right after it, are both told of their match
  Valkey restarted,     how long the slowest signal from one worker to the other takes meanwhile: the sweep finds what no hint
  bus cut off           tells of
  PostgreSQL restarted  until a signal is acknowledged that is sent from when PostgreSQL has stopped, again and again under one
                        ID; it is told how long PostgreSQL itself took
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.report import Figure
from bench.scene import Guest, Scene
from tests.acceptance import documents
from tests.acceptance.client import Api
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

TIMES, QUICK_TIMES = 5, 2
OUTAGE_SECONDS: Final = 2.0
"""For how long the bus is cut off."""
EVERY: Final = 0.02
"""Seconds between the signals whose way is measured."""


def measure(*, quick: bool = False) -> list[Figure]:
    """All faults over Redis, and the loss of the bus over PostgreSQL too."""
    return [figure for bus in ("redis", "postgresql") for figure in asyncio.run(_measured(bus, quick=quick))]


async def _measured(bus: str, *, quick: bool) -> list[Figure]:
    times = QUICK_TIMES if quick else TIMES
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with Scene(Path(folder), bus) as scene:
            faults = _Faults(scene)
            await faults.arrive()
            if bus == "postgresql":
                return [await _figure("NOTIFY cut off", times, faults.bus_cut, faults.signals)]
            return [
                await _figure("worker killed", times, faults.worker_killed, faults.moved),
                await _figure("leader killed", times, faults.leader_killed, faults.match),
                await _figure("leader frozen", times, faults.leader_frozen, faults.match),
                await _figure("Valkey restarted", times, faults.valkey_restarted, faults.signals),
                await _figure("bus cut off", times, faults.bus_cut, faults.signals),
                await _figure("PostgreSQL restarted", times, faults.database_restarted, faults.acknowledged),
            ]


async def _figure(
    name: str, times: int, fault: Callable[[], Awaitable[tuple[float, str]]], usual: Callable[[], Awaitable[float]]
) -> Figure:
    waits, usuals, notes = list[float](), list[float](), list[str]()
    for _ in range(times):
        usuals.append(await usual())
        wait, note = await fault()
        waits.append(wait)
        notes.append(note)
    worst = max(range(times), key=waits.__getitem__)
    note = f"worst of {times}: {1000 * waits[worst]:,.0f} ms{f', {notes[worst]}' if notes[worst] else ''}"
    return Figure(f"{name}, median", 1000 * statistics.median(waits), "ms", 1000 * statistics.median(usuals), note)


class _Faults:
    """Ada and Ben in a room, at different workers, and Cem and Dia who look for a stranger: how many seconds what they do takes."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._numbers = itertools.count(1)

    async def arrive(self) -> None:
        """Ada opens a room at the first worker, Ben joins at the second."""
        async with Api(self._scene.workers[0].url) as api:
            people = [await api.sign_in(name) for name in ("Ada", "Ben", "Cem", "Dia")]
        self._ada, self._ben, self._cem, self._dia = (Guest(person.token) for person in people)
        await self._sit_apart()
        room = (await self._ada.ask(documents.CREATE_ROOM, name="Recovery", capacity=2))["room"]
        self._ada.member_id = room["me"]["id"]
        joined = (await self._ben.ask(documents.JOIN_ROOM, inviteCode=room["inviteCode"]))["room"]
        self._ben.member_id = joined["me"]["id"]

    # ---------------------------------------------------------------------------------------- without a fault

    async def moved(self) -> float:
        """Ada's network breaks, and she comes back to the other worker."""
        await self._sit_apart()
        began = time.monotonic()
        await self._ada.leave()
        return await self._found_again(began)

    async def match(self) -> float:
        """Cem and Dia join at the worker that does not lead."""
        leader = await self._scene.leader()
        await self._look_around(1 - leader)
        return await self._matched(time.monotonic())

    async def signals(self) -> float:
        """The slowest signal of a second."""
        await self._sit_apart()
        return await self._slowest(asyncio.sleep(1))

    async def acknowledged(self) -> float:
        """One signal."""
        await self._sit_apart()
        began = time.monotonic()
        await self._ben.send(self._ada, next(self._numbers))
        return time.monotonic() - began

    # ---------------------------------------------------------------------------------------- faults

    async def worker_killed(self) -> tuple[float, str]:
        """Ada's worker is killed, and she comes back to the other one."""
        await self._sit_apart()
        began = time.monotonic()
        await asyncio.to_thread(self._scene.workers[0].kill)
        await self._ada.lost()
        wait = await self._found_again(began)
        await asyncio.to_thread(self._scene.workers[0].start)
        return wait, ""

    async def leader_killed(self) -> tuple[float, str]:
        """As `match`, but that the leader has just been killed."""
        leader = await self._scene.leader()
        await self._look_around(1 - leader)
        began = time.monotonic()
        await asyncio.to_thread(self._scene.workers[leader].kill)
        wait = await self._matched(began)
        await asyncio.to_thread(self._scene.workers[leader].start)
        return wait, ""

    async def leader_frozen(self) -> tuple[float, str]:
        """As `match`, but that the leader stands still."""
        leader = await self._scene.leader()
        await self._look_around(1 - leader)
        began = time.monotonic()
        self._scene.workers[leader].freeze()
        try:
            return await self._matched(began), ""
        finally:
            self._scene.workers[leader].thaw()

    async def valkey_restarted(self) -> tuple[float, str]:
        """As `signals`, around a restart."""
        valkey = self._scene.valkey
        assert valkey is not None  # noqa: S101  # it is measured over Redis

        async def restarted() -> None:
            await asyncio.to_thread(valkey.restart)
            await asyncio.sleep(1)

        await self._sit_apart()
        return await self._slowest(restarted()), ""

    async def bus_cut(self) -> tuple[float, str]:
        """As `signals`, while nobody reaches the bus."""

        async def cut() -> None:
            self._scene.bus_is_reachable = False
            self._scene.to_bus.cut()
            await asyncio.sleep(OUTAGE_SECONDS)
            self._scene.bus_is_reachable = True
            await asyncio.sleep(1)

        await self._sit_apart()
        return await self._slowest(cut()), f"cut off for {OUTAGE_SECONDS:.0f} s"

    async def database_restarted(self) -> tuple[float, str]:
        """As `acknowledged`, of a signal that is sent from when PostgreSQL has stopped until it is taken."""
        await self._sit_apart()
        database, number, began = self._scene.database, next(self._numbers), time.monotonic()
        await database.stop()

        async def started() -> float:
            await database.start()
            return time.monotonic() - began

        starting = asyncio.create_task(started())
        await self._ben.send(self._ada, number)
        wait = time.monotonic() - began
        away = await starting
        await until(lambda: number in self._ada.signals)
        if self._ada.repeated:
            msg = "a signal came twice"
            raise RuntimeError(msg)
        return wait, f"of which PostgreSQL was away {1000 * away:,.0f} ms"

    # ---------------------------------------------------------------------------------------- inside

    async def _sit_apart(self) -> None:
        for guest, worker in zip((self._ada, self._ben), self._scene.workers, strict=True):
            await guest.connect(worker)

    async def _look_around(self, worker: int) -> None:
        for guest in (self._cem, self._dia):
            await guest.connect(self._scene.workers[worker])

    async def _found_again(self, began: float) -> float:
        """Until Ada, who has no connection, has at the second worker what Ben sends her meanwhile."""
        number = next(self._numbers)
        await asyncio.gather(self._ada.connect(self._scene.workers[1]), self._ben.send(self._ada, number))
        await until(lambda: number in self._ada.signals)
        return self._ada.signals[number] - began

    async def _matched(self, began: float) -> float:
        """Until both are told; the match ends after that."""
        couple = (self._cem, self._dia)
        before = [len(guest.matches) for guest in couple]
        await asyncio.gather(*(guest.ask(documents.JOIN) for guest in couple))
        await until(lambda: [len(guest.matches) for guest in couple] == [count + 1 for count in before])
        room, _ = self._cem.matches[-1]
        told = max(guest.matches[-1][1] for guest in couple)
        await self._cem.ask(documents.SKIP, roomId=room, requeue=False)
        await until(lambda: all(room in guest.ended for guest in couple))
        return told - began

    async def _slowest(self, what: Coroutine[None, None, None]) -> float:
        """The longest that a signal takes from Ben to Ada of those that he sends while that happens."""
        sent: dict[int, float] = {}
        happening = asyncio.create_task(what)
        while not happening.done():
            number = next(self._numbers)
            sent[number] = time.monotonic()
            await self._ben.send(self._ada, number)
            await asyncio.sleep(EVERY)
        await happening
        await until(lambda: sent.keys() <= self._ada.signals.keys())
        return max(self._ada.signals[number] - at for number, at in sent.items())
