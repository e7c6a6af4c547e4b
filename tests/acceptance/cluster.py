"""Two servers where others have one: one PostgreSQL, a bus between them, and people spread over both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from tests.acceptance.client import Api
from tests.acceptance.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from tests.acceptance.client import JSON

SIZE = 2


class Deployment(StrEnum):
    """How the server under test is run; nobody who uses it may be able to tell."""

    SINGLE = "single"
    """One process with everything in memory, as `make run` starts it."""
    REDIS = "redis"
    """Two processes with a server of Redis' protocol between them; of two people, one is at each."""
    POSTGRESQL = "postgresql"
    """The same over LISTEN and NOTIFY."""
    BALANCED = "balanced"
    """As REDIS, behind a balancer without stickiness: each request and each socket of somebody reaches the next process."""


SCALED = (Deployment.REDIS, Deployment.POSTGRESQL)
EVERYWHERE = (Deployment.SINGLE, *SCALED)
"""Where the whole suite passes. BALANCED is for tests of who comes back elsewhere."""


class Cluster:
    """Servers that share a database and a bus. What a test asks of a `Server`, it can ask of all of these together."""

    forgetful = False
    """As `Server.forgetful`."""

    def __init__(self, folder: Path, data_dir: Path, *, database_url: str, bus_url: str, **settings: object) -> None:
        self.data_dir = data_dir
        """Where PostgreSQL and the development keys lie."""
        self.dsn = database_url
        shared = {"database_url": database_url, "bus_url": bus_url, "data_dir": data_dir} | settings
        self.servers = [Server(folder / f"server-{number}", **shared) for number in range(SIZE)]

    @property
    def url(self) -> str:
        """Where the first listens, for whoever needs just one."""
        return self.servers[0].url

    @property
    def urls(self) -> list[str]:
        """Where each listens."""
        return [server.url for server in self.servers]

    @property
    def pids(self) -> list[int]:
        """The process ID of each."""
        return [server.pid for server in self.servers]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> Self:
        """Starts all at once, and waits until all are ready."""
        try:
            self._each(Server.start)
        except BaseException:
            self.end()
            raise
        return self

    def command(self, *arguments: str) -> str:
        """As `Server.command`, beside the first."""
        return self.servers[0].command(*arguments)

    def kill(self) -> None:
        """`kill -9` of all."""
        self._each(Server.kill)

    def end(self) -> None:
        """Stops all, however they stand. Idempotent."""
        self._each(Server.end)

    def output(self) -> str:
        """Everything that they printed and logged in all of their runs."""
        return "".join(server.output() for server in self.servers)

    def _each(self, do: Callable[[Server], object]) -> None:
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(do, self.servers))


class Balanced(Api):
    """The API as a client sees it behind a balancer without stickiness: each request and each socket at the next server."""

    def __init__(self, bases: list[str], first: int = 0) -> None:
        super().__init__(bases[first])
        self._apis = [Api(base) for base in bases]
        self._next = first

    @property
    def url(self) -> str:
        """Where GraphQL is served this time."""
        return self._turn().url

    async def run(self, document: str, token: str | None = None, **variables: object) -> JSON:
        """As `Api.run`, at the next server."""
        return await self._turn().run(document, token, **variables)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for api in self._apis:
            await api.http.aclose()
        await super().__aexit__(kind, error, trace)

    def _turn(self) -> Api:
        api = self._apis[self._next % len(self._apis)]
        self._next += 1
        return api
