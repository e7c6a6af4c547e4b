"""Appealing against a suspension, deciding about it, and lifting one without being asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain import characters
from domain.errors import BadInput, Conflict, InvalidInput, NotAllowed, NotFound
from domain.identity import OperatorRole
from domain.rooms.holding import persistently
from domain.safety import audit
from domain.safety.appeal import LONGEST_STATEMENT, Appeal, AppealStatus
from domain.safety.audit import Action
from domain.safety.bench import bench_of, locked_case
from domain.safety.case import CaseDecision, CaseStatus
from domain.safety.judging import LONGEST_REASON
from domain.safety.lifting import Lifting, lift
from domain.safety.operators import acting
from domain.safety.report import ReportStatus
from domain.safety.suspending import lock_subject, tell_operators

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from domain.ports import Clock, RateLimits, Transact, UnitOfWork
    from domain.safety.bench import Bench
    from domain.safety.case import Case
    from domain.safety.suspension import Suspension

APPEALS_OF_USER: Final = 10
"""At once, and in a day from then on: each suspension can be appealed against once."""
APPEALS_PERIOD: Final = timedelta(days=1)

APPEALED: Final = "This suspension was appealed against before: read what became of it."
SUPERSEDED: Final = "The case was decided since: appeal against what was decided."
DECIDED: Final = "This appeal is decided: read it again."
YOUR_DECISION: Final = "You decided the case: somebody else looks a second time."
NOT_YOURS_TO_LIFT: Final = "Another operator decided it: an ADMIN lifts it."


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an operator decides about an appeal, with a reason that whoever appealed reads."""

    overturn: bool
    reason: str

    @property
    def status(self) -> AppealStatus:
        """What becomes of the appeal."""
        return AppealStatus.OVERTURNED if self.overturn else AppealStatus.UPHELD


async def appeal_suspension(
    transact: Transact,
    limits: RateLimits,
    user_id: UUID,
    suspension_id: UUID,
    statement: str,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Appeal:
    """Asks for a second look at a suspension of the user or of their device, in force or past, once. All operators are told.

    A case that is decided is APPEALED from then on. One that is not stays in the queue, since judging it answers the appeal too.

    Raises `InvalidInput`, `NotFound` for the suspension of anybody else, `RateLimited`, and `Conflict` for one that was appealed
    against before, and for a hold of a rule whose case has been decided since.
    """
    statement = characters.prose("statement", statement, LONGEST_STATEMENT)
    await limits.take(f"appeals:{user_id}", burst=APPEALS_OF_USER, period=APPEALS_PERIOD)
    return await persistently(
        transact, lambda uow: _appeal(uow, user_id, suspension_id, statement, new_id=new_id, clock=clock)
    )


async def _appeal(
    uow: UnitOfWork,
    user_id: UUID,
    suspension_id: UUID,
    statement: str,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Appeal:
    suspension = await uow.suspensions.applying(suspension_id, user_id)
    if suspension is None or suspension.case_id is None:
        raise NotFound
    subject = await lock_subject(uow, suspension.user_id, clock(), also=(user_id,))
    case = await locked_case(uow, suspension.case_id)
    if await uow.appeals.of_suspension(suspension_id) is not None:
        raise Conflict(APPEALED)
    if suspension.automated and case.decision is not None:
        raise Conflict(SUPERSEDED)
    appeal = Appeal(new_id(), suspension_id, case.id, user_id, statement, AppealStatus.OPEN, clock())
    await uow.appeals.add(appeal)
    if case.decision is not None:
        await uow.cases.save(replace(case, status=CaseStatus.APPEALED))
    tell_operators(uow, subject, case.id)
    return appeal


async def decide_appeal(
    transact: Transact,
    operator_id: UUID,
    appeal_id: UUID,
    judgement: Judgement,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Case:
    """Decides an open appeal, and returns its case. Overturned: all that the case brought is lifted at once, and its reports are
    dismissed. Upheld: the suspension goes on. A repeat by the same operator changes nothing.

    Raises `Forbidden` to whoever is no operator, `BadInput` for a reason that is none, `NotFound`, `NotAllowed` to who decided the
    case, whom it restricts, or who reported its subject, and `Conflict` for an appeal that is decided otherwise.
    """
    return await persistently(
        transact, lambda uow: _decide(uow, operator_id, appeal_id, judgement, new_id=new_id, clock=clock)
    )


async def _decide(
    uow: UnitOfWork,
    operator_id: UUID,
    appeal_id: UUID,
    judgement: Judgement,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Case:
    await acting(uow, operator_id)
    judgement = replace(judgement, reason=_reason(judgement.reason))
    known = await uow.appeals.get(appeal_id)
    if known is None:
        raise NotFound
    bench = await bench_of(uow, operator_id, known.suspension_id, clock(), also=(known.user_id,))
    appeal, case = await uow.appeals.get(appeal_id), bench.case
    if appeal is None or case is None:
        raise NotFound
    if appeal.status is not AppealStatus.OPEN:
        if (appeal.decided_by, appeal.status, appeal.reason) == (operator_id, judgement.status, judgement.reason):
            return case
        raise Conflict(DECIDED)
    await bench.check_impartial(uow, appeal)
    if case.decided_by == operator_id:
        raise NotAllowed(YOUR_DECISION)
    lifting = Lifting(operator_id, judgement.reason, clock())
    if judgement.overturn:
        case = await _overturn(uow, bench, case, lifting)
    else:
        decided = replace(appeal, status=AppealStatus.UPHELD, reason=lifting.reason)
        await uow.appeals.save(replace(decided, decided_by=operator_id, decided_at=lifting.at))
        if case.status is CaseStatus.APPEALED:
            case = replace(case, status=CaseStatus.UPHELD)
            await uow.cases.save(case)
    await audit.record(
        uow,
        new_id(),
        Action.APPEAL_DECIDED,
        at=lifting.at,
        actor_id=operator_id,
        target=f"appeal:{appeal_id}",
        details=f"case={case.id} outcome={judgement.status.value}",
    )
    tell_operators(uow, bench.subject, case.id)
    return case


async def lift_suspension(
    transact: Transact,
    operator_id: UUID,
    suspension_id: UUID,
    reason: str,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Suspension:
    """Ends a suspension at once: an ADMIN any, a MODERATOR what they decided themselves and what a rule did. An appeal that is open
    about it is overturned with it, and then the case too. One that is lifted already, or has run out, is returned as it is.

    Raises `Forbidden` to whoever is no operator, `BadInput` for a reason that is none, `NotFound`, and `NotAllowed` to every other
    operator, and to whom it restricts or who reported its subject.
    """
    return await persistently(
        transact, lambda uow: _lift(uow, operator_id, suspension_id, reason, new_id=new_id, clock=clock)
    )


async def _lift(
    uow: UnitOfWork,
    operator_id: UUID,
    suspension_id: UUID,
    reason: str,
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Suspension:
    await acting(uow, operator_id)
    reason = _reason(reason)
    bench = await bench_of(uow, operator_id, suspension_id, clock())
    suspension, case = bench.suspension, bench.case
    appeal = await uow.appeals.of_suspension(suspension_id)
    await bench.check_impartial(uow, appeal)
    own = suspension.automated or (case is not None and case.decided_by == operator_id)
    if bench.operator.operator_role is not OperatorRole.ADMIN and not own:
        raise NotAllowed(NOT_YOURS_TO_LIFT)
    lifting = Lifting(operator_id, reason, clock())
    if not suspension.active(lifting.at):
        return suspension
    if case is not None and case.status is CaseStatus.APPEALED:
        await _overturn(uow, bench, case, lifting)
    else:
        await lift(uow, suspension, bench.subject.accounts, lifting)
    await audit.record(
        uow,
        new_id(),
        Action.SUSPENSION_LIFTED,
        at=lifting.at,
        actor_id=operator_id,
        target=f"suspension:{suspension_id}",
        details=None if case is None else f"case={case.id}",
    )
    if case is not None:
        tell_operators(uow, bench.subject, case.id)
    return replace(suspension, lifted_at=lifting.at)


async def _overturn(uow: UnitOfWork, bench: Bench, case: Case, lifting: Lifting) -> Case:
    """Takes back all that the case brought. One that nobody had judged yet, since only a rule had acted, is judged by this."""
    for suspension in await uow.suspensions.of_case(case.id):
        # Also what has run out, so that the ladder does not count it.
        if suspension.id == bench.suspension.id or suspension.active(lifting.at):
            await lift(uow, suspension, bench.subject.accounts, lifting)
    await uow.reports.close(case.id, ReportStatus.DISMISSED)
    overturned = replace(case, status=CaseStatus.OVERTURNED, claimed_by=None, claim_expires_at=None)
    if case.decision is None:
        overturned = replace(
            overturned,
            decision=CaseDecision.DISMISS,
            reason=lifting.reason,
            decided_by=lifting.by,
            decided_at=lifting.at,
        )
    await uow.cases.save(overturned)
    return overturned


def _reason(text: str) -> str:
    """The statement of reasons as it is stored. Raises `BadInput`: the contract has no other answer to one that is none."""
    try:
        return characters.prose("reason", text, LONGEST_REASON)
    except InvalidInput as error:
        msg = f"`reason`: {error}"
        raise BadInput(msg) from error
