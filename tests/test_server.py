"""The server's own process."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api import server
from api.doors import listening
from api.uvicorn_protocol import uvicorn_settings
from tests.waiting import DEADLINE, until


def test_a_server_takes_as_many_connections_as_the_system_permits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the usual 1,024 file descriptors the thousandth user would be kept out, or everybody by one stranger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 512
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
        monkeypatch.setattr(server, "CONNECTIONS", enough - 1)
        server.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough, hard)  # Never lowered.
        monkeypatch.setattr(server, "CONNECTIONS", enough + 1)
        server.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (enough + 1, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def stopping() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that a server had accepted when it was told to stop; it accepts no more. Waits for its end."""

    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("heard")

    async def drain() -> None:
        """There are no sockets to close."""

    config = uvicorn.Config(
        Starlette(routes=[Route("/", answer)]), lifespan="off", log_config=None, **uvicorn_settings()
    )
    ready = asyncio.Event()
    serving = server.Server(config, ready=ready.set, drain=drain)
    with listening("127.0.0.1", 0) as sockets:
        port = sockets[0].getsockname()[1]
        task = asyncio.create_task(serving.serve(sockets))
        await ready.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: serving.server_state.connections)
        serving.should_exit = True
        await until(lambda: not any(listener.sockets for listener in serving.servers))
        yield reader, writer
        writer.close()
        await task


async def test_what_was_accepted_is_answered_by_a_server_that_stops() -> None:
    """The request was on its way when the listener closed: nobody else will ever hear it."""
    async with stopping() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            assert (await reader.read()).endswith(b"heard"), "and then it is closed"


async def test_who_says_nothing_does_not_hold_a_server_that_stops() -> None:
    """Browsers open connections in case they need them."""
    async with stopping() as (reader, _), asyncio.timeout(DEADLINE):
        assert await reader.read() == b""
