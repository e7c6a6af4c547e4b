"""Somebody who uses the Python client `gql`, with nothing set but the address and who they are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession, ReconnectingAsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.async_transport import AsyncTransport
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.acceptance import documents
from tests.waiting import DEADLINE

JSON = dict[str, Any]
Headers = dict[str, str]


def _socket(url: str) -> str:
    return url.replace("http", "ws", 1)


def _websockets(url: str, headers: Headers) -> AsyncTransport:
    return WebsocketsTransport(_socket(url), init_payload=headers)


WAYS: dict[str, tuple[Callable[[str, Headers], AsyncTransport], Callable[[str, Headers], AsyncTransport] | None]] = {
    "websockets": (_websockets, None),
    "aiohttp websockets": (lambda url, headers: AIOHTTPWebsocketsTransport(_socket(url), init_payload=headers), None),
    "aiohttp, and multipart": (lambda url, headers: AIOHTTPTransport(url, headers=headers), None),
    "httpx, and websockets": (lambda url, headers: HTTPXAsyncTransport(url, headers=headers), _websockets),
}
"""For queries and mutations, and for subscriptions where that is another."""


@dataclass
class Stream:
    """What a subscription brings, one by one."""

    results: AsyncGenerator[JSON, None]

    async def next(self) -> JSON:
        """What is under the root field of the next result."""
        async with asyncio.timeout(DEADLINE):
            [shown] = (await anext(self.results)).values()
        return dict(shown)

    async def sees(self, kind: str, *aside: str) -> JSON:
        """The next event of that kind; nothing but those `aside` may come before."""
        while (event := await self.next())["__typename"] != kind:
            assert event["__typename"] in aside, f"{event} came instead of {kind}"
        return event

    async def ends(self) -> bool:
        """Whether the server completes it, with nothing more."""
        async with asyncio.timeout(DEADLINE):
            return await anext(self.results, None) is None


@dataclass
class Connection:
    """The sessions of one or of two transports."""

    acting: AsyncClientSession | ReconnectingAsyncClientSession
    following: AsyncClientSession | ReconnectingAsyncClientSession
    streams: list[Stream] = field(default_factory=list)

    async def run(self, document: str, **variables: object) -> Any:  # noqa: ANN401 - JSON of any shape
        """What is under the root field of a query or mutation."""
        request = GraphQLRequest(document, variable_values=variables)
        [shown] = (await self.acting.execute(request)).values()
        return shown

    def follow(self, document: str, **variables: object) -> Stream:
        """A subscription, which begins when it is first read."""
        request = GraphQLRequest(document, variable_values=variables)
        self.streams.append(Stream(self.following.subscribe(request)))
        return self.streams[-1]


class People:
    """Opens connections by one of the `WAYS`, and closes all of them."""

    def __init__(self, way: str, url: str) -> None:
        self._acting, self._following = WAYS[way]
        self._url = url
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def connect(self, token: str | None = None) -> Connection:
        """A connection with that token."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        acting = await self._open.enter_async_context(Client(transport=self._acting(self._url, headers)))
        following = acting
        if self._following:
            following = await self._open.enter_async_context(Client(transport=self._following(self._url, headers)))
        connection = Connection(acting, following)
        self._open.push_async_callback(_end, connection)
        return connection

    async def sign_in(self, name: str) -> str:
        """An access token of a new account."""
        stranger = await self.connect()
        success = await stranger.run(documents.SIGN_IN, input={"displayName": name})
        assert success["session"]["user"]["displayName"] == name
        return str(success["session"]["accessToken"])


async def _end(connection: Connection) -> None:
    for stream in connection.streams:
        await stream.results.aclose()


@dataclass
class Seat:
    """Somebody in a match."""

    connection: Connection
    events: Stream
    signals: Stream
    matched: JSON

    @property
    def me(self) -> str:
        """Their member ID."""
        return str(self.matched["room"]["me"]["id"])

    async def tell(self, other: Seat, signal: JSON) -> list[JSON]:
        """Sends a signal to the other: what reached them of it, in `signals` and in `events`."""
        call = uuid.uuid4().hex
        input = {"to": self.matched["partner"]["id"], "signal": signal, "callId": call, "clientSignalId": call}
        sent = await self.connection.run(documents.SEND_SIGNAL, input=input)
        assert sent["__typename"] == "SendSignalSuccess"
        received = [await other.signals.next(), await other.events.sees("SignalReceived")]
        assert [(one["callId"], one["sender"]["id"]) for one in received] == [
            (call, other.matched["partner"]["id"])
        ] * 2
        return [one["signal"] for one in received]


async def take_seats(people: People) -> tuple[Seat, Seat]:
    """Two who sign in, follow `events`, join the queue and are matched: the impolite one, who offers, first."""
    followed = []
    for name in ("Ada", "Bob"):
        connection = await people.connect(await people.sign_in(name))
        events = connection.follow(documents.EVENTS)
        await events.sees("MatchSnapshot")
        followed.append((connection, events))
    input = {"interests": [uuid.uuid4().hex], "patience": 120}
    for connection, _ in followed:
        assert (await connection.run(documents.JOIN, input=input))["ticket"]["interests"] == input["interests"]
    seats = []
    for connection, events in followed:
        matched = await events.sees("Matched", "QueueJoined")
        seats.append(
            Seat(connection, events, connection.follow(documents.SIGNALS, roomId=matched["room"]["id"]), matched)
        )
    ada, bob = seats
    assert ada.matched["room"]["id"] == bob.matched["room"]["id"]
    assert (ada.matched["partner"]["id"], bob.matched["partner"]["id"]) == (bob.me, ada.me)
    assert ada.matched["partner"]["polite"] is not bob.matched["partner"]["polite"]
    return (bob, ada) if ada.matched["partner"]["polite"] else (ada, bob)
