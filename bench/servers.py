"""What is measured, each a process of its own: Parley as `python -m api serve` runs it, alone or as several workers over one
database and one bus, and the bare relay beside it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from api import migrations
from persistence.embedded import embedded_postgres
from persistence.embedded.cluster import DATABASE, SUPERUSER
from persistence.embedded.sockets import PORT
from tests.acceptance.server import ROOT, Server, free_port
from tests.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = dict[str, Any]
LOAD_DEADLINE = 300.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    port: int
    pid: int
    dsn: str = ""
    """Of its database; empty for one that has none."""
    others: tuple[tuple[int, int], ...] = ()
    """Ports and process IDs of the workers beside it."""
    database: int | None = None
    """The process ID of a database that it did not start."""
    bus: int | None = None
    """The process ID of a bus that has one."""


@contextlib.contextmanager
def parley() -> Iterator[Target]:
    """A Parley with one worker, its own data directory, and no rate limits."""
    _allow_many_sockets()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        Server(Path(folder) / "parley", rate_limits="off") as server,
    ):
        yield Target(server.port, server.pid, _dsn(server.data_dir))


@contextlib.contextmanager
def cluster(bus: str, workers: int) -> Iterator[Target]:
    """So many workers, without rate limits, over one PostgreSQL that keeps what it commits, and a bus: `redis` or `postgresql`.

    Each has a port of its own, so that who comes to which is not left to the kernel.
    """
    _allow_many_sockets()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        database = stack.enter_context(embedded_postgres(folder / "database"))
        valkey = stack.enter_context(Valkey(folder / "bus")) if bus == "redis" else None
        shared = {
            "database_url": database.dsn(),
            "bus_url": "postgresql://" if valkey is None else valkey.url,
            "secrets": new_secret(),
            "rate_limits": "off",
        }
        asyncio.run(migrations.upgrade(database.dsn()))
        running = [stack.enter_context(Server(folder / f"worker-{number}", **shared)) for number in range(workers)]
        yield Target(
            running[0].port,
            running[0].pid,
            database.dsn(),
            tuple((server.port, server.pid) for server in running[1:]),
            database.pid,
            None if valkey is None else valkey.pid,
        )


@contextlib.contextmanager
def relay() -> Iterator[Target]:
    """The bare relay."""
    with program(sys.executable, "-m", "bench.relay") as target:
        yield target


@contextlib.contextmanager
def program(*command: str, **variables: str) -> Iterator[Target]:
    """A server that takes its port as the first argument after `command`'s, and answers `/readyz` once it serves.

    `variables` are added to its environment.
    """
    _allow_many_sockets()
    port = free_port()
    process = subprocess.Popen([*command, str(port)], cwd=ROOT, env=os.environ | variables)
    try:
        _wait_until_ready(port, process)
        yield Target(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load(what: str, server: Target, **options: object) -> JSON:
    """Lets `bench.load` loose on a server; returns what it saw. Raises `RuntimeError` when it failed."""
    arguments = []
    for name, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        arguments += [f"--{name.replace('_', '-')}", *map(str, values)]
    command = [sys.executable, "-m", "bench.load", what, "--port", str(server.port), *arguments]
    command += ["--watch", str(server.pid), *(str(pid) for _, pid in server.others), "--dsn", server.dsn]
    for name, value in (("database", server.database), ("bus", server.bus)):
        command += [] if value is None else [f"--watch-{name}", str(value)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LOAD_DEADLINE, check=False)
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr}")
    return dict(json.loads(done.stdout))


def new_secret() -> str:
    """For `PARLEY_SECRETS` of workers that belong together."""
    return f"bench:{base64.b64encode(os.urandom(32)).decode()}"


def _dsn(data_dir: Path) -> str:
    """The address of the embedded database: PostgreSQL writes the folder of its socket into line 5 of `postmaster.pid`."""
    folder = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={folder}&port={PORT}"


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    raise RuntimeError("the server did not start")


def _allow_many_sockets() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
