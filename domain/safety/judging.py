"""Judging: an operator takes a case, and decides it with a reason that its subject reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain import characters
from domain.errors import Conflict, Forbidden, InvalidInput, NotAllowed, NotFound
from domain.events import UserWarned
from domain.identity import OperatorRole
from domain.rooms.holding import persistently
from domain.safety import audit, ladder
from domain.safety.appeal import AppealStatus
from domain.safety.audit import Action
from domain.safety.case import AccountWarning, CaseDecision, CaseStatus
from domain.safety.lifting import Lifting, lift, settle
from domain.safety.operators import acting
from domain.safety.report import ReportStatus
from domain.safety.suspending import lock_subject, suspend, tell_operators
from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.identity import User
    from domain.ports import Clock, Transact, UnitOfWork
    from domain.safety.case import Case
    from domain.safety.suspending import Subject

LEASE: Final = timedelta(minutes=15)
"""How long a claim holds; claiming again renews it."""
LONGEST_REASON: Final = 2_000
"""Code points of a statement of reasons."""
MOST_HOURS: Final = 10 * 365 * 24
"""Ten years: longer is for good, and says so."""
ENOUGH_REPORTERS: Final = 3
"""Of so many different people who named the same category none is told by its name."""

CLAIMED_BY_ANOTHER: Final = "Another operator has claimed this case: read it again."
DECIDED: Final = "This case is decided: read it again."
NOT_YOUR_CASE: Final = "You are its subject, or reported its subject: somebody else judges it."


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a suspension shall last: so many hours, or for good."""

    hours: int | None = None
    permanent: bool = False

    @property
    def length(self) -> timedelta | None:
        """As a time; None is for good."""
        return None if self.hours is None else timedelta(hours=self.hours)

    def check(self) -> None:
        """Raises `InvalidInput` for what is neither."""
        if self.hours is None and not self.permanent:
            raise InvalidInput("duration.permanent", "Only true: for less, give hours.")
        if self.hours is not None and not 1 <= self.hours <= MOST_HOURS:
            raise InvalidInput("duration.hours", f"1 to {MOST_HOURS} hours.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an operator decides. Scope and duration matter to a suspension only; without a duration the ladder has one."""

    decision: CaseDecision
    reason: str
    scope: SuspensionScope
    duration: Duration | None = None

    @property
    def of_appeals(self) -> AppealStatus:
        """What becomes of appeals against the holds of the case: whoever is warned or suspended was held for a reason."""
        return AppealStatus.OVERTURNED if self.decision is CaseDecision.DISMISS else AppealStatus.UPHELD

    def checked(self) -> Verdict:
        """With its reason as it is stored. Raises `InvalidInput`."""
        if self.duration is not None:
            if self.decision is not CaseDecision.SUSPEND:
                raise InvalidInput("duration", "Only a suspension has a duration.")
            self.duration.check()
        return replace(self, reason=characters.prose("reason", self.reason, LONGEST_REASON))


async def claim_case(
    transact: Transact, operator_id: UUID, case_id: UUID, *, new_id: Callable[[], UUID], clock: Clock
) -> Case:
    """Gives the operator an undecided case that nobody else has for `LEASE`; whoever has it already has it for longer.

    Raises `Forbidden` to whoever is no operator or no judge of that case, `NotFound`, and `Conflict` when somebody else has claimed
    it, or it is decided.
    """
    return await persistently(transact, lambda uow: _claim(uow, operator_id, case_id, new_id, clock))


async def _claim(uow: UnitOfWork, operator_id: UUID, case_id: UUID, new_id: Callable[[], UUID], clock: Clock) -> Case:
    subject, _, case = await _locked(uow, operator_id, case_id, clock())
    now = clock()
    try:
        await check_impartial(uow, operator_id, case)
    except NotAllowed as error:  # The contract has no such answer to a claim.
        raise Forbidden(NOT_YOUR_CASE) from error
    _check_not_taken(case, operator_id, now)
    renewed = case.claimed(now)
    claimed = replace(case, status=CaseStatus.CLAIMED, claimed_by=operator_id, claim_expires_at=now + LEASE)
    await uow.cases.save(claimed)
    if not renewed:
        await audit.record(uow, new_id(), Action.CASE_CLAIMED, at=now, actor_id=operator_id, target=_target(case_id))
    tell_operators(uow, subject, case_id)
    return claimed


async def decide_case(
    transact: Transact,
    operator_id: UUID,
    case_id: UUID,
    verdict: Verdict,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Case:
    """Decides a case that the operator has claimed: its reports get their outcome, the holds of rules end, and the subject is told
    of a warning or a suspension. A repeat by the same operator changes nothing.

    Raises `Forbidden` to whoever is no operator, `InvalidInput`, `NotFound`, `NotAllowed` without a claim that holds, to whoever is
    no judge of that case, and for a suspension for good that neither an ADMIN decides nor the ladder; and `Conflict` when somebody
    else has claimed it, or it is decided otherwise.
    """
    return await persistently(transact, lambda uow: _decide(uow, operator_id, case_id, verdict, new_id, clock))


async def _decide(  # noqa: PLR0917  # as `decide_case` has them
    uow: UnitOfWork, operator_id: UUID, case_id: UUID, verdict: Verdict, new_id: Callable[[], UUID], clock: Clock
) -> Case:
    await acting(uow, operator_id)
    verdict = verdict.checked()
    subject, operator, case = await _locked(uow, operator_id, case_id, clock())
    now = clock()
    if case.decided_by == operator_id and await _decided_so(uow, case, verdict):
        return case
    await check_impartial(uow, operator_id, case)
    _check_not_taken(case, operator_id, now)
    if not case.claimed(now):
        raise NotAllowed("Claim the case first: a claim holds for 15 minutes.")
    await _end_holds(uow, subject, case_id, Lifting(operator_id, verdict.reason, now, verdict.of_appeals))
    details = f"decision={verdict.decision.value}"
    if verdict.decision is CaseDecision.WARN:
        await _warn(uow, AccountWarning(new_id(), case.subject_id, case_id, verdict.reason, now))
    elif verdict.decision is CaseDecision.SUSPEND:
        length = await _length(uow, subject, operator, verdict.duration, now)
        suspension = Suspension(
            id=new_id(),
            user_id=case.subject_id,
            scope=verdict.scope,
            reason=verdict.reason,
            category=told_category((await uow.reports.categories(case_id)).values()),
            automated=False,
            starts_at=now,
            ends_at=None if length is None else now + length,
            lifted_at=None,
            case_id=case_id,
        )
        await suspend(uow, subject, suspension, now=now)
        details += f" scope={verdict.scope.value} " + (
            "permanent" if length is None else f"hours={length // timedelta(hours=1)}"
        )
    dismissed = verdict.decision is CaseDecision.DISMISS
    await uow.reports.close(case_id, ReportStatus.DISMISSED if dismissed else ReportStatus.UPHELD)
    decided = replace(
        case,
        status=CaseStatus.DISMISSED if dismissed else CaseStatus.ACTIONED,
        claimed_by=None,
        claim_expires_at=None,
        decision=verdict.decision,
        reason=verdict.reason,
        decided_by=operator_id,
        decided_at=now,
    )
    await uow.cases.save(decided)
    await audit.record(
        uow, new_id(), Action.CASE_DECIDED, at=now, actor_id=operator_id, target=_target(case_id), details=details
    )
    tell_operators(uow, subject, case_id)
    return decided


def told_category(named: Iterable[Iterable[ReportCategory]]) -> ReportCategory | None:
    """What a subject is told that a suspension is about, by what each reporter named: the category that most of them did, of two
    the one that the list has first; None unless `ENOUGH_REPORTERS` did.
    """
    counts = Counter(category for categories in named for category in set(categories))
    most = max(ReportCategory, key=lambda category: counts[category])
    return most if counts[most] >= ENOUGH_REPORTERS else None


async def _locked(uow: UnitOfWork, operator_id: UUID, case_id: UUID, now: datetime) -> tuple[Subject, User, Case]:
    """The subject, the operator and the case under lock. Whoever is no operator locks nobody."""
    await acting(uow, operator_id)
    known = await uow.cases.get(case_id)
    if known is None:
        raise NotFound("There is no such case.")
    subject = await lock_subject(uow, known.subject_id, now, also=(operator_id,))
    operator = await acting(uow, operator_id)
    case = await uow.cases.lock(case_id)
    if case is None:
        raise Conflict("Another operator is at this case: read it again.")
    return subject, operator, case


def _check_not_taken(case: Case, operator_id: UUID, now: datetime) -> None:
    if case.claimed(now) and case.claimed_by != operator_id:
        raise Conflict(CLAIMED_BY_ANOTHER)
    if case.decision is not None:
        raise Conflict(DECIDED)


async def check_impartial(uow: UnitOfWork, operator_id: UUID, case: Case) -> None:
    """Raises `NotAllowed` to the subject of the case and to its reporters: nobody judges what is their own."""
    if operator_id == case.subject_id or operator_id in await uow.reports.categories(case.id):
        raise NotAllowed(NOT_YOUR_CASE)


async def _decided_so(uow: UnitOfWork, case: Case, verdict: Verdict) -> bool:
    if (case.decision, case.reason) != (verdict.decision, verdict.reason):
        return False
    if verdict.decision is not CaseDecision.SUSPEND:
        return True
    made = next((s for s in await uow.suspensions.of_case(case.id) if not s.automated), None)
    if made is None:  # No longer kept.
        return True
    length = None if made.ends_at is None else made.ends_at - made.starts_at
    return made.scope is verdict.scope and (verdict.duration is None or verdict.duration.length == length)


async def _end_holds(uow: UnitOfWork, subject: Subject, case_id: UUID, lifting: Lifting) -> None:
    """Judging a case answers appeals against what a rule did in it, also against what has run out."""
    for hold in await uow.suspensions.of_case(case_id):
        if hold.active(lifting.at):
            await lift(uow, hold, subject.accounts, lifting)
        else:
            await settle(uow, hold, lifting)


async def _warn(uow: UnitOfWork, warning: AccountWarning) -> None:
    await uow.cases.warn(warning)
    uow.append(warning.user_id, UserWarned(warning))


async def rungs_of(uow: UnitOfWork, user_ids: Collection[UUID]) -> Mapping[UUID, Sequence[ladder.Rung]]:
    """Where each of the users stood on the ladder, and when: with the other accounts of their device."""
    warnings = await uow.cases.device_warnings(user_ids)
    suspensions = await uow.suspensions.of_many(user_ids)
    return {user_id: ladder.rungs(warnings.get(user_id, ()), suspensions.get(user_id, ())) for user_id in user_ids}


async def _length(
    uow: UnitOfWork, subject: Subject, operator: User, wanted: Duration | None, now: datetime
) -> timedelta | None:
    """How long the suspension lasts; None is for good. Other accounts of the device stand on the same ladder."""
    due = ladder.next_suspension((await rungs_of(uow, (subject.user_id,)))[subject.user_id], now)
    if wanted is None:
        return due
    if wanted.hours is None and due is not None and operator.operator_role is not OperatorRole.ADMIN:
        raise NotAllowed("Only an ADMIN suspends for good before the ladder does.")
    return wanted.length


def _target(case_id: UUID) -> str:
    return f"case:{case_id}"
