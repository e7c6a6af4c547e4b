"""Holds: what reports bring at once, before a person has looked, and what they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.events import CaseChanged, MatchEnded, QueueLeft, UserSuspended
from domain.matchmaking.ticket import QueueLeaveReason
from domain.rooms.room import MatchEndReason
from domain.safety.audit import Action
from domain.safety.case import CaseDecision
from domain.safety.rules import reporter_weight
from domain.safety.suspension import SuspensionScope
from tests.judging import cases, crowd, decide, gathered, holds
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def test_many_reports_hold_from_matching_at_once_and_for_half_an_hour(world: World) -> None:
    """Five people without a record are 2.5: whoever is with the offender at that moment is freed, nobody else meets them."""
    subject, others, room = await crowd(world, 6)
    partner, olive = await world.user("Pat"), await world.operator()
    match = await world.match(subject, partner)
    for reporter in others[:4]:
        await world.reported(reporter, room, subject)
    assert await holds(world, subject) == []
    await world.reported(others[4], room, subject)
    (hold,) = await holds(world, subject)
    (case,) = await cases(world, subject)
    assert (hold.scope, hold.automated, hold.category, hold.case_id) == (SuspensionScope.MATCHING, True, None, case.id)
    assert (hold.starts_at, hold.ends_at) == (world.clock(), world.clock() + timedelta(minutes=30))
    assert await world.told(subject) == [MatchEnded(match.id, MatchEndReason.YOU_WERE_SUSPENDED), UserSuspended(hold)]
    assert (await world.told(partner))[-1] == MatchEnded(match.id, MatchEndReason.PARTNER_LEFT)
    assert (await world.told(olive)) == [CaseChanged(case.id)] * 5
    assert (await world.room(room.id)).holds(subject.user_id), "a hold takes matching alone"
    entries = await world.database.read(lambda uow: uow.audit.entries(None, 10))
    (entry,) = [each for each in entries if each.action is Action.USER_HELD]
    assert (entry.actor_id, entry.target) == (None, f"case:{case.id}")
    assert entry.details == "rule=WEIGHT scope=MATCHING minutes=30"
    world.clock.forward(minutes=1)
    await world.reported(others[5], room, subject)
    assert await holds(world, subject) == [hold], "the same reports hold nobody twice"
    world.clock.forward(minutes=30)
    assert not hold.active(world.clock())


async def test_a_hold_takes_the_place_in_the_queue(world: World) -> None:
    """Waiting is the first half of meeting."""
    subject, others, room = await crowd(world, 5)
    await world.queue(subject)
    for reporter in others:
        await world.reported(reporter, room, subject)
    left, _ = await world.told(subject)
    assert isinstance(left, QueueLeft)
    assert left.reason is QueueLeaveReason.SUSPENDED
    assert await world.waiting(subject) is None


async def test_a_hold_tells_nobody_that_it_was_the_partner_who_reported(world: World) -> None:
    """The fifth report comes from somebody met before or from whoever is there now: to whom it holds the two look the same."""
    told = []
    for last in ("partner", "somebody else"):
        subject, others, room = await crowd(world, 5)
        ada = await world.user("Ada")
        world.clock.forward(hours=2)
        match = await world.match(ada, subject)
        for reporter in others[:4]:
            await world.reported(reporter, room, subject)
        await (world.reported(ada, match, subject) if last == "partner" else world.reported(others[4], room, subject))
        (hold,) = await holds(world, subject)
        ended, suspended = await world.told(subject)
        assert (ended, suspended) == (MatchEnded(match.id, MatchEndReason.YOU_WERE_SUSPENDED), UserSuspended(hold))
        told.append(await world.told(ada))
        assert not (await world.room(match.id)).open
    by_partner, beside_partner = told
    assert [event.reason for event in by_partner if isinstance(event, MatchEnded)] == [MatchEndReason.YOU_LEFT]
    assert isinstance(beside_partner[-1], MatchEnded)
    assert beside_partner[-1].reason is MatchEndReason.PARTNER_LEFT


async def test_new_accounts_hold_nobody(world: World) -> None:
    """Brigading: fifteen accounts made for it, each with a quarter of a word, come to an entry in the queue and no more."""
    subject, others, room = await crowd(world, 15, old=False)
    for reporter in others:
        await world.reported(reporter, room, subject)
    assert await holds(world, subject) == []
    (case,) = await cases(world, subject)
    assert {report.weight for report in await gathered(world, case)} == {0.25}


async def test_many_accounts_of_one_device_are_one_person(world: World) -> None:
    """To sign in again costs nothing: whoever hands the device token back is seen to be the same."""
    subject, _, _ = await crowd(world, 0)
    first = await world.sign_in("Troll")
    trolls = [first.grant, *[(await world.sign_in("Troll", first.device_token)).grant for _ in range(5)]]
    callers = [world.caller(grant) for grant in trolls]
    room = await world.open_room(subject, *callers)
    world.clock.forward(hours=2)
    for caller in callers:
        await world.reported(caller, room, subject)
    assert await holds(world, subject) == []
    (case,) = await cases(world, subject)
    (charge, *_) = charges = await world.database.read(
        lambda uow: uow.reports.charges(case.id, world.clock() - timedelta(hours=1))
    )
    assert len(charges) == 6
    assert {each.reporter for each in charges} == {charge.reporter}


async def test_whoever_is_kept_out_longer_anyhow_is_not_held_as_well(world: World) -> None:
    """They would be told of a second suspension that takes nothing; the reports still count once the first is over."""
    subject, others, room = await crowd(world, 6)
    ends_at = world.clock() + timedelta(hours=1)
    there = await world.suspend(subject, SuspensionScope.MATCHING, ends_at=ends_at)
    for reporter in others[:5]:
        await world.reported(reporter, room, subject)
    assert await holds(world, subject) == [there]
    world.clock.forward(minutes=61)
    await world.reported(others[5], room, subject)
    hold, first = await holds(world, subject)
    assert (hold.automated, first) == (True, there)


async def test_a_word_counts_by_what_came_of_the_reporters_last_ones(world: World) -> None:
    """Operators decide, and the next report of the same person weighs accordingly."""
    ada = await world.user("Ada")
    olive = await world.operator()
    world.clock.forward(hours=2)
    for decision, record in ((CaseDecision.WARN, (0, 0)), (CaseDecision.DISMISS, (1, 0)), (CaseDecision.WARN, (1, 1))):
        other = await world.user("Bob")
        room = await world.open_room(ada, other)
        await world.reported(ada, room, other)
        (case,) = await cases(world, other)
        (report,) = await gathered(world, case)
        assert report.weight == pytest.approx(reporter_weight(*record, timedelta(hours=2)))
        await decide(world, olive, case, decision)
    page = await world.answer("{ myReports { edges { node { status } } } }", ada)
    assert sorted(edge["node"]["status"] for edge in page["edges"]) == ["DISMISSED", "UPHELD", "UPHELD"]
