"""One real server per module, and people who use it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, GraphQLFailure, Person, Seat
from tests.acceptance.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Newcomer(Protocol):
    """Makes somebody with a new account who follows `events`; with `present=False` they have not opened a socket yet."""

    async def __call__(self, name: str, *, present: bool = True) -> Person: ...


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The module's server, started with the module's `SETTINGS`. Marked into one xdist group, the module has just one."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    with Server(folder / "parley", **getattr(request.module, "SETTINGS", {})) as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    """An HTTP client of the module's server."""
    async with Api(server.url) as api:
        yield api


@pytest.fixture
async def newcomer(api: Api) -> AsyncIterator[Newcomer]:
    """Afterwards everybody closes their sockets and signs out, so that no ticket of one test waits in another."""
    people: list[Person] = []

    async def arrive(name: str, *, present: bool = True) -> Person:
        person = await api.sign_in(name)
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
