"""How one talks to each server that Parley is compared with: who comes in, who is whose partner, and how a signal is written.

Everything else is the same for all of them, so that the client costs the same: `bench.load.relays`.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from bench.load.people import JSON, PATIENCE, Person, sign_in
from bench.wire import Wire
from tests.acceptance import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER = "@number@"
"""Stands in a request where its number belongs."""
_STATS = "{ stats { online waiting inCall openRooms matchesLastHour medianWaitSeconds } }"


@dataclass
class Guest:
    """Somebody who is connected and follows their inbox. `partner` is what they call the other one of their pair."""

    wire: Wire
    token: str
    partner: str = ""
    person: Person | None = None


class Dialect:
    """A way to talk. A user is named by a token; a request is text with `NUMBER` in two places at most."""

    answers = True
    """Whether a sender is told that a signal was taken."""

    async def tokens(self, port: int, count: int) -> list[str]:  # noqa: ARG002 - ours come from the server
        """Of that many users."""
        return [f"user{number}" for number in range(count)]

    async def enter(self, port: int, token: str) -> Guest:
        """Returns once the server knows the user and what comes for them."""
        raise NotImplementedError

    async def pair(self, one: Guest, other: Guest) -> None:
        """Lets them know each other."""
        one.partner, other.partner = other.token, one.token

    def request(self, to: str, text: str) -> bytes:
        """One signal."""
        raise NotImplementedError

    def answered(self, guest: Guest, frame: bytes) -> bool:
        """Whether a frame that holds no signal is an answer to one; others are dealt with. Raises `ValueError` for a failure."""
        raise NotImplementedError


class GraphQL(Dialect):
    """`graphql-transport-ws` with the peers' schema: the same three fields of a signal as are asked of Parley."""

    send = "mutation Send($to: ID!, $payload: String!) { sendSignal(to: $to, payload: $payload) { __typename id } }"
    inbox = "subscription Inbox { inbox { id sender payload } }"
    stats = f"subscription Stats {_STATS}"

    async def enter(self, port: int, token: str) -> Guest:
        person = await Person.arrive(port, token)
        guest = Guest(person.wire, token, person=person)
        first = asyncio.get_running_loop().create_future()

        def take(event: JSON) -> None:
            if not first.done():
                first.set_result(None)
            self._told(guest, event)

        await person.follow(self.inbox, {}, take)
        await asyncio.wait_for(first, PATIENCE)
        return guest

    def request(self, to: str, text: str) -> bytes:
        payload = {"query": self.send, "operationName": "Send", "variables": self._variables(to, text)}
        return orjson.dumps({"id": NUMBER, "type": "subscribe", "payload": payload})

    def answered(self, guest: Guest, frame: bytes) -> bool:
        if b"SendSignalSuccess" in frame:
            return True
        if b'"complete"' in frame:
            return False
        message = orjson.loads(frame)
        if message["type"] == "ping":
            guest.wire.send({"type": "pong"})
        elif message["type"] == "error" or message.get("payload", {}).get("errors"):
            raise ValueError(message["payload"])
        return False

    async def announce(self, person: Person, number: int) -> int:
        """Lets `stats` change, for all who follow it; how many are waiting then. `number` counts the times, from 1."""
        changed = asyncio.get_running_loop().create_future()
        await person.follow(
            "mutation Waiting($waiting: Int!) { setWaiting(waiting: $waiting) { waiting } }",
            {"waiting": number},
            lambda _: changed.set_result(None),
        )
        await asyncio.wait_for(changed, PATIENCE)
        return number

    def _variables(self, to: str, text: str) -> Mapping[str, object]:
        return {"to": to, "payload": text}

    def _told(self, guest: Guest, event: JSON) -> None:
        """An event came before signals were exchanged."""


class Parley(GraphQL):
    """The same with our schema: accounts, and partners who were matched."""

    send = (
        "mutation Send($input: SendSignalInput!) "
        "{ sendSignal(input: $input) { __typename ... on SendSignalSuccess { id } } }"
    )
    inbox = (
        "subscription Events { events { __typename ... on Matched { partner { id } } "
        "... on SignalReceived { id sender { id } signal { ... on Offer { sdp } } } } }"
    )
    _pairs = itertools.count(1)

    async def tokens(self, port: int, count: int) -> list[str]:
        return await sign_in(port, count)

    async def pair(self, one: Guest, other: Guest) -> None:
        alone = {"input": {"interests": [f"pair {next(self._pairs)}"], "patience": 120}}
        for guest in (one, other):
            assert guest.person is not None  # noqa: S101 - `enter` made it
            await guest.person.ask(documents.JOIN, alone)
        async with asyncio.timeout(PATIENCE):
            while not (one.partner and other.partner):
                await asyncio.sleep(0.001)

    async def announce(self, person: Person, number: int) -> int:
        joins = number % 2
        await person.ask(documents.JOIN if joins else documents.LEAVE, {"input": {}} if joins else {})
        return joins

    def _variables(self, to: str, text: str) -> Mapping[str, object]:
        return {"input": {"to": to, "signal": {"offer": {"sdp": text}}}}

    def _told(self, guest: Guest, event: JSON) -> None:
        if event["__typename"] == "Matched":
            guest.partner = event["partner"]["id"]


class SocketIO(Dialect):
    """Socket.IO 4 over Engine.IO 4: https://socket.io/docs/v4/socket-io-protocol/. The digits are the types of its packets."""

    async def enter(self, port: int, token: str) -> Guest:
        greeted, connected = asyncio.Event(), asyncio.Event()

        def take(frame: bytes) -> None:
            if frame.startswith(b"0"):
                greeted.set()
            elif frame.startswith(b"40"):
                connected.set()

        wire = await Wire.open("127.0.0.1", port, "/socket.io/?EIO=4&transport=websocket", "", take)
        async with asyncio.timeout(PATIENCE):
            await greeted.wait()
            wire.send_text(b"40" + orjson.dumps({"authorization": f"Bearer {token}"}))
            await connected.wait()
        return Guest(wire, token)

    def request(self, to: str, text: str) -> bytes:
        return b"42" + NUMBER.encode() + orjson.dumps(["sendSignal", to, text])

    def answered(self, guest: Guest, frame: bytes) -> bool:
        if frame == b"2":
            guest.wire.send_text(b"3")
        elif not frame.startswith(b"43"):
            raise ValueError(frame)
        return frame.startswith(b"43")


class Text(Dialect):
    """What `bench.peers.starlette_text` reads: a name and text."""

    answers = False

    async def enter(self, port: int, token: str) -> Guest:
        return Guest(await Wire.open("127.0.0.1", port, f"/text/{token}", ""), token)

    def request(self, to: str, text: str) -> bytes:
        return f"{to} {text}".encode()

    def answered(self, guest: Guest, frame: bytes) -> bool:  # noqa: ARG002 - nothing is answered
        raise ValueError(frame)


DIALECTS: dict[str, Dialect] = {
    "parley": Parley(),
    "graphql": GraphQL(),
    "socket.io": SocketIO(),
    "text": Text(),
}
