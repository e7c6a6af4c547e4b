"""Whoever has nothing but HTTP, against the real server: present by a stream, gone with it, and in nobody's way when it stops."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api
from tests.acceptance.server import Server
from tests.stream_client import PAYLOADS, Response, request
from tests.waiting import Stopwatch, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.acceptance.client import Person
    from tests.conftest import LivedIn


@pytest.fixture(scope="module")
def server(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as `make run` starts it."""
    with Server(lived_in(tmp_path_factory.mktemp("streams") / "parley")) as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    """Its HTTP side."""
    async with Api(server.url) as api:
        yield api


async def sees(stream: Response, kind: str) -> dict[str, Any]:
    """The next event of that kind, of an event stream of `events`."""
    while True:
        name, result = await stream.event()
        assert name == "next", "the stream ended"
        event: dict[str, Any] = result["data"]["events"]
        if event["__typename"] == kind:
            return event


async def online(api: Api) -> int:
    """How many are there, as everybody is told."""
    return int((await api.run(documents.STATS))["stats"]["online"])


async def test_two_people_without_websockets_are_matched_and_lost_like_anybody(server: Server, api: Api) -> None:
    """A network that blocks WebSockets must not lock its users out; whoever is gone must not be offered to anybody."""
    ada, bob = await api.sign_in("Ada"), await api.sign_in("Bob")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(request(server.port, documents.EVENTS, token=ada.token))
        leaving = await stack.enter_async_context(AsyncExitStack())
        other = await leaving.enter_async_context(request(server.port, documents.EVENTS, token=bob.token))
        await sees(one, "MatchSnapshot")
        await sees(other, "MatchSnapshot")
        await until(lambda: _is_online(api, 2))
        for person in (ada, bob):
            await person.join("streams alone")
        assert (await sees(one, "Matched"))["partner"]["displayName"] == "Bob"
        cursor = (await sees(other, "Matched"))["cursor"]
        await leaving.aclose()
        await until(lambda: _is_online(api, 1))
        back = await stack.enter_async_context(
            request(server.port, documents.EVENTS, token=bob.token, headers={"last-event-id": cursor})
        )
        await until(lambda: _is_online(api, 2))
        room = (await bob.ask(documents.STATE))["rooms"][0]["id"]
        await ada.skip(room, requeue=False)
        assert (await back.event())[1]["data"]["events"]["__typename"] != "Matched", "what came before is not repeated"
        await sees(one, "MatchEnded")


async def _is_online(api: Api, count: int) -> bool:
    return await online(api) == count


async def test_signing_out_ends_the_stream_for_good(server: Server, api: Api) -> None:
    """A lost phone must not go on listening for the fifteen minutes of its token."""
    ada = await api.sign_in("Ada")
    async with request(server.port, documents.EVENTS, token=ada.token) as stream:
        await sees(stream, "MatchSnapshot")
        await ada.run(documents.SIGN_OUT)
        name, result = await stream.event()
        assert (name, result["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert await stream.event() == ("complete", None)


async def test_streams_are_in_the_metrics(server: Server, api: Api) -> None:
    """An operator sees who comes by which way."""
    async with request(server.port, documents.STATS_LIVE) as one, request(server.port, documents.STATS_LIVE, PAYLOADS):
        await one.event()
        async with httpx.AsyncClient(trust_env=False) as http:
            told = (await http.get(f"{server.url}/metrics")).text
    for line in (
        'parley_streams{transport="sse"} 1.0',
        'parley_streams{transport="multipart"} 1.0',
        'parley_streams_started_total{transport="multipart"} 1.0',
        "parley_persisted_queries 0.0",
    ):
        assert line in told
    assert 'parley_stream_results_delivered_total{transport="sse"}' in told


async def test_a_stop_waits_for_no_stream(lived_in: LivedIn, tmp_path: Path) -> None:
    """A rolling restart: streams of hours are cut, so that their clients come back elsewhere, and the server stops in time."""
    server = Server(lived_in(tmp_path / "parley"), drain_seconds=1).start()
    try:
        async with AsyncExitStack() as stack, Api(server.url) as api:
            people: list[Person] = [await api.sign_in("Ada") for _ in range(3)]
            streams = [
                await stack.enter_async_context(request(server.port, documents.EVENTS, accept, token=person.token))
                for person in people
                for accept in ("text/event-stream", PAYLOADS)
            ]
            await sees(streams[0], "MatchSnapshot")
            with Stopwatch() as watch:
                assert await asyncio.to_thread(server.terminate) == 0
                assert watch.seconds < 20
            for stream in streams:
                await stream.rest()
                assert stream.finished is False
        assert "Traceback" not in server.output()
        assert "ERROR" not in server.output()
    finally:
        server.end()
