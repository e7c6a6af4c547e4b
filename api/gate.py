"""What the transport needs from the rest of Parley."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.requests import HTTPConnection

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


class LiveSocket(Protocol):
    """What is open between us and a client: a WebSocket, or a stream over HTTP. Compared by identity."""

    id: UUID
    caller: Caller | None
    """None until it is known, and for good where nobody is signed in."""
    network: str
    """Where it comes from, as limits see it. Never logged."""

    @property
    def operations(self) -> int:
        """How many operations run or wait."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Ask it to end, from anywhere on its loop, any number of times: the first code counts. Returns at once."""
        ...

    def close_after_streams(self, code: int, reason: str) -> None:
        """The same once its streams have ended by themselves, which tell what happened up to then, or when they take too long."""
        ...


class Sockets(Protocol):
    """Presence: told of every socket of a signed-in user, and of every stream as of a socket."""

    async def opened(self, caller: Caller, socket: LiveSocket) -> None:
        """Attach, before the socket is acknowledged. Whatever it raises closes the socket with 1013 (try again
        later).
        """
        ...

    async def stands(self, socket: LiveSocket) -> bool:
        """Asked before every operation of a socket that was opened: whether its session still is what it was. If not, it
        closes the socket and nothing more is done for it. Waits only after something about the user has changed.
        """
        ...

    async def closed(self, socket: LiveSocket) -> None:
        """Detach. Called exactly once for each call of `opened`, also of one that raised or was cancelled."""
        ...


class MakeContext(Protocol):
    """Makes what resolvers find as `info.context`: one per HTTP request, one per socket for all its operations."""

    def __call__(self, caller: Caller | None, request: HTTPConnection, after: str | None) -> object:
        """`after` is the cursor of the `connection_init` payload; None over HTTP."""
        ...
