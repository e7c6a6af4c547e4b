"""A process that holds the embedded database, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from persistence.embedded import EmbeddedPostgres
from persistence.embedded.accounts import Account

ROOT = Path(__file__).parent.parent

# Holds the database open until it is killed or its input ends. With an account, it first becomes that one: everything
# is imported before, because the interpreter itself may lie in a folder of root's.
HOLDER = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from persistence.embedded import EmbeddedPostgresError, embedded_postgres, server

account = [int(part) for part in sys.argv[2:]]
if "UNBOUND" in os.environ:
    server.killed_with_this_thread = lambda with_signal: None
if account:
    os.setgroups([])
    os.setgid(account[1])
    os.setuid(account[0])

async def write(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS story (line text)")
    await connection.execute("INSERT INTO story VALUES ('told')")
    await connection.close()

try:
    with embedded_postgres(Path(sys.argv[1])) as postgres:
        asyncio.run(write(postgres.dsn()))
        print(postgres.pid, postgres.socket_folder, flush=True)
        sys.stdin.read()
except EmbeddedPostgresError as error:
    sys.exit(str(error))
"""


def ask(postgres: EmbeddedPostgres, query: str) -> object:
    """Run one query through asyncpg and give its first value."""

    async def run() -> object:
        connection = await asyncpg.connect(postgres.dsn())
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(run())


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition of another process, at most 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def processes_in(data_dir: Path) -> set[int]:
    """Find all processes that work in the cluster of `data_dir`, by their working directory."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                folder = (entry / "cwd").readlink()
            except OSError:  # gone, or somebody else's
                continue
            if folder.is_relative_to(data_dir / "postgres"):
                found.add(int(entry.name))
    return found


def modes_above(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Give mode, owner and group of a folder and all above it."""
    return {step: (step.stat().st_mode, step.stat().st_uid, step.stat().st_gid) for step in (folder, *folder.parents)}


class Holder:
    """A process of its own that holds the database of `data_dir`."""

    def __init__(self, data_dir: Path, account: Account | None = None, **environment: str) -> None:
        arguments = [] if account is None else [str(account.uid), str(account.gid)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | environment,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        if len(said) != 2:
            pytest.fail(f"the holder did not start: {self.process.communicate()[1]}")
        self.postmaster = int(said[0])
        self.socket_folder = Path(said[1])

    def end(self, with_signal: signal.Signals | None = None) -> int:
        """Close its input, or send it a signal, and give its exit code."""
        if with_signal is not None:
            self.process.send_signal(with_signal)
        self.process.communicate(timeout=60)
        return self.process.returncode
