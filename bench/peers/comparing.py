"""Parley beside the servers that others would take, all in one run: one client program, one core for the server, one for it.

Fifty pairs send each other signals of 200 bytes and of 6 KiB. Each has one under way and sends the next when the partner has it; a
mutation carries it and answers with its ID, and a subscription delivers it with ID and sender. Socket.IO does the same with an
event and an acknowledgement; the bare relay passes text on and answers nothing. The same three fields are asked for everywhere.
The way of a signal is timed on a full server, and at a rate that all of them carry. All servers are up at the same time and take
turns, round by round; a figure is the median of the rounds, because a machine that others use is never the same for two minutes.
Signals per second of a core's time (the server's, and of the database that Parley starts) are steadier than signals per second, and
what a full core would do: beside a fast server the client, or a neighbour on the machine, may be what holds it up.

Memory is what a server grows by, divided by the users who came: each follows an inbox where nothing happens (of Socket.IO and the
bare relay: has a socket). `stats` is followed by 1,000 sockets and changes every 1.3 s; a telling is the processor time that this
takes more than the same sockets without news, divided by the sockets.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.peers.picture import PER_CORE
from bench.peers.running import BARE, NODE_CACHED, PARLEY, PEERS, STOCK, Peer, cores, missing, on_core
from bench.report import Figure, size
from bench.servers import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.servers import Target

JSON = dict[str, Any]
LENGTHS: Final = (200, 6 * 1024)
USERS: Final = 100
RATE: Final = 250
"""Signals per second, when they are paced."""
ROUNDS: Final = 5
"""That count. One before them does not: programs of Node are compiled while they run."""
SOCKETS: Final = 1_000
"""That follow `stats`."""
LISTENERS: Final = 1_000
FULL: Final = 0.85
"""The share of a core from which it counts as used up."""
TARGETS: Final = ((NODE_CACHED, "1.0, then 1.3", 1.0), (STOCK, "8", 8.0), (BARE, "0.5", 0.5))
"""Of our rate to theirs."""
FAN_OUT_TARGET: Final = 10.0
MEMORY_TARGET: Final = 30.0


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs all servers that can run here; the others' figures are empty and say why."""
    absent = missing()
    peers = [peer for peer in PEERS if not (absent and peer.needs_node)]
    rates = _rates(peers, quick=quick)
    ours = rates[PARLEY]
    figures = [figure for peer in peers for figure in _relayed(peer.name, rates[peer.name], ours)]
    figures += _listening(peers, quick=quick)
    figures += [
        Figure("signals, 200 B", None, "/s", subject=peer.name, note=f"not run, {absent}")
        for peer in PEERS
        if peer not in peers
    ]
    figures += [
        figure for name, text, ratio in TARGETS if name in rates for figure in _target(rates, name, text, ratio)
    ]
    return figures + _fan_out(peers, quick=quick)


def _rates(peers: list[Peer], *, quick: bool) -> dict[str, dict[str, JSON]]:
    """What each saw in each of the cases, by the server's name: medians of all rounds."""
    options = {"users": USERS, "rate": RATE, "lengths": LENGTHS}
    options |= {"seconds": 0.8, "warm_up": 0.4} if quick else {"seconds": 1.2, "warm_up": 0.4}
    seen: dict[str, list[JSON]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        running = [(peer, stack.enter_context(_started(peer))) for peer in peers]
        for number in range(1 if quick else 1 + ROUNDS):
            for peer, server in running:
                found = _loaded("relays", server, wire=peer.wire, **options)
                if quick or number:
                    seen[peer.name].append(found)
    return {name: {case: _medians([run[case] for run in runs]) for case in runs[0]} for name, runs in seen.items()}


def _medians(runs: list[JSON]) -> JSON:
    def middle(*path: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for name in path:
                value = value[name]
            values.append(float("inf") if value is None else value)
        return median(values)

    failed = [failure for run in runs for failure in run["failures"]]
    return {
        "rate": middle("signals_per_second"),
        "per_core": median(
            run["signals_per_second"] / max(run["server_core"] + run["database_core"], 1e-3) for run in runs
        ),
        "p50": middle("way_ms", "p50"),
        "p99": middle("way_ms", "p99"),
        "server_core": middle("server_core"),
        "client_core": middle("load_core"),
        "failures": sorted(set(failed)),
    }


def _relayed(name: str, cases: dict[str, JSON], ours: dict[str, JSON]) -> list[Figure]:
    figures = []
    for case, found in cases.items():
        what = f"{RATE}/s" if case == "paced" else size(int(case))
        mine = ours[case]
        if case != "paced":
            figures += [
                _beside(f"signals, {what}", "/s", name, mine["rate"], found["rate"], note=_limits(found)),
                _beside(f"{PER_CORE}{what}", "", name, mine["per_core"], found["per_core"]),
            ]
        figures += [_beside(f"{p}, {what}", "ms", name, mine[p], found[p]) for p in ("p50", "p99")]
    return figures


def _beside(what: str, unit: str, name: str, mine: float, theirs: float, *, note: str = "") -> Figure:
    """A figure of ours beside theirs, or ours alone."""
    return Figure(what, mine, unit, None if name == PARLEY else theirs, note, subject=name)


def _limits(found: JSON) -> str:
    """Whose core was used up, and what went wrong."""
    full = [f"{side} full" for side in ("server", "client") if found[f"{side}_core"] >= FULL]
    shares = f"cores: server {found['server_core']:.2f}, client {found['client_core']:.2f}; "
    shares += " and ".join(full) or "neither full: the machine was busy with others"
    if found["client_core"] > found["server_core"]:
        shares += "; THE CLIENT LIMITS IT, the server could do more"
    return shares + (f"; FAILED {found['failures']}" if found["failures"] else "")


def _listening(peers: list[Peer], *, quick: bool) -> list[Figure]:
    """Each in a server of its own that did nothing before."""
    options = {"users": 300 if quick else LISTENERS, "seconds": 1 if quick else 3, "warm_up": 0.5}
    found = {}
    for peer in peers:
        with _started(peer) as server:
            found[peer.name] = _loaded("listening", server, wire=peer.wire, **options)
    return [
        _beside(
            "memory, an idle user",
            "KiB",
            peer.name,
            found[PARLEY]["bytes_per_user"] / 1024,
            found[peer.name]["bytes_per_user"] / 1024,
            note=f"FAILED {found[peer.name]['failures']}" if found[peer.name]["failures"] else "",
        )
        for peer in peers
    ] + [
        Figure(
            "memory per idle user with one subscription",
            found[PARLEY]["bytes_per_user"] / 1024,
            "KiB",
            None,
            f"target at most {MEMORY_TARGET:.0f}: {_verdict(found[PARLEY]['bytes_per_user'] / 1024 <= MEMORY_TARGET)}",
        )
    ]


def _target(rates: dict[str, dict[str, JSON]], name: str, text: str, wanted: float) -> list[Figure]:
    figures = []
    for length in LENGTHS:
        ours, theirs = rates[PARLEY][str(length)], rates[name][str(length)]
        met = all(ours[what] >= wanted * theirs[what] for what in ("rate", "per_core"))
        by_core = ours["per_core"] / max(theirs["per_core"], 1e-9)
        note = f"target {text}: {_verdict(met)}; by a core's time {by_core:.2f}"
        figures.append(Figure(f"{size(length)} beside {name}", ours["rate"], "/s", theirs["rate"], note))
    return figures


def _fan_out(peers: list[Peer], *, quick: bool) -> list[Figure]:
    """Parley, stock Strawberry and graphql-ws, each in a server of its own."""
    options = {"users": 200 if quick else SOCKETS, "seconds": 4 if quick else 13, "warm_up": 1}
    found: dict[str, JSON] = {}
    for peer in peers:
        if peer.name in (PARLEY, STOCK, NODE_CACHED):
            with _started(peer) as server:
                found[peer.name] = _loaded("fan-out", server, wire=peer.wire, **options)
    ours, figures = found[PARLEY], []
    for name in found.keys() - {PARLEY}:
        theirs = found[name]
        micro, beside = 1e6 * ours["seconds_per_event"], 1e6 * theirs["seconds_per_event"]
        times = beside / micro if micro > 0 else float("inf")
        note = f"they take {times:.1f} times as much"
        if name == STOCK:
            note += f"; target {FAN_OUT_TARGET:.0f}: {_verdict(times >= FAN_OUT_TARGET)}"
        failures = [f"; FAILED {run['failures']}" for run in (ours, theirs) if run["failures"]]
        what = f"`stats` to {options['users']} sockets, beside {name}"
        figures += [
            Figure(f"a telling of {what}", micro, "µs", beside, note + "".join(failures)),
            Figure(f"first to last of {what}", ours["spread_ms"], "ms", theirs["spread_ms"]),
        ]
    return sorted(figures, key=lambda figure: figure.name)


def _verdict(met: bool) -> str:  # noqa: FBT001 - the one thing it is told
    return "met" if met else "MISSED"


@contextlib.contextmanager
def _started(peer: Peer) -> Iterator[Target]:
    chosen = cores()
    with contextlib.ExitStack() as stack:
        with on_core(chosen[0] if chosen else None):
            server = stack.enter_context(peer.start())
        yield server


def _loaded(what: str, server: Target, **options: object) -> JSON:
    chosen = cores()
    with on_core(chosen[1] if chosen else None):
        return load(what, server, **options)
