"""What a server spends while a load runs, and how long things took."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = dict[str, Any]


@dataclass
class Usage:
    """Processor seconds and memory of servers, of what they stand on, and of ourselves."""

    at: float
    server: float
    database: float
    bus: float
    load: float
    memory: int

    @classmethod
    def now(cls, servers: Sequence[int], database: int | None = None, bus: int | None = None) -> Usage:
        """As it is now, by process IDs. What a server started is its database; another `database` counts with its children."""
        processes = [psutil.Process(pid) for pid in servers]
        own = resource.getrusage(resource.RUSAGE_SELF)
        return cls(
            time.monotonic(),
            sum(_seconds(process) for process in processes),
            sum(_seconds(child) for process in processes for child in process.children(recursive=True))
            + (0.0 if database is None else _with_children(psutil.Process(database))),
            0.0 if bus is None else _seconds(psutil.Process(bus)),
            own.ru_utime + own.ru_stime,
            sum(process.memory_info().rss for process in processes),
        )

    def since(self, earlier: Usage) -> JSON:
        """Shares of one core since then, and how much memory came to it, in bytes."""
        passed = self.at - earlier.at
        return {
            "seconds": passed,
            "server_core": (self.server - earlier.server) / passed,
            "database_core": max(0.0, self.database - earlier.database) / passed,
            "bus_core": (self.bus - earlier.bus) / passed,
            "load_core": (self.load - earlier.load) / passed,
            "memory_before": earlier.memory,
            "memory_after": self.memory,
        }


def _with_children(process: psutil.Process) -> float:
    return _seconds(process) + sum(_seconds(child) for child in process.children(recursive=True))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def percentiles(values: list[float]) -> JSON:
    """The median and the 99th percentile of so many seconds, in milliseconds; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None}
    return {f"p{p}": 1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 99)}
