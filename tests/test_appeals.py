"""Appeals: who may ask for a second look at what, who may have it, what comes of it, and what happens at the same moment."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.buckets import NoThrottle
from domain.errors import BadInput, Forbidden, RateLimited, Unauthenticated
from domain.events import CaseChanged
from domain.identity import Caller, OperatorRole, SessionScope
from domain.safety.appeal import LONGEST_STATEMENT, AppealStatus
from domain.safety.appealing import APPEALS_OF_USER, APPEALS_PERIOD
from domain.safety.audit import Action, AuditEntry
from domain.safety.case import Case, CaseDecision, CaseStatus
from domain.safety.judging import LONGEST_REASON
from domain.safety.report import ReportStatus
from domain.safety.suspension import Suspension, SuspensionScope
from persistence.limits import PostgresRateLimits
from tests.acceptance.server import ROOT
from tests.sentences import held, judged, sentenced, suspended
from tests.world import Clock, World, open_world

APPEAL = """mutation($input: AppealSuspensionInput!) { appealSuspension(input: $input) { __typename
  ... on AppealSuspensionSuccess { appeal { id statement status reason createdAt decidedAt } }
  ... on InvalidInputError { field } } }"""
DECIDE = """mutation($input: DecideAppealInput!) { decideAppeal(input: $input) { __typename
  ... on DecideAppealSuccess { case { id status decision reason appeal { id status reason }
    suspension { id liftedAt appeal { status } } } } ... on NotAllowedError { message } } }"""
LIFT = """mutation($input: LiftSuspensionInput!) { liftSuspension(input: $input) { __typename
  ... on LiftSuspensionSuccess { suspension { id liftedAt endsAt appeal { status reason } } } } }"""
ME = "{ me { suspension { id } suspensions { id liftedAt appeal { id statement status reason decidedAt } } } }"
NO_REASONS = ("", " \n\t", "x" * (LONGEST_REASON + 1), "bell \a", "x\u202etxt", "half \ud800")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server with nothing throttled."""
    async with open_world(database_url) as world:
        world.throttle = NoThrottle()
        yield world


@pytest.fixture
async def olive(world: World) -> Caller:
    """The moderator who decides cases."""
    return await world.operator()


@pytest.fixture
async def otto(world: World) -> Caller:
    """Another moderator."""
    return await world.operator(name="Otto")


async def appeal(world: World, who: Caller | None, suspension: UUID | str, statement: str = "I did not.") -> Any:  # noqa: ANN401  # JSON
    """What `appealSuspension` answers."""
    return await world.answer(APPEAL, who, input={"suspensionId": str(suspension), "statement": statement})


async def appealed(world: World, who: Caller, suspension: Suspension) -> UUID:
    """The ID of an appeal that was taken."""
    answer = await appeal(world, who, suspension.id)
    assert answer["__typename"] == "AppealSuspensionSuccess", answer
    return UUID(answer["appeal"]["id"])


async def decide(
    world: World, who: Caller | None, appeal_id: UUID | str, *, overturn: bool = True, reason: str = "It was a joke."
) -> Any:  # noqa: ANN401  # JSON
    """What `decideAppeal` answers."""
    return await world.answer(DECIDE, who, input={"appealId": str(appeal_id), "overturn": overturn, "reason": reason})


async def lift(world: World, who: Caller | None, suspension: UUID | str, reason: str = "A mistake.") -> Any:  # noqa: ANN401  # JSON
    """What `liftSuspension` answers."""
    return await world.answer(LIFT, who, input={"suspensionId": str(suspension), "reason": reason})


async def case_of(world: World, suspension: Suspension) -> Case:
    """The case that brought it, as it is now."""
    assert suspension.case_id is not None
    found = await world.database.read(lambda uow: uow.cases.get(suspension.case_id))  # type: ignore[arg-type]  # it has one
    assert found is not None
    return found


async def outcome(world: World, suspension: Suspension) -> tuple[CaseStatus, AppealStatus | None, bool]:
    """Where the case and the appeal stand, and whether the suspension restricts anybody."""
    case = await case_of(world, suspension)
    found = await world.database.read(lambda uow: uow.appeals.of_suspension(suspension.id))
    now = await world.database.read(lambda uow: uow.suspensions.get(suspension.id))
    assert now is not None
    return case.status, None if found is None else found.status, now.active(world.clock())


async def reports(world: World, suspension: Suspension) -> set[ReportStatus]:
    """How the reports of its case stand."""
    case = await case_of(world, suspension)
    found = await world.database.read(lambda uow: uow.reports.of_case(case.id, None, 50))
    return {report.status for report in found}


async def audited(world: World, action: Action) -> list[AuditEntry]:
    """The entries of that kind."""
    entries = await world.database.read(lambda uow: uow.audit.entries(None, 50))
    return [entry for entry in entries if entry.action is action]


# ------------------------------------------------------------------------------------------ asking


async def test_whoever_is_suspended_asks_once_and_reads_what_became_of_it(
    world: World, olive: Caller, otto: Caller
) -> None:
    """The way to a fair answer stays open to a session that may do nothing else."""
    made = await world.sign_in()
    ada, bob = world.caller(made.grant), await world.user("Bob")
    suspension = await suspended(world, olive, ada, bob)
    grant = await world.refresh(made.grant.refresh_token)
    ada = world.caller(grant)
    assert ada.scope is SessionScope.APPEAL_ONLY
    before = len([event for event in await world.told(otto) if isinstance(event, CaseChanged)])
    answer = await appeal(world, ada, suspension.id, "  It was\r\na joke. ")
    shown = answer["appeal"]
    assert (shown["statement"], shown["status"], shown["reason"], shown["decidedAt"]) == (
        "It was\na joke.",
        "OPEN",
        None,
        None,
    )
    assert await outcome(world, suspension) == (CaseStatus.APPEALED, AppealStatus.OPEN, True)
    for operator in (olive, otto):
        told = [event for event in await world.told(operator) if isinstance(event, CaseChanged)]
        assert told[-1] == CaseChanged((await case_of(world, suspension)).id)
    assert len([event for event in await world.told(otto) if isinstance(event, CaseChanged)]) == before + 1
    with pytest.raises(Forbidden):
        await decide(world, ada, shown["id"])
    decided = await decide(world, otto, shown["id"], overturn=False, reason="It was none.")
    assert decided["case"]["status"] == "UPHELD"
    assert decided["case"]["appeal"] == {"id": shown["id"], "status": "UPHELD", "reason": "It was none."}
    (mine,) = (await world.ask(ME, ada)).data["me"]["suspensions"]
    assert (mine["appeal"]["status"], mine["appeal"]["reason"]) == ("UPHELD", "It was none.")
    assert mine["liftedAt"] is None
    assert await outcome(world, suspension) == (CaseStatus.UPHELD, AppealStatus.UPHELD, True)
    assert await reports(world, suspension) == {ReportStatus.UPHELD}
    assert (await appeal(world, ada, suspension.id))["__typename"] == "ConflictError"


async def test_the_page_of_the_clients_guide_works_for_who_may_only_appeal(world: World, olive: Caller) -> None:
    """All that is left to somebody suspended is what a front end copies from there."""
    guide = (ROOT / "docs" / "CLIENTS.md").read_text().partition("\n## Warned and suspended\n")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```graphql\n(.*?)```", guide, re.DOTALL)
    look, form = block.split("\n\n")
    ada = await world.user()
    made = await suspended(world, olive, ada, await world.user("Bob"))
    left = replace(ada, scope=SessionScope.APPEAL_ONLY)
    shown = (await world.ask(look, left)).data["me"]
    assert (shown["suspension"]["id"], shown["suspension"]["appeal"]) == (str(made.id), None)
    asked = {"suspensionId": shown["suspension"]["id"], "statement": "I did not."}
    assert (await world.answer(form, left, input=asked))["appeal"]["status"] == "OPEN"
    assert (await world.answer(form, left, input=asked))["__typename"] == "ConflictError"
    assert (await world.ask(look, left)).data["me"]["suspension"]["appeal"] == {"status": "OPEN", "reason": None}


async def test_nobody_appeals_for_somebody_else(world: World, olive: Caller) -> None:
    """Nor learns that there is a suspension: the answer is that for an ID that nobody has."""
    ada, bob = await world.user(), await world.user("Bob")
    suspension = await suspended(world, olive, ada, bob)
    for who, named in ((bob, suspension.id), (olive, suspension.id), (ada, uuid4()), (ada, "none"), (ada, "")):
        assert await appeal(world, who, named) == {"__typename": "NotFoundError"}
    with pytest.raises(Unauthenticated):
        await appeal(world, None, suspension.id)
    assert await outcome(world, suspension) == (CaseStatus.ACTIONED, None, True)


async def test_another_account_of_the_device_appeals(world: World, olive: Caller, otto: Caller) -> None:
    """What binds a device can be wrong about whoever uses it now; once for all of them."""
    made = await world.sign_in()
    ada = world.caller(made.grant)
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    cleo = world.caller((await world.sign_in("Cleo", made.device_token)).grant)
    appeal_id = await appealed(world, cleo, suspension)
    assert (await appeal(world, ada, suspension.id))["__typename"] == "ConflictError"
    socket = await world.connect(cleo)
    await world.presence.recheck()
    assert socket.codes == []
    await decide(world, otto, appeal_id)
    await world.presence.recheck()
    assert socket.codes == [4403]


async def test_a_statement_that_is_none_is_refused(world: World, olive: Caller) -> None:
    """It is written for people to read: what hides or reorders text is no statement."""
    ada = await world.user()
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    for statement in ("", " \n", "x" * (LONGEST_STATEMENT + 1), "a\0b", "x\u202etxt", "\ud800"):
        answer = await appeal(world, ada, suspension.id, statement)
        assert answer == {"__typename": "InvalidInputError", "field": "statement"}
    assert await outcome(world, suspension) == (CaseStatus.ACTIONED, None, True)
    assert (await appeal(world, ada, suspension.id, "x" * LONGEST_STATEMENT))["__typename"] == "AppealSuspensionSuccess"


async def test_one_without_a_case_has_nothing_to_look_at_again(world: World) -> None:
    """Whoever wrote it by hand into the database takes it back there."""
    ada = await world.user()
    assert await appeal(world, ada, (await sentenced(world, ada)).id) == {"__typename": "NotFoundError"}


async def test_appeals_are_limited_across_workers(world: World, olive: Caller) -> None:
    """Each is written for a person to read."""
    ada = await world.user()
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    world.limits = PostgresRateLimits(world.database.reading)
    for _ in range(APPEALS_OF_USER):
        await world.limits.take(f"appeals:{ada.user_id}", burst=APPEALS_OF_USER, period=APPEALS_PERIOD)
    with pytest.raises(RateLimited):
        await appeal(world, ada, suspension.id)


async def test_one_that_has_run_out_can_still_be_overturned(world: World, olive: Caller, otto: Caller) -> None:
    """It counts on the ladder until somebody says that it was wrong."""
    ada = await world.user()
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    world.clock.forward(days=2)
    appeal_id = await appealed(world, ada, suspension)
    decided = await decide(world, otto, appeal_id)
    assert decided["case"]["suspension"]["liftedAt"] is not None
    assert await outcome(world, suspension) == (CaseStatus.OVERTURNED, AppealStatus.OVERTURNED, False)


async def test_a_hold_is_appealed_with_full_rights_and_leaves_the_case_in_the_queue(
    world: World, olive: Caller, otto: Caller
) -> None:
    """A rule held somebody: the case is still to be judged, by whoever has it, and new reports gather in it."""
    ada, bob = await world.user(), await world.user("Bob")
    case_id = await world.case_about(ada, bob)
    hold = await held(world, ada, case_id)
    appeal_id = await appealed(world, ada, hold)
    assert await outcome(world, hold) == (CaseStatus.OPEN, AppealStatus.OPEN, True)
    kept = await decide(world, olive, appeal_id, overturn=False, reason="Wait for us.")
    assert (kept["case"]["status"], kept["case"]["appeal"]["status"]) == ("OPEN", "UPHELD")
    await judged(world, otto, case_id)
    assert await outcome(world, hold) == (CaseStatus.ACTIONED, AppealStatus.UPHELD, False)


async def test_overturning_a_hold_judges_the_case(world: World, olive: Caller) -> None:
    """Whoever looked at it and found nothing has decided it, whoever they are: a rule has no second opinion."""
    ada, bob = await world.user(), await world.user("Bob")
    case_id = await world.case_about(ada, bob)
    first, second = await held(world, ada, case_id), await held(world, ada, case_id)
    decided = await decide(world, olive, await appealed(world, ada, first), reason="Nothing to see.")
    assert (decided["case"]["status"], decided["case"]["decision"]) == ("OVERTURNED", "DISMISS")
    assert decided["case"]["reason"] == "Nothing to see."
    assert await outcome(world, first) == (CaseStatus.OVERTURNED, AppealStatus.OVERTURNED, False)
    assert await outcome(world, second) == (CaseStatus.OVERTURNED, None, False)
    assert await reports(world, first) == {ReportStatus.DISMISSED}
    assert (await world.join(ada)).user_id == ada.user_id
    assert await world.case_about(ada, bob) != case_id, "new reports gather in a new case"


async def test_judging_the_case_answers_the_appeal_against_its_hold(world: World, olive: Caller) -> None:
    """Nobody is left without an answer, and nobody decides twice: whoever is warned or suspended was held for a reason."""
    otto, bob = await world.operator(name="Otto"), await world.user("Bob")
    for late, decision in itertools.product((False, True), CaseDecision):
        ada = await world.user()
        case_id = await world.case_about(ada, bob)
        hold = await held(world, ada, case_id)
        appeal_id = await appealed(world, ada, hold)
        if late:
            world.clock.forward(hours=2)
        await judged(world, olive, case_id, decision)
        expected = AppealStatus.OVERTURNED if decision is CaseDecision.DISMISS else AppealStatus.UPHELD
        assert (await outcome(world, hold))[1:] == (expected, False)
        assert (await decide(world, otto, appeal_id))["__typename"] == "ConflictError"


async def test_a_hold_whose_case_is_decided_is_past(world: World, olive: Caller) -> None:
    """What was decided is what there is to appeal against."""
    ada = await world.user()
    case_id = await world.case_about(ada, await world.user("Bob"))
    hold = await held(world, ada, case_id)
    await judged(world, olive, case_id)
    assert (await appeal(world, ada, hold.id))["__typename"] == "ConflictError"
    decided = next(
        s for s in await world.database.read(lambda uow: uow.suspensions.of_case(case_id)) if not s.automated
    )
    assert (await appeal(world, ada, decided.id))["__typename"] == "AppealSuspensionSuccess"


# ------------------------------------------------------------------------------------------ deciding


async def test_an_appeal_that_is_overturned_takes_everything_back(world: World, olive: Caller, otto: Caller) -> None:
    """At once, on every socket; those who reported it were wrong, and it is on record who said so."""
    made = await world.sign_in()
    ada = world.caller(made.grant)
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    appeal_id = await appealed(world, ada, suspension)
    decided = await decide(world, otto, appeal_id)
    assert decided["case"]["status"] == "OVERTURNED"
    assert decided["case"]["decision"] == "SUSPEND", "what was decided first stays on record"
    assert decided["case"]["suspension"]["liftedAt"] is not None
    assert await outcome(world, suspension) == (CaseStatus.OVERTURNED, AppealStatus.OVERTURNED, False)
    assert await reports(world, suspension) == {ReportStatus.DISMISSED}
    assert (await world.refresh(made.grant.refresh_token)).session.scope is SessionScope.FULL
    (entry,) = await audited(world, Action.APPEAL_DECIDED)
    assert (entry.actor_id, entry.target) == (otto.user_id, f"appeal:{appeal_id}")
    assert entry.details == f"case={suspension.case_id} outcome=OVERTURNED"


async def test_the_same_judgement_again_answers_the_same_and_another_is_a_conflict(
    world: World, olive: Caller, otto: Caller
) -> None:
    """An operator whose answer was lost asks again; one who is late reads what was decided."""
    ada = await world.user()
    appeal_id = await appealed(world, ada, await suspended(world, olive, ada, await world.user("Bob")))
    first = await decide(world, otto, appeal_id)
    assert await decide(world, otto, appeal_id) == first
    assert len(await audited(world, Action.APPEAL_DECIDED)) == 1
    for changed in ({"overturn": False}, {"reason": "Another."}):
        assert (await decide(world, otto, appeal_id, **changed))["__typename"] == "ConflictError"
    admin = await world.operator(OperatorRole.ADMIN, "Ann")
    assert (await decide(world, admin, appeal_id))["__typename"] == "ConflictError"


async def test_nobody_judges_in_their_own_case(world: World, olive: Caller, otto: Caller) -> None:
    """Not who decided it, not who reported it, not whom it restricts; an admin is no exception."""
    admin = await world.operator(OperatorRole.ADMIN, "Ann")
    subject = await world.operator(name="Sue")
    suspension = await suspended(world, olive, subject, await world.user("Bob"), otto)
    appeal_id = await appealed(world, subject, suspension)
    for partial in (olive, otto, subject):
        assert (await decide(world, partial, appeal_id))["__typename"] == "NotAllowedError"
    assert await outcome(world, suspension) == (CaseStatus.APPEALED, AppealStatus.OPEN, True)
    assert await audited(world, Action.APPEAL_DECIDED) == []
    assert (await decide(world, admin, appeal_id))["__typename"] == "DecideAppealSuccess"
    ada = await world.user()
    hers = await appealed(world, ada, await suspended(world, admin, ada, await world.user("Cleo")))
    assert (await decide(world, admin, hers))["__typename"] == "NotAllowedError"


async def test_only_operators_decide_and_lift(world: World, olive: Caller) -> None:
    """Whoever was one a moment ago is none."""
    ada, bob = await world.user(), await world.user("Bob")
    suspension = await suspended(world, olive, ada, bob)
    appeal_id = await appealed(world, ada, suspension)
    gone = await world.operator(name="Gone")
    await world.database.transact(lambda uow: uow.operators.remove(gone.user_id))
    for act, named in ((decide, appeal_id), (lift, suspension.id)):
        for who in (ada, bob, gone):
            with pytest.raises(Forbidden):
                await act(world, who, named)
            with pytest.raises(Forbidden):
                await act(world, who, "none")
        with pytest.raises(Unauthenticated):
            await act(world, None, named)
        for nothing in (str(uuid4()), "none", "", suspension.id if act is decide else appeal_id):
            assert await act(world, olive, nothing) == {"__typename": "NotFoundError"}
    assert await outcome(world, suspension) == (CaseStatus.APPEALED, AppealStatus.OPEN, True)


async def test_a_reason_that_is_none_is_refused(world: World, olive: Caller, otto: Caller) -> None:
    """Whoever appealed reads it."""
    ada = await world.user()
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    appeal_id = await appealed(world, ada, suspension)
    for reason in NO_REASONS:
        with pytest.raises(BadInput):
            await decide(world, otto, appeal_id, reason=reason)
        with pytest.raises(BadInput):
            await lift(world, olive, suspension.id, reason)
    assert await outcome(world, suspension) == (CaseStatus.APPEALED, AppealStatus.OPEN, True)


# ------------------------------------------------------------------------------------------ lifting


async def test_moderators_lift_their_own_and_those_of_rules_and_admins_any(
    world: World, olive: Caller, otto: Caller
) -> None:
    """A second thought needs no appeal, and a colleague's decision needs an admin."""
    admin = await world.operator(OperatorRole.ADMIN, "Ann")
    bob = await world.user("Bob")
    for who, allowed in ((otto, False), (olive, True), (admin, True)):
        ada = await world.user()
        suspension = await suspended(world, olive, ada, bob)
        answer = await lift(world, who, suspension.id)
        assert answer["__typename"] == ("LiftSuspensionSuccess" if allowed else "NotAllowedError")
        assert await outcome(world, suspension) == (CaseStatus.ACTIONED, None, not allowed)
    ada = await world.user()
    hold = await held(world, ada, await world.case_about(ada, bob))
    assert (await lift(world, otto, hold.id))["suspension"]["liftedAt"] is not None
    assert await outcome(world, hold) == (CaseStatus.OPEN, None, False)
    entries = await audited(world, Action.SUSPENSION_LIFTED)
    assert sorted(str(entry.actor_id) for entry in entries) == sorted(str(who.user_id) for who in (olive, otto, admin))
    assert f"suspension:{hold.id}" in {entry.target for entry in entries if entry.actor_id == otto.user_id}


async def test_nobody_lifts_what_restricts_them(world: World, olive: Caller) -> None:
    """Not even an admin."""
    admin = await world.operator(OperatorRole.ADMIN, "Ann")
    suspension = await suspended(world, olive, admin, await world.user("Bob"))
    assert (await lift(world, admin, suspension.id))["__typename"] == "NotAllowedError"
    without_case = await sentenced(world, admin, SuspensionScope.MATCHING)
    assert (await lift(world, admin, without_case.id))["__typename"] == "NotAllowedError"
    assert await outcome(world, suspension) == (CaseStatus.ACTIONED, None, True)


async def test_lifting_again_or_behind_the_end_changes_nothing(world: World, olive: Caller) -> None:
    """A repeat is answered as the first time, and what has run out stays on the ladder."""
    ada, bob = await world.user(), await world.user("Bob")
    first = await suspended(world, olive, ada, bob)
    lifted = await lift(world, olive, first.id)
    world.clock.forward(seconds=1)
    assert await lift(world, olive, first.id) == lifted
    second = await suspended(world, olive, ada, await world.user("Cleo"))
    world.clock.forward(days=2)
    assert (await lift(world, olive, second.id))["suspension"]["liftedAt"] is None
    assert len(await audited(world, Action.SUSPENSION_LIFTED)) == 1


async def test_lifting_answers_the_open_appeal(world: World, olive: Caller) -> None:
    """Whoever has what they asked for is told so."""
    ada = await world.user()
    suspension = await suspended(world, olive, ada, await world.user("Bob"))
    await appealed(world, ada, suspension)
    answer = await lift(world, olive, suspension.id, "I was wrong.")
    assert answer["suspension"]["appeal"] == {"status": "OVERTURNED", "reason": "I was wrong."}
    assert await outcome(world, suspension) == (CaseStatus.OVERTURNED, AppealStatus.OVERTURNED, False)
    assert await reports(world, suspension) == {ReportStatus.DISMISSED}


# ------------------------------------------------------------------------------------------ at the same moment


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[tuple[World, World]]:
    """Two workers, so that nothing but the database keeps them apart."""
    async with (
        open_world(database_url, Clock(goes=True)) as one,
        open_world(database_url, Clock(goes=True), one_of_several=True) as other,
    ):
        yield one, other


async def test_two_appeals_at_once_are_one(workers: tuple[World, World]) -> None:
    """Two tabs, or two accounts of the device."""
    one, _ = workers
    olive, made = await one.operator(), await one.sign_in()
    ada = one.caller(made.grant)
    cleo = one.caller((await one.sign_in("Cleo", made.device_token)).grant)
    suspension = await suspended(one, olive, ada, await one.user("Bob"))
    answers = await asyncio.gather(*(appeal(world, who, suspension.id) for world in workers for who in (ada, cleo)))
    assert sorted(answer["__typename"] for answer in answers) == [*["AppealSuspensionSuccess"], *["ConflictError"] * 3]


async def test_two_operators_decide_one_appeal_once(workers: tuple[World, World]) -> None:
    """One of them says what becomes of it, and the other is told that somebody was first."""
    one, other = workers
    olive = await one.operator()
    judges = [await one.operator(name=name) for name in ("Otto", "Ann")]
    ada = await one.user()
    suspension = await suspended(one, olive, ada, await one.user("Bob"))
    appeal_id = await appealed(one, ada, suspension)
    answers = await asyncio.gather(
        decide(one, judges[0], appeal_id, overturn=True), decide(other, judges[1], appeal_id, overturn=False)
    )
    kinds = [answer["__typename"] for answer in answers]
    assert sorted(kinds) == ["ConflictError", "DecideAppealSuccess"]
    upheld = kinds[1] == "DecideAppealSuccess"
    status = AppealStatus.UPHELD if upheld else AppealStatus.OVERTURNED
    assert await outcome(one, suspension) == (CaseStatus(status.value), status, upheld)
    assert len(await audited(one, Action.APPEAL_DECIDED)) == 1


async def test_lifting_beside_upholding_leaves_nobody_suspended(workers: tuple[World, World]) -> None:
    """Whoever is second finds what the first did: a suspension that is lifted is lifted, and an appeal has one answer."""
    one, other = workers
    olive, otto = await one.operator(), await one.operator(name="Otto")
    ada = await one.user()
    suspension = await suspended(one, olive, ada, await one.user("Bob"))
    appeal_id = await appealed(one, ada, suspension)
    lifted, decided = await asyncio.gather(
        lift(one, olive, suspension.id), decide(other, otto, appeal_id, overturn=False)
    )
    assert lifted["__typename"] == "LiftSuspensionSuccess"
    upheld = decided["__typename"] == "DecideAppealSuccess"
    assert upheld or decided["__typename"] == "ConflictError"
    status = AppealStatus.UPHELD if upheld else AppealStatus.OVERTURNED
    assert await outcome(one, suspension) == (CaseStatus(status.value), status, False)


async def test_an_appeal_against_a_hold_beside_the_decision_has_an_answer(workers: tuple[World, World]) -> None:
    """In either order: it is answered with the case, or refused because the case is decided."""
    one, other = workers
    olive, ada = await one.operator(), await one.user()
    case_id = await one.case_about(ada, await one.user("Bob"))
    hold = await held(one, ada, case_id)
    asked, _ = await asyncio.gather(appeal(one, ada, hold.id), judged(other, olive, case_id, CaseDecision.DISMISS))
    found = (await outcome(one, hold))[1]
    expected = AppealStatus.OVERTURNED if asked["__typename"] == "AppealSuspensionSuccess" else None
    assert found is expected
