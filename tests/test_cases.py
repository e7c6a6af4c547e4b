"""Looking at cases: who sees what, in which order, what is recorded before it is shown, and how few queries it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.errors import BadInput, Forbidden, PageTooLarge, Unauthenticated
from domain.identity import Caller, OperatorRole, SessionScope, User
from domain.safety.appeal import Appeal, AppealStatus
from domain.safety.audit import Action
from domain.safety.operators import remove_operator
from domain.safety.suspension import Suspension, SuspensionScope
from persistence.identity import UserRepository
from schema.case_batches import Once
from schema.execution.documents import Prepared
from tests.casework import CASE, LIST, LOOK, claim, entries, judge
from tests.counting import statements
from tests.streams import ENGINE
from tests.world import World, open_world

ADMIN = OperatorRole.ADMIN
EVIDENCE = """query($id: ID!, $first: Int! = 20) { case(id: $id) { reports(first: $first) { edges { node { report { id }
  evidence { plaintext sentAt verified } } } } } }"""
REPORTERS = "query($id: ID!) { case(id: $id) { reports { edges { node { reporter { id displayName } } } } } }"
PAGED = """query($id: ID!, $first: Int! = 20, $after: Cursor) { case(id: $id) { reports(first: $first, after: $after) {
  edges { cursor node { report { id } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
EVERYTHING = f"""query($first: Int! = 20, $reports: Int! = 20) {{ cases(first: $first) {{ edges {{ node {{ {CASE}
  reports(first: $reports) {{ edges {{ node {{ weight report {{ id comment }} reporter {{ id }} }} }} }} }} }} }} }}"""
REPORTED_BY_ALL = text("""
    INSERT INTO report (id, case_id, reporter_id, subject_id, room_id, category, status, weight, verified, created_at)
    SELECT gen_random_uuid(), c.id, a.id, c.subject_id, gen_random_uuid(), 'OTHER', 'RECEIVED', 1, false, now()
    FROM moderation_case c, account a
""")
NAMES_NOTHING = ["", "\x00", "\ud800", "9" * 100_000, "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


def ids(connection: dict[str, Any]) -> list[str]:
    """Those of the nodes of a page."""
    return [edge["node"]["id"] for edge in connection["edges"]]


# ------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize(
    ("operation", "variables"),
    [(LIST, {}), (LIST, {"subject": "x"}), (LOOK, {"id": str(uuid4())}), (LOOK, {"id": "x"})],
    ids=["cases", "cases about nobody", "case", "case of no ID"],
)
async def test_cases_are_for_operators(world: World, operation: str, variables: dict[str, Any]) -> None:
    """Nobody else learns whether somebody was reported; whoever lost the role a moment ago does not either."""
    assert [type(f) for f in (await world.ask(operation, **variables)).failures] == [Unauthenticated]
    ada, olive = await world.user(), await world.operator()
    suspended = replace(olive, scope=SessionScope.APPEAL_ONLY)
    assert not (await world.ask(operation, olive, **variables)).errors
    await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
    for who in (ada, suspended, olive):
        assert [type(f) for f in (await world.ask(operation, who, **variables)).failures] == [Forbidden]


async def test_an_operator_does_not_see_a_case_about_themselves(world: World) -> None:
    """It would tell who reported them, and nobody else would know that they had looked."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = str(await world.case_about(olive, ada))
    assert ids(await world.answer(LIST, olive)) == []
    assert ids(await world.answer(LIST, olive, subject=str(olive.user_id))) == []
    assert await world.answer(LOOK, olive, id=case_id) is None
    assert ids(await world.answer(LIST, otto)) == [case_id]
    assert (await world.answer(LOOK, otto, id=case_id))["subject"]["displayName"] == "Olive"


async def test_an_id_of_nothing_is_answered_with_nothing(world: World) -> None:
    """A link to a case that was deleted shows an empty page, and not an error."""
    olive = await world.operator()
    for wrong in NAMES_NOTHING:
        assert await world.answer(LOOK, olive, id=wrong) is None
        assert ids(await world.answer(LIST, olive, subject=wrong)) == []


# ------------------------------------------------------------------------------------------ the queue


async def test_the_queue_has_the_most_urgent_first_and_then_the_oldest(world: World) -> None:
    """Page by page, forward, each case once; a cursor outlives what happens to its case."""
    olive, people = await world.operator(), [await world.user(f"User {n}") for n in range(5)]
    made = []
    for person, priority in zip(people, (2, 0, 2, 1, 0), strict=True):
        made.append(str(await world.case_about(person, people[0], priority=priority)))
        world.clock.forward(seconds=1)
    expected = [made[n] for n in (1, 4, 3, 0, 2)]
    assert ids(await world.answer(LIST, olive)) == expected
    seen, after = [], None
    while True:
        page = await world.answer(LIST, olive, first=2, after=after)
        seen += ids(page)
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        after = page["pageInfo"]["endCursor"]
        await claim(world, olive, seen[-1])
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == expected


async def test_the_queue_can_be_asked_by_status_and_by_subject(world: World) -> None:
    """What is nobody's yet, and what there ever was about one person. A claim that ran out is nobody's again."""
    olive, ada, bob, eve = await world.operator(), await world.user(), await world.user(), await world.user()
    open_, claimed, decided = [str(await world.case_about(who, eve)) for who in (ada, bob, eve)]
    await claim(world, olive, claimed)
    await judge(world, olive, UUID(decided))

    async def listed(**arguments: object) -> set[str]:
        return set(ids(await world.answer(LIST, olive, **arguments)))

    assert await listed() == await listed(statuses=None) == {open_, claimed, decided}
    assert await listed(statuses=[]) == set()
    assert await listed(statuses=["OPEN"]) == {open_}
    assert await listed(statuses=["CLAIMED", "DISMISSED"]) == {claimed, decided}
    assert await listed(subject=str(bob.user_id)) == {claimed}
    assert await listed(subject=str(bob.user_id), statuses=["OPEN"]) == set()
    world.clock.forward(minutes=15)
    assert await listed(statuses=["CLAIMED"]) == set()
    assert await listed(statuses=["OPEN"]) == {open_, claimed}
    shown = await world.answer(LOOK, olive, id=claimed)
    assert (shown["status"], shown["claimedBy"], shown["claimExpiresAt"]) == ("OPEN", None, None)


async def test_a_page_is_of_a_size_that_can_be_shown(world: World) -> None:
    """Of cases, and of the reports in one."""
    olive, ada = await world.operator(), await world.user()
    case_id = str(await world.case_about(ada, olive))
    for operation, first in product((LIST, PAGED), (0, -1, 101, 2**31 - 1)):
        (failure,) = (await world.ask(operation, olive, first=first, id=case_id)).failures
        assert isinstance(failure, PageTooLarge)


async def test_a_cursor_of_something_else_is_refused(world: World) -> None:
    """One that was mangled must not lead to some page."""
    olive, ada = await world.operator(), await world.user()
    case_id = str(await world.case_about(ada, ada))
    of_case = (await world.answer(LIST, olive))["edges"][0]["cursor"]
    of_report = (await world.answer(PAGED, olive, id=case_id))["reports"]["edges"][0]["cursor"]
    for operation, other in ((LIST, of_report), (PAGED, of_case)):
        for wrong in (other, "", "x", "Yw", "é", "A" * 40):
            (failure,) = (await world.ask(operation, olive, after=wrong, id=case_id)).failures
            assert isinstance(failure, BadInput)


async def test_a_case_shows_the_suspension_that_was_decided_else_the_newest_hold(world: World) -> None:
    """And the newest appeal in it, whichever of them it is against."""
    olive, ada = await world.operator(), await world.user()
    case_id, now = await world.case_about(ada, olive), world.clock()
    made = [
        Suspension(
            uuid4(),
            ada.user_id,
            SuspensionScope.MATCHING,
            "A rule.",
            None,
            True,  # noqa: FBT003 - a column
            now,
            now + timedelta(hours=1),
            None,
            case_id,
        ),
        Suspension(uuid4(), ada.user_id, SuspensionScope.ALL, "Rude.", None, False, now, None, None, case_id),  # noqa: FBT003
    ]
    made.append(replace(made[0], id=uuid4(), starts_at=now + timedelta(minutes=1)))
    made.append(replace(made[0], id=uuid4(), starts_at=now - timedelta(minutes=1)))
    shown = []
    for number in (3, 0, 2, 1):
        await world.database.transact(lambda uow, number=number: uow.suspensions.add(made[number], None))  # type: ignore[misc]
        shown.append((await world.answer(LOOK, olive, id=str(case_id)))["suspension"]["id"])
    assert shown == [str(made[number].id) for number in (3, 0, 2, 1)]
    for number, minutes in ((1, 0), (0, 1)):
        appeal = Appeal(
            uuid4(),
            made[number].id,
            case_id,
            ada.user_id,
            "Sorry.",
            AppealStatus.OPEN,
            now + timedelta(minutes=minutes),
        )
        await world.database.transact(lambda uow, appeal=appeal: uow.appeals.add(appeal))  # type: ignore[misc]
        assert (await world.answer(LOOK, olive, id=str(case_id)))["appeal"]["id"] == str(appeal.id)
    against = "query($id: ID!) { case(id: $id) { suspension { id appeal { statement status } } } }"
    found = (await world.answer(against, olive, id=str(case_id)))["suspension"]
    assert found == {"id": str(made[1].id), "appeal": {"statement": "Sorry.", "status": "OPEN"}}


# ------------------------------------------------------------------------------------------ reports


async def test_the_reports_of_a_case_are_paged_the_oldest_first(world: World) -> None:
    """Of a case with hundreds of reports an operator reads the first ones first."""
    olive, ada = await world.operator(), await world.user()
    people = [await world.user() for _ in range(3)]
    case_id = str(await world.case_about(ada, *people))
    first = (await world.answer(PAGED, olive, id=case_id, first=2))["reports"]
    info = first["pageInfo"]
    assert (len(first["edges"]), info["hasNextPage"], info["hasPreviousPage"]) == (2, True, False)
    rest = (await world.answer(PAGED, olive, id=case_id, first=2, after=info["endCursor"]))["reports"]
    assert (len(rest["edges"]), rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (
        1,
        False,
        True,
    )
    seen = [edge["node"]["report"]["id"] for page in (first, rest) for edge in page["edges"]]
    everything = (await world.answer(PAGED, olive, id=case_id))["reports"]["edges"]
    assert seen == [edge["node"]["report"]["id"] for edge in everything]


async def test_evidence_is_shown_under_a_case_by_its_id_after_an_entry_of_the_audit_log(world: World) -> None:
    """Who read what somebody said in confidence can be asked later. One entry for a look, however much it shows."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, olive, await world.user(), said=("first", "second"))
    reports = (await world.answer(EVIDENCE, olive, id=str(case_id)))["reports"]["edges"]
    shown = [[message["plaintext"] for message in edge["node"]["evidence"]] for edge in reports]
    assert shown == [["first", "second"]] * 2
    assert reports[0]["node"]["evidence"][0] == {
        "plaintext": "first",
        "sentAt": "2026-11-21T09:30:00.000Z",
        "verified": True,
    }
    (entry,) = await entries(world, Action.EVIDENCE_VIEWED)
    assert (entry.actor_id, entry.target, entry.details) == (olive.user_id, f"case:{case_id}", None)
    await world.answer(LOOK, olive, id=str(case_id))
    await world.answer(PAGED, olive, id=str(case_id))
    assert len(await entries(world, Action.EVIDENCE_VIEWED)) == 1
    twice = EVIDENCE.replace(
        "reports(first: $first)",
        "more: reports(first: 1) { edges { node { evidence { sentAt } } } } reports(first: $first)",
    )
    await world.answer(twice, olive, id=str(case_id))
    assert len(await entries(world, Action.EVIDENCE_VIEWED)) == 2


async def test_nothing_is_shown_when_the_look_cannot_be_recorded(world: World) -> None:
    """A log that cannot be written must not make looks that nobody knows of."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, ada, said=("secret",))
    async with world.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE audit_entry ADD CONSTRAINT shut CHECK (action = 'X') NOT VALID"))
    answer = await world.ask(EVIDENCE, olive, id=str(case_id))
    assert answer.errors
    assert "secret" not in str(answer)


async def test_evidence_is_forbidden_wherever_else_a_case_is_shown(world: World) -> None:
    """A list would show a great deal at once and tell the log too little. Nothing of the case is shown with the error."""
    olive, ada = await world.operator(), await world.user()
    case_id = str(await world.case_about(ada, ada, said=("secret",)))
    nested = "reports { edges { node { evidence { plaintext } } } }"
    for operation in (
        f"{{ cases {{ edges {{ node {{ {nested} }} }} }} }}",
        f'mutation {{ claimCase(input: {{caseId: "{case_id}"}}) {{ ... on ClaimCaseSuccess {{ case {{ {nested} }} }} }} }}',
    ):
        answer = await world.ask(operation, olive)
        assert [type(failure) for failure in answer.failures] == [Forbidden]
        assert "secret" not in str(answer)
    assert not await entries(world, Action.EVIDENCE_VIEWED)


async def test_only_admins_are_told_who_reported_and_it_is_recorded(world: World) -> None:
    """A moderator judges what was done, not who complains; one whose account is gone is nobody."""
    olive, root, ada = await world.operator(), await world.operator(ADMIN), await world.user()
    ben, eve = await world.user("Ben"), await world.user("Eve")
    case_id = str(await world.case_about(ada, ben, eve))

    async def shown(who: Caller) -> list[str | None]:
        edges = (await world.answer(REPORTERS, who, id=case_id))["reports"]["edges"]
        reporters = [edge["node"]["reporter"] for edge in edges]
        return sorted((reporter and reporter["displayName"]) or "" for reporter in reporters)

    assert await shown(olive) == ["", ""]
    assert not await entries(world, Action.REPORTER_VIEWED)
    assert await shown(root) == ["Ben", "Eve"]
    (entry,) = await entries(world, Action.REPORTER_VIEWED)
    assert (entry.actor_id, entry.target) == (root.user_id, f"case:{case_id}")
    async with world.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE report SET reporter_id = NULL WHERE reporter_id = :id"), {"id": ben.user_id}
        )
    assert await shown(root) == ["", "Eve"]


async def test_people_who_deleted_their_accounts_are_shown_as_what_is_left_of_them(world: World) -> None:
    """A case about them is still judged, and the list must not break for what one person did."""
    olive, root, ada, ben = await world.operator(), await world.operator(ADMIN), await world.user(), await world.user()
    case_id = str(await world.case_about(ada, ben))
    await claim(world, olive, case_id)
    async with world.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE account SET display_name = '', device_id = NULL, deleted_at = now() WHERE id <> :id"),
            {"id": root.user_id},
        )
        await connection.execute(text("UPDATE report SET reporter_id = NULL"))
    (case,) = [edge["node"] for edge in (await world.answer(LIST, root))["edges"]]
    assert case["subject"] == {"id": str(ada.user_id), "displayName": ""}
    assert case["claimedBy"] == {"id": str(olive.user_id)}
    (edge,) = (await world.answer(REPORTERS, root, id=case_id))["reports"]["edges"]
    assert edge["node"]["reporter"] is None


async def test_a_case_that_retention_deletes_beside_a_look_is_not_there_and_breaks_no_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is read by several statements: between two of them a case may go, and with it the account that it was about."""
    olive, ada, ben = await world.operator(), await world.user(), await world.user()
    gone, case_id = await world.case_about(ada), await world.case_about(ben)
    loaded = UserRepository.get_many

    async def late(users: UserRepository, user_ids: Collection[UUID]) -> Mapping[UUID, User]:
        found = await loaded(users, user_ids)
        return {user_id: user for user_id, user in found.items() if user_id != ada.user_id}

    monkeypatch.setattr(UserRepository, "get_many", late)
    assert ids(await world.answer(LIST, olive)) == [str(case_id)]
    assert await world.answer(LOOK, olive, id=str(gone)) is None


# ------------------------------------------------------------------------------------------ how many queries


async def test_a_page_takes_a_dozen_queries_however_much_is_on_it(world: World) -> None:
    """Twenty cases with twenty reports each, and who made them, are asked for as one case with one is."""
    root, ada = await world.operator(ADMIN), await world.user()
    people = [await world.user() for _ in range(20)]  # With two more accounts, so no page has all reports.
    prepared = ENGINE.documents.prepare(EVERYTHING)
    assert isinstance(prepared, Prepared)

    async def by_plan() -> Any:  # noqa: ANN401  # JSON
        outcome = ENGINE.execute(prepared, {}, None, world.context(root))
        return (await outcome if isinstance(outcome, Awaitable) else outcome)["data"]

    async def by_core() -> Any:  # noqa: ANN401  # JSON
        return (await world.ask(EVERYTHING, root)).data

    async def asked(ask: Callable[[], Awaitable[Any]], reports: int) -> int:
        with statements(world.database.engine) as found:
            nodes = [edge["node"] for edge in (await ask())["cases"]["edges"]]
        shown = [edge["node"]["reporter"] for node in nodes for edge in node["reports"]["edges"]]
        assert (len(shown), None in shown) == (reports, False)
        return len(found)

    await world.case_about(ada, people[0])
    few = await asked(by_plan, 1)
    for person in people[1:]:
        await world.case_about(person)
    async with world.database.engine.begin() as connection:
        await connection.execute(REPORTED_BY_ALL)
    assert [await asked(by_plan, 20 * 20), await asked(by_core, 20 * 20)] == [few, few]
    assert few <= 13


async def test_what_many_need_is_loaded_once_and_failed_once() -> None:
    """One that hangs up does not take what the others wait for with it."""
    loads: list[int] = []
    gate = asyncio.Event()

    def loading(result: Callable[[], int]) -> Once[int]:
        async def load() -> int:
            loads.append(1)
            await gate.wait()
            return result()

        return Once(load)

    once = loading(lambda: 7)
    waiting = [asyncio.create_task(once.get()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert (await asyncio.gather(*waiting[1:]), len(loads)) == ([7, 7], 2)
    failing = loading(lambda: 1 // 0)
    outcomes = await asyncio.gather(*(failing.get() for _ in range(3)), return_exceptions=True)
    assert ([type(outcome) for outcome in outcomes], len(loads)) == ([ZeroDivisionError] * 3, 3)
