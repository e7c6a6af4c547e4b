"""Memory of one idle connected user: 2,000 of them, signed in, each with one socket and an `events` subscription.

It is the growth of the server process's resident memory, divided by the users; the first twenty are not counted, for with them
come the code and the caches that everybody shares. The ratio is to a socket of the bare relay, which has no accounts and no
subscriptions.
"""

from __future__ import annotations

from bench.report import Figure
from bench.servers import load, parley, relay

USERS = 2_000


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs both servers, one after the other."""
    users = 300 if quick else USERS
    options = {"users": users, "seconds": 1 if quick else 3, "warm_up": 1}
    with parley() as server:
        ours = load("idle", server, **options)
    with relay() as server:
        bare = load("idle", server, **options)
    failures = f"; FAILED {ours['failures']}" if ours["failures"] else ""
    return [
        Figure(
            "memory per idle connected user",
            ours["bytes_per_user"] / 1024,
            "KiB",
            bare["bytes_per_user"] / 1024,
            f"{users} users; server {ours['memory_after'] / 1e6:.0f} MB in all{failures}",
        ),
        Figure(
            "arrivals (sign-in, socket, snapshot)",
            ours["arrivals_per_second"],
            "/s",
            bare["arrivals_per_second"],
            f"cores while idle and arriving: server {ours['server_core']:.2f}, database {ours['database_core']:.2f}",
        ),
    ]
