"""Reports, and what their reporters disclose with them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.franking import Finding
    from domain.safety.suspension import ReportCategory

LONGEST_COMMENT: Final = 2_000
"""Code points of a comment."""
MOST_EVIDENCE: Final = 20
"""Messages disclosed with one report."""


class ReportStatus(StrEnum):
    """What became of a report."""

    RECEIVED = "RECEIVED"
    UPHELD = "UPHELD"
    DISMISSED = "DISMISSED"


@dataclass(frozen=True, slots=True)
class Report:
    """One person's word against another, about one room that they shared. Its reporter is None once that account was deleted."""

    id: UUID
    case_id: UUID
    reporter_id: UUID | None
    subject_id: UUID
    room_id: UUID
    category: ReportCategory
    comment: str | None
    status: ReportStatus
    weight: float
    """How much the reporter's word counted when it was given, 0.1 to 1; see `rules.reporter_weight`."""
    verified: bool
    """Whether some of its evidence is proved."""
    created_at: datetime
    spent: bool = False
    """Whether it was there already when a rule held the subject: the same reports hold nobody twice."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message as a reporter disclosed it, and what the franking check found."""

    report_id: UUID
    position: int
    """Its place in the report, from 0."""
    message_id: UUID
    plaintext: str
    sent_at: datetime
    finding: Finding
