"""Claiming and deciding cases: who may, what is refused, and what a decision does to everybody whom it concerns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import Forbidden, Unauthenticated
from domain.events import CaseChanged, MatchEnded, QueueLeft, UserSuspended, UserWarned
from domain.identity import Caller, OperatorRole, SessionScope
from domain.rooms.room import MatchEndReason
from domain.safety.audit import Action
from domain.safety.case import CaseStatus
from domain.safety.judging import LEASE, MOST_HOURS, NOT_YOUR_CASE, told_category
from domain.safety.operators import remove_operator
from domain.safety.report import ReportStatus
from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope
from tests.casework import CLAIM, DECIDE, REASON, claim, decide, entries, judge, stored
from tests.world import World, open_world

ADMIN = OperatorRole.ADMIN
HARASSMENT, SPAM = ReportCategory.HARASSMENT, ReportCategory.SPAM_OR_SCAM
NOBODY_KNOWS = ["", "\x00", "\ud800", "9" * 100_000, "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]
VERDICT: dict[str, Any] = {"decision": "DISMISS", "reason": REASON}
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"reason": ""}, "reason"),
    ({"reason": " \u3000\n"}, "reason"),
    ({"reason": "x" * 2_001}, "reason"),
    ({"reason": "x" * 1_000_000}, "reason"),
    ({"reason": "a\x00b"}, "reason"),
    ({"reason": "a\tb"}, "reason"),
    ({"reason": "a\ud800"}, "reason"),
    ({"reason": "\u202egnp"}, "reason"),
    ({"duration": {"hours": 0}}, "duration.hours"),
    ({"duration": {"hours": -(2**31)}}, "duration.hours"),
    ({"duration": {"hours": MOST_HOURS + 1}}, "duration.hours"),
    ({"duration": {"hours": 2**31 - 1}}, "duration.hours"),
    ({"duration": {"permanent": False}}, "duration.permanent"),
    ({"decision": "WARN", "duration": {"hours": 1}}, "duration"),
    ({"decision": "DISMISS", "duration": {"permanent": True}}, "duration"),
]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def held(world: World, who: Caller, case_id: UUID) -> Suspension:
    """A hold by a rule, put there."""
    now = world.clock()
    hold = Suspension(
        id=uuid4(),
        user_id=who.user_id,
        scope=SuspensionScope.MATCHING,
        reason="A rule.",
        category=None,
        automated=True,
        starts_at=now,
        ends_at=now + timedelta(hours=24),
        lifted_at=None,
        case_id=case_id,
    )
    await world.database.transact(lambda uow: uow.suspensions.add(hold, None))
    return hold


async def suspensions(world: World, who: Caller) -> list[Suspension]:
    """Those of the user, the newest first."""
    return list(await world.database.read(lambda uow: uow.suspensions.of(who.user_id)))


async def statuses(world: World, case_id: UUID) -> set[ReportStatus]:
    """What became of the reports."""
    return {report.status for report in await world.database.read(lambda uow: uow.reports.of_case(case_id, None, 100))}


def kind(answer: dict[str, Any]) -> str:
    """Which member of the payload it is."""
    name: str = answer["__typename"]
    return name


# ------------------------------------------------------------------------------------------ who may


async def test_judging_is_for_operators_whatever_they_send(world: World) -> None:
    """Users learn not even whether there is such a case; an operator who was removed a moment ago does nothing more."""
    ada, olive = await world.user(), await world.operator()
    case_id = await world.case_about(ada, await world.user())
    suspended = replace(olive, scope=SessionScope.APPEAL_ONLY)
    await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
    for id in (str(case_id), "x", str(uuid4())):
        for operation, variables in (
            (CLAIM, {"id": id}),
            (DECIDE, {"input": VERDICT | {"caseId": id}}),
            (DECIDE, {"input": VERDICT | {"caseId": id, "reason": ""}}),
            (DECIDE, {"input": VERDICT | {"caseId": id, "duration": {"permanent": False}}}),
        ):
            assert [type(f) for f in (await world.ask(operation, **variables)).failures] == [Unauthenticated]
            for who in (ada, suspended, olive):
                assert [type(f) for f in (await world.ask(operation, who, **variables)).failures] == [Forbidden]
    assert (await stored(world, case_id)).claimed_by is None
    assert not await entries(world, Action.CASE_CLAIMED, Action.CASE_DECIDED)


async def test_nobody_judges_a_case_of_their_own(world: World) -> None:
    """Neither its subject nor one of its reporters, not even after they had claimed it."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    about_olive, by_olive = await world.case_about(olive, ada), await world.case_about(ada, olive, otto)
    for case_id in (about_olive, by_olive):
        assert [type(f) for f in (await world.ask(CLAIM, olive, id=str(case_id))).failures] == [Forbidden]
        assert kind(await decide(world, olive, case_id)) == "NotAllowedError"
        assert (await stored(world, case_id)).claimed_by is None
    await judge(world, otto, about_olive)
    claimed = replace(await stored(world, by_olive), status=CaseStatus.CLAIMED, claimed_by=olive.user_id)
    claimed = replace(claimed, claim_expires_at=world.clock() + LEASE)  # Before they reported.
    await world.database.transact(lambda uow: uow.cases.save(claimed))
    answer = await decide(world, olive, by_olive)
    assert (kind(answer), answer["message"]) == ("NotAllowedError", NOT_YOUR_CASE)


async def test_a_case_of_no_id_is_not_found(world: World) -> None:
    """Whatever the client made of the ID."""
    olive = await world.operator()
    for id in NOBODY_KNOWS:
        assert kind(await claim(world, olive, id)) == "NotFoundError"
        assert kind(await decide(world, olive, id)) == "NotFoundError"


# ------------------------------------------------------------------------------------------ claiming


async def test_a_claim_holds_for_a_quarter_of_an_hour_and_can_be_renewed(world: World) -> None:
    """Two operators never read the same case at once, and one who went home leaves it to the others."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    first = (await claim(world, olive, case_id))["case"]
    assert (first["status"], first["claimedBy"]) == ("CLAIMED", {"id": str(olive.user_id)})
    assert first["claimExpiresAt"] == "2026-11-21T09:45:00.000Z"
    world.clock.forward(minutes=14)
    assert kind(await claim(world, otto, case_id)) == kind(await decide(world, otto, case_id)) == "ConflictError"
    assert (await claim(world, olive, case_id))["case"]["claimExpiresAt"] == "2026-11-21T09:59:00.000Z"
    world.clock.forward(minutes=14, seconds=59)
    assert kind(await claim(world, otto, case_id)) == "ConflictError"
    world.clock.forward(seconds=1)
    assert (await claim(world, otto, case_id))["case"]["claimedBy"] == {"id": str(otto.user_id)}
    assert kind(await decide(world, olive, case_id)) == "ConflictError"
    claims = await entries(world, Action.CASE_CLAIMED)
    assert [(e.actor_id, e.target) for e in claims] == [(who.user_id, f"case:{case_id}") for who in (olive, otto)]


async def test_deciding_needs_a_claim_that_holds(world: World) -> None:
    """Nobody decides what somebody else may be reading, nor on what they read an hour ago."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    assert kind(await decide(world, olive, case_id)) == "NotAllowedError"
    await claim(world, olive, case_id)
    world.clock.moved += LEASE
    assert kind(await decide(world, olive, case_id)) == "NotAllowedError"
    assert await statuses(world, case_id) == {ReportStatus.RECEIVED}
    await judge(world, olive, case_id)


async def test_a_decided_case_is_neither_claimed_nor_decided_otherwise(world: World) -> None:
    """The first decision stands. Its own repeat, by whoever made it, gets the same answer and changes nothing."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    duration = {"hours": 5}
    first = await judge(world, olive, case_id, "SUSPEND", duration=duration)
    told = len(world.inbox.told)
    for same in ({"duration": duration}, {}, {"reason": f"  {REASON}\n"}):
        world.clock.forward(minutes=20)
        again = await decide(world, olive, case_id, "SUSPEND", **same)
        assert again == {"__typename": "DecideCaseSuccess", "case": first}
    for other in (
        {"decision": "WARN"},
        {"decision": "DISMISS"},
        {"decision": "SUSPEND", "reason": "Another one."},
        {"decision": "SUSPEND", "duration": {"hours": 6}},
        {"decision": "SUSPEND", "scope": "MATCHING"},
    ):
        assert kind(await decide(world, olive, case_id, **other)) == "ConflictError"
    assert kind(await decide(world, otto, case_id, "SUSPEND", duration=duration)) == "ConflictError"
    for who in (olive, otto):
        assert kind(await claim(world, who, case_id)) == "ConflictError"
    assert (len(world.inbox.told), len(await suspensions(world, ada))) == (told, 1)
    assert len(await entries(world, Action.CASE_DECIDED)) == 1


# ------------------------------------------------------------------------------------------ malformed input


async def test_a_decision_that_cannot_be_says_why(world: World) -> None:
    """A form marks the field, and nothing is half decided."""
    root = await world.operator(ADMIN)
    case_id = await world.case_about(await world.user(), await world.user())
    await claim(world, root, case_id)
    for wrong, field in MALFORMED:
        answer = await decide(world, root, case_id, **({"decision": "SUSPEND"} | wrong))
        assert (kind(answer), answer.get("field")) == ("InvalidInputError", field), wrong
    for shape in ({"hours": 1, "permanent": True}, {}, {"hours": None}, {"days": 1}, {"hours": "1"}):
        verdict = VERDICT | {"caseId": str(case_id), "decision": "SUSPEND", "duration": shape}
        assert (await world.ask(DECIDE, root, input=verdict)).errors, shape
    assert (await stored(world, case_id)).decision is None


async def test_a_reason_may_have_two_thousand_characters_and_several_lines(world: World) -> None:
    """It is stored composed and trimmed, with line breaks of one kind."""
    olive = await world.operator()
    for written, kept in (
        ("x" * 2_000, "x" * 2_000),
        ("\U0001f469" * 2_000, "\U0001f469" * 2_000),
        (" e\u0301\r\nb\rc\n\n", "\u00e9\nb\nc"),
    ):
        case_id = await world.case_about(await world.user(), await world.user())
        assert (await judge(world, olive, case_id, "WARN", reason=written))["reason"] == kept


# ------------------------------------------------------------------------------------------ what a decision does


async def test_dismissing_takes_nothing_and_ends_the_holds(world: World) -> None:
    """Whoever was reported without a reason meets people again at once; their reporters were wrong."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    hold = await held(world, ada, case_id)
    before = world.inbox.control_version(ada.user_id)
    case = await judge(world, olive, case_id)
    assert (case["status"], case["decision"], case["reason"]) == ("DISMISSED", "DISMISS", REASON)
    assert (case["decidedBy"], case["claimedBy"], case["claimExpiresAt"]) == ({"id": str(olive.user_id)}, None, None)
    assert case["decidedAt"] == "2026-11-21T09:30:00.000Z"
    assert await suspensions(world, ada) == [replace(hold, lifted_at=world.clock())]
    assert await statuses(world, case_id) == {ReportStatus.DISMISSED}
    assert await world.told(ada) == []
    assert world.inbox.control_version(ada.user_id) > before
    (entry,) = await entries(world, Action.CASE_DECIDED)
    assert (entry.actor_id, entry.target, entry.details) == (olive.user_id, f"case:{case_id}", "decision=DISMISS")


async def test_a_warning_is_told_with_its_reason_and_takes_nothing(world: World) -> None:
    """The subject reads the statement of reasons; the reporters were right."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    hold = await held(world, ada, case_id)
    case = await judge(world, olive, case_id, "WARN")
    assert (case["status"], case["decision"]) == ("ACTIONED", "WARN")
    (warning,) = await world.database.read(lambda uow: uow.cases.warnings(ada.user_id))
    assert (warning.reason, warning.case_id, warning.at) == (REASON, case_id, world.clock())
    assert await world.told(ada) == [UserWarned(warning)]
    assert [s.lifted_at for s in await suspensions(world, ada)] == [world.clock()]
    assert hold.id == (await suspensions(world, ada))[0].id
    assert await statuses(world, case_id) == {ReportStatus.UPHELD}
    (entry,) = await entries(world, Action.CASE_DECIDED)
    assert entry.details == "decision=WARN"


async def test_a_suspension_acts_at_once_on_every_account_of_the_device(world: World) -> None:
    """A match, a place in the queue, and the sessions: of the subject, and of the account that they made beside it."""
    olive, bob = await world.operator(), await world.user("Bob")
    first = await world.sign_in("Ada")
    second = await world.sign_in("Ada again", first.device_token)
    ada, again = (world.caller(signed_in.grant) for signed_in in (first, second))
    for who in (ada, bob, again):
        await world.attach(who)
    await world.meet(ada, bob)
    await world.join(again)
    case_id = await world.case_about(ada, bob)
    hold = await held(world, ada, case_id)
    world.clock.forward(minutes=1)
    case = await judge(world, olive, case_id, "SUSPEND", duration={"hours": 24})
    made, before = await suspensions(world, ada)
    assert before == replace(hold, lifted_at=world.clock())
    assert case["suspension"] == {
        "id": str(made.id),
        "scope": "ALL",
        "reason": REASON,
        "category": None,
        "automated": False,
        "startsAt": "2026-11-21T09:31:00.000Z",
        "endsAt": "2026-11-22T09:31:00.000Z",
        "liftedAt": None,
    }
    ended = [event for event in await world.told(ada) if isinstance(event, MatchEnded)]
    assert [event.reason for event in ended] == [MatchEndReason.YOU_WERE_SUSPENDED]
    assert [e.reason for e in await world.told(bob) if isinstance(e, MatchEnded)] == [MatchEndReason.PARTNER_LEFT]
    assert any(isinstance(event, QueueLeft) for event in await world.told(again))
    for who in (ada, again):
        assert UserSuspended(made) in await world.told(who)
        assert (await suspensions(world, who))[0] == made
    for signed_in in (first, second):
        assert (await world.refresh(signed_in.grant.refresh_token)).session.scope is SessionScope.APPEAL_ONLY
    (entry,) = await entries(world, Action.CASE_DECIDED)
    assert entry.details == "decision=SUSPEND scope=ALL hours=24"


async def test_a_suspension_without_a_duration_is_the_next_step_of_the_ladder(world: World) -> None:
    """From the shortest to one for good, case by case, also across the accounts of a device; 90 quiet days begin it anew."""
    olive, ben = await world.operator(), await world.user()
    first = await world.sign_in("Ada")
    ada = world.caller(first.grant)
    again = world.caller((await world.sign_in("Ada again", first.device_token)).grant)

    async def lasts(who: Caller) -> timedelta | None:
        await judge(world, olive, await world.case_about(who, ben), "SUSPEND", scope="MATCHING")
        made = (await suspensions(world, who))[0]
        world.clock.forward(minutes=1)
        return None if made.ends_at is None else made.ends_at - made.starts_at

    await judge(world, olive, await world.case_about(ada, ben), "WARN")
    world.clock.forward(minutes=1)
    climbed = [await lasts(who) for who in (ada, again, ada, again, ada, ada)]
    expected = [timedelta(hours=1), timedelta(hours=24), timedelta(days=7), timedelta(days=30), None, None]
    assert climbed == expected
    details = [(entry.details or "").split()[-1] for entry in await entries(world, Action.CASE_DECIDED)]
    assert details == ["decision=WARN", "hours=1", "hours=24", "hours=168", "hours=720", "permanent", "permanent"]
    world.clock.forward(days=90)
    assert await lasts(ada) == timedelta(hours=1)


async def test_only_an_admin_suspends_for_good_before_the_ladder_does(world: World) -> None:
    """One moderator in a bad mood must not take somebody's account for ever."""
    olive, root, ben = await world.operator(), await world.operator(ADMIN), await world.user()
    ada, eve = await world.user(), await world.user()
    permanent = {"permanent": True}
    case_id = await world.case_about(ada, ben)
    await claim(world, olive, case_id)
    assert kind(await decide(world, olive, case_id, "SUSPEND", duration=permanent)) == "NotAllowedError"
    assert (await suspensions(world, ada), await world.told(ada)) == ([], [])
    assert await statuses(world, case_id) == {ReportStatus.RECEIVED}
    month = await decide(world, olive, case_id, "SUSPEND", duration={"hours": 720}, scope="MATCHING")
    assert month["case"]["suspension"]["endsAt"] == "2026-12-21T09:30:00.000Z"
    due = await judge(world, olive, await world.case_about(ada, ben), "SUSPEND", duration=permanent)
    early = await judge(world, root, await world.case_about(eve, ben), "SUSPEND", duration=permanent)
    assert [case["suspension"]["endsAt"] for case in (due, early)] == [None, None]


async def test_operators_are_told_of_claims_and_decisions(world: World) -> None:
    """A list of cases on another operator's screen is never behind."""
    olive, otto, ada = await world.operator(), await world.operator(ADMIN), await world.user()
    case_id = await world.case_about(ada, await world.user())
    await judge(world, olive, case_id)
    for who in (olive, otto):
        assert await world.told(who) == [CaseChanged(case_id)] * 2


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], None),
        ([{HARASSMENT}], None),
        ([{HARASSMENT}] * 2, None),
        ([{HARASSMENT}] * 3, HARASSMENT),
        ([{HARASSMENT}, {SPAM}, {SPAM}], None),
        ([{HARASSMENT}, {HARASSMENT, SPAM}, {SPAM}, {SPAM}], SPAM),
        ([{SPAM, HARASSMENT}] * 3, HARASSMENT),
        ([{HARASSMENT, HARASSMENT}] * 2 + [{SPAM}], None),
    ],
)
def test_the_subject_learns_a_category_only_if_it_tells_of_nobody(
    named: list[set[ReportCategory]], expected: ReportCategory | None
) -> None:
    """Whoever met two people in an hour knows which of them reports spam."""
    assert told_category(named) is expected


async def test_three_reporters_of_one_kind_are_told_by_the_kind(world: World) -> None:
    """One person who reports three times is one."""
    olive, ada, ben = await world.operator(), await world.user(), await world.user()
    one = await judge(world, olive, await world.case_about(ada, ben, ben, ben), "SUSPEND")
    three = await judge(
        world, olive, await world.case_about(ben, ada, await world.user(), await world.user()), "SUSPEND"
    )
    assert [case["suspension"]["category"] for case in (one, three)] == [None, "HARASSMENT"]
