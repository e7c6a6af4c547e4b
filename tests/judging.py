"""What came of reports, as it stands in the database; and operators who decide."""

from __future__ import annotations

from uuid import uuid4

from domain.identity import Caller
from domain.rooms.room import Room
from domain.safety.case import Case, CaseDecision, Wanted
from domain.safety.judging import Verdict, claim_case, decide_case
from domain.safety.report import Report
from domain.safety.suspension import Suspension, SuspensionScope
from tests.world import World


async def cases(world: World, subject: Caller) -> list[Case]:
    """All about the user, the oldest first."""
    wanted = Wanted(uuid4(), subject_id=subject.user_id)
    found = await world.database.read(lambda uow: uow.cases.queue(wanted, None, 1000, world.clock()))
    return sorted(found, key=lambda case: case.opened_at)


async def gathered(world: World, case: Case) -> list[Report]:
    """The reports in the case, the oldest first."""
    return list(await world.database.read(lambda uow: uow.reports.of_case(case.id, None, 1000)))


async def holds(world: World, subject: Caller) -> list[Suspension]:
    """Suspensions of the user, the newest first."""
    return list(await world.database.read(lambda uow: uow.suspensions.of(subject.user_id)))


async def decide(world: World, operator: Caller, case: Case, decision: CaseDecision) -> Case:
    """Claims the case and decides it."""
    transact, verdict = world.database.transact, Verdict(decision, "Be kind.", SuspensionScope.ALL)
    await claim_case(transact, operator.user_id, case.id, new_id=uuid4, clock=world.clock)
    return await decide_case(transact, operator.user_id, case.id, verdict, new_id=uuid4, clock=world.clock)


async def crowd(world: World, count: int, *, old: bool = True) -> tuple[Caller, list[Caller], Room]:
    """Somebody, and so many others in a room with them; `old` accounts are past their first hour."""
    (subject, *others), room = await world.friends(*(f"Person {number}" for number in range(count + 1)))
    if old:
        world.clock.forward(hours=2)
    return subject, others, room
