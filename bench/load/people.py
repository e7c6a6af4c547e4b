"""People with a socket each, who ask and wait for the answer, and the rooms they sit in."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING, Any, Self

from bench.wire import Wire
from tests.acceptance import documents

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = dict[str, Any]
PATIENCE = 60.0
"""Seconds after which an answer counts as lost."""
SIGN_INS_AT_ONCE = 16
_NAME = re.compile(r"(?:query|mutation|subscription) (\w+)")


class Person:
    """One `graphql-transport-ws` socket: what is asked is awaited, what is followed calls back."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.member_id = ""
        """In the room that it was seated in."""
        self._acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: dict[str, asyncio.Future[JSON]] = {}
        self._followed: dict[str, Callable[[JSON], None]] = {}
        self._ponged: asyncio.Future[None] | None = None
        self._numbers = itertools.count(1)
        wire.on_message = self._take

    @classmethod
    async def arrive(cls, port: int, token: str | None) -> Self:
        """Opens the socket and introduces itself; without a token as nobody."""
        person = cls(await Wire.open("127.0.0.1", port))
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        person.wire.send({"type": "connection_init", "payload": payload})
        await asyncio.wait_for(person._acknowledged, PATIENCE)
        return person

    async def ask(self, document: str, variables: JSON) -> JSON:
        """The payload of a mutation. Raises `RuntimeError` when that is not its success, and `TimeoutError`."""
        id = str(next(self._numbers))
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        self._subscribe(id, document, variables)
        async with asyncio.timeout(PATIENCE):
            payload = await answer
        data = payload.get("data")
        if payload.get("errors") or data is None:
            raise RuntimeError(f"{payload['errors'][0].get('extensions', {}).get('code', payload['errors'])}")
        (value,) = data.values()
        if not value["__typename"].endswith("Success"):
            raise RuntimeError(
                " ".join(str(value[name]) for name in ("__typename", "field", "message") if name in value)
            )
        return dict(value)

    async def follow(self, document: str, variables: JSON, on_event: Callable[[JSON], None]) -> None:
        """Begins a subscription, and returns once the server has read that: it answers frames in their order."""
        id = f"follows {next(self._numbers)}"
        self._followed[id] = on_event
        self._subscribe(id, document, variables)
        self._ponged = asyncio.get_running_loop().create_future()
        self.wire.send({"type": "ping"})
        await asyncio.wait_for(self._ponged, PATIENCE)

    def _subscribe(self, id: str, document: str, variables: JSON) -> None:
        found = _NAME.search(document)
        assert found is not None, "a document without a name"  # noqa: S101 - they are our own
        payload = {"query": document, "operationName": found[1], "variables": variables}
        self.wire.send({"id": id, "type": "subscribe", "payload": payload})

    def _take(self, message: JSON) -> None:
        match message["type"]:
            case "next" if message["id"] in self._followed:
                data = message["payload"].get("data") or {"": {"__typename": "Failure"} | message["payload"]}
                (event,) = data.values()
                self._followed[message["id"]](event)
            case "next":
                answer = self._answers.pop(message["id"])
                if not answer.done():
                    answer.set_result(message["payload"])
            case "error":
                failed = {"errors": message["payload"]}
                if message["id"] in self._followed:
                    self._followed[message["id"]]({"__typename": "Failure"} | failed)
                elif not (answer := self._answers.pop(message["id"])).done():
                    answer.set_result(failed)
            case "ping":
                self.wire.send({"type": "pong"})
            case "pong" if self._ponged is not None:
                self._ponged.set_result(None)
            case "connection_ack":
                self._acknowledged.set_result(None)


async def sign_in(port: int, count: int) -> list[str]:
    """Access tokens of that many new accounts, made over one socket that nobody is signed in on."""
    nobody = await Person.arrive(port, None)
    tokens: list[str] = []
    for start in range(0, count, SIGN_INS_AT_ONCE):
        names = [f"Load {number}" for number in range(start, min(count, start + SIGN_INS_AT_ONCE))]
        asked = [nobody.ask(documents.SIGN_IN, {"input": {"displayName": name}}) for name in names]
        tokens += [found["session"]["accessToken"] for found in await asyncio.gather(*asked)]
    nobody.wire.close()
    return tokens


async def seated(port: int, rooms: int, members: int) -> list[tuple[str, list[Person]]]:
    """That many INVITE rooms, each with its ID and so many new people in it, the owner first."""
    tokens = await sign_in(port, rooms * members)
    people = [await Person.arrive(port, token) for token in tokens]
    found = []
    for first in range(0, len(people), members):
        inside = people[first : first + members]
        made = await inside[0].ask(documents.CREATE_ROOM, {"input": {"name": "Load", "capacity": members}})
        inside[0].member_id = made["room"]["me"]["id"]
        for guest in inside[1:]:
            joined = await guest.ask(documents.JOIN_ROOM, {"input": {"inviteCode": made["room"]["inviteCode"]}})
            guest.member_id = joined["room"]["me"]["id"]
        found.append((made["room"]["id"], inside))
    return found
