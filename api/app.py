"""The routes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from api.graphql_http import GraphQLHTTP
from api.graphql_ws.endpoint import GraphQLWebSocket
from api.graphql_ws.limits import SocketLimits
from api.metrics import CONTENT_TYPE
from api.origins import Cors
from api.settings import Switch
from schema.api import sdl
from schema.context import OPEN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from api.parts import Parts
    from api.settings import Settings

PATH = "/graphql"

WELCOME = (Path(__file__).parent / "welcome.html").read_text()


def application(settings: Settings, parts: Parts, exposition: Callable[[], bytes]) -> Starlette:
    """The ASGI application over parts that run already: it has no lifespan of its own. `exposition` tells its metrics."""
    over_http = GraphQLHTTP(parts.engine, parts.admission, parts.context, OPEN_FIELDS)
    over_websocket = GraphQLWebSocket(
        parts.engine,
        parts.admission,
        parts.presence,
        parts.context,
        parts.origins,
        parts.live,
        SocketLimits() if settings.rate_limits is Switch.ON else SocketLimits(strangers=sys.maxsize),
        now=parts.services.clock,
    )
    text = sdl()

    async def welcome(_: Request) -> Response:
        return HTMLResponse(WELCOME)

    async def schema(_: Request) -> Response:
        return PlainTextResponse(text)

    async def alive(_: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def ready(_: Request) -> Response:
        failing = await parts.failing()
        return _json(503, {"status": "not ready", "failing": failing}) if failing else _json(200, {"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE)

    routes = [
        Route(PATH, over_http),
        WebSocketRoute(PATH, over_websocket),
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", metrics),
    ]
    if settings.introspectable:
        routes += [Route("/", welcome), Route("/schema.graphql", schema)]
    return Starlette(routes=routes, middleware=[Middleware(Cors, origins=parts.origins)])


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
