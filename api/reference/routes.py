"""Serves the reference."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.assets import FOREVER, accepts, matches
from api.reference.pages import ASSETS, MISSING, render
from api.reference.places import ROOT
from api.web import HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.reference.pages import File

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
FIXED: Final = HEADERS | {"Content-Security-Policy": POLICY, "Vary": "Accept-Encoding"}


class Reference:
    """The pages of a schema, made at the first request in a thread of its own, and kept."""

    def __init__(self, sdl: str, *, graphiql: bool) -> None:
        self._sdl = sdl
        self._graphiql = graphiql
        self._made: asyncio.Task[Mapping[str, File]] | None = None

    async def __call__(self, request: Request) -> Response:
        """A page or an asset; 304 for who has it already, 404 for an address that there is not."""
        if self._made is None:
            self._made = asyncio.create_task(asyncio.to_thread(render, self._sdl, graphiql=self._graphiql))
        files = await asyncio.shield(self._made)
        path = request.url.path
        file = None if path == MISSING else files.get(path)
        if file is None:
            return _answer(request, files[MISSING], {"Cache-Control": "no-cache"}, 404)
        headers = {"Cache-Control": FOREVER if path.startswith(ASSETS) else "no-cache", "ETag": file.tag}
        if matches(request.headers.get("if-none-match", ""), file.tag):
            return Response(status_code=304, headers=FIXED | headers)
        return _answer(request, file, headers)


def _answer(request: Request, file: File, headers: dict[str, str], status: int = 200) -> Response:
    if accepts(request.headers.get("accept-encoding", ""), "gzip"):
        compressed = FIXED | headers | {"Content-Encoding": "gzip"}
        return Response(file.compressed, status, compressed, file.media_type)
    return Response(file.body, status, FIXED | headers, file.media_type)


def reference_routes(sdl: str, *, graphiql: bool) -> list[BaseRoute]:
    """The pages under `/docs`. With `graphiql` examples link there."""
    reference = Reference(sdl, graphiql=graphiql)
    return [Route(path, reference.__call__) for path in (ROOT, f"{ROOT}/{{page:path}}")]
