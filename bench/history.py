"""How long a page of 50 messages takes out of a room of 100,000, over HTTP on one kept-alive connection.

The ratio is to the same page of a room of 100 messages, asked for in turn with it: a long history costs nothing while it is near 1.
"""

from __future__ import annotations

from bench.report import Figure
from bench.servers import load, parley

MESSAGES = 100_000


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs one server."""
    messages = 10_000 if quick else MESSAGES
    with parley() as server:
        found = load("history", server, messages=messages, seconds=2 if quick else 6, warm_up=0.5 if quick else 1)
    pages = found["page_ms"]
    failures = f"; FAILED {found['failures']}" if found["failures"] else ""
    cores = f"cores: server {found['server_core']:.2f}, database {found['database_core']:.2f}"
    return [
        *(
            Figure(
                f"the last 50 of {messages:,} messages {p}",
                pages["long"][p],
                "ms",
                pages["short"][p],
                f"{found['page_bytes'] / 1024:.0f} KiB a page; {cores}{failures}" if p == "p50" else "",
            )
            for p in ("p50", "p99")
        ),
        *(
            Figure(f"50 from the middle of {messages:,} {p}", pages["middle"][p], "ms", pages["short"][p])
            for p in ("p50", "p99")
        ),
        Figure("reading on, 100 a page", found["walked_messages_per_second"], "messages/s"),
    ]
