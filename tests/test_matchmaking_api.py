"""The queue through the API: what a front end sends and gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from api.buckets import MOVES_BURST, LocalThrottle, NoThrottle
from domain.errors import RateLimited
from domain.identity import Caller, SessionScope
from domain.ports import Throttle
from persistence.directory import CachedRooms, Directory
from schema.context import Context, Services
from schema.matchmaking import MatchmakingMutation, MatchmakingQuery
from schema.rooms import RoomsQuery
from schema.scalars import SCALARS
from tests.identity_world import Clock
from tests.matching_world import COOLDOWN, Backend, backend


@pytest.fixture
async def parley(database_url: str) -> AsyncIterator[Backend]:
    """A backend on a clock that stands."""
    async with backend(database_url, Clock()) as parts:
        yield parts


TICKET = "ticket { id status mode interests languages enqueuedAt widensAt room { id me { displayName } members { displayName } } }"
JOIN = f"""mutation ($input: JoinQueueInput!) {{ joinQueue(input: $input) {{ __typename
  ... on JoinQueueSuccess {{ {TICKET} }} ... on InvalidInputError {{ field message }}
  ... on AlreadyInMatchError {{ room {{ id me {{ displayName }} }} }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
SKIP = f"""mutation ($input: SkipInput!) {{ skip(input: $input) {{ __typename
  ... on SkipSuccess {{ {TICKET} }} ... on NotFoundError {{ message }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
LEAVE = f"mutation {{ leaveQueue {{ ... on LeaveQueueSuccess {{ {TICKET} }} }} }}"


@strawberry.type
class Query(MatchmakingQuery, RoomsQuery):
    """What these tests ask."""


SCHEMA = strawberry.Schema(Query, MatchmakingMutation, config=StrawberryConfig(scalar_map={**SCALARS}))


def context_of(parley: Backend, user_id: UUID, throttle: Throttle) -> Context:
    """What the user's requests are given."""
    parts: dict[str, Any] = dict.fromkeys(part.name for part in fields(Services))  # Matchmaking needs no others.
    parts |= {
        "transact": parley.database.transact,
        "read": parley.database.read,
        "clock": parley.clock,
        "new_id": uuid4,
    }
    parts |= {"throttle": throttle}
    parts |= {"skip_cooldown": COOLDOWN, "queue_changed": parley.matcher.poke}
    parts |= {"directory": Directory(CachedRooms(), parley.database.reading)}
    caller = Caller(user_id, uuid4(), SessionScope.FULL, parley.clock() + timedelta(minutes=15))
    return Context(Services(**parts), caller, "203.0.113.7")


async def ask(parley: Backend, user_id: UUID, operation: str, **given: object) -> Any:  # noqa: ANN401  # JSON
    """What the API answers the user; the only field of it."""
    context = context_of(parley, user_id, NoThrottle())
    result = await SCHEMA.execute(operation, {"input": given}, context_value=context)
    assert not result.errors
    assert result.data
    (answer,) = result.data.values()
    return answer


async def test_the_api_from_joining_to_skipping(parley: Backend) -> None:
    """What a front end sends and gets, field by field, with nothing given but what it must."""
    ada, bob = await parley.person("Ada"), await parley.person("Bob")
    joined = await ask(parley, ada, JOIN)
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
    assert await ask(parley, ada, f"{{ {TICKET} }}") == ticket
    changed = await ask(parley, ada, JOIN, mode="TEXT", interests=[" Go "], languages=["en-GB"], patience=120)
    assert (changed["ticket"]["id"], changed["ticket"]["interests"]) == (ticket["id"], ["go"])
    assert changed["ticket"]["languages"] == ["en-gb"]
    assert (await ask(parley, ada, LEAVE))["ticket"]["status"] == "CANCELLED"
    assert (await ask(parley, ada, LEAVE))["ticket"] is None
    assert await ask(parley, ada, f"{{ {TICKET} }}") is None
    room = await parley.match(ada, bob)
    again = await ask(parley, ada, JOIN)
    assert again == {"__typename": "AlreadyInMatchError", "room": {"id": str(room.id), "me": {"displayName": "Ada"}}}
    skipped = await ask(parley, ada, SKIP, roomId=str(room.id))
    assert (skipped["__typename"], skipped["ticket"]["status"]) == ("SkipSuccess", "WAITING")
    assert (await ask(parley, bob, SKIP, roomId=str(room.id), requeue=False))["ticket"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"interests": ["ok", ""]}, "interests"),
        ({"languages": ["english please"]}, "languages"),
        ({"patience": 121}, "patience"),
    ],
)
async def test_the_api_refuses_bad_wishes_and_changes_nothing(
    parley: Backend, given: dict[str, object], field: str
) -> None:
    """A mistake in a form is answered by the name of the field, and the ticket there is stays as it is."""
    ada = await parley.person()
    ticket = await parley.join(ada)
    answer = await ask(parley, ada, JOIN, **given)
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    assert await parley.waiting(ada) == ticket


@pytest.mark.parametrize(
    "room_id", ["", "nonsense", "{00000000-0000-4000-8000-000000000000}", "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]
)
async def test_the_api_knows_no_such_room(parley: Backend, room_id: str) -> None:
    """A malformed ID is answered like one that nobody has."""
    ada = await parley.person()
    assert (await ask(parley, ada, SKIP, roomId=room_id))["__typename"] == "NotFoundError"


async def test_the_api_tells_the_suspended_why(parley: Backend) -> None:
    """Who may not meet anyone learns of the suspension, not of an error."""
    ada = await parley.person()
    suspension = await parley.suspend(ada)
    assert await ask(parley, ada, JOIN) == {"__typename": "SuspendedError", "suspension": {"id": str(suspension.id)}}


async def test_moving_through_the_queue_without_end_is_limited_however_it_is_asked(parley: Backend) -> None:
    """Somebody who skips everybody at once would pull all who wait out of the queue, over and over; aliases are no way around."""
    context = context_of(parley, await parley.person("Eve"), LocalThrottle(lambda: 0.0))
    join, leave, skip = "joinQueue(input: {})", "leaveQueue", f'skip(input: {{roomId: "{uuid4()}"}})'
    moves = [(join, leave, skip)[number % 3] for number in range(MOVES_BURST)]
    asked = " ".join(f"m{number}: {move} {{ __typename }}" for number, move in enumerate(moves))
    assert (await SCHEMA.execute(f"mutation {{ {asked} }}", context_value=context)).errors is None
    for move in (join, leave, skip):
        result = await SCHEMA.execute(f"mutation {{ {move} {{ __typename }} }}", context_value=context)
        assert [type(error.original_error) for error in result.errors or ()] == [RateLimited]
