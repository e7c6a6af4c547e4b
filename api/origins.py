"""Which web pages may use the API: one list, asked by the WebSocket handshake and by CORS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Origins:
    """The allow-list. Make it with `Origins.of`."""

    listed: frozenset[str]
    development: bool

    @classmethod
    def of(cls, listed: Iterable[str], *, development: bool) -> Origins:
        """From the setting: entries such as `https://talk.example`. Pages without an origin (files, sandboxes) cannot be listed.

        Development also allows loopback names on any port. Raises ValueError, with a sentence, for what is not an origin.
        """
        normal: set[str] = set()
        for entry in listed:
            origin = _normal(entry)
            if origin is None:
                raise ValueError(
                    f"must list origins like https://app.example.org, without a path; {entry!r} is not one"
                )
            normal.add(origin)
        return cls(frozenset(normal), development)

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a page from `origin` may talk to the server that it addressed as `host` (the two headers, as they
        came).

        Programs that are not browsers send no Origin and are not what this protects from. The scheme of our own
        origin is not compared: behind a proxy that ends TLS we do not know it.
        """
        if origin is None:
            return True
        normal = _normal(origin)
        if normal is None:
            return False
        if normal in self.listed:
            return True
        parts = urlsplit(normal)
        if self.development and parts.scheme == "http" and parts.hostname in _LOOPBACK:
            return True
        return host is not None and _normal(f"{parts.scheme}://{host}") == normal


def _normal(origin: str) -> str | None:
    """scheme://host[:port] in lower case, without a default port; None for anything else."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme, parts.hostname
    rest = parts.path or parts.query or parts.fragment or parts.username or parts.password
    if scheme not in _DEFAULT_PORTS or not host or rest or origin.endswith(("/", "?", "#", "@", ":")):
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port in {None, _DEFAULT_PORTS[scheme]} else f"{scheme}://{name}:{port}"


class Cors(CORSMiddleware):
    """Starlette's CORS answers, with our list in the place of its own.

    Requests of our own origin need no permission and get none: a browser does not ask. Credentials are not allowed,
    because there are none that a browser would attach: tokens travel in a header that the page sets.
    """

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        super().__init__(
            app,
            allow_methods=("GET", "POST"),
            allow_headers=(
                "authorization",
                "content-type",
                "apollo-require-preflight",
                "apollographql-client-name",
                "apollographql-client-version",
                "graphql-client-name",
                "graphql-client-version",
                "last-event-id",
                "x-apollo-operation-name",
            ),
            max_age=600,
        )
        self._origins = origins

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a page from there may read our answers."""
        return self._origins.allows(origin, None)
