"""`make bench`, or `python -m bench [calls|peers|signals ...] [--quick] [--json FILE] [--picture FILE]`.

  calls    call set-ups per second of one worker, and how long a match and a set-up take
  chat     encrypted messages per second into a room of 8 and into ten of them, until the last member has each
  keys     key bundles claimed per second, for X3DH and for PQXDH
  history  how long a page of a room of 100,000 messages takes
  memory   what an idle connected user costs
  peers    Parley beside graphql-ws and Mercurius on Node, stock Strawberry, Socket.IO and bare relays
  pool     proposals per second of the matchmaking pool, at 1,000, 10,000 and 50,000 waiting
  signals  signals per second and their way through one worker and across two, over memory, Redis and PostgreSQL
  storage  the same without sockets and GraphQL: what a worker's storage takes, and what bare SQL does
  matching matches per second through PostgreSQL and how long people wait, with 10,000 and 50,000 waiting
  recovery how long people wait after a worker, the leader, the bus or PostgreSQL failed
  stalls   for how long what nobody should send keeps a worker's loop: 50 ms are promised at most

Servers run as processes of their own, on free ports, with data directories that are removed; the load comes from yet another
process, whose share of a core is told, so that one sees when it was the bottleneck. Every figure stands beside the same
one of something plain that ran in the same minutes on the same machine: figures of two machines do not compare, ratios nearly do.
Takes about 28 minutes: peers eight, signals five, storage, matching, recovery and stalls between two and three each, the others one
each.
--quick, with a smaller load and fewer cases, takes about nine.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import orjson

from bench import calls, chat, history, keys, matching, memory, pool, recovery, signals, stalls, storage
from bench.peers import comparing
from bench.peers.picture import picture
from bench.peers.running import packages
from bench.report import as_json, machine, table

BENCHMARKS = {
    "calls": calls.measure,
    "chat": chat.measure,
    "keys": keys.measure,
    "history": history.measure,
    "memory": memory.measure,
    "peers": comparing.measure,
    "pool": pool.measure,
    "signals": signals.measure,
    "stalls": stalls.measure,
    "storage": storage.measure,
    "matching": matching.measure,
    "recovery": recovery.measure,
}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*BENCHMARKS, []], help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="a smaller load for a shorter time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what `peers` measured there, as SVG")
    options = parser.parse_args()
    where = machine() | {"packages of Node": packages()}
    for name, value in where.items():
        print(f"{name}: {value}")
    figures = []
    for name in options.what or BENCHMARKS:
        began = time.monotonic()
        found = BENCHMARKS[name](quick=options.quick)
        figures += found
        print(f"\n{name} ({time.monotonic() - began:.0f} s)\n{table(found)}", flush=True)
    if options.json:
        options.json.write_bytes(orjson.dumps(as_json(where, figures), option=orjson.OPT_INDENT_2))
    if options.picture:
        options.picture.write_text(picture(where, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
