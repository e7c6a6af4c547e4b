"""Subscriptions as their clients see them, and a world whose readers are woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from api.buckets import NoThrottle
from domain.identity import Caller
from domain.rooms.room import Room
from persistence.bus import open_bus
from persistence.hub import Hub
from schema.api import schema
from schema.cursors import message_place
from schema.execution.documents import Prepared
from schema.execution.execute import Engine
from schema.execution.execute import Event as Told
from tests.waiting import DEADLINE
from tests.world import Clock, World, open_world

ENGINE = Engine(schema)
FOLLOW = """subscription($room: ID!, $after: Cursor) { messages(roomId: $room, after: $after) { __typename
  ... on Event { cursor at } ... on MessageSent { room { id me { id } }
    edge { cursor node { id ciphertext sentAt sender { id status } } } } } }"""
EVENTS = """subscription { events { __typename ... on Event { cursor }
  ... on MessageSent { edge { cursor node { ciphertext } } } } }"""


class Stream:
    """A subscription as its client sees it, which began before it was read from."""

    def __init__(self, outcome: AsyncGenerator[Told, None] | dict[str, Any]) -> None:
        self._outcome = outcome

    async def next(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(DEADLINE):
            return _shown(await anext(self._running))

    async def kinds(self, count: int) -> list[str]:
        """The types of so many events."""
        return [(await self.next())["__typename"] for _ in range(count)]

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The events up to the first of that type."""
        told = [await self.next()]
        while told[-1]["__typename"] != kind:
            told.append(await self.next())
        return told

    async def rest(self) -> list[dict[str, Any]]:
        """The events until it completes by itself."""
        async with asyncio.timeout(DEADLINE):
            return [_shown(told) async for told in self._running]

    async def failed(self) -> str:
        """With which code it was refused, or failed now."""
        result = self._outcome
        if not isinstance(result, dict):
            async with asyncio.timeout(DEADLINE):
                result = (await anext(result)).result
        assert not result.get("data"), result
        code: str = result["errors"][0]["extensions"]["code"]
        return code

    async def quiet(self) -> bool:
        """Whether nothing is told for a moment; the stream is not to be read on."""
        waiting = asyncio.ensure_future(anext(self._running))
        await asyncio.sleep(0.02)
        quiet = not waiting.done()
        waiting.cancel()
        await asyncio.wait((waiting,))
        return quiet

    async def ended(self) -> bool:
        """Whether it completes by itself."""
        async with asyncio.timeout(DEADLINE):
            return await anext(self._running, None) is None

    async def close(self) -> None:
        """The client completes it."""
        await self._running.aclose()

    @property
    def _running(self) -> AsyncGenerator[Told, None]:
        assert not isinstance(self._outcome, dict), self._outcome
        return self._outcome


def _shown(told: Told) -> dict[str, Any]:
    assert "errors" not in told.result, told.result
    (event,) = told.result["data"].values()
    assert isinstance(event, dict)
    return event


async def begin(engine: Engine, context: object, query: str, **variables: object) -> Stream:
    """A subscription, begun as a socket begins it."""
    prepared = engine.documents.prepare(query)
    assert isinstance(prepared, Prepared), prepared
    return Stream(await engine.subscribe(prepared, variables, None, context))


async def subscribe(world: World, who: Caller | None, query: str, **variables: object) -> Stream:
    """A subscription to the API."""
    return await begin(ENGINE, world.context(who), query, **variables)


@asynccontextmanager
async def streaming(database_url: str, clock: Clock | None = None) -> AsyncIterator[World]:
    """A server whose readers are woken. Afterwards no stream may have left its watch behind.

    Nothing is throttled: on a clock that stands no budget is refilled, and how much is sent is no question here.
    """
    async with open_world(database_url, clock) as world:
        world.throttle = NoThrottle()
        bus = open_bus("memory://")
        await bus.connect()
        world.hub = Hub(bus, uuid4())
        world.inbox.wake = world.hub.wake
        try:
            yield world
        finally:
            await world.hub.stop()
            await bus.disconnect()
        assert world.hub.watched == 0


# --- the messages of a room -------------------------------------------------------------------------------------------------


async def follow(world: World, who: Caller | None, room: Room | str, after: str | None = None) -> Stream:
    """The stream of a room's messages."""
    return await subscribe(world, who, FOLLOW, room=room if isinstance(room, str) else str(room.id), after=after)


def place(event: dict[str, Any], room: Room) -> int:
    """The place in the room of what a `MessageSent` tells."""
    assert event["__typename"] == "MessageSent", event
    return message_place(event["edge"]["cursor"], room.id)


async def places(stream: Stream, room: Room, count: int) -> list[int]:
    """Those of so many events."""
    return [place(await stream.next(), room) for _ in range(count)]
