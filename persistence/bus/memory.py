"""The bus of one process."""

from __future__ import annotations

import asyncio

from broadcaster import BroadcastBackend, Event

from persistence.bus.messages import QUEUE_LIMIT


class MemoryBackend(BroadcastBackend):
    """Within one process. A publisher waits while `QUEUE_LIMIT` messages wait for the listener: broadcaster's own has no limit."""

    def __init__(self) -> None:
        self._channels: set[str] = set()
        self._published: asyncio.Queue[Event] = asyncio.Queue(QUEUE_LIMIT)

    async def connect(self) -> None:
        self._channels.clear()

    async def disconnect(self) -> None:
        self._channels.clear()

    async def subscribe(self, group: str) -> None:
        self._channels.add(group)

    async def unsubscribe(self, group: str) -> None:
        self._channels.discard(group)

    async def publish(self, channel: str, message: str) -> None:
        if channel in self._channels:
            await self._published.put(Event(channel, message))

    async def next_published(self) -> Event:
        return await self._published.get()
