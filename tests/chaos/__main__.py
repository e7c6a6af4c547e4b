"""`python -m tests.chaos --seconds 300 --bus both --seed 7`: exit code 0 when every promise was kept, else 1."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.chaos.report import report
from tests.chaos.run import run
from tests.chaos.stage import Bus

LONGEST = 780.0
"""Seconds: nobody in here refreshes the access token of fifteen minutes."""


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="for how long things fail, at most %(default)s by default"
    )
    parser.add_argument("--bus", choices=[*Bus, "both"], default="both")
    parser.add_argument("--seed", type=int, default=None, help="repeats the faults of an earlier run")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for logs and database, kept for looking at")
    options = parser.parse_args()
    if not 0 < options.seconds <= LONGEST:
        parser.error(f"--seconds must be at most {LONGEST:.0f}")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    seed = int(time.time()) % 1_000_000 if options.seed is None else options.seed
    buses = [Bus.REDIS, Bus.POSTGRESQL] if options.bus == "both" else [Bus(options.bus)]
    broken = False
    for bus in buses:
        say(f"Seed {seed}, bus {bus}.")
        with tempfile.TemporaryDirectory(prefix="parley-chaos-") as temporary:
            folder = Path(temporary) if options.keep is None else options.keep / str(bus)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                work = run(folder, bus, seed=seed, seconds=options.seconds, tell=say)
                outcome = runner.run(work)
        say(report(outcome))
        broken = broken or bool(outcome.wrongs)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
