"""Judging at the same moment: two operators, a claim that runs out, new reports, matches. Two workers on one database, whose locks
decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.errors import Forbidden
from domain.events import UserSuspended
from domain.identity import Caller
from domain.matchmaking.commit import NewMatch, Refusal, Refused
from domain.ports import UnitOfWork
from domain.safety.audit import Action
from domain.safety.case import CaseStatus, Wanted
from domain.safety.judging import LEASE
from domain.safety.operators import remove_operator
from domain.safety.report import Report, ReportStatus
from tests.casework import claim, decide, entries, judge, stored
from tests.locks import held_up
from tests.world import Clock, World, open_world

DECIDED = {CaseStatus.ACTIONED, CaseStatus.DISMISSED}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A worker."""
    async with open_world(database_url) as world:
        yield world


@pytest.fixture
async def other(world: World, database_url: str) -> AsyncIterator[World]:
    """Another one."""
    async with open_world(database_url, Clock(), one_of_several=True) as other:
        yield other


async def in_turn(world: World, database_url: str, subject: Caller, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """What came of works that begin in that order while nobody gets at the subject, and all wait for it."""
    tasks = []
    async with held_up(database_url, subject.user_id):
        for number, work in enumerate(works, 1):
            tasks.append(asyncio.create_task(work))
            await world.until_blocked(number)
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def kinds(answers: Sequence[dict[str, Any]]) -> list[str]:
    """Which members of the payloads they are."""
    return [answer["__typename"] for answer in answers]


async def suspended(world: World, who: Caller) -> int:
    """How often the user was suspended."""
    return len(await world.database.read(lambda uow: uow.suspensions.of(who.user_id)))


async def taken(world: World, about: Caller) -> list[Report]:
    """All reports about the user."""

    async def look(uow: UnitOfWork) -> list[Report]:
        cases = await uow.cases.queue(Wanted(uuid4(), subject_id=about.user_id), None, 100, world.clock())
        found = await uow.reports.of_cases([case.id for case in cases], None, 100)
        return [report for reports in found.values() for report in reports]

    return await world.database.read(look)


async def test_of_two_operators_who_claim_at_once_one_gets_it(world: World, other: World) -> None:
    """Each of ten times; the other is told of the conflict, and the log has one claim."""
    olive, otto = await world.operator(), await world.operator()
    cases = [await world.case_about(await world.user(), await world.user()) for _ in range(10)]
    for case_id in cases:
        answers = await asyncio.gather(claim(world, olive, case_id), claim(other, otto, case_id))
        assert sorted(kinds(answers)) == ["ClaimCaseSuccess", "ConflictError"]
        winner = olive if kinds(answers)[0] == "ClaimCaseSuccess" else otto
        assert (await stored(world, case_id)).claimed_by == winner.user_id
    claims = await entries(world, Action.CASE_CLAIMED)
    assert {entry.target for entry in claims} == {f"case:{case_id}" for case_id in cases}
    assert len(claims) == len(cases)


async def test_a_case_that_somebody_else_has_locked_is_a_conflict_at_once(world: World, database_url: str) -> None:
    """Nobody waits for whatever is at it, such as a clean-up."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM moderation_case WHERE id = $1 FOR UPDATE", case_id)
            assert (await claim(world, olive, case_id))["__typename"] == "ConflictError"
            assert (await decide(world, olive, case_id))["__typename"] == "ConflictError"
    finally:
        await connection.close()
    assert (await claim(world, olive, case_id))["__typename"] == "ClaimCaseSuccess"


async def test_of_two_decisions_at_once_one_stands(world: World, other: World) -> None:
    """Two tabs of one operator, two opinions: the subject is suspended, or warned, and never both."""
    olive = await world.operator()
    for _ in range(6):
        ada = await world.user()
        case_id = await world.case_about(ada, await world.user())
        await claim(world, olive, case_id)
        answers = await asyncio.gather(decide(world, olive, case_id, "SUSPEND"), decide(other, olive, case_id, "WARN"))
        assert sorted(kinds(answers)) == ["ConflictError", "DecideCaseSuccess"]
        warnings = len(await world.database.read(lambda uow, ada=ada: uow.cases.warnings(ada.user_id)))  # type: ignore[misc]
        assert [await suspended(world, ada), warnings] == [kind == "DecideCaseSuccess" for kind in kinds(answers)]
    assert len(await entries(world, Action.CASE_DECIDED)) == 6


async def test_one_decision_sent_twice_at_once_acts_once(world: World, other: World) -> None:
    """A client whose answer is late sends it again: both get the same answer, the subject is suspended once."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    answers = await asyncio.gather(*(decide(each, olive, case_id, "SUSPEND") for each in (world, other)))
    assert kinds(answers) == ["DecideCaseSuccess"] * 2
    assert answers[0] == answers[1]
    assert await suspended(world, ada) == 1
    told = [event for _, event in world.inbox.told + other.inbox.told if isinstance(event, UserSuspended)]
    assert len(told) == 1


@pytest.mark.parametrize("claims_first", [True, False], ids=["claim first", "decision first"])
async def test_when_a_claim_runs_out_either_the_decision_stands_or_the_next_claim(
    world: World,
    other: World,
    database_url: str,
    claims_first: bool,  # noqa: FBT001
) -> None:
    """The workers' clocks are a second apart, so to one the claim holds and to the other it has run out."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    world.clock.moved = LEASE - timedelta(seconds=0.5)
    other.clock.moved = LEASE + timedelta(seconds=0.5)
    works = [claim(other, otto, case_id), decide(world, olive, case_id, "SUSPEND")]
    answers = await in_turn(world, database_url, ada, *(works if claims_first else works[::-1]))
    assert kinds(answers) == ["ClaimCaseSuccess" if claims_first else "DecideCaseSuccess", "ConflictError"]
    case = await stored(world, case_id)
    assert (case.claimed_by, case.decided_by) == ((otto.user_id, None) if claims_first else (None, olive.user_id))
    assert await suspended(world, ada) == (not claims_first)


@pytest.mark.parametrize("reports_first", [True, False], ids=["report first", "decision first"])
async def test_a_report_beside_a_decision_is_in_the_case_or_opens_the_next(
    world: World,
    other: World,
    database_url: str,
    reports_first: bool,  # noqa: FBT001
) -> None:
    """It is judged with the others, or it waits for a judge: it is never lost in a case that nobody opens again."""
    olive, ada, ben = await world.operator(), await world.user(), await world.user()
    room = await world.open_room(ben, ada)
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    works = [other.report(ben, room, ada), decide(world, olive, case_id, "WARN")]
    answers = await in_turn(world, database_url, ada, *(works if reports_first else works[::-1]))
    assert set(kinds(answers)) == {"ReportUserSuccess", "DecideCaseSuccess"}
    report_id = UUID(answers[not reports_first]["report"]["id"])
    (report,) = [each for each in await taken(world, ada) if each.id == report_id]
    undecided = await world.database.read(lambda uow: uow.cases.undecided(ada.user_id))
    if reports_first:
        assert (report.case_id, report.status, undecided) == (case_id, ReportStatus.UPHELD, None)
    else:
        assert undecided is not None
        assert (undecided.id, undecided.status) == (report.case_id, CaseStatus.OPEN)
        assert (report.case_id != case_id, report.status) == (True, ReportStatus.RECEIVED)


async def test_many_reports_beside_decisions_are_all_judged_or_waiting(world: World, other: World) -> None:
    """Whatever order they come in: no report is RECEIVED in a decided case, none judged in an open one."""
    olive, ada = await world.operator(), await world.user()
    people = [await world.user() for _ in range(12)]
    rooms = [await world.open_room(each, ada) for each in people]
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    reports = [each.report(who, room, ada) for each, who, room in zip([world, other] * 6, people, rooms, strict=True)]
    results = await asyncio.gather(*reports[:6], decide(world, olive, case_id), *reports[6:])
    assert set(kinds(results)) == {"ReportUserSuccess", "DecideCaseSuccess"}
    found = await taken(world, ada)
    cases = await world.database.read(lambda uow: uow.cases.get_many({report.case_id for report in found}))
    assert len(found) == 13
    for report in found:
        assert (report.status is ReportStatus.RECEIVED) == (cases[report.case_id].status not in DECIDED)


@pytest.mark.parametrize("matched_first", [True, False], ids=["match first", "decision first"])
async def test_nobody_is_matched_beside_the_decision_that_suspends_them(
    world: World,
    other: World,
    database_url: str,
    matched_first: bool,  # noqa: FBT001
) -> None:
    """The matcher proposed the two before: it is refused, or the match that it made ends."""
    olive, ada, bob = await world.operator(), await world.user(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    for who in (ada, bob):
        await world.attach(who)
    tickets = await world.join(ada), await world.join(bob)
    works = [other.commit(tickets), decide(world, olive, case_id, "SUSPEND", scope="MATCHING")]
    answers = await in_turn(world, database_url, ada, *(works if matched_first else works[::-1]))
    (result,), decided = answers if matched_first else answers[::-1]
    assert decided["__typename"] == "DecideCaseSuccess", decided
    if matched_first:
        assert isinstance(result, NewMatch)
        assert not (await world.room(result.room_id)).open
    else:
        assert isinstance(result, Refused)
        assert result.reason in {Refusal.GONE, Refusal.SUSPENDED}
    assert [await world.open_match(who) for who in (ada, bob)] == [None, None]
    assert await world.waiting(ada) is None


@pytest.mark.parametrize("removed_first", [True, False], ids=["removal first", "decision first"])
async def test_an_operator_who_is_removed_beside_their_decision_decides_before_it_or_not_at_all(
    world: World,
    other: World,
    database_url: str,
    removed_first: bool,  # noqa: FBT001
) -> None:
    """Their case is another's afterwards, or it is decided."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    await claim(world, olive, case_id)
    removal = remove_operator(other.database.transact, uuid4, olive.user_id, now=other.clock())
    works = [removal, decide(world, olive, case_id, "WARN")]
    tasks = []
    async with held_up(database_url, olive.user_id):
        for number, work in enumerate(works if removed_first else works[::-1], 1):
            tasks.append(asyncio.create_task(work))
            await world.until_blocked(number)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    case = await stored(world, case_id)
    if removed_first:
        assert isinstance(answers[1], Forbidden)
        assert case.status is CaseStatus.OPEN
        await judge(world, otto, case_id)
    else:
        assert case.decided_by == olive.user_id


async def test_claims_and_decisions_about_one_device_do_not_wait_in_a_circle(world: World, other: World) -> None:
    """Two cases about two accounts of one person, each judged at another worker: both are judged."""
    first = await world.sign_in("Ada")
    second = await world.sign_in("Ada again", first.device_token)
    for _ in range(4):
        judges = [(world, await world.operator()), (other, await world.operator())]
        cases = [await world.case_about(each.grant.user.id, await world.user()) for each in (first, second)]
        answers = await asyncio.gather(
            *(judge(at, who, case_id, "SUSPEND") for (at, who), case_id in zip(judges, cases, strict=True))
        )
        assert [answer["status"] for answer in answers] == ["ACTIONED"] * 2
