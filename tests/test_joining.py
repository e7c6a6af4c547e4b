"""Taking a seat in an invite room: which one, who is told, what coming back changes, and everybody at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import combinations, permutations
from uuid import UUID, uuid4

import pytest

from domain.errors import Conflict, NotFound, RoomFull
from domain.events import MemberJoined, SignalReceived
from domain.identity import Caller, update_profile
from domain.ports import UnitOfWork
from domain.rooms import invites
from domain.rooms.invites import HOLD, MEMBERS_EVER, SEATS_AT_ONCE
from domain.rooms.room import MediaState, MemberRole, MemberStatus, Room
from tests.world import START, World, open_world, seat

JOIN = """mutation($code: String!) { joinRoom(input: {inviteCode: $code}) { __typename
  ... on JoinRoomSuccess { room { id inviteCode me { id role joinedAt } members { id displayName polite } } } } }"""
MEMBERS = "query($id: ID!) { room(id: $id) { members { id polite } } }"
SEND = """mutation($to: ID!) { sendSignal(input: {to: $to, signal: {offer: {sdp: "v=0"}}}) { __typename } }"""
CREATE = 'mutation { createRoom(input: {name: "x"}) { __typename } }'


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def joined(world: World, who: Caller | UUID, code: str) -> Room | str:
    """The room, or why not."""
    try:
        return await world.enter(who, code)
    except (NotFound, RoomFull, Conflict) as outcome:
        return type(outcome).__name__


async def polite(world: World, room: Room, who: Caller) -> dict[str, bool]:
    """Whether the viewer is polite toward each of the others, by member ID."""
    members = (await world.ask(MEMBERS, who, id=str(room.id))).data["room"]["members"]
    return {member["id"]: member["polite"] for member in members if member["id"] != str(seat(room, who).id)}


# ------------------------------------------------------------------------------------------ one after the other


async def test_a_newcomer_is_the_latest_and_everybody_is_told_once(world: World) -> None:
    """Those inside learn who came, and the newcomer's other tabs that there is a room now."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.create(ada)
    told = len(world.inbox.told)
    payload = (await world.ask(JOIN, ben, code=world.invite_code(room))).data["joinRoom"]
    room = await world.room(room.id)
    event = MemberJoined(room.id, seat(room, ben).id)
    assert sorted(world.inbox.told[told:], key=str) == sorted([(ada.user_id, event), (ben.user_id, event)], key=str)
    assert payload["room"]["me"] == {
        "id": str(seat(room, ben).id),
        "role": "MEMBER",
        "joinedAt": "2026-11-21T09:30:00.000Z",
    }
    assert [(member["displayName"], member["polite"]) for member in payload["room"]["members"]] == [
        ("Ada", False),
        ("Ben", False),
    ]
    await world.enter(eve, world.invite_code(room))
    assert [member.position for member in (await world.room(room.id)).members] == [0, 1, 2]


async def test_joining_again_changes_nothing_and_tells_nobody(world: World) -> None:
    """A lost answer is asked for again, a link is clicked twice, and the owner clicks their own."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    code = world.invite_code(await world.create(ada, capacity=2))
    first = await world.enter(ben, code)
    told = len(world.inbox.told)
    world.clock.forward(minutes=1)
    await world.database.transact(lambda uow: update_profile(uow, ben.user_id, name="Benjamin", now=world.clock()))
    for who in (ben, ada, ben):
        assert await world.enter(who, code) == first
    assert len(world.inbox.told) == told


async def test_whoever_comes_back_is_the_same_member_and_otherwise_new(world: World) -> None:
    """Friends recognise them, nobody's rank or camera comes back by itself, and leaving does not unmute."""
    (ada, ben, eve), room = await world.friends("Ada", "Ben", "Eve")
    before = await world.rank(room, ben, MemberRole.MODERATOR)
    busy = replace(before, muted=True, media=MediaState(camera=True), typing_until=START + timedelta(seconds=5))

    async def get_busy(uow: UnitOfWork) -> None:
        await uow.lock_room(room.id)
        await uow.rooms.save_member(busy)

    await world.database.transact(get_busy)
    await world.put_out(room, ben)
    world.clock.forward(minutes=5)
    await world.database.transact(lambda uow: update_profile(uow, ben.user_id, name="Benjamin", now=world.clock()))
    again = seat(await world.enter(ben, world.invite_code(room)), ben)
    assert again == replace(
        before,
        display_name="Benjamin",
        role=MemberRole.MEMBER,
        muted=True,
        status=MemberStatus.ONLINE,
        position=3,
        joined_at=START + timedelta(minutes=5),
    )
    assert await polite(world, room, ben) == {str(seat(room, ada).id): False, str(seat(room, eve).id): False}
    assert await polite(world, room, eve) == {str(seat(room, ada).id): False, str(again.id): True}
    assert (ada.user_id, MemberJoined(room.id, again.id)) in world.inbox.told


async def test_a_place_that_became_free_is_taken_and_a_full_room_says_how_many_it_seats(world: World) -> None:
    """A front end shows that there is no place, not that the link is broken."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.open_room(ada, ben, capacity=2)
    code = world.invite_code(room)
    with pytest.raises(RoomFull) as full:
        await world.enter(eve, code)
    assert full.value.capacity == 2
    await world.put_out(room, ben)
    assert (await world.enter(eve, code)).holds(eve.user_id)
    assert await joined(world, ben, code) == "RoomFull"


async def test_a_room_seats_so_many_different_people_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A room is loaded with everybody who ever was in it: a public link must not make it grow without end."""
    assert MEMBERS_EVER == 200
    monkeypatch.setattr(invites, "MEMBERS_EVER", 3)
    (_, ben, eve), room = await world.friends("Ada", "Ben", "Eve")
    code = world.invite_code(room)
    await world.put_out(room, ben)
    await world.put_out(room, eve)
    assert await joined(world, await world.user(), code) == "RoomFull"
    assert isinstance(await joined(world, ben, code), Room)


async def test_nobody_sits_in_more_than_a_hundred_rooms(world: World) -> None:
    """Coming and going locks all of a user's rooms; whoever leaves one may enter another."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    await world.pair()
    rooms = [await world.open_room(ben, ada) for _ in range(SEATS_AT_ONCE - 1)]
    code = world.invite_code(await world.create(await world.user()))
    both = await asyncio.gather(joined(world, ada, code), world.ask(CREATE, ada))
    refused = [both[0] == "Conflict", [type(failure) for failure in both[1].failures] == [Conflict]]
    assert sorted(refused) == [False, True]
    (failure,) = (await world.ask(CREATE, ada)).failures
    assert str(failure) == "You sit in 100 rooms: leave one first."
    assert isinstance(await joined(world, ada, world.invite_code(rooms[0])), Room)
    await world.put_out(rooms[0], ada)
    await world.end(rooms[1])
    for _ in range(2 if refused[0] else 1):
        await world.create(ada)


async def test_signals_pass_between_all_of_four_and_one_side_of_each_pair_is_polite(world: World) -> None:
    """A mesh stands only if of every pair exactly one offers: the later one, for the earlier ones cannot know who will come."""
    people = [await world.user(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    outsider = await world.user("Eve")
    room = await world.create(people[0])
    for later in people[1:]:
        room = await world.enter(later, world.invite_code(room))
    views = {who: await polite(world, room, who) for who in people}
    for earlier, later in combinations(people, 2):
        assert views[earlier][str(seat(room, later).id)] is True
        assert views[later][str(seat(room, earlier).id)] is False
    for sender, receiver in permutations(people, 2):
        sent = await world.ask(SEND, sender, to=str(seat(room, receiver).id))
        assert sent.data == {"sendSignal": {"__typename": "SendSignalSuccess"}}
    for who in people:
        received = [event for event in await world.told(who) if isinstance(event, SignalReceived)]
        assert Counter(event.sender_id for event in received) == {seat(room, p).id: 1 for p in people if p is not who}
        sent = await world.ask(SEND, outsider, to=str(seat(room, who).id))
        assert sent.data == {"sendSignal": {"__typename": "NotFoundError"}}


# ------------------------------------------------------------------------------------------ without a connection


async def test_a_seat_taken_without_a_connection_is_held_for_a_minute(world: World) -> None:
    """A front end may join over HTTP and open its socket afterwards; whoever never does gives the seat up."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    room = await world.create(ada)
    await world.enter(ben, world.invite_code(room))

    async def lost() -> set[UUID]:
        return set(await world.database.read(lambda uow: uow.connections.lost(world.clock())))

    world.clock.forward(seconds=59)
    assert await lost() == set()
    await world.connect(ben)
    world.clock.forward(seconds=1)
    assert await lost() == {ada.user_id}
    assert timedelta(seconds=60) == HOLD
    await world.sweeps.sweep()
    room = await world.room(room.id)
    assert [member.user_id for member in room.inside] == [ben.user_id]
    assert seat(room, ben).role is MemberRole.OWNER


async def test_a_seat_taken_after_the_connection_was_lost_is_not_lost_at_once(world: World) -> None:
    """The hold of the last connection ran out hours ago."""
    ada = await world.user()
    await world.drop(await world.connect(ada))
    world.clock.forward(hours=2)
    await world.create(ada)
    held = await world.database.read(lambda uow: uow.connections.hold(ada.user_id))
    assert held is not None
    assert held[1] == world.clock() + HOLD


async def test_keeping_lengthens_a_hold_and_never_shortens_it(world: World) -> None:
    """What is held for longer after the loss of a server stays so, and whoever is there needs no hold."""
    user_id = await world.person()

    async def kept(until_: timedelta) -> tuple[timedelta, timedelta] | None:
        async def work(uow: UnitOfWork) -> tuple[timedelta, timedelta] | None:
            await uow.lock_users((user_id,))
            await uow.connections.keep(user_id, world.clock(), START + until_)
            hold = await uow.connections.hold(user_id)
            return None if hold is None else (hold[0] - START, hold[1] - START)

        return await world.database.transact(work)

    seconds = [timedelta(seconds=number) for number in (0, 5, 20, 60, 90)]
    assert await kept(seconds[3]) is None
    await world.detach(user_id)  # Held for 20 s.
    world.clock.forward(seconds=5)
    assert await kept(seconds[1]) == (seconds[0], seconds[2])
    assert await kept(seconds[4]) == (seconds[0], seconds[4])
    assert await kept(seconds[3]) == (seconds[0], seconds[4])
    world.clock.forward(seconds=100)
    await world.database.transact(lambda uow: uow.connections.settle(world.clock()))
    assert await kept(timedelta(seconds=165)) == (timedelta(seconds=105), timedelta(seconds=165))


# ------------------------------------------------------------------------------------------ everybody at once


async def test_fifty_join_a_room_of_sixteen_and_fifteen_get_in(world: World) -> None:
    """A link in a busy channel: nobody stands in the aisle, and nobody sits on another's place."""
    ada, people = await world.user(), await world.people(50)
    room = await world.create(ada)
    code = world.invite_code(room)
    answers = await asyncio.gather(*(joined(world, who, code) for who in people))
    assert Counter(answer if isinstance(answer, str) else "in" for answer in answers) == {"in": 15, "RoomFull": 35}
    room = await world.room(room.id)
    assert [member.position for member in room.members] == list(range(16))
    assert len({member.user_id for member in room.members}) == 16
    entered = {who for who, answer in zip(people, answers, strict=True) if isinstance(answer, Room)}
    assert entered == {member.user_id for member in room.members} - {ada.user_id}
    told = Counter(event.member_id for user_id, event in world.inbox.told if isinstance(event, MemberJoined))
    assert [told[member.id] for member in room.members] == list(range(1, 17)), "the earlier ones and oneself"


async def test_the_same_person_on_two_devices_at_once_is_one_member(world: World) -> None:
    """Two tabs follow the same link: both are in, on one seat, and the others are told once."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    room = await world.create(ada)
    answers = await asyncio.gather(*(world.enter(ben, world.invite_code(room)) for _ in range(8)))
    assert len(await world.told(ada)) == 2
    await world.put_out(room, ben)
    back = await asyncio.gather(*(world.enter(ben, world.invite_code(room)) for _ in range(8)))
    for rooms, position in ((answers, 1), (back, 2)):
        assert {(len(found.members), seat(found, ben).id, seat(found, ben).position) for found in rooms} == {
            (2, seat(answers[0], ben).id, position)
        }
    assert len(await world.told(ada)) == 3


async def test_a_room_that_is_closed_meanwhile_is_not_entered(world: World) -> None:
    """A seat in a closed room would be one that nobody sees and nothing takes away."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    room = await world.create(ada)
    attempt = joined(world, ben, world.invite_code(room))
    assert await world.overtaken(room, lambda uow: uow.rooms.close(room.id, world.clock()), attempt) == ["NotFound"]
    assert (await world.room(room.id)).seat_of(ben.user_id) is None


async def test_a_code_that_is_rotated_meanwhile_admits_nobody(world: World) -> None:
    """Once `rotateInvite` has answered, nobody comes in by the old code."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    room = await world.create(ada)
    new = world.invites.new(2)

    async def rotate(uow: UnitOfWork) -> None:
        await uow.rooms.set_invite(room.id, new, world.invites.digest(room.id, new))

    assert await world.overtaken(room, rotate, joined(world, ben, world.invite_code(room))) == ["NotFound"]
    assert (await world.room(room.id)).seat_of(ben.user_id) is None


async def test_somebody_who_is_kicked_meanwhile_does_not_stay(world: World) -> None:
    """A client that joins again and again must not slip past the kick."""
    (_, ben), room = await world.friends("Ada", "Ben")

    async def kick(uow: UnitOfWork) -> None:
        left = replace(seat(room, ben), status=MemberStatus.LEFT, left_at=world.clock(), kicked=True)
        await uow.rooms.save_member(left)

    assert await world.overtaken(room, kick, joined(world, ben, world.invite_code(room))) == ["NotFound"]
    assert not (await world.room(room.id)).holds(ben.user_id)


async def test_of_two_rotations_at_once_both_succeed_and_the_last_wins(world: World) -> None:
    """Owner and moderator act on the same leak: both see a code, and one of them leads in."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.open_room(ada, ben)
    await world.rank(room, ben, MemberRole.MODERATOR)

    async def nothing(_: UnitOfWork) -> None:
        """They only have to wait for each other."""

    rotated = await world.overtaken(room, nothing, world.rotate(ada, room.id), world.rotate(ben, room.id))
    assert {found.invite.version for found in rotated if found.invite} == {2, 3}
    last = await world.room(room.id)
    assert last.invite == max((found.invite for found in rotated if found.invite), key=lambda invite: invite.version)
    good = [code for code in map(world.invite_code, rotated) if await world.look(eve, code)]
    assert good == [world.invite_code(last)]


async def test_joining_and_rotating_in_a_storm_leaves_nobody_in_by_a_dead_code(world: World) -> None:
    """However they interleave, whoever is in came by a code that was good, and positions are unique."""
    ada, people = await world.user(), await world.people(12)
    room = await world.create(ada)
    code = world.invite_code(room)
    answers = await asyncio.gather(*(joined(world, p, code) for p in people), world.rotate(ada, room.id))
    outcomes = Counter(answer if isinstance(answer, str) else "in" for answer in answers[:-1])
    assert set(outcomes) <= {"in", "NotFound"}
    now = await world.room(room.id)
    assert len(now.inside) == outcomes["in"] + 1
    assert await joined(world, uuid4(), code) == "NotFound"
