"""The pages that Node built into web/dist: the reference client, the operators' console, GraphiQL."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Scope

DIST: Final = Path(__file__).parent.parent / "web" / "dist"
"""Where `make run` and the Docker image build them."""
UNBUILT: Final = (Path(__file__).parent / "unbuilt.html").read_text()

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""The Content-Security-Policy (CSP Level 3, where 'self' includes the origin's WebSockets) of client and console."""
EDITOR_POLICY: Final = POLICY | {"style-src": "'self' 'unsafe-inline'"}
"""That of GraphiQL: its editor, Monaco, places every line by a `style` attribute."""
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
}
PAGES: Final = {"/": ("index.html", POLICY), "/console": ("console/index.html", POLICY)}
EXPLORING: Final = {"/graphiql": ("graphiql/index.html", EDITOR_POLICY)}
EXPLORE: Final = '<meta name="parley-explore" content="off" />'
"""What a page is told of the explorers of the API, GraphiQL and the reference: it links to them where they are."""

FOREVER: Final = "public, max-age=31536000, immutable"
"""For names that carry a hash of what is in them."""
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""The better one first; web/compress.mjs writes them."""


class Compressed(StaticFiles):
    """Files that never change under their names, each perhaps with compressed forms beside it, made when it was built."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The smallest form that the client takes."""
        asked = Headers(scope=scope).get("accept-encoding", "")
        for encoding, suffix in ENCODINGS:
            smaller = Path(f"{full_path}{suffix}")
            if accepts(asked, encoding) and smaller.is_file():
                response = super().file_response(smaller, smaller.stat(), scope, status_code)
                response.headers["Content-Encoding"] = encoding
                response.headers["Content-Type"] = guess_type(full_path)[0] or "application/octet-stream"
                break
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = FOREVER
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def accepts(header: str, encoding: str) -> bool:
    """Whether an `Accept-Encoding` names it, other than with a weight of 0 (RFC 9110 section 12.5.3)."""
    for part in header.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == encoding:
            return weight.strip().lower().rstrip("0").rstrip(".") not in {"q=", "q=0"}
    return False


def routes(*, exploring: bool, dist: Path = DIST) -> list[BaseRoute]:
    """The pages at their addresses. Where they are not built, each address says in one sentence what is missing."""
    wanted = PAGES | (EXPLORING if exploring else {})
    if not (dist / "index.html").is_file():
        return [
            Route(path, _answer(HTMLResponse(UNBUILT, 200 if path == "/" else 404, headers=HEADERS))) for path in wanted
        ]
    return [
        *(
            Route(path, _answer(page((dist / name).read_text(), policy, exploring=exploring)))
            for path, (name, policy) in wanted.items()
        ),
        Route("/icon.svg", _answer(Response((dist / "icon.svg").read_bytes(), media_type="image/svg+xml"))),
        Mount("/assets", Compressed(directory=dist / "assets")),
    ]


def page(text: str, policy: Mapping[str, str], *, exploring: bool) -> Response:
    """A page as it was built, under its policy. It is told whether the explorers of the API are there."""
    headers = HEADERS | {
        "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in policy.items()),
        "Cache-Control": "no-cache",  # it names the assets of the present build
    }
    return HTMLResponse(text.replace(EXPLORE, EXPLORE.replace("off", "on")) if exploring else text, headers=headers)


def _answer(response: Response) -> Callable[[Request], Awaitable[Response]]:
    """The same response to everybody: it is bytes, and is not changed by being sent."""

    async def answer(_: Request) -> Response:
        return response

    return answer
