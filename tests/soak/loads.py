"""What passes through the server: events, sockets, event streams."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING

from tests.acceptance import documents
from tests.acceptance.client import Person, Socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.client import Api, Subscription

ON_THE_WAY = 32
"""Signals that the sender has not been answered."""
AT_ONCE = 8
"""Connections."""
PEOPLE = 16
SDP = "x" * 3_000
"""400 of them fill an inbox: what is told from then on takes the place of what was."""
EVENT_STREAM = {"accept": "text/event-stream", "content-type": "application/json"}


class Pair:
    """Two people in a room: one sends signals, and the other follows `events`, with one subscription for all of them."""

    def __init__(self, to: str, sender: Socket, receiver: Socket, events: Subscription) -> None:
        self._to = to
        self._sender = sender
        self._receiver = receiver
        self._events = events

    @classmethod
    async def meet(cls, api: Api) -> Pair:
        """In an invite room."""
        ada, ben = [await Socket.open(api.url, (await api.sign_in(name)).token) for name in ("Ada", "Ben")]
        made = await ada.run(documents.CREATE_ROOM, input={"name": "Soak", "capacity": 2})
        invite = {"inviteCode": made["room"]["inviteCode"]}
        joined = await ben.run(documents.JOIN_ROOM, input=invite)
        events = await ben.subscribe(documents.EVENTS)
        await events.until("MatchSnapshot")
        return cls(joined["room"]["me"]["id"], ada, ben, events)

    async def send(self, signals: int) -> None:
        """That many signals, and returns when all have arrived."""
        permits = asyncio.Semaphore(ON_THE_WAY)

        async def send() -> None:
            async with permits:
                given = {"to": self._to, "signal": {"offer": {"sdp": SDP}}}
                payload = await self._sender.run(documents.SEND_SIGNAL, input=given)
                assert payload["__typename"] == "SendSignalSuccess", payload

        for first in range(0, signals, 1_000):
            count = min(1_000, signals - first)
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(send())
                for _ in range(count):
                    await self._events.until("SignalReceived")
            self._events.seen.clear()

    async def part(self) -> None:
        """Both close."""
        await self._sender.close()
        await self._receiver.close()


class Passengers:
    """People who come and go, the same few again and again: what is remembered of a user is no leak of a connection."""

    def __init__(self, api: Api, people: list[Person]) -> None:
        self._api = api
        self._people = itertools.cycle(people)

    @classmethod
    async def come(cls, api: Api) -> Passengers:
        """New people."""
        return cls(api, [await api.sign_in(f"Passenger {number}") for number in range(PEOPLE)])

    async def pass_through(self, connections: int) -> None:
        """That many sockets and half as many event streams, each with a subscription that was told something before it ended."""
        passing = iter(range(connections))
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._pass(passing))

    async def _pass(self, passing: Iterator[int]) -> None:
        for number in passing:
            person = next(self._people)
            socket = await Socket.open(self._api.url, person.token)
            events = await socket.subscribe(documents.EVENTS)
            await events.until("MatchSnapshot")
            # As a page that is left, after it had stopped listening or not; and as a network that is lost.
            if number % 4 == 0:
                await events.stop()
            await (socket.abort() if number % 2 else socket.close())
            if number % 2:
                await self._stream(person)

    async def _stream(self, person: Person) -> None:
        headers = EVENT_STREAM | {"authorization": f"Bearer {person.token}"}
        body = json.dumps({"query": documents.EVENTS})
        async with self._api.http.stream("POST", "/graphql", content=body, headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert "MatchSnapshot" in line, line
                    return
        raise AssertionError("the event stream told nothing")
