"""Suspensions: what they restrict, whom, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.errors import Suspended

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.safety.appeal import Appeal


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
        """Whether it restricts the user at `now`. It does from the moment when it is written: to a worker whose clock is some
        milliseconds behind `starts_at` may lie ahead, and what it let pass then would pass for as long as a token is good.
        """
        return self.lifted_at is None and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """What restricts a user, and what did: the newest suspensions, those in force, and the appeals against any of them."""

    newest: Sequence[Suspension]
    in_force: Sequence[Suspension]
    appeals: Mapping[UUID, Appeal]


async def restrictions_of(uow: UnitOfWork, user_id: UUID, now: datetime) -> Restrictions:
    """All that the user may know of what was ever taken from them. Most users have nothing, and cost nothing more."""
    newest = await uow.suspensions.of(user_id)
    if not newest:
        return Restrictions((), (), {})
    in_force = await uow.suspensions.in_force(user_id, now)
    appeals = await uow.appeals.of_suspensions({suspension.id for suspension in (*newest, *in_force)})
    return Restrictions(newest, in_force, appeals)


def most_restrictive(suspensions: Iterable[Suspension], now: datetime) -> Suspension | None:
    """The active suspension that takes away most and lasts longest, or None."""

    def weight(suspension: Suspension) -> tuple[bool, bool, float]:
        end = suspension.ends_at
        return suspension.scope is SuspensionScope.ALL, end is None, end.timestamp() if end else 0.0

    return max((s for s in suspensions if s.active(now)), key=weight, default=None)


async def refuse_suspended(uow: UnitOfWork, user_id: UUID, now: datetime) -> None:
    """Raises `Suspended` for somebody from whom a suspension took everything: one from matching forbids nothing else."""
    worst = most_restrictive(await uow.suspensions.in_force(user_id, now), now)
    if worst is not None and worst.scope is SuspensionScope.ALL:
        raise Suspended(worst)
