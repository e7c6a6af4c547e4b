"""Key bundles claimed per second, until the one-time keys of everybody are used up: no key may come twice, and none be left.

In four rooms 12 owners of 100 one-time keys of each kind meet 4 claimers, all 16 of whom are busy all the time. Beside it stands
what the same database gives right afterwards to as many loops of bare SQL, which take the key and record the claim in one
transaction.
"""

from __future__ import annotations

from typing import Any

from bench.report import Figure
from bench.servers import load, parley

SUITES = {"X3DH": "X3DH_25519", "PQXDH": "PQXDH_25519_MLKEM1024"}


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs one server for both suites."""
    options = {"rooms": 4, "owners": 12, "claimers": 4, "keys": 20 if quick else 100}
    with parley() as server:
        found = {name: load("claims", server, suite=suite, **options) for name, suite in SUITES.items()}
    return [figure for name in SUITES for figure in _figures(name, found[name]["ours"], found[name]["bare"])]


def _figures(suite: str, ours: dict[str, Any], bare: dict[str, Any]) -> list[Figure]:
    cores = (
        f"cores: server {ours['server_core']:.2f}, database {ours['database_core']:.2f}, load {ours['load_core']:.2f}; "
        f"bare SQL: database {bare['database_core']:.2f}, load {bare['load_core']:.2f}"
    )
    verdict = f"FAILED {ours['failures']}" if ours["failures"] else "no key twice"
    return [
        Figure(
            f"claims, {suite}",
            ours["claims_per_second"],
            "/s",
            bare["claims_per_second"],
            f"{ours['claims']:,} claims, {verdict}; {cores}",
        ),
        *(Figure(f"claim {p}, {suite}", ours["claim_ms"][p], "ms", bare["claim_ms"][p]) for p in ("p50", "p99")),
    ]
