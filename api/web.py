"""The pages that Node built into web/dist: the reference client, the operators' console, GraphiQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from api.assets import ALONE, Assets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

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
EDITOR_POLICY: Final = POLICY | {
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "media-src": "'none'",
}
"""That of GraphiQL, whose editor, Monaco, writes each line with `style` attributes (94 on its first screen), and its theme and the
colours of each language into `style` elements that it makes as it goes: neither takes a hash or a nonce. Scripts are as elsewhere.
"""
UNBUILT_POLICY: Final = {"default-src": "'none'", "style-src": "'unsafe-inline'", "frame-ancestors": "'none'"}
"""That of the sentence in place of the pages, which has its style with it."""
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Cache-Control": "no-cache",  # a page names the assets of the present build
}
PAGES: Final = {"/": ("index.html", POLICY), "/console": ("console/index.html", POLICY)}
EXPLORING: Final = {"/graphiql": ("graphiql/index.html", EDITOR_POLICY)}
EXPLORE: Final = '<meta name="parley-explore" content="off" />'
"""What a page is told of the explorers of the API, GraphiQL and the reference: it links to them where they are."""


def built(dist: Path = DIST) -> bool:
    """Whether all pages are there."""
    return all((dist / name).is_file() for name, _ in (PAGES | EXPLORING).values())


def routes(*, exploring: bool, dist: Path = DIST) -> list[BaseRoute]:
    """The pages at their addresses. Where they are not built, each address says in one sentence what is missing."""
    wanted = PAGES | (EXPLORING if exploring else {})
    if not built(dist):
        return [
            Route(address, _answer(_page(UNBUILT, UNBUILT_POLICY, 200 if path == "/" else 404)))
            for path in wanted
            for address in _addresses(path)
        ]
    return [
        *(
            Route(address, _answer(_page(_told((dist / name).read_text(), exploring=exploring), policy)))
            for path, (name, policy) in wanted.items()
            for address in _addresses(path)
        ),
        Route("/icon.svg", _answer(_icon(dist))),
        Route("/assets/{name:path}", Assets(dist / "assets").answer),
    ]


def _addresses(path: str) -> tuple[str, ...]:
    """With a slash at the end it is the same page: what it names begins at the root."""
    return (path,) if path == "/" else (path, f"{path}/")


def _told(text: str, *, exploring: bool) -> str:
    """A page as it was built, told whether the explorers are there."""
    return text.replace(EXPLORE, EXPLORE.replace("off", "on")) if exploring else text


def _page(text: str, policy: Mapping[str, str], status: int = 200) -> Response:
    security = "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
    return HTMLResponse(text, status, headers=HEADERS | {"Content-Security-Policy": security})


def _icon(dist: Path) -> Response:
    headers = {
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": ALONE,
        "X-Content-Type-Options": "nosniff",
    }
    return Response((dist / "icon.svg").read_bytes(), media_type="image/svg+xml", headers=headers)


def _answer(response: Response) -> Callable[[Request], Awaitable[Response]]:
    """The same response to everybody: it is bytes, and is not changed by being sent."""

    async def answer(_: Request) -> Response:
        return response

    return answer
