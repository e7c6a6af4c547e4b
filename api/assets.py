"""What the pages are made of: files that never change under their names, in the forms in which browsers take them."""

from __future__ import annotations

from dataclasses import dataclass
from gzip import decompress
from hashlib import blake2b
from mimetypes import MimeTypes
from typing import TYPE_CHECKING, Final

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

FOREVER: Final = "public, max-age=31536000, immutable"
"""For names that carry a hash of what is in them."""
FORMS: Final = {"br": ".br", "gzip": ".gz"}
"""Content codings, the better one first, and what they add to a name; web/compress.mjs writes them."""
ALONE: Final = "default-src 'none'; script-src 'self'; frame-ancestors 'none'"
"""The policy of a file that is opened by itself, and of workers, which have their own: a worker loads scripts and nothing else."""
PIECE: Final = 64 * 1024
"""Bytes handed on at once: so much waits for a slow client, not the whole file."""

# Not what /etc/mime.types of a machine says.
_TYPES: Final = MimeTypes()
for _type, _suffix in (
    ("text/javascript", ".js"),
    ("font/ttf", ".ttf"),
    ("font/woff2", ".woff2"),
    ("application/wasm", ".wasm"),
):
    _TYPES.add_type(_type, _suffix)
_TYPES.add_type("application/json", ".map")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. Where it has a smaller form, the file itself is not held: hardly anybody asks for it."""

    type: str
    forms: dict[str, bytes]
    """By content coding; "identity" is the file itself."""
    digest: str

    async def form(self, accepted: str) -> tuple[str, bytes]:
        """The best coding that an `Accept-Encoding` allows, and the bytes in it. Identity is always allowed."""
        for coding in FORMS:
            if coding in self.forms and accepts(accepted, coding):
                return coding, self.forms[coding]
        if "identity" in self.forms:
            return "identity", self.forms["identity"]
        # In a thread: 3 MB take 10 ms, in which this loop would relay nothing.
        return "identity", await to_thread.run_sync(decompress, self.forms["gzip"])


class Assets:
    """All files below a folder, as they are now: a new build beside a running server changes nothing for those who have its pages.

    In memory: a file by way of Starlette's threads costs 1 ms of CPU, and a burst of 800 stalls the loop for 0.4 s; from here it is
    0.03 ms. That takes 3.5 MB. No path that is asked for reaches the file system.
    """

    def __init__(self, folder: Path) -> None:
        suffixes = tuple(FORMS.values())
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in suffixes]
        self._assets = {path.relative_to(folder).as_posix(): _load(path) for path in files}

    async def answer(self, request: Request) -> Response:
        """The endpoint of a route with a parameter `name`. 404 for whatever is not one of the files."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404)
        coding, body = await asset.form(",".join(request.headers.getlist("accept-encoding")))
        headers = {
            "Cache-Control": FOREVER,
            "Content-Security-Policy": ALONE,
            "ETag": f'"{asset.digest}-{coding}"',
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        if coding != "identity":
            headers["Content-Encoding"] = coding
        return InPieces(body, headers=headers, media_type=asset.type)


class InPieces(Response):
    """A body that waits for the client after each piece."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        pieces = range(0, len(self.body), PIECE) if scope["method"] != "HEAD" else ()
        for start in pieces:
            piece = bytes(self.body[start : start + PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _load(path: Path) -> Asset:
    smaller = {coding: path.with_name(path.name + suffix) for coding, suffix in FORMS.items()}
    forms = {coding: form.read_bytes() for coding, form in smaller.items() if form.is_file()}
    whole = path.read_bytes()
    if "gzip" not in forms:
        forms["identity"] = whole
    kind = _TYPES.guess_type(path.name)[0] or "application/octet-stream"
    # Without it browsers guess the encoding of a source map, and of a style sheet from the page that names it.
    kind += "; charset=utf-8" if kind in {"application/json", "image/svg+xml"} else ""
    return Asset(kind, forms, blake2b(whole, digest_size=8).hexdigest())


def accepts(accepted: str, coding: str) -> bool:
    """Whether an `Accept-Encoding` allows a content coding: by name or by `*`, with a weight above 0 (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, value = parameter.partition("=")
        try:
            weights[name.strip()] = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    return weights.get(coding, weights.get("*", 0.0)) > 0


def matches(condition: str, etag: str) -> bool:
    """Whether an `If-None-Match` names it (RFC 9110, section 13.1.2, where tags are compared as weak ones)."""
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag.removeprefix("W/") in tags or tags == ["*"]
