"""One real server per module and deployment, and people who use it. In every deployment the same tests pass."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, GraphQLFailure, Person, Seat
from tests.acceptance.cluster import EVERYWHERE, Balanced, Cluster, Deployment
from tests.acceptance.server import Server
from tests.conftest import LivedIn, create_database, drop_database
from tests.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from persistence.embedded import EmbeddedPostgres


class Newcomer(Protocol):
    """Makes somebody with a new account who follows `events`; with `present=False` they have not opened a socket yet."""

    async def __call__(self, name: str, *, present: bool = True) -> Person: ...


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The bus of every deployment that needs one."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture(scope="module", params=EVERYWHERE)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """How the module's server is run. A module that is about other deployments names them by parametrising this."""
    return Deployment(request.param)


@pytest.fixture(scope="module")
def bus_url(deployment: Deployment, request: pytest.FixtureRequest) -> str:
    """What is between the module's processes."""
    if deployment is Deployment.POSTGRESQL:
        return "postgresql://"
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey.url


@pytest.fixture(scope="module")
def server(
    deployment: Deployment, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server | Cluster]:
    """The module's server, started with the module's `SETTINGS`."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    settings = getattr(request.module, "SETTINGS", {})
    if deployment is Deployment.SINGLE:
        lived_in: LivedIn = request.getfixturevalue("lived_in")
        with Server(lived_in(folder / "parley"), **settings) as server:
            yield server
        return
    # Only asked for here: whoever tests a single server needs neither.
    postgres: EmbeddedPostgres = request.getfixturevalue("postgres")
    bus_url: str = request.getfixturevalue("bus_url")
    name = asyncio.run(create_database(postgres))
    data_dir = postgres.log_file.parent
    with Cluster(folder, data_dir, database_url=postgres.dsn(name), bus_url=bus_url, **settings) as cluster:
        yield cluster
    asyncio.run(drop_database(postgres, name))


@pytest.fixture
async def apis(server: Server | Cluster, deployment: Deployment) -> AsyncIterator[list[Api]]:
    """HTTP clients of each of the processes; as behind a balancer, each of them is a client of all."""
    balanced = deployment is Deployment.BALANCED
    async with AsyncExitStack() as open_:
        yield [
            await open_.enter_async_context(Balanced(server.urls, first) if balanced else Api(url))
            for first, url in enumerate(server.urls)
        ]


@pytest.fixture
def api(apis: list[Api]) -> Api:
    """An HTTP client of the module's server."""
    return apis[0]


@pytest.fixture
async def newcomer(apis: list[Api]) -> AsyncIterator[Newcomer]:
    """People come in by each of the processes in turn, so that of two there is one at each.

    Afterwards everybody closes their sockets and signs out, so that no ticket of one test waits in another.
    """
    people: list[Person] = []
    doors = itertools.cycle(apis)

    async def arrive(name: str, *, present: bool = True) -> Person:
        person = await next(doors).sign_in(name)
        people.append(person)
        if present:
            await person.arrive()
        return person

    yield arrive
    for person in people:
        await person.leave()
        with suppress(GraphQLFailure, httpx.TransportError):
            await person.run(documents.SIGN_OUT)


@pytest.fixture
def interest() -> str:
    """An interest that nobody of another test shares."""
    return f"topic {uuid.uuid4().hex[:12]}"


async def meet(one: Person, other: Person, *interests: str) -> tuple[Seat, Seat]:
    """Both join, hold out for each other, and are matched; `one` is the first in the queue."""
    await one.join(*interests)
    await other.join(*interests)
    return await one.matched(), await other.matched()
