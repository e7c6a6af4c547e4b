"""`python -m bench.load calls|idle|chat|claims|history|signals|relays ... --port P --watch PID ...` prints what it saw as JSON.

It talks `graphql-transport-ws` with the documents of the acceptance clients, and watches the processor time and the memory of the
server (`--watch`) over exactly the time in which it measures. Meant for the benchmarks, which know what to make of it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
from typing import TYPE_CHECKING

import orjson
import uvloop

from bench.load.calls import calls, idle
from bench.load.chat import VIEWS, chat
from bench.load.claims import SUITES, claims
from bench.load.history import history
from bench.load.relays import fan_out, listening, relays
from bench.load.signals import signals
from bench.load.wires import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LOADS: dict[str, Callable[[argparse.Namespace], Awaitable[object]]] = {
    "calls": calls,
    "idle": idle,
    "chat": chat,
    "claims": claims,
    "history": history,
    "signals": signals,
    "relays": relays,
    "listening": listening,
    "fan-out": fan_out,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("what", choices=list(LOADS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--other-port", type=int, help="where the second of each pair goes (signals; default: the same)"
    )
    parser.add_argument("--watch", type=int, nargs="+", required=True, help="the process IDs of the servers")
    parser.add_argument("--watch-database", type=int, help="the process ID of a database that no server started")
    parser.add_argument("--watch-bus", type=int, help="the process ID of the bus, if it has one")
    parser.add_argument("--dsn", default="", help="the server's database (claims, history)")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--users", type=int, default=100, help="how many in all")
    parser.add_argument("--batch", type=int, default=1, choices=[1, 2, 4, 8], help="candidates in a signal (calls)")
    parser.add_argument("--rooms", type=int, default=1, help="how many at once (chat, claims)")
    parser.add_argument("--members", type=int, default=8, help="of a room (chat)")
    parser.add_argument("--view", default="messages", choices=VIEWS, help="what members follow (chat)")
    parser.add_argument("--owners", type=int, default=12, help="of key bundles, in a room (claims)")
    parser.add_argument("--claimers", type=int, default=4, help="in a room (claims)")
    parser.add_argument("--keys", type=int, default=100, help="one-time keys of an owner (claims)")
    parser.add_argument("--suite", default=SUITES[0], choices=SUITES, help="of the key bundles (claims)")
    parser.add_argument("--messages", type=int, default=100_000, help="in the long room (history)")
    parser.add_argument("--bytes", type=int, default=200, help="of an SDP (signals)")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="signals per second in all; 0: as fast as they go (signals, relays)"
    )
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[200], help="bytes of a text, one after the other (relays)"
    )
    parser.add_argument(
        "--wire", default="parley", choices=list(DIALECTS), help="what the server speaks (relays, listening, fan-out)"
    )
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))

    async def found() -> object:
        return await LOADS[options.what](options)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(orjson.dumps(runner.run(found())) + b"\n")


if __name__ == "__main__":
    main()
