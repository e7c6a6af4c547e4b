"""What a room has said, read back in pages: both ways, with stable cursors, while others write."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from domain.errors import BadInput, RateLimited
from domain.identity import Caller
from domain.inbox import Position
from domain.ports import UnitOfWork
from domain.rooms.room import Room
from persistence.retention import purge
from schema.api import schema
from schema.cursors import inbox_cursor, message_cursor, message_place
from tests.test_chat import PAGE, change, gone, page, send, sent, stored, texts
from tests.world import World, open_world, seat

T = TypeVar("T")

NOTHING = {
    "edges": [],
    "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def ten(world: World) -> tuple[Caller, Room, list[str]]:
    """A room with the messages 1 to 10, and their cursors."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    room = await world.open_room(ada, bob)
    cursors = [(await sent(world, (ada, bob)[n % 2], room, n))["cursor"] for n in range(1, 11)]
    return ada, room, cursors


async def test_pages_are_what_was_asked_for_and_know_their_neighbours(world: World) -> None:
    """A client can draw both ends of a conversation, and knows whether to offer more."""
    ada, room, cursors = await ten(world)

    async def read(**arguments: object) -> tuple[list[int], bool, bool]:
        found = await page(world, ada, room, **arguments)
        info, said = found["pageInfo"], [int(each) for each in texts(found)]
        assert [edge["cursor"] for edge in found["edges"]] == [cursors[n - 1] for n in said]
        assert (info["startCursor"], info["endCursor"]) == (
            (cursors[said[0] - 1], cursors[said[-1] - 1]) if said else (None, None)
        )
        return said, info["hasPreviousPage"], info["hasNextPage"]

    every = list(range(1, 11))
    start = message_cursor(room.id, 0)
    beyond = message_cursor(room.id, 99)
    assert await read() == (every, False, False)
    assert await read(first=None, after=None, last=None, before=None) == (every, False, False)
    assert await read(first=3) == ([1, 2, 3], False, True)
    assert await read(first=10) == (every, False, False)
    assert await read(first=100) == (every, False, False)
    assert await read(first=3, after=cursors[2]) == ([4, 5, 6], True, True)
    assert await read(after=cursors[7]) == ([9, 10], True, False)
    assert await read(first=5, after=cursors[9]) == ([], True, False)
    assert await read(first=2, after=start) == ([1, 2], False, True)
    assert await read(last=3) == ([8, 9, 10], True, False)
    assert await read(last=3, before=cursors[7]) == ([5, 6, 7], True, True)
    assert await read(before=cursors[2]) == ([1, 2], False, True)
    assert await read(last=5, before=cursors[0]) == ([], False, True)
    assert await read(last=2, before=beyond) == ([9, 10], True, False)
    assert await read(last=1, after=None) == ([10], True, False)


async def test_fifty_is_the_usual_page(world: World) -> None:
    """A place alone means fifty, and nothing at all the last fifty."""
    ada = await world.user()
    room = await world.open_room(ada)
    cursors = []
    for n in range(1, 61):
        world.clock.forward(seconds=1)
        cursors.append((await sent(world, ada, room, n))["cursor"])
    assert texts(await page(world, ada, room)) == [str(n) for n in range(11, 61)]
    assert texts(await page(world, ada, room, after=cursors[0])) == [str(n) for n in range(2, 52)]
    assert texts(await page(world, ada, room, before=cursors[59])) == [str(n) for n in range(10, 60)]


async def test_a_page_of_the_largest_messages_is_a_mebibyte_and_says_that_there_are_more(world: World) -> None:
    """A hundred messages of 64 KiB would be an answer of 9 MB: both ways of paging stop earlier, truthfully, and miss nothing."""
    ada = await world.user("Ada")
    room = await world.open_room(ada)
    for n in range(1, 41):
        world.clock.forward(seconds=1)
        await sent(world, ada, room, "x" * (64 * 1024 if n <= 34 else 1))
    whole = range(1, 41)

    async def read(**arguments: object) -> tuple[list[int], bool, bool]:
        found = await page(world, ada, room, **arguments)
        info = found["pageInfo"]
        places = [message_place(edge["cursor"], room.id) for edge in found["edges"]]
        return places, info["hasPreviousPage"], info["hasNextPage"]

    cursor = [message_cursor(room.id, n) for n in range(42)]
    assert await read(first=100) == (list(whole[:16]), False, True)
    assert await read(first=100, after=cursor[16]) == (list(whole[16:32]), True, True)
    assert await read(first=100, after=cursor[32]) == (list(whole[32:]), True, False)
    assert await read(last=100) == (list(whole[19:]), True, False)
    assert await read(last=100, before=cursor[20]) == (list(whole[3:19]), True, True)
    assert await read(last=100, before=cursor[4]) == (list(whole[:3]), False, True)
    assert await read(first=1) == ([1], False, True)
    assert await read(last=2, before=cursor[35]) == ([33, 34], True, True)


async def test_pages_are_limited_by_what_they_hold(world: World) -> None:
    """Somebody who asks for many megabytes at once must not take the memory of the server; whoever scrolls never notices."""
    ada = await world.user("Ada")
    room = await world.open_room(ada)
    for _ in range(16):
        await sent(world, ada, room, "x" * 64 * 1024)
    pages = " ".join(f"a{n}: messages(roomId: $room) {{ pageInfo {{ endCursor }} }}" for n in range(40))
    answer = await world.ask(f"query($room: ID!) {{ {pages} }}", ada, room=str(room.id))
    assert sum(answer.data[f"a{n}"] is not None for n in range(40)) == 32
    assert [type(failure) for failure in answer.failures] == [RateLimited] * 8
    with pytest.raises(RateLimited):
        await page(world, ada, room)
    world.clock.forward(seconds=1)
    for _ in range(200):
        await page(world, ada, room, first=1)
        world.clock.forward(seconds=0.05)


async def test_an_empty_room_is_an_empty_page(world: World) -> None:
    """Nothing to show is not an error, and offers no more."""
    ada = await world.user()
    room = await world.open_room(ada)
    here = message_cursor(room.id, 5)
    for arguments in ({}, {"first": 3}, {"last": 3}, {"first": 3, "after": here}, {"last": 3, "before": here}):
        assert await page(world, ada, room, **arguments) == NOTHING


async def test_arguments_that_cannot_be_meant_are_refused(world: World) -> None:
    """A page that silently is another one than asked for would lose messages."""
    ada, room, cursors = await ten(world)
    other = await world.open_room(ada)
    foreign = (await sent(world, ada, other))["cursor"]
    raw = base64.urlsafe_b64decode(cursors[0] + "==")
    forged = [raw[:-1], raw + b"0", b"i" + raw[1:], b"", raw[:17] + struct.pack(">q", -1)]
    wrong = [foreign, inbox_cursor(Position(1, 1)), "nonsense", "é", "\ud800", ""]
    wrong += [base64.urlsafe_b64encode(f).decode().rstrip("=") for f in forged]
    some = cursors[4]
    combinations: list[dict[str, object]] = [
        {"first": 1, "last": 1},
        {"first": 1, "before": some},
        {"last": 1, "after": some},
        {"after": some, "before": some},
        {"first": 1, "after": some, "before": some},
        {"first": 1, "after": some, "last": 1, "before": some},
        *({name: cursor} for name in ("after", "before") for cursor in wrong),
    ]
    combinations += [{name: size} for name in ("first", "last") for size in (0, -1, 101, 2**31 - 1)]
    for arguments in combinations:
        with pytest.raises(BadInput):
            await page(world, ada, room, **arguments)
    largest = base64.urlsafe_b64encode(raw[:17] + struct.pack(">q", 2**63 - 1)).decode().rstrip("=")
    assert texts(await page(world, ada, room, last=1, before=largest)) == ["10"]
    assert texts(await page(world, ada, room, first=1, after=largest)) == []


@pytest.mark.parametrize("seed", range(6))
async def test_walking_while_others_send_visits_every_message_once(world: World, seed: int) -> None:
    """Scrolling up and reading on both show each message exactly once, whatever comes in meanwhile."""
    rng = random.Random(seed)
    ada, bob, cat = [await world.user(name) for name in ("Ada", "Bob", "Cat")]
    room = await world.open_room(ada, bob, cat)
    for n in range(25):
        await sent(world, ada, room, n)
    writing = asyncio.gather(*(_write(world, who, room, 20) for who in (bob, cat)))

    async def forward() -> list[int]:
        seen: list[int] = []
        after, more, written = None, True, False
        while more or not written:
            written = writing.done()
            found = await page(world, ada, room, first=rng.randint(1, 9), after=after)
            seen += [message_place(edge["cursor"], room.id) for edge in found["edges"]]
            after = found["pageInfo"]["endCursor"] or after
            more = found["pageInfo"]["hasNextPage"]
            assert found["pageInfo"]["hasPreviousPage"] == (len(seen) > len(found["edges"]))
        return seen

    async def backward() -> list[int]:
        seen: list[int] = []
        found = await page(world, ada, room, last=rng.randint(1, 9))
        while True:
            seen += reversed([message_place(edge["cursor"], room.id) for edge in found["edges"]])
            if not found["pageInfo"]["hasPreviousPage"]:
                return seen
            before = found["pageInfo"]["startCursor"]
            found = await page(world, ada, room, last=rng.randint(1, 9), before=before)
            assert found["pageInfo"]["hasNextPage"]

    ahead, back = await asyncio.gather(forward(), backward())
    await writing
    assert ahead == list(range(1, 66))
    assert back == list(range(back[0], 0, -1))
    assert back[0] >= 25


async def _write(world: World, who: Caller, room: Room, count: int) -> None:
    for n in range(count):
        await sent(world, who, room, n)


async def test_a_sender_who_left_is_a_tombstone(world: World) -> None:
    """What they said stays readable under their name; whether they are there is no longer anybody's business."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    room = await world.open_room(ada, bob)
    await sent(world, bob, room, "bye")
    await change(world, room, bob, gone)
    (edge,) = (await page(world, ada, room))["edges"]
    assert edge["node"]["sender"] == {"id": str(seat(room, bob).id), "status": "LEFT", "displayName": "Bob"}


async def test_a_closed_room_leaves_no_message_behind(world: World) -> None:
    """Once a match is skipped or a room closed, what was said is gone from the table, and shown to nobody."""
    ada, bob, match = await world.pair()
    friends = await world.open_room(ada, bob)
    for room in (match, friends):
        await sent(world, ada, room)
    await world.skip(ada, match.id)
    assert await stored(world, match) == []
    assert len(await stored(world, friends)) == 1
    await world.end(friends)
    assert await stored(world, friends) == []
    for room in (match, friends):
        assert await page(world, ada, room) is None
        assert (await send(world, bob, room))["__typename"] == "NotFoundError"


async def test_messages_are_kept_for_thirty_days_and_cursors_for_ever(world: World) -> None:
    """What is old goes, its place is not given away, and a client that kept a cursor of it still pages and follows."""
    ada, room, cursors = await ten(world)
    world.clock.forward(days=29)
    await sent(world, ada, room, 11)
    assert (await purge(world.database.reading, world.clock()))["message"] == 0
    world.clock.forward(days=1, seconds=1)
    assert (await purge(world.database.reading, world.clock()))["message"] == 10
    await sent(world, ada, room, 12)
    for arguments in ({"after": cursors[2]}, {"first": 5}, {"last": 5}, {}):
        found = await page(world, ada, room, **arguments)
        assert [message_place(edge["cursor"], room.id) for edge in found["edges"]] == [11, 12]
        assert not found["pageInfo"]["hasPreviousPage"]
    nothing_before = await page(world, ada, room, last=5, before=cursors[4])
    assert (nothing_before["edges"], nothing_before["pageInfo"]["hasNextPage"]) == ([], True)
    world.clock.forward(days=31)
    await purge(world.database.reading, world.clock())
    assert await page(world, ada, room) == NOTHING
    await sent(world, ada, room, 13)
    assert [m.seq for m in await stored(world, room)] == [13]


async def test_who_is_kicked_while_a_page_is_read_is_not_shown_it(world: World) -> None:
    """Between the look at the seat and the reading somebody may be made to leave, and others write on."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    room = await world.open_room(ada, bob)
    context = world.context(bob)
    read = context.services.read

    async def overtaken(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        await change(world, room, bob, gone)
        await sent(world, ada, room, "about Bob")
        return await read(work)

    overtaking = replace(context, services=replace(context.services, read=overtaken))
    result = await schema.execute(PAGE, {"room": str(room.id)}, context_value=overtaking)
    assert result.errors is None
    assert result.data == {"messages": None}
