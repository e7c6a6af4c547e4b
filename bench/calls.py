"""Call set-ups per second of one worker: join, match, offer, answer, 8 candidates each way, skip, by 200 users at once.

All users are busy all the time (a closed loop), so waits are those of a full server. A match takes from the moment at which the
second of the two asked for it until each was told; a set-up from the first `Matched` until both sides have the other's description
and all candidates. An SDP has 5.4 KB, as Chromium's. The ratio is to the bare relay of `bench.relay`, loaded in the same way right
afterwards.
"""

from __future__ import annotations

from typing import Any

from bench.report import Figure
from bench.servers import load, parley, relay

USERS = 200


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs both servers, one after the other, with candidates one by one and in one batch."""
    options = {"users": 60 if quick else USERS, "seconds": 2 if quick else 6, "warm_up": 1 if quick else 2}
    with parley() as server:
        ours = {batch: load("calls", server, batch=batch, **options) for batch in (1, 8)}
    with relay() as server:
        bare = {batch: load("calls", server, batch=batch, **options) for batch in (1, 8)}
    return [figure for batch in (1, 8) for figure in _figures(batch, ours[batch], bare[batch], options["users"])]


def _figures(batch: int, ours: dict[str, Any], bare: dict[str, Any], users: int) -> list[Figure]:
    how = "candidates one by one" if batch == 1 else "candidates in one batch"
    growth = (ours["memory_after"] - ours["memory_before"]) / 1e6
    cores = (
        f"cores: server {ours['server_core']:.2f}, database {ours['database_core']:.2f}, load {ours['load_core']:.2f}"
    )
    bare_cores = f"relay {bare['server_core']:.2f} with load {bare['load_core']:.2f}"
    failures = f"; FAILED {ours['failures']}" if ours["failures"] else ""
    return [
        Figure(
            f"call set-ups, {how}",
            ours["setups_per_second"],
            "/s",
            bare["setups_per_second"],
            f"{users} users; {cores}; {bare_cores}{failures}",
        ),
        Figure(f"frames, {how}", ours["frames_per_second"], "/s", bare["frames_per_second"], "in and out"),
        *(
            Figure(f"{what} {p}, {how}", ours[key][p], "ms", bare[key][p])
            for what, key in (("match", "match_ms"), ("set-up", "setup_ms"))
            for p in ("p50", "p99")
        ),
        Figure(
            f"memory, {how}",
            ours["memory_after"] / 1e6,
            "MB",
            bare["memory_after"] / 1e6,
            f"{growth:+.1f} MB during the run",
        ),
    ]
