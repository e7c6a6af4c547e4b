"""Encrypted messages per second: into one room of 8, and into ten such rooms at once, which is what a whole worker can do.

Everybody writes and waits for the acknowledgement before writing again (a closed loop), so waits are those of a full server. A
message, 512 bytes of ciphertext with a commitment, takes from its sending until the last of the 8 has it, the sender included.
Every member has to be told of every message once and in the same order. The ratio is to the bare relay of `bench.relay`, loaded in
the same way right afterwards; it keeps nothing.
"""

from __future__ import annotations

from typing import Any

from bench.report import Figure
from bench.servers import load, parley, relay

MEMBERS = 8
CASES = ((1, "messages"), (1, "events"), (10, "messages"))
"""How many rooms, and the subscription that members follow them with."""


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs both servers, one after the other."""
    options = {"members": MEMBERS, "seconds": 2 if quick else 6, "warm_up": 1 if quick else 2}
    with parley() as server:
        ours = [load("chat", server, rooms=rooms, view=view, **options) for rooms, view in CASES]
    with relay() as server:
        bare = [load("chat", server, rooms=rooms, view=view, **options) for rooms, view in CASES]
    return [
        figure
        for (rooms, view), one, other in zip(CASES, ours, bare, strict=True)
        for figure in _figures(f"{rooms} room{'s' * (rooms > 1)} of {MEMBERS}, `{view}`", one, other)
    ]


def _figures(where: str, ours: dict[str, Any], bare: dict[str, Any]) -> list[Figure]:
    cores = (
        f"cores: server {ours['server_core']:.2f}, database {ours['database_core']:.2f}, load {ours['load_core']:.2f}; "
        f"relay {bare['server_core']:.2f} with load {bare['load_core']:.2f}"
    )
    verdict = f"FAILED {ours['failures']}" if ours["failures"] else "once each, in one order"
    if bare["failures"]:
        verdict += f"; the relay FAILED {bare['failures']}"
    checked = f"{ours['checked']:,} messages checked: {verdict}"
    return [
        Figure(
            f"messages, {where}",
            ours["messages_per_second"],
            "/s",
            bare["messages_per_second"],
            cores,
        ),
        Figure(f"deliveries, {where}", ours["deliveries_per_second"], "/s", bare["deliveries_per_second"], checked),
        Figure(
            f"server's CPU a message, {where}",
            _cpu_ms(ours),
            "ms",
            _cpu_ms(bare),
            "steadier than rates on a busy machine",
        ),
        *(
            Figure(f"until the last has it {p}, {where}", ours["last_ms"][p], "ms", bare["last_ms"][p])
            for p in ("p50", "p99")
        ),
    ]


def _cpu_ms(found: dict[str, Any]) -> float | None:
    messages = found["messages_per_second"]
    return 1000 * found["server_core"] / messages if messages else None
