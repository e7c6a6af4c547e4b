"""`make cluster`: what several hosts would be, on this machine and without Docker: PostgreSQL, a bus, and several workers.

All of it comes from wheels, and all of it stops with Ctrl-C. `make cluster BUS=postgresql` needs no Valkey. `PARLEY_*` variables
count as for `make run`, but for the bus, and there are four workers unless PARLEY_WORKERS says otherwise.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from persistence.embedded.processes import killed_with_this_thread
from tests.valkey import Valkey

WORKERS = "4"
BUSES = ("redis", "postgresql")


def main() -> int:
    """The command line. Returns what the server returns."""
    parser = argparse.ArgumentParser(
        prog="make cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bus", choices=BUSES, default=BUSES[0], help="between the workers (default: %(default)s)")
    try:
        return serve(parser.parse_args().bus)
    except KeyboardInterrupt:
        return 0


def serve(bus: str) -> int:
    """Runs everything until the server ends; returns its exit code."""
    with ExitStack() as stack:
        url = "postgresql://"
        if bus == "redis":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-cluster-")))
            url = stack.enter_context(Valkey(folder)).url
        environment = {"PARLEY_WORKERS": WORKERS} | os.environ | {"PARLEY_BUS_URL": url}
        server = subprocess.Popen(
            [sys.executable, "-m", "api", "serve"],
            env=environment,
            preexec_fn=killed_with_this_thread(signal.SIGTERM),  # noqa: PLW1509  # see there
        )
        # The server hears Ctrl-C itself, as a process of the same terminal: we wait for it, and then stop the bus.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        print(
            f"Starting {environment['PARLEY_WORKERS']} workers with {url} between them.\n\n"
            f"  Kill one   kill -9 $(pgrep -P {server.pid} -f api.worker | head -n 1)   it is started again\n"
            f"  Renew all  kill -HUP {server.pid}   one by one, and nobody is refused",
            flush=True,
        )
        return server.wait()


if __name__ == "__main__":
    sys.exit(main())
