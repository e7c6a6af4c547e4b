"""What the ladder suggests to whoever judges a case: what `decideCase` would do by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import Forbidden
from domain.identity import Caller
from domain.safety.ladder import COUNTS_FOR
from domain.safety.operators import remove_operator
from domain.safety.suspension import Suspension, SuspensionScope
from schema.scalars import format_time
from tests.casework import LIST, REASON
from tests.counting import statements
from tests.world import START, World, open_world

STEP = "suggestion { decision hours permanent }"
LOOK = f"query($id: ID!) {{ case(id: $id) {{ {STEP} }} }}"
CASES = f"{{ cases {{ edges {{ node {{ id {STEP} }} }} }} }}"
CLAIM = f"""mutation($id: ID!) {{ claimCase(input: {{caseId: $id}}) {{ ... on ClaimCaseSuccess {{ case {{ {STEP} }} }} }} }}"""
DECIDE = f"""mutation($input: DecideCaseInput!) {{ decideCase(input: $input) {{ ... on DecideCaseSuccess {{ case {{ {STEP}
  suspension {{ endsAt }} }} }} }} }}"""
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


def suspend(hours: int | None) -> dict[str, Any]:
    """A suspension as the ladder suggests it; None is for good."""
    return {"decision": "SUSPEND", "hours": hours, "permanent": hours is None}


WARN: dict[str, Any] = {"decision": "WARN", "hours": None, "permanent": False}


async def suggested(world: World, operator: Caller, case_id: UUID) -> Any:  # noqa: ANN401  # JSON
    """What the case's suggestion is."""
    return (await world.answer(LOOK, operator, id=str(case_id)))["suggestion"]


async def test_who_follows_the_ladder_decides_as_the_server_would(world: World) -> None:
    """From the warning to the end: what is shown before is what a decision without a duration does."""
    olive, ada = await world.operator(), await world.user()
    for step in (WARN, suspend(1), suspend(24), suspend(7 * 24), suspend(30 * 24), suspend(None), suspend(None)):
        case_id = await world.case_about(ada)
        assert await suggested(world, olive, case_id) == step
        claimed = await world.answer(CLAIM, olive, id=str(case_id))
        assert claimed["case"]["suggestion"] == step
        verdict = {"caseId": str(case_id), "decision": step["decision"], "reason": REASON}
        decided = (await world.answer(DECIDE, olive, input=verdict))["case"]
        assert decided["suggestion"] is None, "there is nothing to decide any more"
        if step is not WARN:
            ends = None if step["permanent"] else format_time(START + step["hours"] * HOUR)
            assert decided["suspension"]["endsAt"] == ends


async def test_the_ladder_knows_a_device_and_forgets_in_time(world: World) -> None:
    """A new account on the same device begins where the last one ended; after 90 days, and for mistakes, nothing counts."""
    olive = await world.operator()
    first = await world.sign_in("Ada")
    again = await world.sign_in("Eve", first.device_token)
    stranger = await world.user("Bob")
    ids = [await world.case_about(who) for who in (first.grant.user.id, again.grant.user.id, stranger)]

    async def all_suggested() -> list[Any]:
        return [await suggested(world, olive, case_id) for case_id in ids]

    assert await all_suggested() == [WARN, WARN, WARN]
    await world.suspend(first.grant.user.id, ends_at=START + HOUR, lifted_at=START)
    hold = Suspension(uuid4(), first.grant.user.id, SuspensionScope.MATCHING, "", None, True, START, START + HOUR, None)  # noqa: FBT003
    await world.database.transact(lambda uow: uow.suspensions.add(hold, None))
    assert await all_suggested() == [WARN, WARN, WARN], "a mistake and a hold are no step"
    await world.suspend(first.grant.user.id, ends_at=START + HOUR, device_id=first.grant.user.device_id)
    assert await all_suggested() == [suspend(24), suspend(24), WARN]
    world.clock.forward(seconds=COUNTS_FOR.total_seconds())
    assert await all_suggested() == [WARN, WARN, WARN]


async def test_suggestions_of_a_page_are_loaded_together(world: World) -> None:
    """A queue of a hundred cases asks the database as often as one of two; who does not ask for them, not at all."""
    olive = await world.operator()
    asked = []
    for count in (2, 8):
        for _ in range(count):
            await world.case_about(await world.user())
        for operation in (LIST, CASES):
            with statements(world.database.engine) as found:
                answer = await world.answer(operation, olive)
            assert answer["edges"]
            asked.append(len(found))
    assert asked[0] == asked[2]
    assert asked[1] == asked[3] == asked[0] + 3, "who asks, warnings, suspensions"


async def test_whoever_is_no_operator_any_more_is_suggested_nothing(world: World) -> None:
    """Also not in the middle of an answer: what was decided about somebody is for those who judge."""
    olive = await world.operator()
    await world.case_about(await world.user())
    readings = 0

    async def second_removes() -> None:
        nonlocal readings
        readings += 1
        if readings == 2:
            await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())

    answer = await world.overtake(second_removes, CASES, olive)
    assert [type(failure) for failure in answer.failures] == [Forbidden]
    assert answer.data["cases"]["edges"][0]["node"]["suggestion"] is None
