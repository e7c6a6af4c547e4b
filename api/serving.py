"""`python -m api serve`: the order in which a server comes up, and in which it goes down again."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import uvicorn

from api import migrations
from api.app import application
from api.databases import database, reachable
from api.parts import assembled, repeated
from api.refusal import Refusal
from api.server import BACKLOG, Server, allow_many_connections, listening
from api.sole import sole_server
from api.tokens import load_secrets
from api.uvicorn_protocol import uvicorn_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from contextlib import ExitStack

    from api.databases import Source
    from api.settings import Settings

WATCH_SECONDS = 1.0
GRACE_SECONDS = 5
"""How long requests under way may take once the server has drained."""


def serve(settings: Settings, stack: ExitStack) -> None:
    """Serves until SIGINT or SIGTERM. What `stack` holds is undone by its owner. Raises `Refusal` when it cannot start."""
    allow_many_connections()
    sockets = stack.enter_context(listening(settings.host, settings.port))
    source = stack.enter_context(database(settings))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, source, sockets))


async def _serve(settings: Settings, source: Source, sockets: list[socket.socket]) -> None:
    try:
        roots = load_secrets(settings.secrets, settings.data_dir, production=settings.production)
    except ValueError as error:
        raise Refusal(str(error)) from error
    server: Server | None = None
    gone = False

    def lost() -> None:
        nonlocal gone
        gone = True
        if server is not None:
            server.should_exit = True

    async with AsyncExitStack() as running:
        await reachable(running.enter_async_context(sole_server(source.dsn, lost)))
        await reachable(_migrated(settings, source.dsn))
        parts = await running.enter_async_context(assembled(settings, source.dsn, roots))
        await running.enter_async_context(repeated("database watch", WATCH_SECONDS, _watch_of(source, lost)))
        config = uvicorn.Config(
            application(settings, parts),
            lifespan="off",
            log_config=None,
            backlog=BACKLOG,
            date_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
            **uvicorn_settings(),
        )
        port = sockets[0].getsockname()[1]
        server = Server(config, ready=lambda: _welcome(settings, port), drain=parts.drain)
        server.should_exit = gone
        await server.serve(sockets)
    if gone:
        msg = "The database was lost to another server, or its process was killed: this server has stopped."
        raise Refusal(msg)


def _watch_of(source: Source, lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A server whose own PostgreSQL was killed serves nobody: it stops, and whoever started it may start it again."""

    async def watch() -> None:
        if source.ended():
            lost()

    return watch


async def _migrated(settings: Settings, dsn: str) -> None:
    """Our own database is brought up to date by itself; somebody else's only when they say so."""
    if settings.database_url is None:
        await migrations.upgrade(dsn)
    elif await migrations.standing(dsn) in {migrations.Standing.EMPTY, migrations.Standing.BEHIND}:
        msg = "The database is behind this version of Parley: run `python -m api migrate` first."
        raise Refusal(msg)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415  # does not exist for Windows

    return uvloop.Loop


def _welcome(settings: Settings, port: int) -> None:
    if settings.production:
        print(f"Parley is ready on port {port}.", flush=True)  # noqa: T201  # the command line speaks to a person
        return
    root = f"http://localhost:{port}"
    print(  # noqa: T201  # the command line speaks to a person
        f"""
Parley is ready.

  Open       {root}
  API        {root}/graphql (also ws://localhost:{port}/graphql)
  Try        curl -s {root}/graphql -H 'content-type: application/json' \\
               -d '{{"query": "{{ stats {{ online waiting inCall }} }}"}}'
  See it     make demo, in another terminal

Ctrl-C stops it.
""",
        flush=True,
    )
