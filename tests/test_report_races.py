"""Reports beside what else happens at the same moment: none is lost, none counts twice, and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from api.turns import Turns
from domain.errors import Unauthenticated
from domain.events import MatchEnded
from domain.privacy.deleting import delete_account
from domain.rooms.room import MatchEndReason
from domain.safety.case import CaseDecision
from domain.safety.judging import claim_case
from domain.safety.report import ReportStatus
from tests.judging import cases, crowd, decide, gathered, holds
from tests.locks import held_up
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server that takes as many reports at once as many workers do."""
    async with open_world(database_url) as world:
        world.one_by_one = Turns(at_once=100)
        yield world


async def test_reports_at_the_same_moment_open_one_case(world: World, database_url: str) -> None:
    """A crowd presses the button at once: one matter, and each of them is heard."""
    subject, others, room = await crowd(world, 5)
    async with held_up(database_url, subject.user_id):
        attempts = asyncio.gather(*(world.report(each, room, subject) for each in others))
        await world.until_blocked(len(others))
    assert {result["__typename"] for result in await attempts} == {"ReportUserSuccess"}
    (case,) = await cases(world, subject)
    assert len(await gathered(world, case)) == 5
    assert len(await holds(world, subject)) == 1


async def test_one_report_sent_twice_at_once_is_one(world: World, database_url: str) -> None:
    """Two tabs, or an impatient client: both get the same answer."""
    ada, bob, room = await world.pair()
    async with held_up(database_url, bob.user_id):
        attempts = asyncio.gather(*(world.report(ada, room, bob) for _ in range(3)))
        await world.until_blocked(3)
    one, *rest = await attempts
    assert all(each == one for each in rest)
    (case,) = await cases(world, bob)
    assert len(await gathered(world, case)) == 1
    assert await world.told(ada) == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]


async def test_two_who_report_each_other_at_once_are_both_heard(world: World) -> None:
    """The match ends once, and neither waits for the other for ever."""
    for _ in range(5):
        ada, bob, room = await world.pair()
        results = await asyncio.gather(world.report(ada, room, bob), world.report(bob, room, ada))
        assert [result["__typename"] for result in results] == ["ReportUserSuccess"] * 2
        for who in (ada, bob):
            assert sum(isinstance(event, MatchEnded) for event in await world.told(who)) == 1
            assert len(await cases(world, who)) == 1


async def test_a_report_beside_a_decision_is_in_it_or_in_a_new_case(world: World, database_url: str) -> None:
    """In whichever order they come: no report is lost in a case that nobody looks at any more."""
    olive = await world.operator()
    for number in range(4):
        subject, (ada, ben), room = await crowd(world, 2)
        await world.reported(ada, room, subject)
        (case,) = await cases(world, subject)
        await claim_case(world.database.transact, olive.user_id, case.id, new_id=uuid4, clock=world.clock)
        steps = [
            lambda: world.report(ben, room, subject),  # noqa: B023  # awaited in the same round
            lambda: decide(world, olive, case, CaseDecision.DISMISS),  # noqa: B023  # the same
        ]
        first, second = steps if number % 2 else reversed(steps)
        async with held_up(database_url, subject.user_id):
            begun = [asyncio.ensure_future(first())]
            await world.until_blocked(1)
            begun.append(asyncio.ensure_future(second()))
            await world.until_blocked(2)
        await asyncio.gather(*begun)
        found = {each.id: await gathered(world, each) for each in await cases(world, subject)}
        (theirs,) = [report for reports in found.values() for report in reports if report.reporter_id == ben.user_id]
        closed = theirs.case_id == case.id
        assert theirs.status is (ReportStatus.DISMISSED if closed else ReportStatus.RECEIVED)
        assert len(found) == (1 if closed else 2)


async def test_a_report_of_somebody_who_deletes_the_account_at_that_moment_is_not_kept(
    world: World, database_url: str
) -> None:
    """Nothing of theirs may come after the deletion."""
    ada, bob, room = await world.pair()
    async with held_up(database_url, ada.user_id):
        deleting = asyncio.ensure_future(delete_account(world.database.transact, ada, new_id=uuid4, clock=world.clock))
        await world.until_blocked(1)
        reporting = asyncio.ensure_future(world.report(ada, room, bob))
        await world.until_blocked(2)
    await deleting
    with pytest.raises(Unauthenticated):
        await reporting
    assert await cases(world, bob) == []


async def test_whoever_deletes_the_account_does_not_escape_a_report(world: World, database_url: str) -> None:
    """Or it would be the way to get away: insult, delete, and sign in anew on the same device."""
    first = await world.sign_in("Bob")
    bob, ada = world.caller(first.grant), await world.user("Ada")
    world.clock.forward(hours=2)
    rooms = [await world.open_room(bob, ada), await world.open_room(bob, ada)]
    async with held_up(database_url, bob.user_id):
        deleting = asyncio.ensure_future(delete_account(world.database.transact, bob, new_id=uuid4, clock=world.clock))
        await world.until_blocked(1)
        reporting = asyncio.ensure_future(world.report(ada, rooms[0], bob))
        await world.until_blocked(2)
    await deleting
    assert (await reporting)["__typename"] == "ReportUserSuccess"
    assert (await world.report(ada, rooms[1], bob))["__typename"] == "ReportUserSuccess"
    (case,) = await cases(world, bob)
    assert len(await gathered(world, case)) == 2


async def test_reports_of_deleted_accounts_hold_nobody(world: World) -> None:
    """Sign in, report, delete, and again: whoever cannot be told apart is not counted."""
    subject, others, room = await crowd(world, 5)
    for reporter in others[:4]:
        await world.reported(reporter, room, subject)
    await delete_account(world.database.transact, others[0], new_id=uuid4, clock=world.clock)
    await world.reported(others[4], room, subject)
    assert await holds(world, subject) == []
    (case,) = await cases(world, subject)
    assert [report.reporter_id for report in await gathered(world, case)].count(None) == 1


async def test_a_report_and_a_skip_at_once_end_the_match_once(world: World) -> None:
    """Both sides have had enough: each is told of one end."""
    for _ in range(4):
        ada, bob, room = await world.pair()
        result, _ = await asyncio.gather(world.report(ada, room, bob), world.skip(bob, room.id, requeue=False))
        assert result["__typename"] == "ReportUserSuccess"
        for who in (ada, bob):
            assert sum(isinstance(event, MatchEnded) for event in await world.told(who)) == 1


async def test_a_flood_of_reports_leaves_the_connections_to_everybody_else(database_url: str) -> None:
    """All reports lock the operators, so they follow each other: those that wait do it without a connection."""
    async with open_world(database_url, pool_size=3) as world:
        subject, others, room = await crowd(world, 8)
        async with held_up(database_url, subject.user_id):
            attempts = asyncio.gather(*(world.report(each, room, subject) for each in others))
            await world.until_blocked(1)
            for number in range(3):
                async with asyncio.timeout(20):
                    await world.join(await world.user(f"Person {number}"))
        assert {result["__typename"] for result in await attempts} == {"ReportUserSuccess"}
        (case,) = await cases(world, subject)
        assert len(await gathered(world, case)) == 8
