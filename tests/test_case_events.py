"""The stream of cases: operators hear of every change as it is now, nobody else does, and a place in it can be gone on from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from domain.errors import Forbidden
from domain.identity import Caller, OperatorRole, SessionScope
from domain.inbox import Position
from domain.ports import UnitOfWork
from domain.safety.audit import Action
from domain.safety.operators import remove_operator
from domain.safety.suspending import lock_subject, tell_operators
from schema.cursors import inbox_cursor, message_cursor
from tests.casework import EVENTS, claim, decide, entries
from tests.counting import statements
from tests.streams import Stream, streaming, subscribe
from tests.world import World

ALL_EVENTS = """subscription($after: Cursor) { events(after: $after) { __typename ... on Event { cursor }
  ... on CaseChanged { case { id status claimedBy { id } } } } }"""
WITH_REPORTS = """subscription { caseEvents { ... on CaseChanged { case { id
  reports { edges { node { report { comment } reporter { displayName } } } } } } } }"""
WITH_EVIDENCE = """subscription { caseEvents { ... on CaseChanged { case {
  reports { edges { node { evidence { plaintext } } } } } } } }"""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server on a clock that stands, whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


async def follow(world: World, who: Caller | None, after: str | None = None) -> Stream:
    """`caseEvents`, begun."""
    return await subscribe(world, who, EVENTS, after=after)


async def change(world: World, subject: Caller, *case_ids: UUID) -> None:
    """Tells operators of cases about the subject, in one unit: as every change of a case does."""

    async def work(uow: UnitOfWork) -> None:
        locked = await lock_subject(uow, subject.user_id, world.clock())
        for case_id in case_ids:
            tell_operators(uow, locked, case_id)

    await world.database.transact(work)


async def test_every_operator_hears_of_a_case_as_it_is_now(world: World) -> None:
    """From the report that opens it to the decision, in order, on both of these streams, the actor's own included."""
    olive, otto, ada, ben = await world.operator(), await world.operator(), await world.user(), await world.user()
    streams = [await follow(world, who) for who in (olive, otto)]
    everything = await subscribe(world, otto, ALL_EVENTS)
    assert (await everything.next())["__typename"] == "MatchSnapshot"
    await world.reported(ben, await world.open_room(ben, ada), ada)
    opened = [await stream.next() for stream in streams]
    assert {event["case"]["status"] for event in opened} == {"OPEN"}
    case_id = opened[0]["case"]["id"]
    assert opened[0]["case"]["subject"]["id"] == str(ada.user_id)
    await claim(world, olive, case_id)
    claimed = [await stream.next() for stream in streams]
    assert [event["case"]["claimedBy"] for event in claimed] == [{"id": str(olive.user_id)}] * 2
    await decide(world, olive, case_id, "SUSPEND")
    decided = [await stream.next() for stream in streams]
    assert [event["case"]["suspension"]["scope"] for event in decided] == ["ALL"] * 2
    told = [await everything.next() for _ in range(3)]
    assert [event["__typename"] for event in told] == ["CaseChanged"] * 3
    assert told[-1]["case"]["status"] == "ACTIONED"
    for stream in (*streams, everything):
        await stream.close()


async def test_the_stream_is_for_operators(world: World) -> None:
    """Without a token, as a user, suspended, or removed a moment ago: it does not begin."""
    ada, olive = await world.user(), await world.operator()
    assert await (await follow(world, None)).failed() == "UNAUTHENTICATED"
    assert await (await follow(world, ada)).failed() == "FORBIDDEN"
    assert await (await follow(world, replace(olive, scope=SessionScope.APPEAL_ONLY))).failed() == "FORBIDDEN"
    await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
    assert await (await follow(world, olive)).failed() == "UNAUTHENTICATED"


async def test_a_removed_operator_hears_nothing_more(world: World) -> None:
    """Neither what happens from then on nor what lay undelivered, on no stream; the streams end."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    streams = [await follow(world, olive), await subscribe(world, olive, ALL_EVENTS)]
    assert (await streams[1].next())["__typename"] == "MatchSnapshot"
    await claim(world, otto, case_id)
    await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
    await decide(world, otto, case_id)
    for stream in streams:
        assert await stream.failed() == "UNAUTHENTICATED"


async def test_somebody_whose_role_alone_is_gone_hears_of_no_case(world: World) -> None:
    """What operators are told lies in their inboxes: it is shown to operators."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    everything = await subscribe(world, olive, ALL_EVENTS)
    start = (await everything.next())["cursor"]
    await claim(world, olive, case_id)
    assert (await everything.next())["__typename"] == "CaseChanged"
    await world.database.transact(lambda uow: uow.operators.remove(olive.user_id))
    for stream in (everything, await subscribe(world, olive, ALL_EVENTS, after=start)):
        await change(world, ada, case_id)
        await world.join(olive)
        assert (await stream.next())["__typename"] == "QueueJoined"
        await stream.close()


async def test_an_operator_hears_nothing_of_a_case_about_themselves(world: World) -> None:
    """The others do, and what comes next is told."""
    olive, otto, ada = await world.operator(), await world.operator(), await world.user()
    about_olive, about_ada = await world.case_about(olive, ada), await world.case_about(ada, await world.user())
    stream = await follow(world, olive)
    await claim(world, otto, about_olive)
    await claim(world, otto, about_ada)
    assert (await stream.next())["case"]["id"] == str(about_ada)
    await stream.close()


async def test_the_stream_goes_on_behind_a_cursor_without_loss_or_repeat(world: World) -> None:
    """An operator's browser that was away for a minute; a cursor of `events` is good here, too."""
    olive, otto, people = await world.operator(), await world.operator(), [await world.user() for _ in range(4)]
    cases = [str(await world.case_about(who, people[0])) for who in people]
    first = await follow(world, olive)
    await claim(world, otto, cases[0])
    after = (await first.next())["cursor"]
    await first.close()
    for case_id in cases[1:]:
        await claim(world, otto, case_id)
    again = await follow(world, olive, after)
    assert [(await again.next())["case"]["id"] for _ in range(3)] == cases[1:]
    assert await again.quiet()
    await world.join(olive)
    everything = await subscribe(world, olive, ALL_EVENTS, after=after)
    last = (await everything.until("QueueJoined"))[-1]["cursor"]
    await everything.close()
    further = await follow(world, olive, last)
    await decide(world, otto, cases[0])
    assert (await further.next())["case"]["status"] == "DISMISSED"
    await further.close()


async def test_what_is_gone_from_the_inbox_asks_for_the_state(world: World) -> None:
    """An epoch that ended: `ResyncRequired`, and then what happens from there on."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    stream = await follow(world, olive, inbox_cursor(Position(1, 1)))
    assert (await stream.next())["__typename"] == "ResyncRequired"
    await claim(world, olive, case_id)
    assert (await stream.next())["__typename"] == "CaseChanged"
    await stream.close()
    for wrong in ("", "x", message_cursor(uuid4(), 1)):
        assert await (await follow(world, olive, wrong)).failed() == "BAD_USER_INPUT"


async def test_a_case_that_is_gone_is_told_of_no_more(world: World) -> None:
    """Retention deletes cases; an event of one that is gone must not end the stream."""
    olive, ada = await world.operator(), await world.user()
    case_id = await world.case_about(ada, await world.user())
    stream = await follow(world, olive)
    await change(world, ada, uuid4(), case_id)
    assert (await stream.next())["case"]["id"] == str(case_id)
    await stream.close()


async def test_what_lies_together_is_loaded_together(world: World) -> None:
    """After an evening away: fifty events take as many queries as one."""
    olive, people = await world.operator(), [await world.user() for _ in range(5)]
    cases = [await world.case_about(who, people[0]) for who in people]
    start = inbox_cursor(await world.inbox.end(olive.user_id))

    async def taken(events: int) -> int:
        stream = await follow(world, olive, start)
        with statements(world.database.engine) as found:
            assert await stream.kinds(events) == ["CaseChanged"] * events
        await stream.close()
        return len(found)

    await change(world, people[0], cases[0])
    few = await taken(1)
    await change(world, people[0], *(cases * 10)[:49])
    assert await taken(50) == few


async def test_reports_can_be_followed_and_evidence_cannot(world: World) -> None:
    """Who reported is recorded as under a query; what was disclosed is looked at deliberately."""
    root, ada, ben = await world.operator(OperatorRole.ADMIN), await world.user(), await world.user("Ben")
    case_id = await world.case_about(ada, ben, said=("secret",))
    reports, evidence = await subscribe(world, root, WITH_REPORTS), await subscribe(world, root, WITH_EVIDENCE)
    await claim(world, root, case_id)
    (edge,) = (await reports.next())["case"]["reports"]["edges"]
    assert edge["node"] == {"report": {"comment": "They were rude."}, "reporter": {"displayName": "Ben"}}
    assert await evidence.failed() == Forbidden.code
    assert len(await entries(world, Action.REPORTER_VIEWED)) == 1
    assert not await entries(world, Action.EVIDENCE_VIEWED)
    for stream in (reports, evidence):
        await stream.close()
