"""`python -m tests.soak.served [--traced] serve`: the server, which on SIGUSR1 also writes down what its process holds.

Beside its data directory, as JSON; see `weighing.Holdings`. With `--traced` allocations are told apart, at half the speed.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import tracemalloc
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from api.cli import main

NOT_OURS = ("*/asyncpg/*", "*/sqlalchemy/*", "*/asyncio/runners.py", __file__)
"""Each of ten connections to the database learns its statements when it meets them, for minutes, and keeps a bounded number. What
the loop calls without a line of Python in between, such as asyncpg's parser, counts as a line of `runners.py`.
"""
OTHERS = [tracemalloc.Filter(inclusive=False, filename_pattern=name) for name in NOT_OURS]
FILE = Path(os.environ["PARLEY_DATA_DIR"]).with_suffix(".holdings")


def write_down(*_of_signal: object, traced: bool) -> None:
    """In the main thread, which is the loop's, between two of its callbacks: what is garbage is collected where it was made."""
    if traced and not tracemalloc.is_tracing():
        tracemalloc.start()
    for _ in range(2):  # What finalizers let go of is found the next time.
        gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()  # What there was from the start need not be looked through again.
    with suppress(
        OSError, AttributeError
    ):  # glibc's: freed memory goes back to the system, and does not count as held.
        ctypes.CDLL(None).malloc_trim(0)
    if traced:
        traces = tracemalloc.take_snapshot().filter_traces(OTHERS).traces
        held = {"objects": len(traces), "bytes": sum(trace.size for trace in traces)}
    else:
        held = {"objects": sys.getallocatedblocks(), "bytes": psutil.Process().memory_info().rss}
    whole = FILE.with_suffix(".new")
    whole.write_text(json.dumps(held))
    whole.replace(FILE)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if traced := arguments[0] == "--traced":
        del arguments[0]
    signal.signal(signal.SIGUSR1, partial(write_down, traced=traced))
    sys.exit(main(arguments))
