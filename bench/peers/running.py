"""Which servers are compared, and how each is started: on a core of its own, the load on another."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bench import servers
from tests.acceptance.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.servers import Target

NODE_PACKAGES: Final = ROOT / "bench" / "peers" / "node"
NODE_NEEDED: Final = (20, 9)
"""What Mercurius and Fastify ask for."""
INSTALL_PACKAGES: Final = "install them: npm ci --prefix bench/peers/node"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server under comparison. `wire` is how the load talks to it; see `bench.load.wires`."""

    name: str
    wire: str
    start: Callable[[], AbstractContextManager[Target]]
    needs_node: bool = False


def _node(script: str, *arguments: str) -> Callable[[], AbstractContextManager[Target]]:
    return partial(servers.program, "node", str(NODE_PACKAGES / script), *arguments, NODE_ENV="production")


def _python(module: str) -> Callable[[], AbstractContextManager[Target]]:
    return partial(servers.program, sys.executable, "-m", module)


PARLEY: Final = "Parley"
NODE_CACHED: Final = "graphql-ws on Node, cached documents"
STOCK: Final = "stock Strawberry, caches"
BARE: Final = "Starlette, bare text"
PEERS: Final = (
    Peer(PARLEY, "parley", servers.parley),
    Peer(NODE_CACHED, "graphql", _node("graphql_ws.js", "cached"), needs_node=True),
    Peer("graphql-ws on Node", "graphql", _node("graphql_ws.js"), needs_node=True),
    Peer("Mercurius with JIT", "graphql", _node("mercurius.js"), needs_node=True),
    Peer(STOCK, "graphql", _python("bench.peers.stock_strawberry")),
    Peer("Starlette, GraphQL frames by hand", "parley", _python("bench.relay")),
    Peer(BARE, "text", _python("bench.peers.starlette_text")),
    Peer("Socket.IO on Node", "socket.io", _node("socket_io.js"), needs_node=True),
)


def missing() -> str:
    """Why the peers of Node cannot run here; empty when they can."""
    if shutil.which("node") is None:
        return "install Node 20.9 or newer"
    printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = tuple(int(number) for number in re.findall(r"\d+", printed)[:2])
    if found < NODE_NEEDED:
        return f"they need Node 20.9, this is {printed.strip()}"
    return "" if (NODE_PACKAGES / "node_modules" / "mercurius").exists() else INSTALL_PACKAGES


def packages() -> str:
    """Which releases of the peers of Node are compared."""
    wanted = json.loads((NODE_PACKAGES / "package.json").read_text())["dependencies"]
    return ", ".join(f"{name} {number}" for name, number in wanted.items())


def cores() -> tuple[int, int] | None:
    """The core of the server and that of the load; None where there are not two, or they cannot be chosen (macOS)."""
    allowed = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else None


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started meanwhile, with all of its threads, runs on that core alone; None: wherever it likes."""
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
