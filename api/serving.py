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
from api.parts import assembled
from api.refusal import Refusal
from api.server import BACKLOG, Server, allow_many_connections, listening
from api.sole import sole_server
from api.tokens import load_secrets
from api.uvicorn_protocol import uvicorn_settings

if TYPE_CHECKING:
    import socket
    from contextlib import ExitStack

    from api.settings import Settings

GRACE_SECONDS = 5
"""How long requests under way may take once the server has drained."""


def serve(settings: Settings, stack: ExitStack) -> None:
    """Serves until SIGINT or SIGTERM. What `stack` holds is undone by its owner. Raises `Refusal` when it cannot start."""
    allow_many_connections()
    sockets = stack.enter_context(listening(settings.host, settings.port))
    dsn = stack.enter_context(database(settings))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, dsn, sockets))


async def _serve(settings: Settings, dsn: str, sockets: list[socket.socket]) -> None:
    try:
        roots = load_secrets(settings.secrets, settings.data_dir, production=settings.production)
    except ValueError as error:
        raise Refusal(str(error)) from error
    server: Server | None = None
    gone = False

    def usurped() -> None:
        nonlocal gone
        gone = True
        if server is not None:
            server.should_exit = True

    async with AsyncExitStack() as running:
        await reachable(running.enter_async_context(sole_server(dsn, usurped)))
        await reachable(_migrated(settings, dsn))
        parts = await running.enter_async_context(assembled(settings, dsn, roots))
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
        server = Server(config, ready=lambda: _welcome(port), drain=parts.drain)
        server.should_exit = gone
        await server.serve(sockets)


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


def _welcome(port: int) -> None:
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
