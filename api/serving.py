"""`python -m api serve`: the order in which a server comes up, and in which it goes down again."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from api import loops, migrations
from api.app import application
from api.databases import database
from api.doors import BACKLOG, listening
from api.metrics import exposition, registry_of
from api.parts import assembled
from api.reach import database_reached
from api.refusal import Refusal, Unreachable
from api.server import Server, allow_many_connections
from api.settings import GRACE_SECONDS
from api.siblings import WRITE_SECONDS, Siblings
from api.sole import one_of_many, sole_server
from api.tokens import load_secrets
from api.uvicorn_protocol import uvicorn_settings
from api.welcome import welcome
from domain.errors import Unavailable

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable
    from contextlib import ExitStack
    from pathlib import Path

    from api.databases import Source
    from api.settings import Settings

WATCH_SECONDS = 1.0
COLLECT_AFTER = (10_000, 5, 80)
"""Objects made and not freed, and collections of the younger generation, after which the collector looks at a generation. After 20
of the youngest what documents leave behind kept the loop for 35 ms; the oldest is looked at as rarely as after 20 and 20."""


def serve(settings: Settings, stack: ExitStack) -> None:
    """Serves in this process until SIGINT or SIGTERM. What `stack` holds is undone by its owner. Raises `Refusal` when it cannot
    start.
    """
    allow_many_connections()
    sockets = stack.enter_context(listening(settings.host, settings.port))
    source = stack.enter_context(database(settings))
    port = sockets[0].getsockname()[1]
    run(settings, source, sockets, ready=lambda: welcome(settings, port))


def run(
    settings: Settings,
    source: Source,
    sockets: list[socket.socket],
    *,
    ready: Callable[[], None],
    figures: Path | None = None,
) -> None:
    """Serves on these sockets until SIGINT or SIGTERM; calls `ready` once. `figures` is the file in which this worker tells its
    siblings what it counts. Raises `Refusal`.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, source, sockets, ready, figures))


async def _serve(
    settings: Settings,
    source: Source,
    sockets: list[socket.socket],
    ready: Callable[[], None],
    figures: Path | None,
) -> None:
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
        lock = one_of_many if settings.scaled else sole_server
        await database_reached(running.enter_async_context(lock(source.direct, lost)))
        await database_reached(migrations.migrated(source.direct, ours=settings.database_url is None))
        try:
            parts = await running.enter_async_context(assembled(settings, source, roots))
        except Unavailable as error:
            msg = "The database went away while the server started: start it again once the database answers."
            raise Unreachable(msg) from error
        await running.enter_async_context(loops.running("database watch", WATCH_SECONDS, _watch_of(source, lost)))
        scrape: Callable[[], bytes] = partial(exposition, parts)
        if figures is not None:
            siblings = Siblings(figures, registry_of(parts).collect)
            scrape = siblings.exposition
            running.callback(siblings.write, last=True)
            await running.enter_async_context(loops.running("figures", WRITE_SECONDS, _writing(siblings)))
        config = uvicorn.Config(
            application(settings, parts, scrape),
            lifespan="off",
            log_config=None,
            backlog=BACKLOG,
            date_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
            **uvicorn_settings(max_frame=settings.max_frame),
        )
        _spare_the_collector()
        server = Server(config, ready=ready, drain=parts.drain)
        server.should_exit = gone
        await server.serve(sockets)
    if gone:
        msg = "The database was lost to another server, or its process was killed: this server has stopped."
        raise Refusal(msg)


def _spare_the_collector() -> None:
    """What is there now stays for good, and serving makes few cycles: looking for them would be a tenth of every relay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _writing(siblings: Siblings) -> Callable[[], Awaitable[None]]:
    async def write() -> None:
        siblings.write()

    return write


def _watch_of(source: Source, lost: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A server whose own PostgreSQL was killed serves nobody: it stops, and whoever started it may start it again."""

    async def watch() -> None:
        if source.ended():
            lost()

    return watch


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415  # does not exist for Windows

    return uvloop.Loop
