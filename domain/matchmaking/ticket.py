"""A place in the queue, and what may be asked for in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class ChatMode(StrEnum):
    """How two people want to talk."""

    TEXT = "TEXT"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"


class TicketStatus(StrEnum):
    """Every ticket ends MATCHED, CANCELLED or EXPIRED."""

    WAITING = "WAITING"
    MATCHED = "MATCHED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class QueueLeaveReason(StrEnum):
    """Why a ticket ended without a match."""

    LEFT = "LEFT"
    EXPIRED = "EXPIRED"
    CONNECTION_LOST = "CONNECTION_LOST"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a user asks for. Interests and languages are normalised (see `preferences.preferences`); `patience` is in seconds."""

    mode: ChatMode
    interests: tuple[str, ...]
    languages: tuple[str, ...]
    patience: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """A user's place in the queue; a user holds at most one that is WAITING."""

    id: UUID
    user_id: UUID
    status: TicketStatus
    preferences: Preferences
    enqueued_at: datetime
    widens_at: datetime
    room_id: UUID | None = None
