"""Appeals: a suspended user asks for a second look, by somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LONGEST_STATEMENT: Final = 4_000
"""Code points of a statement."""


class AppealStatus(StrEnum):
    """What became of an appeal: UPHELD leaves the suspension in force, OVERTURNED lifted it."""

    OPEN = "OPEN"
    UPHELD = "UPHELD"
    OVERTURNED = "OVERTURNED"


@dataclass(frozen=True, slots=True)
class Appeal:
    """One per suspension. `user_id` is who appealed: the suspension's subject, or a later account of the same device."""

    id: UUID
    suspension_id: UUID
    case_id: UUID
    user_id: UUID
    statement: str
    status: AppealStatus
    created_at: datetime
    reason: str | None = None
    """The reviewer's, once decided."""
    decided_by: UUID | None = None
    decided_at: datetime | None = None
