"""What a chaos run happens on: PostgreSQL, a bus, workers in processes of their own, and a network between all of them."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import re
import signal
import subprocess
from contextlib import AsyncExitStack, ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncpg
import psutil

from api import migrations
from persistence.embedded import EmbeddedPostgres, embedded_postgres
from tests.acceptance.server import Server
from tests.chaos.network import Link
from tests.chaos.worker import LEDGER_VARIABLE, LOST_VARIABLE, NAME
from tests.valkey import Valkey
from tests.waiting import until

if TYPE_CHECKING:
    from types import TracebackType

    from tests.chaos.network import Address

HINTS_LOST = 1 / 3
COOLDOWN_SECONDS = 5


class Bus(StrEnum):
    """What carries the hints."""

    REDIS = "redis"
    POSTGRESQL = "postgresql"
    MEMORY = "memory"
    """One worker with its inbox in memory. What it promises less shows: a run with it fails, as soon as that worker is killed."""


class Database:
    """A PostgreSQL that keeps what it has committed, whatever is done to it."""

    def __init__(self, folder: Path) -> None:
        self.running: EmbeddedPostgres | None = None
        self._folder = folder
        self._undo = ExitStack()

    async def start(self) -> None:
        """Returns once it takes connections; after a crash that is after its recovery."""
        self.running = await asyncio.to_thread(self._undo.enter_context, embedded_postgres(self._folder))

    async def stop(self, *, crash: bool = False) -> None:
        """Throws everybody out. With `crash` it writes nothing down first."""
        server, self.running = self.running, None
        if crash and server is not None:
            os.kill(server.pid, signal.SIGQUIT)
            await until(server.ended)
        await asyncio.to_thread(self._undo.close)

    def address(self) -> Address:
        """Its Unix socket; it has another after each start."""
        if self.running is None:
            raise ConnectionRefusedError
        return self.running.socket_folder / ".s.PGSQL.5432"


class Worker(Server):
    """A server that says under what name it works, and loses hints."""

    program = ("tests.chaos.worker",)

    @property
    def incarnation(self) -> str | None:
        """The name of the present process, in hexadecimal; None before it has told it."""
        told = re.findall(rf"^{re.escape(NAME)}(\S+)$", self.printed.read_text(), re.MULTILINE)
        return told[-1].replace("-", "") if told else None

    def end_well(self) -> int | None:
        """Asks it to stop, as a supervisor does. Its exit code; None for one that had to be killed: it told where it stood."""
        try:
            return self.terminate()
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            self.kill()
            return None

    def freeze(self) -> None:
        """The whole process stands still; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on, and does not know that any time has passed."""
        self.process.send_signal(signal.SIGCONT)


class Stage:
    """Everything that can fail, behind links that can fail too."""

    def __init__(self, folder: Path, bus: Bus, workers: int, chances: random.Random) -> None:
        self._kind = bus
        self.database = Database(folder / "database")
        self.bus = Valkey(folder) if bus is Bus.REDIS else None
        self.to_database = Link(self.database.address, chances)
        self.to_bus = Link(self.database.address if self.bus is None else self._bus_address, chances)
        self.to_workers: list[Link] = []
        self.workers: list[Worker] = []
        self.ends: list[int | None] = []
        """Exit codes of workers that were asked to stop, None for those that did not."""
        self._hints = folder / "hints"
        self._folder = folder
        self._count = 1 if bus is Bus.MEMORY else workers
        self._chances = chances
        self._undo = AsyncExitStack()

    @property
    def links(self) -> list[Link]:
        """All of the network."""
        return [self.to_database, self.to_bus, *self.to_workers]

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self._undo.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._undo.aclose()

    @property
    def hints(self) -> tuple[int, int]:
        """How many the workers sent, and how many of these were lost."""
        written = self._hints.read_bytes() if self._hints.exists() else b""
        return len(written), written.count(b"x")

    async def connect(self) -> asyncpg.Connection:
        """A connection of the judge's own, past the network."""
        assert self.database.running is not None
        return await asyncpg.connect(self.database.running.dsn())

    async def leader(self) -> Worker | None:
        """The worker that holds the leader's lease; None while nobody does."""
        connection = await self.connect()
        try:
            holder = await connection.fetchval("SELECT holder FROM lease WHERE expires_at > clock_timestamp() LIMIT 1")
        finally:
            await connection.close()
        return next(
            (worker for worker in self.workers if holder is not None and worker.incarnation == holder.hex), None
        )

    async def stop_workers(self) -> None:
        """Asks all to stop, and notes their exit codes."""
        self.ends += await asyncio.gather(*(asyncio.to_thread(worker.end_well) for worker in self.workers))

    def leftovers(self) -> list[str]:
        """Processes that belong to this run and should be gone."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.cwd().startswith(str(self._folder)):
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
            except (psutil.Error, OSError):
                continue
        return found

    async def _begin(self) -> None:
        self._undo.push_async_callback(self.database.stop)
        await self.database.start()
        assert self.database.running is not None
        await migrations.upgrade(self.database.running.dsn())
        if self.bus is not None:
            self._undo.push_async_callback(asyncio.to_thread, self.bus.stop)
            await asyncio.to_thread(self.bus.start)
        for link in (self.to_database, self.to_bus):
            await self._listen(link)
        secret = f"k1:{base64.b64encode(self._chances.randbytes(32)).decode()}"
        for number in range(self._count):
            worker = Worker(
                self._folder / f"worker-{number}",
                database_url=self._postgresql(self.to_database.port),
                bus_url=self._bus_url(),
                secrets=secret,
                rate_limits="off",
                skip_cooldown_seconds=COOLDOWN_SECONDS,
                drain_seconds=0.5,
                log_level="info",
            )
            self.workers.append(worker)
            self._undo.push_async_callback(asyncio.to_thread, worker.end)
            link = Link(lambda port=worker.port: ("127.0.0.1", port), self._chances)  # type: ignore[misc]  # bound now, not later
            self.to_workers.append(link)
            await self._listen(link)
        os.environ[LOST_VARIABLE], os.environ[LEDGER_VARIABLE] = str(HINTS_LOST), str(self._hints)
        await asyncio.gather(*(asyncio.to_thread(worker.start) for worker in self.workers))

    async def _listen(self, link: Link) -> None:
        self._undo.push_async_callback(link.close)
        await link.open()

    def _postgresql(self, port: int) -> str:
        return f"postgresql://parley@127.0.0.1:{port}/parley?sslmode=disable"

    def _bus_url(self) -> str:
        match self._kind:
            case Bus.REDIS:
                return f"redis://127.0.0.1:{self.to_bus.port}"
            case Bus.POSTGRESQL:
                return self._postgresql(self.to_bus.port)
        return "memory://"

    def _bus_address(self) -> Address:
        assert self.bus is not None
        return "127.0.0.1", self.bus.port


def complaints(log: str) -> list[str]:
    """What a worker logged that no fault around it explains: errors, tracebacks, and what nobody waited for."""
    return [
        line
        for line in log.splitlines()
        if re.search(r"\[(error|critical)\s*\]|Traceback|never retrieved|never awaited", line)
    ]
