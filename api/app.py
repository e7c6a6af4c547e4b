"""The routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api import web
from api.graphql_http.endpoint import GraphQLHTTP
from api.graphql_http.parsing import BodyLimits
from api.graphql_http.streams import Streams
from api.graphql_ws.endpoint import GraphQLWebSocket
from api.metrics import CONTENT_TYPE
from api.origins import Cors
from api.reference.routes import reference_routes
from schema.api import sdl
from schema.context import OPEN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.parts import Parts
    from api.settings import Settings

PATH = "/graphql"


@dataclass(frozen=True, slots=True)
class Application:
    """Passes sockets by Starlette, whose middlewares and routes would keep nine suspended coroutines for each: 5 KB."""

    websocket: ASGIApp
    """For `PATH`; a socket for any other path is refused with 403, as Starlette does it."""
    http: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one socket."""
        await (self.websocket if scope["type"] == "websocket" and scope["path"] == PATH else self.http)(
            scope, receive, send
        )


def application(settings: Settings, parts: Parts, exposition: Callable[[], bytes]) -> Application:
    """The ASGI application over parts that run already: it has no lifespan of its own. `exposition` tells its metrics."""
    streams = Streams(
        parts.presence,
        parts.live,
        parts.origins,
        parts.streams,
        settings.socket_limits,
        now=parts.services.clock,
    )
    over_http = GraphQLHTTP(
        parts.engine,
        parts.admission,
        parts.context,
        streams,
        OPEN_FIELDS,
        BodyLimits(settings.max_body, settings.max_values),
        turns=parts.turns,
        rates=parts.rates,
    )
    over_websocket = GraphQLWebSocket(
        parts.engine,
        parts.admission,
        parts.presence,
        parts.context,
        parts.origins,
        parts.live,
        settings.socket_limits,
        now=parts.services.clock,
        rates=parts.rates,
    )
    text = sdl()

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
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        *web.routes(exploring=settings.introspectable),
    ]
    if settings.introspectable:
        routes.append(Route("/schema.graphql", schema))
        routes += reference_routes(text, graphiql=web.built())
    return Application(over_websocket, Starlette(routes=routes, middleware=[Middleware(Cors, origins=parts.origins)]))


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
