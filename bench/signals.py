"""Signals per second through whole servers, and how long one is on its way, over each of the ways to run Parley.

Fifty pairs sit in matches, each side with a socket and an `events` subscription: in one worker, or the two of every pair in
different workers. As fast as they go: everybody has one signal under way and sends the next when the partner has it (a closed
loop), so times are those of a full server. Paced: all together send at the same rate everywhere (an open loop), and a signal's way
begins when it was due. Each has to come once and in order. The ratio is to the bare relay of `bench.relay`, loaded in the same way
right afterwards; it is one process and keeps nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.report import Figure, size
from bench.servers import cluster, load, parley, relay

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from bench.servers import Target

USERS: Final = 100
RATE: Final = 250
"""Signals per second, when they are paced: what two cores with the load on them carry in every deployment without a queue."""
BYTES: Final = (200, 6 * 1024)
"""Of an SDP: what a candidate has, and what a browser's offer has."""
DEPLOYMENTS: Final[dict[str, Callable[[], AbstractContextManager[Target]]]] = {
    "1 worker, memory": parley,
    "1 worker, Redis": partial(cluster, "redis", 1),
    "1 worker, PostgreSQL": partial(cluster, "postgresql", 1),
    "across 2, Redis": partial(cluster, "redis", 2),
    "across 2, PostgreSQL": partial(cluster, "postgresql", 2),
}


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs every deployment, one after the other, and then the relay."""
    cases = [(length, rate) for length in (BYTES[:1] if quick else BYTES) for rate in (0, RATE)]
    found = {name: _runs(deployment(), cases, quick=quick) for name, deployment in DEPLOYMENTS.items()}
    bare = _runs(relay(), cases, quick=quick)
    return [
        figure
        for length, rate in cases
        for name, runs in found.items()
        for figure in _figures(name, length, rate, runs[length, rate], bare[length, rate])
    ]


def _runs(
    deployment: AbstractContextManager[Target], cases: list[tuple[int, int]], *, quick: bool
) -> dict[tuple[int, int], dict[str, Any]]:
    options: dict[str, object] = {
        "users": 30 if quick else USERS,
        "seconds": 2 if quick else 6,
        "warm_up": 1 if quick else 2,
    }
    with deployment as server:
        if server.others:
            options["other_port"] = server.others[0][0]
        return {(length, rate): load("signals", server, bytes=length, rate=rate, **options) for length, rate in cases}


def _figures(name: str, length: int, rate: int, ours: dict[str, Any], bare: dict[str, Any]) -> list[Figure]:
    what = f"{name}, {size(length)}"
    cores = (
        f"cores: workers {ours['server_core']:.2f}, database {ours['database_core']:.2f}, bus {ours['bus_core']:.2f}, "
        f"load {ours['load_core']:.2f}; relay {bare['server_core']:.2f} with load {bare['load_core']:.2f}"
    )
    verdict = f"FAILED {ours['failures']}" if ours["failures"] else "once each, in order"
    if bare["failures"]:
        verdict += f"; the relay FAILED {bare['failures']}"
    ways = [
        Figure(f"its way {p}, {what}{f', {rate}/s' if rate else ''}", ours["way_ms"][p], "ms", bare["way_ms"][p])
        for p in ("p50", "p99")
    ]
    if rate:
        got = f"{ours['signals_per_second']:.0f}/s came: {verdict}; {cores}"
        return [Figure(ways[0].name, ways[0].value, "ms", ways[0].beside, got), ways[1]]
    through = Figure(f"signals, {what}", ours["signals_per_second"], "/s", bare["signals_per_second"], cores)
    cpu = Figure(
        f"workers' CPU a signal, {what}", _cpu_ms(ours), "ms", _cpu_ms(bare), "steadier than rates on a busy machine"
    )
    return [through, cpu, Figure(ways[0].name, ways[0].value, "ms", ways[0].beside, verdict), ways[1]]


def _cpu_ms(found: dict[str, Any]) -> float | None:
    signals = found["signals_per_second"]
    return 1000 * found["server_core"] / signals if signals else None
