"""Messages by ID, for showing: those sent last are in memory, so that a message costs its readers no query.

Two parts, as in `directory`: `RecentMessages` is given to `Database`, `Transcript` reads the database for what it lacks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from persistence.chat import MessageRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.chat import Message

CAPACITY_BYTES: Final = 32 * 1024 * 1024
MESSAGE_BYTES: Final = 1024
"""What a message takes beside its ciphertext: its IDs, its tag, and its place here (measured 990)."""


class RecentMessages:
    """`database.MessageCache`: the messages that were committed by this process and used last, bounded by bytes.

    What is in here may have been deleted since: whoever shows it looks first whether the viewer still is in the room.
    """

    def __init__(self, capacity: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity
        self._messages: OrderedDict[UUID, Message] = OrderedDict()
        self._size = 0

    def keep(self, messages: Iterable[Message]) -> None:
        """Remembers messages that were just committed, and forgets those that were not used for longest."""
        for message in messages:
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


class Transcript:
    """See `ports.Transcript`. `reading` opens a connection for reading, as `Database.reading` does.

    Raises `Unavailable` when the database does not answer and a message is not at hand.
    """

    def __init__(
        self, recent: RecentMessages, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._recent = recent
        self._reading = reading

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        """See `ports.Transcript`."""
        found: dict[UUID, Message] = {}
        missing: list[UUID] = []
        for message_id in message_ids:
            message = self._recent.get(message_id)
            if message is None:
                missing.append(message_id)
            else:
                found[message_id] = message
        if missing:
            # Not remembered: it may be deleted while it is read, and is asked for rarely.
            async with self._reading() as connection:
                loaded = await MessageRepository(connection, []).by_ids(missing)
            found.update((message.id, message) for message in loaded)
        return found
