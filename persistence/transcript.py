"""Messages by ID, for showing: those sent last are in memory, so that a message costs its readers no query.

Two parts, as in `directory`: `RecentMessages` is given to `Database`, `Transcript` reads the database for what it lacks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from persistence.chat import MessageRepository
from persistence.tasks import retrieved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.chat import Message

IDS_AT_ONCE: Final = 64
"""In one query: of 64 KiB each."""
CAPACITY_BYTES: Final = 32 * 1024 * 1024
MESSAGE_BYTES: Final = 1024
"""What a message takes beside its ciphertext: its IDs, its tag, and its place here (measured 990)."""


class RecentMessages:
    """`database.MessageCache`: the messages that this process committed or read and that were used last, bounded by bytes.

    What is in here may have been deleted since: whoever shows it looks first whether the viewer still is in the room.
    """

    def __init__(self, capacity: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[UUID, Message] = OrderedDict()
        self._size = 0

    def keep(self, messages: Iterable[Message]) -> None:
        """Remembers messages, which never change, and forgets those that were not used for longest."""
        for message in messages:
            if message.id in self._messages:
                continue
            self._messages[message.id] = message
            self._size += _size_of(message)
        while self._size > self._capacity:
            _, oldest = self._messages.popitem(last=False)
            self._size -= _size_of(oldest)

    def get(self, message_id: UUID) -> Message | None:
        message = self._messages.get(message_id)
        if message is not None:
            self._messages.move_to_end(message_id)
        return message

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self._messages)


def _size_of(message: Message) -> int:
    return MESSAGE_BYTES + len(message.ciphertext)


class _Batch:
    """What readers of one turn of the loop are missing, read by one query for all of them."""

    __slots__ = ("ids", "task")

    def __init__(self) -> None:
        self.ids: set[UUID] = set()
        self.task: asyncio.Task[Mapping[UUID, Message]] | None = None


class Transcript:
    """See `ports.Transcript`. `reading` opens a connection for reading, as `Database.reading` does.

    Raises `Unavailable` when the database does not answer and a message is not at hand.
    """

    def __init__(
        self, recent: RecentMessages, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._recent = recent
        self._reading = reading
        self._next: _Batch | None = None
        self._loading: dict[UUID, asyncio.Task[Mapping[UUID, Message]]] = {}
        """By message, the query under way that asks for it."""

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        """See `ports.Transcript`. All who are shown a message at about the same time share one query."""
        found: dict[UUID, Message] = {}
        missing: dict[UUID, asyncio.Task[Mapping[UUID, Message]]] = {}
        for message_id in message_ids:
            message = self._recent.get(message_id)
            if message is None:
                missing[message_id] = self._load(message_id)
            else:
                found[message_id] = message
        for message_id, task in missing.items():
            # A reader that goes away does not take the others' messages with it.
            message = (await asyncio.shield(task)).get(message_id)
            if message is not None:
                found[message_id] = message
        return found

    def _load(self, message_id: UUID) -> asyncio.Task[Mapping[UUID, Message]]:
        known = self._loading.get(message_id)
        if known is not None:
            return known
        batch = self._next
        if batch is None or batch.task is None or len(batch.ids) >= IDS_AT_ONCE:
            batch = self._next = _Batch()
            batch.task = asyncio.create_task(self._read(batch), name="transcript")
            batch.task.add_done_callback(retrieved)
        batch.ids.add(message_id)
        self._loading[message_id] = batch.task
        return batch.task

    async def _read(self, batch: _Batch) -> Mapping[UUID, Message]:
        self._next = None
        try:
            async with self._reading() as connection:
                found = await MessageRepository(connection, []).by_ids(batch.ids)
            self._recent.keep(found)
            return {message.id: message for message in found}
        finally:
            for message_id in batch.ids:
                del self._loading[message_id]
