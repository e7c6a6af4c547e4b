"""What the transport needs from the rest of Parley."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from api.graphql_ws.socket import GraphQLSocket
    from domain.identity import Caller


class TokenExpired(Exception):
    """The access token was good once: refresh it. HTTP 401; a socket closes with 4403, which clients retry."""


class TokenRefused(Exception):
    """The access token is forged, malformed or revoked. HTTP 401; a socket closes with 4401, which clients do not
    retry.
    """


class Gate(Protocol):
    """Tells who makes a request."""

    async def admit(self, authorization: str | None) -> Caller | None:
        """The caller that an `Authorization` value ("Bearer …") names; None for None.

        Raises `TokenExpired`, `TokenRefused`, or anything else when it cannot be told now.
        """
        ...


class Sockets(Protocol):
    """Presence: told of every socket of a signed-in user."""

    async def opened(self, caller: Caller, socket: GraphQLSocket) -> None:
        """Attach, before the socket is acknowledged. Whatever it raises closes the socket with 1013 (try again
        later).
        """
        ...

    async def stands(self, socket: GraphQLSocket) -> bool:
        """Asked before every operation of a socket that was opened: whether its session still is what it was. If not, it
        closes the socket and nothing more is done for it. Waits only after something about the user has changed.
        """
        ...

    async def closed(self, socket: GraphQLSocket) -> None:
        """Detach. Called exactly once for each call of `opened`, also of one that raised or was cancelled."""
        ...


class MakeContext(Protocol):
    """Makes what resolvers find as `info.context`: one per HTTP request, one per socket for all its operations."""

    def __call__(self, caller: Caller | None, request: HTTPConnection, after: str | None) -> object:
        """`after` is the cursor of the `connection_init` payload; None over HTTP."""
        ...
