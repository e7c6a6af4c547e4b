"""What a server spends while a load runs, and how long things took."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Any

import psutil

JSON = dict[str, Any]


@dataclass
class Usage:
    """Processor seconds and memory of a server, its database and ourselves."""

    at: float
    server: float
    database: float
    load: float
    memory: int

    @classmethod
    def now(cls, pid: int) -> Usage:
        """As it is now."""
        server = psutil.Process(pid)
        own = resource.getrusage(resource.RUSAGE_SELF)
        return cls(
            time.monotonic(),
            _seconds(server),
            sum(_seconds(child) for child in server.children(recursive=True)),
            own.ru_utime + own.ru_stime,
            server.memory_info().rss,
        )

    def since(self, earlier: Usage) -> JSON:
        """Shares of one core since then, and how much memory came to it, in bytes."""
        passed = self.at - earlier.at
        return {
            "seconds": passed,
            "server_core": (self.server - earlier.server) / passed,
            "database_core": max(0.0, self.database - earlier.database) / passed,
            "load_core": (self.load - earlier.load) / passed,
            "memory_before": earlier.memory,
            "memory_after": self.memory,
        }


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
