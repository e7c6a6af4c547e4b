"""Cases: all that is reported about one user at a time, judged together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID


class CaseStatus(StrEnum):
    """Where a case stands. One user has at most one that is OPEN or CLAIMED: new reports gather in it."""

    OPEN = "OPEN"
    CLAIMED = "CLAIMED"
    ACTIONED = "ACTIONED"
    DISMISSED = "DISMISSED"
    APPEALED = "APPEALED"
    UPHELD = "UPHELD"
    OVERTURNED = "OVERTURNED"


UNDECIDED: Final = frozenset({CaseStatus.OPEN, CaseStatus.CLAIMED})
"""What gathers reports."""


class CaseDecision(StrEnum):
    """What an operator decides."""

    DISMISS = "DISMISS"
    WARN = "WARN"
    SUSPEND = "SUSPEND"


@dataclass(frozen=True, slots=True)
class Case:
    """The reports about one user, and what was decided. IDs of operators are those of their accounts."""

    id: UUID
    subject_id: UUID
    status: CaseStatus
    priority: int
    """0 is the most urgent; see `rules.priority`."""
    opened_at: datetime
    claimed_by: UUID | None = None
    claim_expires_at: datetime | None = None
    decision: CaseDecision | None = None
    reason: str | None = None
    """The statement of reasons that the subject reads."""
    decided_by: UUID | None = None
    decided_at: datetime | None = None

    def claimed(self, now: datetime) -> bool:
        """Whether somebody's claim holds at `now`: a lease that ran out is none."""
        return self.status is CaseStatus.CLAIMED and self.claim_expires_at is not None and now < self.claim_expires_at

    def as_of(self, now: datetime) -> Case:
        """The case as it stands at `now`: one whose claim ran out is OPEN."""
        if self.status is not CaseStatus.CLAIMED or self.claimed(now):
            return self
        return replace(self, status=CaseStatus.OPEN, claimed_by=None, claim_expires_at=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases are listed: of these statuses, and about that user; None is all. One about the viewer is never among them."""

    viewer_id: UUID
    statuses: Collection[CaseStatus] | None = None
    subject_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccountWarning:
    """A decision that warned without suspending, as its subject reads it."""

    id: UUID
    user_id: UUID
    case_id: UUID
    reason: str
    at: datetime
