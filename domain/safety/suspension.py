"""Suspensions, as far as matching must respect them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.errors import Suspended

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork


class SuspensionScope(StrEnum):
    """What a suspension takes away."""

    MATCHING = "MATCHING"
    ALL = "ALL"


class ReportCategory(StrEnum):
    """What a report, and the suspension that follows it, is about."""

    CHILD_SAFETY = "CHILD_SAFETY"
    MINOR_WITH_ADULT = "MINOR_WITH_ADULT"
    SEXUAL_CONTENT = "SEXUAL_CONTENT"
    SEXTORTION = "SEXTORTION"
    VIOLENCE_OR_THREAT = "VIOLENCE_OR_THREAT"
    SELF_HARM = "SELF_HARM"
    HATE = "HATE"
    HARASSMENT = "HARASSMENT"
    SPAM_OR_SCAM = "SPAM_OR_SCAM"
    IMPERSONATION = "IMPERSONATION"
    PRIVACY = "PRIVACY"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Suspension:
    """A restriction of one user; `ends_at` None is permanent."""

    id: UUID
    user_id: UUID
    scope: SuspensionScope
    reason: str
    category: ReportCategory | None
    automated: bool
    starts_at: datetime
    ends_at: datetime | None
    lifted_at: datetime | None
    case_id: UUID | None = None
    """The case that it came from."""

    def active(self, now: datetime) -> bool:
        """Whether it restricts the user at `now`."""
        return self.lifted_at is None and self.starts_at <= now and (self.ends_at is None or now < self.ends_at)


def most_restrictive(suspensions: Iterable[Suspension], now: datetime) -> Suspension | None:
    """The active suspension that takes away most and lasts longest, or None."""

    def weight(suspension: Suspension) -> tuple[bool, bool, float]:
        end = suspension.ends_at
        return suspension.scope is SuspensionScope.ALL, end is None, end.timestamp() if end else 0.0

    return max((s for s in suspensions if s.active(now)), key=weight, default=None)


async def refuse_suspended(uow: UnitOfWork, user_id: UUID, now: datetime) -> None:
    """Raises `Suspended` for somebody from whom a suspension took everything: one from matching forbids nothing else."""
    worst = most_restrictive(await uow.suspensions.of(user_id), now)
    if worst is not None and worst.scope is SuspensionScope.ALL:
        raise Suspended(worst)
