"""What a bus promises, and what a subscriber gets."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

QUEUE_LIMIT: Final = 1024
"""Messages that wait for one subscriber, and messages that wait inside the memory backend."""


class Gap(Enum):
    """What a subscriber gets instead of messages that it may have missed."""

    GAP = "GAP"


GAP: Final = Gap.GAP
Received = str | Literal[Gap.GAP]


class Lagged(Exception):
    """Raised by a backend whose reader was too slow: messages were dropped, the connection and its channels are well."""


class Bus(Protocol):
    """Channels by name, for hints. What is lost shows as a `GAP`, unless it was lost on the publisher's side; when a
    connection breaks while a message is published, it may arrive twice.
    """

    async def publish(self, channel: str, message: str) -> None:
        """Sends to whoever is subscribed, within a few seconds.

        Raises `ConnectionError` while the bus is down, and `ValueError` for what it cannot carry: PostgreSQL carries channels
        of at most 63 bytes and messages of at most 7,999, and no NUL character.
        """

    def subscribe(self, channel: str) -> AbstractAsyncContextManager[AsyncIterator[Received]]:
        """What is published after the context was entered, in order, until the bus is disconnected. One task may iterate."""
