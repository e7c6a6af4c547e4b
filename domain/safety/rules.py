"""Rules over reports: how much somebody's word counts, what is judged first, and when nobody waits for a judgement.

Pure: the reports and the time come in as arguments. A rule keeps somebody from matching for a while, until a person has looked; it
takes nothing else, and never for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import fsum
from typing import TYPE_CHECKING, Final

from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

LEAST_WEIGHT: Final = 0.1
FIRST_HOUR: Final = timedelta(hours=1)
"""Accounts cost nothing: in its first hour the word of one counts half, and those of all such together as that of one person."""
NEWCOMERS: Final = 1.0
"""What the words of accounts in their first hour weigh together, at most."""

COUNTED_FOR: Final = timedelta(hours=24)
"""How long a report counts in the rules of holds."""
ENOUGH_WEIGHT: Final = 2.5
ENOUGH_REPORTERS: Final = 3
HELD_BY_WEIGHT: Final = timedelta(minutes=30)
HELD_BY_EVIDENCE: Final = timedelta(hours=24)
"""At most: until the case is decided."""

MOST_URGENT: Final = frozenset(
    {ReportCategory.CHILD_SAFETY, ReportCategory.MINOR_WITH_ADULT, ReportCategory.SEXTORTION}
)
"""Where one proved message is enough for a hold: to wait for a person may cost somebody more than a day without strangers."""
_URGENCY: Final = (
    {ReportCategory.CHILD_SAFETY},
    {ReportCategory.MINOR_WITH_ADULT, ReportCategory.SEXTORTION},
    {ReportCategory.SELF_HARM, ReportCategory.VIOLENCE_OR_THREAT},
    {ReportCategory.SEXUAL_CONTENT, ReportCategory.HATE},
    {ReportCategory.HARASSMENT, ReportCategory.PRIVACY},
    {ReportCategory.SPAM_OR_SCAM, ReportCategory.IMPERSONATION},
    {ReportCategory.OTHER},
)
_RANK: Final[Mapping[ReportCategory, int]] = {
    category: 3 * rank for rank, categories in enumerate(_URGENCY) for category in categories
}


@dataclass(frozen=True, slots=True)
class Charge:
    """A report as the rules see it. Those whose reporter has deleted the account are none: they could not be told apart."""

    reporter: UUID
    """The device of the reporter's account, or the account where that is unknown: two accounts of one device are one person."""
    account_age: timedelta
    """When it was given."""
    category: ReportCategory
    weight: float
    verified: bool
    at: datetime
    spent: bool = False
    """Whether it was there already when somebody was held."""


class Rule(StrEnum):
    """What holds somebody."""

    WEIGHT = "WEIGHT"
    """Several people, whose words weigh enough together."""
    EVIDENCE = "EVIDENCE"
    """A proved message, in a most urgent category."""


_REASONS: Final = {
    Rule.WEIGHT: (
        "Several people have reported you within a day. For 30 minutes you are not matched with strangers. A rule decided this; a "
        "person will look at the reports."
    ),
    Rule.EVIDENCE: (
        "You were reported for something that must not wait. Until a person has looked at it, for 24 hours at most, you are not "
        "matched with strangers. A rule decided this."
    ),
}
"""Statements of reasons. None says who reported, or what they disclosed."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Who is kept from matching, by which rule and until when."""

    rule: Rule
    ends_at: datetime

    def suspension(self, suspension_id: UUID, *, user_id: UUID, case_id: UUID, now: datetime) -> Suspension:
        """The hold as what it is to its subject: of scope MATCHING, with an end, and without the category, which may tell whose
        report it was.
        """
        return Suspension(
            id=suspension_id,
            user_id=user_id,
            scope=SuspensionScope.MATCHING,
            reason=_REASONS[self.rule],
            category=None,
            automated=True,
            starts_at=now,
            ends_at=self.ends_at,
            lifted_at=None,
            case_id=case_id,
        )

    def outlasted(self, suspensions: Iterable[Suspension], now: datetime) -> bool:
        """Whether one of these keeps its subject from matching as long anyhow."""
        return any(s.active(now) and (s.ends_at is None or s.ends_at >= self.ends_at) for s in suspensions)


def reporter_weight(upheld: int, dismissed: int, account_age: timedelta) -> float:
    """How much the word of somebody counts of whose reports so many were upheld and dismissed: 0.1 to 1.

    clamp((upheld + 2) / (upheld + dismissed + 4), 0.1, 1), before the clamp halved in the account's first hour: 0.5 without any
    record, and 0.25 then.
    """
    record = (upheld + 2) / (upheld + dismissed + 4)
    return min(1.0, max(LEAST_WEIGHT, record / 2 if account_age < FIRST_HOUR else record))


def priority(charges: Collection[Charge]) -> int:
    """How soon a case with these reports, at least one, is to be judged: 0 is the most urgent.

    By the most urgent category first, child safety before all others; within it by proof, then by whether at least three different
    people reported. More reports never make a case less urgent.
    """
    several = len({charge.reporter for charge in charges}) >= ENOUGH_REPORTERS
    unproved = 1 if several else 2
    return min(_RANK[charge.category] + (0 if charge.verified else unproved) for charge in charges)


def hold_due(charges: Iterable[Charge], now: datetime) -> Hold | None:
    """Whether the undecided reports about somebody hold them from matching, by those of the last 24 hours.

    A proved message in a most urgent category holds until reviewed, 24 hours from its report at most. At least three different
    reporters whose words weigh 2.5 together hold for 30 minutes; a reporter counts once, and accounts in their first hour no more
    than one person together. So one person alone never suffices for that, nor do new accounts however many.
    Who reported before a hold brings no further one by the same rule that day.
    """
    counted = [charge for charge in charges if now - charge.at < COUNTED_FOR]
    proofs = _unheard([charge for charge in counted if charge.verified and charge.category in MOST_URGENT])
    if proofs:
        return Hold(Rule.EVIDENCE, max(charge.at for charge in proofs) + HELD_BY_EVIDENCE)
    if _weighs_enough(_unheard(counted)):
        return Hold(Rule.WEIGHT, now + HELD_BY_WEIGHT)
    return None


def _unheard(charges: Collection[Charge]) -> Collection[Charge]:
    """Those of reporters none of whose charges among these is spent."""
    heard = {charge.reporter for charge in charges if charge.spent}
    return [charge for charge in charges if charge.reporter not in heard]


def _weighs_enough(charges: Iterable[Charge]) -> bool:
    heaviest = {charge.reporter: charge for charge in sorted(charges, key=lambda charge: charge.weight)}.values()
    settled = fsum(charge.weight for charge in heaviest if charge.account_age >= FIRST_HOUR)
    newcomers = fsum(charge.weight for charge in heaviest if charge.account_age < FIRST_HOUR)
    return len(heaviest) >= ENOUGH_REPORTERS and settled + min(NEWCOMERS, newcomers) >= ENOUGH_WEIGHT
