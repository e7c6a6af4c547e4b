"""Which faults happen when: drawn from a seed, so that a run that found something can be run again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CALM_SECONDS: Final = 3.0
"""Before the first fault: people meet and talk."""
EVERY_SECONDS: Final = 2.9
"""Between the beginnings of two faults, on average. So every kind happens within forty seconds, some while another heals."""


class Fault(StrEnum):
    """What fails."""

    KILL = "worker killed"
    """SIGKILL of a worker, and a new one in its place."""
    DRAIN = "worker restarted"
    """SIGTERM: it drains with 1012; and a new one in its place."""
    FREEZE = "leader frozen"
    """SIGSTOP of the worker with the leader's lease, longer than the lease, then SIGCONT."""
    DATABASE = "database restarted"
    DATABASE_CRASH = "database crashed"
    """Immediate shutdown: it recovers from its log at the start."""
    BUS = "bus restarted"
    """Redis only: with PostgreSQL the bus goes with the database."""
    CUT_CLIENTS = "clients cut off"
    """Every connection of clients to one worker is reset."""
    CUT_DATABASE = "database cut off"
    CUT_BUS = "bus cut off"
    STALL_DATABASE = "database stalled"
    """Nothing passes for a while, and no connection is lost."""
    STALL_BUS = "bus stalled"
    DELAY = "everything delayed"
    """What anybody sends to anybody arrives late."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault at `at` seconds from the beginning, for so many seconds. `worker` is the index of one of them."""

    at: float
    fault: Fault
    seconds: float
    worker: int

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.fault} (worker {self.worker}, {self.seconds:.1f} s)"


SECONDS: Final = {
    Fault.KILL: (0.0, 2.0),
    Fault.DRAIN: (0.0, 0.5),
    Fault.FREEZE: (2.0, 5.0),
    Fault.DATABASE: (0.0, 1.5),
    Fault.DATABASE_CRASH: (0.0, 1.5),
    Fault.BUS: (0.0, 2.0),
    Fault.CUT_CLIENTS: (0.0, 0.0),
    Fault.CUT_DATABASE: (0.0, 0.0),
    Fault.CUT_BUS: (0.0, 0.0),
    Fault.STALL_DATABASE: (0.5, 2.0),
    Fault.STALL_BUS: (0.5, 3.0),
    Fault.DELAY: (1.0, 3.0),
}
"""Shortest and longest: how long what was stopped stays down, or how long the fault lasts."""


def schedule(seed: int, seconds: float, workers: int, *, separate_bus: bool) -> list[Planned]:
    """The faults of a run, in their order. Every kind comes before any comes again; the last is over before the end."""
    chances = random.Random(seed)
    kinds = [fault for fault in Fault if separate_bus or fault is not Fault.BUS]
    waiting: list[Fault] = []
    planned: list[Planned] = []
    at = CALM_SECONDS
    while True:
        if not waiting:
            waiting = chances.sample(kinds, len(kinds))
        fault = waiting.pop()
        lasts = chances.uniform(*SECONDS[fault])
        if at + lasts > seconds:
            return planned
        planned.append(Planned(at, fault, lasts, chances.randrange(workers)))
        at += EVERY_SECONDS * chances.uniform(0.7, 1.3)
