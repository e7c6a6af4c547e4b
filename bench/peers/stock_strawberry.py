"""Stock Strawberry as its documentation has it: its ASGI app on Uvicorn with uvloop, parser and validation caches, and defaults.

`python -m bench.peers.stock_strawberry PORT` serves it.
"""

# Strawberry reads annotations at run time, so this module does without `from __future__ import annotations`.
import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

Info = strawberry.Info[dict[str, Any], None]


@strawberry.type
class Signal:
    """What a user is sent; without an ID it says that the inbox is followed, as Parley's snapshot does."""

    id: strawberry.ID
    sender: strawberry.ID
    payload: str


@strawberry.type
class SendSignalSuccess:
    """The signal is in the receiver's inbox."""

    id: strawberry.ID


@strawberry.type
class Stats:
    """The fields of Parley's."""

    online: int = 0
    waiting: int = 0
    in_call: int = 0
    open_rooms: int = 0
    matches_last_hour: int = 0
    median_wait_seconds: float | None = None


inboxes: dict[str, asyncio.Queue[Signal]] = {}
followers: set[asyncio.Queue[Stats]] = set()


def _caller(info: Info) -> strawberry.ID:
    """Whose token it is: here the name itself."""
    return strawberry.ID(info.context["connection_params"]["authorization"].removeprefix("Bearer "))


@strawberry.type
class Query:
    """A schema needs one."""

    @strawberry.field
    def stats(self) -> Stats:
        """The figures."""
        return Stats()


@strawberry.type
class Mutation:
    """What is done."""

    @strawberry.mutation
    def send_signal(self, info: Info, to: strawberry.ID, payload: str) -> SendSignalSuccess:
        """Puts a signal into somebody's inbox."""
        id = strawberry.ID(str(uuid.uuid4()))
        if (inbox := inboxes.get(to)) is not None:
            inbox.put_nowait(Signal(id=id, sender=_caller(info), payload=payload))
        return SendSignalSuccess(id=id)

    @strawberry.mutation
    def set_waiting(self, waiting: int) -> Stats:
        """Tells everybody a new figure."""
        stats = Stats(waiting=waiting)
        for follower in followers:
            follower.put_nowait(stats)
        return stats


@strawberry.type
class Subscription:
    """What is followed."""

    @strawberry.subscription
    async def inbox(self, info: Info) -> AsyncGenerator[Signal, None]:
        """The caller's signals."""
        user = _caller(info)
        inbox = inboxes[user] = asyncio.Queue()
        try:
            yield Signal(id=strawberry.ID(""), sender=strawberry.ID(""), payload="")
            while True:
                yield await inbox.get()
        finally:
            del inboxes[user]

    @strawberry.subscription
    async def stats(self) -> AsyncGenerator[Stats, None]:
        """The figures, now and as they change."""
        follower: asyncio.Queue[Stats] = asyncio.Queue()
        followers.add(follower)
        try:
            yield Stats()
            while True:
                yield await follower.get()
        finally:
            followers.remove(follower)


def main() -> None:
    """Serves until it is stopped."""
    schema = strawberry.Schema(Query, Mutation, Subscription, extensions=[ParserCache, ValidationCache])
    routes = [
        Route("/readyz", lambda _: PlainTextResponse("ready")),
        WebSocketRoute("/graphql", GraphQL[Any, None](schema)),
    ]
    uvicorn.run(
        Starlette(routes=routes),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        log_level="warning",
        backlog=2048,
    )


if __name__ == "__main__":
    main()
