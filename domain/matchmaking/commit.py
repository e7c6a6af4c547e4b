"""What the matcher's commit checks and writes, pair by pair. The pool only proposes; here it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.ticket import Ticket


class Refusal(StrEnum):
    """Why a proposed pair was not matched."""

    GONE = "GONE"
    """One ticket no longer waits."""
    CHANGED = "CHANGED"
    """One side changed what it asks for, and they no longer accept each other."""
    DETACHED = "DETACHED"
    BARRED = "BARRED"
    SUSPENDED = "SUSPENDED"
    SEATED = "SEATED"
    """One side already sits in an open match."""


@dataclass(frozen=True, slots=True)
class PairFacts:
    """A pair of tickets under the locks of both heads, the older first; None for a ticket that does not exist."""

    first: Ticket | None
    second: Ticket | None
    attached: bool
    barred_until: datetime | None
    barred: bool
    suspended: bool
    seated: bool


@dataclass(frozen=True, slots=True)
class NewMatch:
    """A match to be written: the first ticket's user joins first and is the polite side."""

    room_id: UUID
    first: Ticket
    second: Ticket
    first_member_id: UUID
    second_member_id: UUID
    shared_interests: tuple[str, ...]
