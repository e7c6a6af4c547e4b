"""What a room has said, read back in pages: both ways, with stable cursors, while others write."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
from collections.abc import AsyncIterator

import pytest

from domain.errors import BadInput, RateLimited
from domain.identity import Caller
from domain.inbox import Position
from domain.rooms.room import Room
from persistence.retention import purge
from schema.cursors import inbox_cursor, message_cursor, message_place
from tests.world import World, open_world, seat
from tests.world.chat import PAGE, gone, texts


def nothing(room: Room, end: int = 0) -> dict[str, object]:
    """The page of a room without messages: it goes on from where it was looked at, or from the beginning."""
    cursor = message_cursor(room.id, end)
    return {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": cursor},
    }


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def ten(world: World) -> tuple[Caller, Room, list[str]]:
    """A room with the messages 1 to 10, and their cursors."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    cursors = [(await world.sent((ada, bob)[n % 2], room, n))["cursor"] for n in range(1, 11)]
    return ada, room, cursors


async def test_pages_are_what_was_asked_for_and_know_their_neighbours(world: World) -> None:
    """A client can draw both ends of a conversation, and knows whether to offer more."""
    ada, room, cursors = await ten(world)
    start = message_cursor(room.id, 0)

    async def read(**arguments: object) -> tuple[list[int], bool, bool]:
        found = await world.page(ada, room, **arguments)
        info, said = found["pageInfo"], [int(each) for each in texts(found)]
        assert [edge["cursor"] for edge in found["edges"]] == [cursors[n - 1] for n in said]
        assert (info["startCursor"], info["endCursor"]) == (
            (cursors[said[0] - 1], cursors[said[-1] - 1]) if said else (None, arguments.get("after") or start)
        )
        return said, info["hasPreviousPage"], info["hasNextPage"]

    every = list(range(1, 11))
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
        cursors.append((await world.sent(ada, room, n))["cursor"])
    assert texts(await world.page(ada, room)) == [str(n) for n in range(11, 61)]
    assert texts(await world.page(ada, room, after=cursors[0])) == [str(n) for n in range(2, 52)]
    assert texts(await world.page(ada, room, before=cursors[59])) == [str(n) for n in range(10, 60)]


async def test_a_page_of_the_largest_messages_is_a_mebibyte_and_says_that_there_are_more(world: World) -> None:
    """A hundred messages of 64 KiB would be an answer of 9 MB: both ways of paging stop earlier, truthfully, and miss nothing."""
    ada = await world.user("Ada")
    room = await world.open_room(ada)
    for n in range(1, 41):
        world.clock.forward(seconds=1)
        await world.sent(ada, room, "x" * (64 * 1024 if n <= 34 else 1))
    whole = range(1, 41)

    async def read(**arguments: object) -> tuple[list[int], bool, bool]:
        found = await world.page(ada, room, **arguments)
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
        await world.sent(ada, room, "x" * 64 * 1024)
    pages = " ".join(f"a{n}: messages(roomId: $room) {{ pageInfo {{ endCursor }} }}" for n in range(40))
    answer = await world.ask(f"query($room: ID!) {{ {pages} }}", ada, room=str(room.id))
    assert sum(answer.data[f"a{n}"] is not None for n in range(40)) == 32
    assert [type(failure) for failure in answer.failures] == [RateLimited] * 8
    with pytest.raises(RateLimited):
        await world.page(ada, room)
    world.clock.forward(seconds=1)
    for _ in range(200):
        await world.page(ada, room, first=1)
        world.clock.forward(seconds=0.05)


async def test_an_empty_room_is_an_empty_page(world: World) -> None:
    """Nothing to show is not an error, and offers no more."""
    ada = await world.user()
    room = await world.open_room(ada)
    here = message_cursor(room.id, 5)
    for arguments in ({}, {"first": 3}, {"last": 3}, {"last": 3, "before": here}):
        assert await world.page(ada, room, **arguments) == nothing(room)
    assert await world.page(ada, room, first=3, after=here) == nothing(room, 5)


async def test_arguments_that_cannot_be_meant_are_refused(world: World) -> None:
    """A page that silently is another one than asked for would lose messages."""
    ada, room, cursors = await ten(world)
    other = await world.open_room(ada)
    foreign = (await world.sent(ada, other))["cursor"]
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
            await world.page(ada, room, **arguments)
    assert world.pages.refusals == {"page": 4}, "whoever runs the service sees that clients ask for too much at once"
    largest = base64.urlsafe_b64encode(raw[:17] + struct.pack(">q", 2**63 - 1)).decode().rstrip("=")
    assert texts(await world.page(ada, room, last=1, before=largest)) == ["10"]
    assert texts(await world.page(ada, room, first=1, after=largest)) == []


@pytest.mark.parametrize("seed", range(6))
async def test_walking_while_others_send_visits_every_message_once(world: World, seed: int) -> None:
    """Scrolling up and reading on both show each message exactly once, whatever comes in meanwhile."""
    rng = random.Random(seed)
    (ada, bob, cat), room = await world.friends("Ada", "Bob", "Cat")
    for n in range(25):
        await world.sent(ada, room, n)
    writing = asyncio.gather(*(_write(world, who, room, 20) for who in (bob, cat)))

    async def forward() -> list[int]:
        seen: list[int] = []
        after, more, written = None, True, False
        while more or not written:
            written = writing.done()
            found = await world.page(ada, room, first=rng.randint(1, 9), after=after)
            seen += [message_place(edge["cursor"], room.id) for edge in found["edges"]]
            after = found["pageInfo"]["endCursor"] or after
            more = found["pageInfo"]["hasNextPage"]
            assert found["pageInfo"]["hasPreviousPage"] == (len(seen) > len(found["edges"]))
        return seen

    async def backward() -> list[int]:
        seen: list[int] = []
        found = await world.page(ada, room, last=rng.randint(1, 9))
        while True:
            seen += reversed([message_place(edge["cursor"], room.id) for edge in found["edges"]])
            if not found["pageInfo"]["hasPreviousPage"]:
                return seen
            before = found["pageInfo"]["startCursor"]
            found = await world.page(ada, room, last=rng.randint(1, 9), before=before)
            assert found["pageInfo"]["hasNextPage"]

    ahead, back = await asyncio.gather(forward(), backward())
    await writing
    assert ahead == list(range(1, 66))
    assert back == list(range(back[0], 0, -1))
    assert back[0] >= 25


async def _write(world: World, who: Caller, room: Room, count: int) -> None:
    for n in range(count):
        await world.sent(who, room, n)


async def test_a_sender_who_left_is_a_tombstone(world: World) -> None:
    """What they said stays readable under their name; whether they are there is no longer anybody's business."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.sent(bob, room, "bye")
    await world.change(room, bob, gone)
    (edge,) = (await world.page(ada, room))["edges"]
    assert edge["node"]["sender"] == {"id": str(seat(room, bob).id), "status": "LEFT", "displayName": "Bob"}


async def test_a_closed_room_leaves_no_message_behind(world: World) -> None:
    """Once a match is skipped or a room closed, what was said is gone from the table, and shown to nobody."""
    ada, bob, match = await world.pair()
    friends = await world.open_room(ada, bob)
    for room in (match, friends):
        await world.sent(ada, room)
    await world.skip(ada, match.id)
    assert await world.stored(match) == []
    assert len(await world.stored(friends)) == 1
    await world.end(friends)
    assert await world.stored(friends) == []
    for room in (match, friends):
        assert await world.page(ada, room) is None
        assert (await world.send(bob, room))["__typename"] == "NotFoundError"


async def test_messages_are_kept_for_thirty_days_and_cursors_for_ever(world: World) -> None:
    """What is old goes, its place is not given away, and a client that kept a cursor of it still pages and follows."""
    ada, room, cursors = await ten(world)
    world.clock.forward(days=29)
    await world.sent(ada, room, 11)
    assert (await purge(world.database.reading, world.clock()))["message"] == 0
    world.clock.forward(days=1, seconds=1)
    assert (await purge(world.database.reading, world.clock()))["message"] == 10
    await world.sent(ada, room, 12)
    for arguments in ({"after": cursors[2]}, {"first": 5}, {"last": 5}, {}):
        found = await world.page(ada, room, **arguments)
        assert [message_place(edge["cursor"], room.id) for edge in found["edges"]] == [11, 12]
        assert not found["pageInfo"]["hasPreviousPage"]
    nothing_before = await world.page(ada, room, last=5, before=cursors[4])
    assert (nothing_before["edges"], nothing_before["pageInfo"]["hasNextPage"]) == ([], True)
    world.clock.forward(days=31)
    await purge(world.database.reading, world.clock())
    assert await world.page(ada, room) == nothing(room)
    await world.sent(ada, room, 13)
    assert [m.seq for m in await world.stored(room)] == [13]


async def test_who_is_kicked_while_a_page_is_read_is_not_shown_it(world: World) -> None:
    """Between the look at the seat and the reading somebody may be made to leave, and others write on."""
    (ada, bob), room = await world.friends("Ada", "Bob")

    async def meanwhile() -> None:
        await world.change(room, bob, gone)
        await world.sent(ada, room, "about Bob")

    answer = await world.overtake(meanwhile, PAGE, bob, room=str(room.id))
    assert (answer.data, answer.errors) == ({"messages": None}, [])
