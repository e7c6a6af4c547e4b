"""`python -m tests.soak --events 200000 --connections 20000`: exit code 0 when memory stayed where it was, else 1."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.soak.run import connections_pass, events_pass
from tests.soak.weighing import Watched, leaks


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="through one subscription (default: %(default)s)")
    parser.add_argument(
        "--connections",
        type=int,
        default=20_000,
        help="sockets, and half as many event streams; fewer than 6,000 drown in the drivers' caches (default: %(default)s)",
    )
    options = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    leaking = False
    for load, items in ((events_pass, options.events), (connections_pass, options.connections)):
        with (
            tempfile.TemporaryDirectory(prefix="parley-soak-") as folder,
            Watched(Path(folder) / "parley", rate_limits="off") as server,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            leaking |= leaks(runner.run(load(server, items, say)))
    say("Memory grew with what passed." if leaking else "Memory stayed where it was.")
    return int(leaking)


if __name__ == "__main__":
    sys.exit(main())
