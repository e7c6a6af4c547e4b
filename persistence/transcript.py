"""Messages by ID, for showing: those sent last are in memory, so that a message costs its readers no query.

Two parts, as in `directory`: `RecentMessages` is given to `Database`, `Transcript` reads the database for what it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.chat import Message


class RecentMessages:
    """`database.MessageCache`: the messages committed last by this process, bounded by bytes."""

    def keep(self, messages: Iterable[Message]) -> None:
        """Remembers messages that were just committed."""


class Transcript:
    """See `ports.Transcript`. `reading` opens a connection for reading, as `Database.reading` does."""

    def __init__(
        self, recent: RecentMessages, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> None:
        self._recent = recent
        self._reading = reading

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        """See `ports.Transcript`."""
        raise NotImplementedError
