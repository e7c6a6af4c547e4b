"""Reports: who can report whom, where it gathers, and that the reported person learns nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import BadInput, Forbidden, PageTooLarge, RateLimited, Unauthenticated
from domain.events import CaseChanged, MatchEnded, MemberLeft
from domain.identity import Caller, SessionScope
from domain.matchmaking.commit import NewMatch, Refusal, Refused
from domain.paging import Place
from domain.rooms.room import MatchEndReason, MemberLeaveReason
from domain.safety.case import CaseDecision, CaseStatus
from domain.safety.judging import claim_case
from domain.safety.reporting import REPORTS_OF_NETWORK, REPORTS_OF_USER
from persistence.limits import PostgresRateLimits
from schema.cursors import BLOCK, place_cursor
from tests.judging import cases, crowd, decide, gathered, holds
from tests.world import COOLDOWN, World, open_world, seat
from tests.world.safety import REPORT

MINE = """query($first: Int, $after: Cursor) { myReports(first: $first, after: $after) {
  edges { cursor node { id category comment status createdAt } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
NOBODY = ["", "\x00", "\ud800", "9" * 100_000, "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def mine(world: World, who: Caller, **arguments: object) -> Any:  # noqa: ANN401  # JSON
    """A page of `myReports`."""
    return await world.answer(MINE, who, **arguments)


# ------------------------------------------------------------------------------------------ what it does


async def test_a_report_ends_the_match_as_leaving_does_and_says_no_more(world: World) -> None:
    """Whoever is reported must not learn of it: they know who sat opposite."""
    ada, bob, room = await world.pair()
    result = await world.report(ada, room, bob, "SEXUAL_CONTENT", comment="  He\r\nundressed.  ")
    assert result["report"] == {
        "id": result["report"]["id"],
        "category": "SEXUAL_CONTENT",
        "comment": "He\nundressed.",
        "status": "RECEIVED",
        "createdAt": "2026-11-21T09:30:00.000Z",
    }
    assert await world.told(ada) == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert await world.told(bob) == [
        MemberLeft(room.id, seat(room, ada).id, MemberLeaveReason.LEFT),
        MatchEnded(room.id, MatchEndReason.PARTNER_LEFT),
    ]
    assert not (await world.room(room.id)).open
    assert (await mine(world, bob))["edges"] == []


async def test_the_two_do_not_meet_again_for_the_cooldown(world: World) -> None:
    """To be matched at once with whom one has just reported would be worse than the skip that one had instead."""

    async def meeting() -> NewMatch | Refused:
        (result,) = await world.commit((await world.join(ada), await world.join(bob)))
        return result

    ada, bob, room = await world.pair()
    await world.reported(ada, room, bob)
    assert await meeting() == Refused(Refusal.BARRED, world.clock() + COOLDOWN)
    world.clock.forward(seconds=COOLDOWN.total_seconds())
    assert isinstance(await meeting(), NewMatch)


async def test_a_match_ends_also_when_they_met_elsewhere_and_those_with_others_go_on(world: World) -> None:
    """They sat together with friends, and are matched now. The room of friends is everybody's, and the others are not meant."""
    (ada, bob, cid, dan), friends = await world.friends("Ada", "Bob", "Cid", "Dan")
    match, theirs = await world.match(ada, bob), await world.match(cid, dan)
    await world.reported(ada, friends, bob)
    await world.reported(cid, friends, bob)
    assert not (await world.room(match.id)).open
    assert (await world.room(theirs.id)).open
    assert len((await world.room(friends.id)).inside) == 4
    assert (await world.told(bob))[-1] == MatchEnded(match.id, MatchEndReason.PARTNER_LEFT)


async def test_a_match_with_another_account_of_the_same_device_goes_on(world: World) -> None:
    """If it ended, the reporter would learn that the stranger opposite is the one whom they have just reported."""
    ada, first = await world.user("Ada"), await world.sign_in("Bob")
    bob, again = world.caller(first.grant), world.caller((await world.sign_in("Bo", first.device_token)).grant)
    friends, match = await world.open_room(ada, bob), await world.match(ada, again)
    await world.reported(ada, friends, bob)
    assert (await world.room(match.id)).open


async def test_reports_about_somebody_gather_in_one_case_that_only_grows_more_urgent(world: World) -> None:
    """Operators judge a person, not a pile of papers; and a triviality on top must not bury what is grave."""
    subject, (ada, ben, cid), room = await crowd(world, 3)
    olive = await world.operator()
    await world.reported(ada, room, subject, "SPAM_OR_SCAM")
    (case,) = await cases(world, subject)
    assert (case.status, case.opened_at) == (CaseStatus.OPEN, world.clock())
    urgencies = [case.priority]
    for reporter, category in ((ben, "CHILD_SAFETY"), (cid, "OTHER")):
        world.clock.forward(seconds=20)
        await world.reported(reporter, room, subject, category)
        (case,) = await cases(world, subject)
        urgencies.append(case.priority)
    assert urgencies[0] > urgencies[1] > urgencies[2], "the third person makes it several"
    assert [report.reporter_id for report in await gathered(world, case)] == [ada.user_id, ben.user_id, cid.user_id]
    assert await world.told(olive) == [CaseChanged(case.id)] * 3
    assert await world.told(subject) == await world.told(ada) == []


async def test_a_report_after_a_decision_opens_a_new_case(world: World) -> None:
    """What was judged is judged: the next thing that somebody does is another matter."""
    subject, (ada, ben), room = await crowd(world, 2)
    olive = await world.operator()
    await world.reported(ada, room, subject, "CHILD_SAFETY")
    (first,) = await cases(world, subject)
    await decide(world, olive, first, CaseDecision.DISMISS)
    world.clock.forward(minutes=1)
    await world.reported(ben, room, subject, "OTHER")
    decided, second = await cases(world, subject)
    assert (decided.id, decided.status) == (first.id, CaseStatus.DISMISSED)
    assert (second.status, [report.reporter_id for report in await gathered(world, second)]) == (
        CaseStatus.OPEN,
        [ben.user_id],
    )
    assert second.priority > decided.priority


async def test_a_claimed_case_gathers_on_and_stays_claimed(world: World) -> None:
    """An operator who is reading must not lose the case to the next report."""
    subject, (ada, ben), room = await crowd(world, 2)
    olive = await world.operator()
    await world.reported(ada, room, subject, "OTHER")
    (case,) = await cases(world, subject)
    await claim_case(world.database.transact, olive.user_id, case.id, new_id=uuid4, clock=world.clock)
    await world.reported(ben, room, subject, "CHILD_SAFETY")
    (after,) = await cases(world, subject)
    assert (after.id, after.status, after.claimed_by) == (case.id, CaseStatus.CLAIMED, olive.user_id)
    assert after.priority < case.priority


async def test_a_repeat_returns_the_first_report_and_changes_nothing(world: World) -> None:
    """A client whose answer was lost asks again; and nobody's word counts twice."""
    ada, bob, room = await world.pair()
    evidence = await world.disclosed(bob, room)
    first = await world.report(ada, room, bob, "HARASSMENT", comment="Once.")
    before = await cases(world, bob)
    olive = await world.operator()
    world.clock.forward(minutes=1)
    again = await world.report(ada, room, bob, "CHILD_SAFETY", comment="Twice.", evidence=[evidence])
    assert again == first
    assert await cases(world, bob) == before
    assert await world.told(olive) == []
    assert await world.database.read(lambda uow: uow.reports.evidence([UUID(first["report"]["id"])])) == {}
    assert [edge["node"] for edge in (await mine(world, ada))["edges"]] == [first["report"]]


async def test_somebody_met_in_another_room_can_be_reported_once_more(world: World) -> None:
    """Another evening, another offence."""
    ada, bob, first = await world.pair()
    await world.reported(ada, first, bob)
    second = await world.match(ada, bob)
    await world.reported(ada, second, bob)
    (case,) = await cases(world, bob)
    assert {report.room_id for report in await gathered(world, case)} == {first.id, second.id}
    assert await holds(world, bob) == []


# ------------------------------------------------------------------------------------------ whom, and what


async def test_who_was_not_met_cannot_be_reported(world: World) -> None:
    """Reports are for what happened: strangers are not to be found out by guessing, and nobody reports themselves."""
    ada, bob, room = await world.pair()
    stranger = await world.user("Eve")
    for who, subject in ((stranger, bob), (ada, ada)):
        assert (await world.report(who, room, subject))["__typename"] == "NotFoundError"
    for member_id in (*NOBODY, str(bob.user_id), str(room.id), str(seat(room, bob).id).upper()):
        about = {"memberId": member_id, "category": "OTHER"}
        assert (await world.answer(REPORT, ada, input=about))["__typename"] == "NotFoundError"
    assert await cases(world, bob) == []
    assert (await world.room(room.id)).open


async def test_whom_one_met_can_be_reported_for_a_day(world: World) -> None:
    """Longer, and nobody remembers; shorter, and whoever sleeps over it is too late. In a room of both it never is."""
    ada, bob, match = await world.pair()
    (cid, *_), friends = await world.friends("Cid", "Bob")
    bob_there = friends.members[1].user_id
    await world.end(match)
    world.clock.forward(hours=24, milliseconds=1)
    assert (await world.report(ada, match, bob))["__typename"] == "NotFoundError"
    world.clock.forward(milliseconds=-1)
    assert (await world.report(ada, match, bob))["__typename"] == "ReportUserSuccess"
    world.clock.forward(days=9)
    assert (await world.report(cid, friends, bob_there))["__typename"] == "ReportUserSuccess"
    assert (await world.report(bob, match, ada))["__typename"] == "NotFoundError", "met 25 hours ago and more"


async def test_who_has_left_can_report_and_be_reported(world: World) -> None:
    """People go first and report then; and an owner who kicks somebody does not thereby silence them."""
    for kicked in (False, True):
        (owner, ada), room = await world.friends("Owner", "Ada")
        await world.put_out(room, ada, kicked=kicked)
        world.clock.forward(hours=23)
        assert (await world.report(ada, room, owner))["__typename"] == "ReportUserSuccess"
        assert (await world.report(owner, room, ada))["__typename"] == "ReportUserSuccess"
        world.clock.forward(hours=2)
        for one, other in ((owner, ada), (ada, owner)):
            assert (await world.report(one, room, other))["__typename"] == "NotFoundError"


async def test_a_comment_is_kept_as_it_was_meant(world: World) -> None:
    """2,000 code points say what happened, in whatever script; an empty field of a form is no comment."""
    comments = {
        None: None,
        "": None,
        " \n\t ": None,
        "x" * 2_000: "x" * 2_000,
        "  " + "\U0001f9d1" * 2_000 + " ": "\U0001f9d1" * 2_000,
        "Cafe\u0301": "Café",
        "one\r\ntwo\rthree": "one\ntwo\nthree",
    }
    for comment, stored in comments.items():
        ada, bob, room = await world.pair()
        assert (await world.report(ada, room, bob, comment=comment))["report"]["comment"] == stored


async def test_no_other_comment_is_taken(world: World) -> None:
    """What is too long, no text, or made for a terminal is refused by name, and nothing has happened."""
    ada, bob, room = await world.pair()
    for comment in ("x" * 2_001, "x" * 1_000_000, "a\0b", "\ud83d", "a\x1b[31m", "a\tb"):
        result = await world.report(ada, room, bob, comment=comment)
        assert (result["__typename"], result.get("field")) == ("InvalidInputError", "comment")
    assert (await world.room(room.id)).open
    assert await cases(world, bob) == []


async def test_only_who_is_signed_in_with_full_rights_reports(world: World) -> None:
    """Whoever is suspended from everything has seen nobody since, and may still see what came of earlier reports."""
    ada, bob, room = await world.pair()
    about = {"memberId": str(seat(room, bob).id), "category": "OTHER"}
    with pytest.raises(Unauthenticated):
        await world.answer(REPORT, None, input=about)
    suspended = replace(ada, scope=SessionScope.APPEAL_ONLY)
    with pytest.raises(Forbidden):
        await world.answer(REPORT, suspended, input=about)
    with pytest.raises(Unauthenticated):
        await world.answer(MINE, None)
    await world.reported(ada, room, bob)
    assert len((await mine(world, suspended))["edges"]) == 1


# ------------------------------------------------------------------------------------------ how often


async def test_a_user_reports_twenty_an_hour_and_repeats_freely(world: World) -> None:
    """More than anybody has reason to; and an answer that was lost costs nothing."""
    world.limits = PostgresRateLimits(world.database.reading)
    ada, bob, room = await world.pair()
    first = await world.report(ada, room, bob)
    for _ in range(REPORTS_OF_USER - 1):
        await world.limits.take(f"reports:{ada.user_id}", burst=REPORTS_OF_USER, period=timedelta(hours=1))
    (*_, cid), friends = await world.friends("Owner", "Cid")
    other = await world.open_room(ada, cid)
    with pytest.raises(RateLimited) as refused:
        await world.report(ada, other, cid)
    assert refused.value.retry_after > 0
    assert await world.report(ada, room, bob) == first
    assert await cases(world, cid) == []
    assert (await world.report(cid, other, ada))["__typename"] == "ReportUserSuccess", "others may"
    assert friends.open


async def test_a_network_reports_sixty_an_hour(world: World) -> None:
    """A crowd of accounts behind one address is one crowd; whoever has to wait for it has lost nothing of their own."""
    world.limits = PostgresRateLimits(world.database.reading)
    network = world.secrets.digest("network", "203.0.113.7").hex()
    for _ in range(REPORTS_OF_NETWORK):
        key = f"reports_of_network:{network}"
        await world.limits.take(key, burst=REPORTS_OF_NETWORK, period=timedelta(hours=1))
    ada, bob, room = await world.pair()
    for _ in range(2):
        with pytest.raises(RateLimited):
            await world.report(ada, room, bob)
    assert await cases(world, bob) == []
    for _ in range(REPORTS_OF_USER):
        await world.limits.take(f"reports:{ada.user_id}", burst=REPORTS_OF_USER, period=timedelta(hours=1))


# ------------------------------------------------------------------------------------------ what one reported


async def test_what_one_reported_is_listed_newest_first_page_by_page(world: World) -> None:
    """Whoever reports wants to know that it was not in vain, and nobody else's business is shown."""
    ada = await world.user("Ada")
    made = []
    for name in ("Bob", "Cid", "Dan", "Eva", "Fay"):
        other = await world.user(name)
        room = await world.open_room(ada, other)
        world.clock.forward(minutes=1)
        made.append(str(await world.reported(ada, room, other)))
        await world.reported(other, room, ada)
    pages, after = [], None
    while after is None or pages[-1]["pageInfo"]["hasNextPage"]:
        pages.append(await mine(world, ada, first=2, after=after))
        after = pages[-1]["pageInfo"]["endCursor"]
    assert [edge["node"]["id"] for page in pages for edge in page["edges"]] == made[::-1]
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False, True, True]
    assert all(page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"] for page in pages)
    times = [edge["node"]["createdAt"] for page in pages for edge in page["edges"]]
    assert all(one > other for one, other in pairwise(times))
    empty = await mine(world, await world.user("Gus"))
    assert empty == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


async def test_cursors_of_other_lists_and_pages_that_are_too_large_are_refused(world: World) -> None:
    """A client that mixes them up learns of it, instead of being shown what looks like an end."""
    ada, bob, room = await world.pair()
    report_id = await world.reported(ada, room, bob)
    cursor = place_cursor(BLOCK, Place(0, world.clock(), report_id))
    for after in (cursor, "", "x", cursor[:-2]):
        with pytest.raises(BadInput):
            await mine(world, ada, after=after)
    for first in (0, -1, 101):
        with pytest.raises(PageTooLarge):
            await mine(world, ada, first=first)
    assert len((await mine(world, ada, first=100))["edges"]) == 1
