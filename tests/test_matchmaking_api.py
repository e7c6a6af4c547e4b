"""The queue through the API: what a front end sends and gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from api.buckets import MOVES_BURST
from domain.errors import RateLimited
from domain.identity import Caller
from domain.safety.suspension import SuspensionScope
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server on a clock that stands."""
    async with open_world(database_url) as world:
        yield world


TICKET = "ticket { id status mode interests languages enqueuedAt widensAt room { id me { displayName } members { displayName } } }"
JOIN = f"""mutation ($input: JoinQueueInput!) {{ joinQueue(input: $input) {{ __typename
  ... on JoinQueueSuccess {{ {TICKET} }} ... on InvalidInputError {{ field message }}
  ... on AlreadyInMatchError {{ room {{ id me {{ displayName }} }} }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
SKIP = f"""mutation ($input: SkipInput!) {{ skip(input: $input) {{ __typename
  ... on SkipSuccess {{ {TICKET} }} ... on NotFoundError {{ message }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
LEAVE = f"mutation {{ leaveQueue {{ ... on LeaveQueueSuccess {{ {TICKET} }} }} }}"


async def somebody(world: World, name: str = "Ada") -> Caller:
    """A new account that is attached."""
    caller = await world.user(name)
    await world.attach(caller)
    return caller


async def test_the_api_from_joining_to_skipping(world: World) -> None:
    """What a front end sends and gets, field by field, with nothing given but what it must."""
    ada, bob = await somebody(world, "Ada"), await somebody(world, "Bob")
    joined = await world.answer(JOIN, ada, input={})
    ticket = joined["ticket"]
    assert joined["__typename"] == "JoinQueueSuccess"
    assert ticket | {"id": None} == {
        "id": None,
        "status": "WAITING",
        "mode": "VIDEO",
        "interests": [],
        "languages": [],
        "enqueuedAt": "2026-11-21T09:30:00.000Z",
        "widensAt": "2026-11-21T09:30:10.000Z",
        "room": None,
    }
    assert await world.answer(f"{{ {TICKET} }}", ada, input={}) == ticket
    changed = await world.answer(
        JOIN, ada, input={"mode": "TEXT", "interests": [" Go "], "languages": ["en-GB"], "patience": 120}
    )
    assert (changed["ticket"]["id"], changed["ticket"]["interests"]) == (ticket["id"], ["go"])
    assert changed["ticket"]["languages"] == ["en-gb"]
    assert (await world.answer(LEAVE, ada, input={}))["ticket"]["status"] == "CANCELLED"
    assert (await world.answer(LEAVE, ada, input={}))["ticket"] is None
    assert await world.answer(f"{{ {TICKET} }}", ada, input={}) is None
    room = await world.meet(ada, bob)
    again = await world.answer(JOIN, ada, input={})
    assert again == {"__typename": "AlreadyInMatchError", "room": {"id": str(room.id), "me": {"displayName": "Ada"}}}
    skipped = await world.answer(SKIP, ada, input={"roomId": str(room.id)})
    assert (skipped["__typename"], skipped["ticket"]["status"]) == ("SkipSuccess", "WAITING")
    assert (await world.answer(SKIP, bob, input={"roomId": str(room.id), "requeue": False}))["ticket"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"interests": ["ok", ""]}, "interests"),
        ({"languages": ["english please"]}, "languages"),
        ({"patience": 121}, "patience"),
    ],
)
async def test_the_api_refuses_bad_wishes_and_changes_nothing(
    world: World, given: dict[str, object], field: str
) -> None:
    """A mistake in a form is answered by the name of the field, and the ticket there is stays as it is."""
    ada = await somebody(world)
    ticket = await world.join(ada)
    answer = await world.answer(JOIN, ada, input=given)
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    assert await world.waiting(ada) == ticket


@pytest.mark.parametrize(
    "room_id", ["", "nonsense", "{00000000-0000-4000-8000-000000000000}", "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]
)
async def test_the_api_knows_no_such_room(world: World, room_id: str) -> None:
    """A malformed ID is answered like one that nobody has."""
    ada = await somebody(world)
    assert (await world.answer(SKIP, ada, input={"roomId": room_id}))["__typename"] == "NotFoundError"


async def test_the_api_tells_the_suspended_why(world: World) -> None:
    """Who may not meet anyone learns of the suspension, not of an error."""
    ada = await somebody(world)
    suspension = await world.suspend(ada, SuspensionScope.MATCHING)
    assert await world.answer(JOIN, ada, input={}) == {
        "__typename": "SuspendedError",
        "suspension": {"id": str(suspension.id)},
    }


async def test_moving_through_the_queue_without_end_is_limited_however_it_is_asked(world: World) -> None:
    """Somebody who skips everybody at once would pull all who wait out of the queue, over and over; aliases are no way around."""
    eve = await somebody(world, "Eve")
    join, leave, skip = "joinQueue(input: {})", "leaveQueue", f'skip(input: {{roomId: "{uuid4()}"}})'
    moves = [(join, leave, skip)[number % 3] for number in range(MOVES_BURST)]
    aliased = " ".join(f"m{number}: {move} {{ __typename }}" for number, move in enumerate(moves))
    assert (await world.ask(f"mutation {{ {aliased} }}", eve)).errors == []
    for move in (join, leave, skip):
        answer = await world.ask(f"mutation {{ {move} {{ __typename }} }}", eve)
        assert [type(failure) for failure in answer.failures] == [RateLimited]
