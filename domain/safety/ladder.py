"""The ladder: how long the next suspension of somebody lasts, by what was decided about them lately.

A warning, 1 hour, 24 hours, 7 days, 30 days, for good. Pure: what was decided and the time come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.safety.case import CaseDecision

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from domain.safety.case import AccountWarning
    from domain.safety.suspension import Suspension

DURATIONS: Final = (timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30))
"""Of the rungs behind the warning; on the one behind these a suspension has no end."""
WARNING: Final = 0
"""The lowest rung."""
PERMANENT: Final = len(DURATIONS) + 1
"""The highest rung."""
COUNTS_FOR: Final = timedelta(days=90)
"""How long a decision counts, from its time on."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A decision on the ladder: how high, and when."""

    height: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LadderStep:
    """What the ladder has for somebody: a warning, or a suspension of that duration; None is for good, and of a warning."""

    decision: CaseDecision
    duration: timedelta | None

    @property
    def permanent(self) -> bool:
        """Whether it is a suspension for good."""
        return self.decision is CaseDecision.SUSPEND and self.duration is None


def rungs(warnings: Iterable[AccountWarning], suspensions: Iterable[Suspension]) -> list[Rung]:
    """Where somebody stood on the ladder, and when. What a rule did by itself is no decision, and what was lifted was a mistake:
    neither is a rung.
    """
    warned = [Rung(WARNING, warning.at) for warning in warnings]
    suspended = [
        Rung(height(None if s.ends_at is None else s.ends_at - s.starts_at), s.starts_at)
        for s in suspensions
        if not s.automated and s.lifted_at is None
    ]
    return warned + suspended


def height(duration: timedelta | None) -> int:
    """The rung of a suspension that lasts so long, None is for good: the highest that lasts no longer, and the first at least."""
    if duration is None:
        return PERMANENT
    return max(1, sum(duration >= rung for rung in DURATIONS))


def next_height(past: Iterable[Rung], now: datetime) -> int:
    """The rung that is due at `now`: the one above the highest that still counts, and the warning when none does."""
    return min(PERMANENT, max((rung.height for rung in past if now < rung.at + COUNTS_FOR), default=WARNING - 1) + 1)


def next_step(past: Iterable[Rung], now: datetime) -> LadderStep:
    """What is due at `now`. Whoever was not even warned is warned."""
    due = next_height(past, now)
    if due == WARNING:
        return LadderStep(CaseDecision.WARN, None)
    return LadderStep(CaseDecision.SUSPEND, None if due == PERMANENT else DURATIONS[due - 1])


def next_suspension(past: Iterable[Rung], now: datetime) -> timedelta | None:
    """How long a suspension at `now` lasts by the ladder; None is for good. Whoever was not even warned gets the shortest."""
    due = next_height(past, now)
    return None if due == PERMANENT else DURATIONS[max(0, due - 1)]
