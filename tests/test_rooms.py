"""Rooms of two, as each side sees them and as strangers do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from api.reached import Reached
from domain.errors import RateLimited, Unauthenticated
from domain.ports import UnitOfWork
from domain.rooms.room import MediaState, MemberRole, MemberStatus, RoomKind
from schema.rooms import Member, Room
from tests.waiting import DEADLINE
from tests.world import START, World, open_world, seat

ROOM = """query($id: ID!) { room(id: $id) { id kind mode name inviteCode capacity sharedInterests createdAt closedAt
  me { id polite } members { id displayName role muted status typing polite joinedAt media { camera microphone screen } } } }"""
ROOMS = "{ rooms { id } }"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def test_two_who_were_matched_see_the_same_room_and_exactly_one_of_them_is_polite(world: World) -> None:
    """Were both polite, both would wait for an offer and the call would never begin; were neither, offers would collide."""
    ada, bob, room = await world.pair("chess")
    for viewer, other, polite in ((ada, bob, True), (bob, ada, False)):
        shown = (await world.ask(ROOM, viewer, id=str(room.id))).data["room"]
        members = {member["id"]: member for member in shown.pop("members")}
        mine, theirs = members[str(seat(room, viewer).id)], members[str(seat(room, other).id)]
        assert len(members) == 2
        assert shown == {
            "id": str(room.id),
            "kind": "MATCH",
            "mode": "VIDEO",
            "name": None,
            "inviteCode": None,
            "capacity": 2,
            "sharedInterests": ["chess"],
            "createdAt": "2026-11-21T09:30:00.000Z",
            "closedAt": None,
            "me": {"id": mine["id"], "polite": False},
        }
        assert theirs["polite"] is polite
        assert mine["polite"] is False
        assert theirs["status"] == "ONLINE"
        assert theirs["media"] == {"camera": False, "microphone": False, "screen": False}


async def test_a_room_shows_no_user_id(world: World) -> None:
    """Who could see it would recognise a stranger in the next match."""
    ada, bob, room = await world.pair()
    shown = str((await world.ask(ROOM, ada, id=str(room.id))).data)
    assert str(bob.user_id) not in shown
    assert str(ada.user_id) not in shown


@pytest.mark.parametrize(
    "room_id", ["", "1", "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10", "null", "\ud800", "{0}", "9" * 4000]
)
async def test_a_room_that_nobody_has_is_null(world: World, room_id: str) -> None:
    """A malformed ID is a mistake of a front end, not a fault of the server: it is answered like any unknown one."""
    answer = await world.ask(ROOM, await world.user(), id=room_id)
    assert answer.data == {"room": None}
    assert not answer.errors


async def test_ids_are_known_in_the_form_in_which_they_were_given_only(world: World) -> None:
    """A front end that mangles IDs finds out at once, not when it compares two of them."""
    ada, _, room = await world.pair()
    for mangled in (str(room.id).upper(), room.id.hex, f"{{{room.id}}}", f"urn:uuid:{room.id}", f" {room.id}"):
        assert (await world.ask(ROOM, ada, id=mangled)).data == {"room": None}


async def test_strangers_do_not_see_a_room_and_nobody_sees_it_once_it_is_closed(world: World) -> None:
    """Rooms are private; and what is over is shown by events as a tombstone, not looked at for ever."""
    ada, bob, room = await world.pair()
    stranger = await world.user("Eve")
    assert (await world.ask(ROOM, stranger, id=str(room.id))).data == {"room": None}
    assert (await world.ask(ROOMS, stranger)).data == {"rooms": []}
    assert (await world.ask(ROOMS, bob)).data == {"rooms": [{"id": str(room.id)}]}
    await world.end(room)
    for viewer in (ada, bob):
        assert (await world.ask(ROOM, viewer, id=str(room.id))).data == {"room": None}
        assert (await world.ask(ROOMS, viewer)).data == {"rooms": []}


async def test_rooms_need_signing_in(world: World) -> None:
    """Nobody is in a room without being somebody."""
    for operation in (ROOMS, '{ room(id: "1") { id } }'):
        answer = await world.ask(operation)
        assert [type(failure) for failure in answer.failures] == [Unauthenticated]


async def test_lists_of_rooms_are_limited_by_what_they_show(world: World) -> None:
    """Somebody in a hundred full rooms could keep a core busy by asking for them ten times a second."""
    ada = await world.user()
    for _ in range(10):
        await world.open_room(ada)
    lists = " ".join(f"a{n}: rooms {{ id }}" for n in range(201))
    answer = await world.ask(f"{{ {lists} }}", ada)
    assert [type(failure) for failure in answer.failures] == [RateLimited]
    world.clock.forward(seconds=0.1)
    assert len((await world.ask(ROOMS, ada)).data["rooms"]) == 10


async def test_asking_for_a_room_shows_that_its_member_was_reached(world: World) -> None:
    """A client whose socket is slow and that asks over HTTP knows of its match: it must not be ended as unreached."""
    ada, _, room = await world.pair()
    await world.ask(ROOM, await world.user("Eve"), id=str(room.id))
    assert world.reached == []
    await world.ask(ROOM, ada, id=str(room.id))
    assert world.reached == [seat(room, ada).id]


async def test_who_left_is_a_tombstone_and_so_is_everybody_to_those_who_left(world: World) -> None:
    """After leaving, nothing of what others do reaches the one who left; those who stay see a name and no more."""
    ada, bob, room = await world.pair()
    gone = replace(
        seat(room, bob), left_at=START, status=MemberStatus.LEFT, role=MemberRole.MODERATOR, muted=True,
        media=MediaState(camera=True), typing_until=START + timedelta(seconds=5),
    )  # fmt: skip
    room = replace(room, kind=RoomKind.INVITE, name="Chess", members=(seat(room, ada), gone))
    told = Member.of(gone, room, ada.user_id, START)
    assert (told.display_name, told.status, told.role) == ("Bob", MemberStatus.LEFT, MemberRole.MEMBER)
    assert not (told.muted)
    assert not (told.typing)
    assert not (told.polite)
    assert not told.media.camera
    assert [m.display_name for m in Room.of(room, ada.user_id, START).members] == ["Ada"]

    busy = replace(seat(room, ada), media=MediaState(screen=True), typing_until=START + timedelta(seconds=5))
    room = replace(room, members=(busy, gone))
    seen = Room.of(room, bob.user_id, START)
    assert (seen.name, seen.me, seen.members, seen.invite) == ("Chess", None, [], None)
    other = Member.of(busy, room, bob.user_id, START)
    assert (other.display_name, other.status) == ("Ada", MemberStatus.LEFT)
    assert not (other.typing)
    assert not (other.polite)
    assert not other.media.screen


async def test_closing_takes_every_seat_so_that_both_can_meet_somebody_else(world: World) -> None:
    """A seat left behind would keep its user out of every further match."""
    ada, bob, room = await world.pair()
    await world.end(room)
    closed = await world.room(room.id)
    assert closed.closed_at == START
    assert closed.inside == ()
    assert [member.status for member in closed.members] == [MemberStatus.LEFT] * 2
    again = await world.match(ada, bob)
    assert await world.open_match(ada) == again
    await world.end(room)  # Once more changes nothing.
    assert await world.room(room.id) == closed


async def test_many_rooms_are_read_at_once_with_their_members_in_order(world: World) -> None:
    """Events of many rooms are shown by one query; a member out of order would change who is polite."""
    rooms = [(await world.pair())[2] for _ in range(3)]

    async def work(uow: UnitOfWork) -> None:
        read = await uow.rooms.get_many([room.id for room in rooms] + [uuid4()])
        assert sorted(read, key=lambda room: room.id) == sorted(rooms, key=lambda room: room.id)
        assert all([member.position for member in room.members] == [0, 1] for room in read)
        for room in rooms:
            assert await uow.rooms.room_of_member(room.members[1].id) == room

    await world.database.read(work)


async def test_the_directory_forgets_a_room_that_was_written(world: World) -> None:
    """A cached room would let somebody signal who has left."""
    ada, _, room = await world.pair()
    assert (await world.directory.rooms([room.id]))[room.id].open
    await world.end(room)
    assert not (await world.directory.rooms([room.id]))[room.id].open
    assert (await world.ask(ROOM, ada, id=str(room.id))).data == {"room": None}


async def test_a_match_is_unreached_until_both_sides_were_told(world: World) -> None:
    """A partner who never heard of the match would be waited for in vain."""
    ada, bob, room = await world.pair()
    reached = Reached(transact=world.database.transact, clock=world.clock)

    async def unreached() -> list[UUID]:
        return list(await world.database.read(lambda uow: uow.rooms.unreached(world.clock())))

    assert await unreached() == []
    world.clock.forward(seconds=5)
    assert await unreached() == [room.id]
    reached.note(seat(room, ada).id)
    await reached.write()
    assert await unreached() == [room.id]
    assert await world.database.read(lambda uow: uow.rooms.reached(room.id)) == {seat(room, ada).id}
    reached.note(seat(room, bob).id)
    await reached.write()
    assert await unreached() == []


async def test_noting_who_was_reached_waits_for_nobody_who_closes_rooms(world: World) -> None:
    """Were rows locked in different orders, a deadlock would hold both up for a second."""
    rooms = [(await world.pair())[2] for _ in range(8)]
    reached = Reached(transact=world.database.transact, clock=world.clock)
    for room in rooms:
        for member in room.members[::-1]:
            reached.note(member.id)
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(reached.write(), *(world.end(room) for room in rooms))
    assert all([not (await world.room(room.id)).open for room in rooms])
