"""Suspensions as rules and operators make them, for tests: with all that is locked, ended and told."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from domain.ports import UnitOfWork
from domain.rooms.holding import persistently
from domain.safety.case import Case, CaseDecision
from domain.safety.judging import Duration, Verdict, claim_case, decide_case
from domain.safety.suspending import lock_subject, suspend
from domain.safety.suspension import Suspension, SuspensionScope
from tests.world import World
from tests.world.parts import Who, id_of


def sentence(
    world: World,
    who: Who,
    scope: SuspensionScope = SuspensionScope.ALL,
    *,
    hours: int | None = None,
    case_id: UUID | None = None,
    automated: bool = False,
) -> Suspension:
    """A suspension of somebody from now on, by default for good, which is not written yet."""
    now = world.clock()
    ends = None if hours is None else now + timedelta(hours=hours)
    return Suspension(uuid4(), id_of(who), scope, "Be kind.", None, automated, now, ends, None, case_id)


async def sentenced(
    world: World,
    who: Who,
    scope: SuspensionScope = SuspensionScope.ALL,
    *,
    hours: int | None = None,
    case_id: UUID | None = None,
    automated: bool = False,
) -> Suspension:
    """Suspends somebody."""
    made = sentence(world, who, scope, hours=hours, case_id=case_id, automated=automated)

    async def work(uow: UnitOfWork) -> None:
        await suspend(uow, await lock_subject(uow, made.user_id, world.clock()), made, now=world.clock())

    await persistently(world.database.transact, work)
    return made


async def held(world: World, who: Who, case_id: UUID) -> Suspension:
    """A rule keeps somebody out of matching for half an hour or so."""
    return await sentenced(world, who, SuspensionScope.MATCHING, hours=1, case_id=case_id, automated=True)


async def judged(
    world: World,
    operator: Who,
    case_id: UUID,
    decision: CaseDecision = CaseDecision.SUSPEND,
    scope: SuspensionScope = SuspensionScope.ALL,
) -> Case:
    """The operator claims the case and decides it; a suspension lasts a day."""
    transact, operator_id = world.database.transact, id_of(operator)
    await claim_case(transact, operator_id, case_id, new_id=uuid4, clock=world.clock)
    duration = Duration(hours=24) if decision is CaseDecision.SUSPEND else None
    verdict = Verdict(decision, "You insulted people.", scope, duration)
    return await decide_case(transact, operator_id, case_id, verdict, new_id=uuid4, clock=world.clock)


async def suspended(world: World, operator: Who, subject: Who, *reporters: Who) -> Suspension:
    """The suspension that an operator decides in a case about the subject."""
    case_id = await world.case_about(subject, *reporters)
    await judged(world, operator, case_id)
    (made,) = await world.database.read(lambda uow: uow.suspensions.of_case(case_id))
    return made
