"""Being there, going away, coming back in time and too late; what one says of oneself meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.graphql_ws.socket import GraphQLSocket
from domain.errors import RateLimited, Unauthenticated, Unavailable
from domain.events import MatchEnded, MemberLeft, MemberUpdated
from domain.identity import Caller
from domain.matchmaking.losses import end_unreached
from domain.matchmaking.queue import skip
from domain.ports import UnitOfWork
from domain.rooms.room import MatchEndReason, MediaState, MemberLeaveReason, MemberRole, MemberStatus, Room
from persistence.rooms import RoomRepository
from tests.world import RESUME, FakeSocket, World, open_world, seat

UPDATE = """mutation($input: UpdatePresenceInput!) { updatePresence(input: $input) { __typename
  ... on UpdatePresenceSuccess { member { id typing polite status media { camera microphone screen } } } } }"""
OFF = {"camera": False, "microphone": False, "screen": False}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def offered(world: World) -> set[UUID]:
    """Tickets that the matcher may pair."""
    async with world.database.reading() as connection:
        return set(await connection.scalars(text("SELECT id FROM ticket WHERE status = 'WAITING' AND NOT paused")))


# --- there, away, back, lost ------------------------------------------------------------------------------------------------


async def test_closing_one_of_two_tabs_changes_nothing(world: World) -> None:
    """Somebody who has Parley open twice is still there when one tab closes."""
    ada, bob = await world.user(), await world.user()
    first, second = await world.connect(ada), await world.connect(ada)
    await world.connect(bob)
    room = await world.match(ada, bob)
    await world.drop(first)
    world.clock.forward(seconds=30)
    await world.sweeps.sweep()
    assert await world.attached(ada)
    assert await world.status(room, ada) is MemberStatus.ONLINE
    assert await world.told(bob) == []
    await world.drop(second)
    assert not await world.attached(ada)


async def test_a_socket_that_closes_late_does_not_take_the_new_one_with_it(world: World) -> None:
    """A network that changes leaves the old socket to be found dead a minute after the new one: the session must not die then."""
    ada, bob = await world.user(), await world.user()
    old = await world.connect(ada)
    await world.connect(bob)
    room = await world.match(ada, bob)
    ticket = await world.queue(await world.user())
    new = await world.connect(ada)
    await world.drop(old)
    world.clock.forward(seconds=60)
    await world.sweeps.sweep()
    assert await world.attached(ada)
    assert await world.status(room, ada) is MemberStatus.ONLINE
    assert ticket.id in await offered(world)
    await world.drop(new)
    assert not await world.attached(ada)


async def test_a_reload_of_the_page_goes_unseen(world: World) -> None:
    """A partner who blinked would be told so for nothing."""
    ada, bob, room = await gone(world, 2.9)
    assert not await world.attached(ada)
    await world.connect(ada)
    world.clock.forward(seconds=60)
    await world.sweeps.sweep()
    assert await world.status(room, ada) is MemberStatus.ONLINE
    assert await world.told(bob) == []


async def gone(world: World, seconds: float) -> tuple[Caller, Caller, Room]:
    """A match in which the first side lost its only socket so long ago."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    socket = await world.connect(ada)
    await world.connect(bob)
    room = await world.match(ada, bob)
    await world.drop(socket)
    world.clock.forward(seconds=seconds)
    await world.sweeps.sweep()
    return ada, bob, room


async def test_who_is_gone_for_three_seconds_is_away_and_online_again_on_return(world: World) -> None:
    """The partner sees why nothing moves, and that it goes on."""
    ada, bob, room = await gone(world, 3)
    update = MemberUpdated(room.id, seat(room, ada).id)
    assert await world.status(room, ada) is MemberStatus.AWAY
    assert await world.told(bob) == [update]
    assert await world.told(ada) == []
    await world.sweeps.sweep()  # Away is told once.
    await world.connect(ada)
    assert await world.status(room, ada) is MemberStatus.ONLINE
    assert await world.told(bob) == [update, update]
    assert await world.told(ada) == [update]


async def test_the_seat_is_held_until_the_window_ends(world: World) -> None:
    """A tunnel of nineteen seconds does not cost a conversation."""
    ada, bob, room = await gone(world, RESUME.total_seconds() - 0.1)
    await world.connect(ada)
    world.clock.forward(seconds=60)
    await world.sweeps.sweep()
    assert await world.room(room.id) == room
    assert not [event for event in await world.told(bob) if isinstance(event, MatchEnded)]


async def test_a_lost_partner_ends_the_match_and_queues_nobody(world: World) -> None:
    """The one who stays decides what comes next; the one who is gone must not be matched with somebody who would wait in vain."""
    ada, bob, room = await gone(world, RESUME.total_seconds())
    there = seat(room, ada).id
    assert not (await world.room(room.id)).open
    assert (await world.told(bob))[-2:] == [
        MemberLeft(room.id, there, MemberLeaveReason.CONNECTION_LOST),
        MatchEnded(room.id, MatchEndReason.PARTNER_LOST),
    ]
    assert await world.told(ada) == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert [await world.waiting(who) for who in (ada, bob)] == [None, None]


async def test_who_is_lost_leaves_every_room_and_the_next_owns_theirs(world: World) -> None:
    """A seat that nobody comes back to fills a room of friends; an owner who is gone leaves it to those who are there."""
    ada, bob, cid = [await world.user(name) for name in ("Ada", "Bob", "Cid")]
    socket, *_ = [await world.connect(who) for who in (ada, bob, cid)]
    match, theirs = await world.match(ada, bob), await world.open_room(ada, bob)
    others, alone = await world.open_room(cid, ada), await world.open_room(ada)
    await world.drop(socket)
    world.clock.forward(seconds=3)
    await world.sweeps.sweep()
    for room in (match, theirs, others, alone):
        assert await world.status(room, ada) is MemberStatus.AWAY
    assert await world.told(cid) == [MemberUpdated(others.id, seat(others, ada).id)]
    world.clock.forward(seconds=16.9)
    await world.sweeps.sweep()
    assert len(await world.told(cid)) == 1
    world.clock.forward(seconds=0.1)
    await asyncio.gather(world.sweeps.sweep(), world.sweeps.sweep())
    assert not (await world.room(match.id)).open
    assert not (await world.room(alone.id)).open
    lost = MemberLeaveReason.CONNECTION_LOST
    assert (await world.told(cid))[1:] == [MemberLeft(others.id, seat(others, ada).id, lost)]
    assert [event for event in (await world.told(bob))[2:] if event.room_id == theirs.id] == [  # type: ignore[union-attr]
        MemberLeft(theirs.id, seat(theirs, ada).id, lost),
        MemberUpdated(theirs.id, seat(theirs, bob).id),
    ]
    assert seat(await world.room(theirs.id), bob).role is MemberRole.OWNER
    mine = [event for event in await world.told(ada) if isinstance(event, MemberLeft)]
    assert {event.room_id for event in mine} == {theirs.id, others.id, alone.id}
    assert len(mine) == 3


async def test_coming_back_and_being_lost_at_once_is_one_of_the_two(world: World) -> None:
    """The socket opens in the second in which the window ends: the seat is held, or it is gone and everybody knows."""
    for _ in range(5):
        ada, bob = await world.user(), await world.user()
        socket = await world.connect(ada)
        await world.connect(bob)
        room = await world.open_room(ada, bob)
        await world.drop(socket)
        world.clock.forward(seconds=20)
        await asyncio.gather(world.sweeps.sweep(), world.connect(ada))
        told = [event for event in await world.told(bob) if isinstance(event, MemberLeft)]
        assert seat(await world.room(room.id), ada).inside is not bool(told)


async def test_when_both_are_lost_the_match_ends_once(world: World) -> None:
    """Two ends of one match would be told as two matches."""
    ada, bob, room = await gone(world, 0)
    await world.drop(*cast("list[FakeSocket]", list(world.presence._sockets)))
    world.clock.forward(seconds=21)
    await asyncio.gather(world.sweeps.sweep(), world.sweeps.sweep())
    assert not (await world.room(room.id)).open
    for who in (ada, bob):
        assert len([event for event in await world.told(who) if isinstance(event, MatchEnded)]) == 1


async def test_a_ticket_pauses_while_its_user_is_gone_and_keeps_its_place(world: World) -> None:
    """Whoever waits is not matched with somebody who is not there, and a lost connection does not send anybody to the end."""
    ada = await world.user()
    socket = await world.connect(ada)
    ticket = await world.queue(ada)
    returned = world.returned
    await world.drop(socket)
    assert ticket.id not in await offered(world)
    world.clock.forward(seconds=10)
    await world.connect(ada)
    assert ticket.id in await offered(world)
    assert await world.waiting(ada) == ticket
    assert world.returned == returned + 1  # The matcher is told to look.


async def test_time_in_which_nobody_could_come_back_costs_no_seat(world: World) -> None:
    """The database was away, or nobody led: who lost the connection just before could not return, and is given the time to do it
    now. Whoever leads next knows since when, because that stands in the database.
    """
    ada, _, room = await gone(world, 0)
    await lapse(world, seconds=40)
    world.clock.forward(seconds=40)
    await world.sweeps.sweep()
    assert (await world.room(room.id)).open
    world.clock.forward(seconds=19)
    await world.connect(ada)
    await world.sweeps.sweep()
    assert await world.status(room, ada) is MemberStatus.ONLINE


async def test_a_sweep_that_failed_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database refuses what a sweep writes, time does not run against anybody."""
    _, _, room = await gone(world, 0)
    await lapse(world, seconds=40)
    transact = world.sweeps._transact

    async def away(work: Callable[[UnitOfWork], Awaitable[object]]) -> object:
        raise Unavailable

    monkeypatch.setattr(world.sweeps, "_transact", away)
    world.clock.forward(seconds=40)
    with pytest.raises(Unavailable):
        await world.sweeps.sweep()
    monkeypatch.setattr(world.sweeps, "_transact", transact)
    await world.sweeps.sweep()
    assert (await world.room(room.id)).open


async def lapse(world: World, *, seconds: float) -> None:
    """Nobody swept for so long."""
    async with world.database.engine.begin() as connection:
        moved = text("UPDATE lease SET swept_at = swept_at - CAST(:time AS interval)")
        assert (await connection.execute(moved, {"time": timedelta(seconds=seconds)})).rowcount == 1


async def test_what_nobody_holds_any_more_is_not_looked_at_for_ever(world: World) -> None:
    """A service of strangers has a million accounts that are gone: a sweep a second must not read them."""
    ada, _, _ = await gone(world, 21)
    await world.sweeps.sweep()
    hold = await world.database.read(lambda uow: uow.connections.hold(ada.user_id))
    assert hold is not None
    assert hold[0] == hold[1]  # Detached, and nothing held since.
    await world.connect(ada)
    assert await world.database.read(lambda uow: uow.connections.hold(ada.user_id)) is None


# --- a worker is killed and another takes over --------------------------------------------------------------------------------


async def test_a_killed_server_holds_seats_and_places_for_those_who_come_back(database_url: str) -> None:
    """A crash or an update of the server is nobody's fault: everybody has a minute to reconnect, whatever they had before."""
    async with open_world(database_url) as before:
        ada, bob, room = await before.pair()
        blinking, partner, blinked = await gone(before, 15)
        eve = await before.user("Eve")
        await before.connect(eve)
        ticket = await before.queue(eve)
        clock = before.clock
    clock.forward(seconds=30)
    async with open_world(database_url, clock) as world:
        assert not any([await world.attached(who) for who in (ada, bob, partner, eve)])
        assert ticket.id not in await offered(world)
        clock.forward(seconds=59)
        await world.sweeps.sweep()
        for who in (ada, blinking, partner, eve):
            await world.connect(who)
        assert ticket.id in await offered(world)
        assert await world.room(blinked.id) == blinked
        assert await world.status(room, ada) is MemberStatus.ONLINE
        assert await world.status(room, bob) is MemberStatus.AWAY
        clock.forward(seconds=1)
        await world.sweeps.sweep()
        assert not (await world.room(room.id)).open  # Bob never came.
        assert await world.told(ada) != []


async def test_a_match_made_just_before_a_crash_outlives_it(database_url: str) -> None:
    """Who was told of the match is noted a moment later, and a crash in between must not part two who already talk."""
    async with open_world(database_url) as before:
        ada, bob, room = await before.pair()
        clock = before.clock
    clock.forward(seconds=6)
    async with open_world(database_url, clock) as world:
        assert not await world.database.transact(lambda uow: end_unreached(uow, room.id, new_id=uuid4, clock=clock))
        await world.connect(ada)
        await world.connect(bob)
        assert (await world.room(room.id)).open
        assert await world.database.read(lambda uow: uow.rooms.unreached(clock())) == []


async def test_a_new_worker_leaves_no_trace_of_the_old_one(database_url: str) -> None:
    """Ghosts of old processes would count as online for ever."""
    async with open_world(database_url) as before:
        await before.pair()
    async with open_world(database_url) as world:
        async with world.database.reading() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM connection")) == 0
            assert await connection.scalar(text("SELECT count(*) FROM worker")) == 1
            assert await connection.scalar(text("SELECT count(*) FROM head WHERE workers <> '{}'")) == 0
        assert await world.lease.renew()


# --- races ------------------------------------------------------------------------------------------------------------------


async def test_sockets_that_come_and_go_at_once_leave_the_truth_behind(world: World) -> None:
    """Whoever is attached though gone is matched with nobody there; whoever is detached though there waits for ever."""
    ada, bob = await world.user(), await world.user()
    await world.connect(bob)
    stays = await world.connect(ada)
    room = await world.match(ada, bob)

    async def come_and_go() -> None:
        await world.presence.closed(cast("GraphQLSocket", await world.connect(ada)))

    await asyncio.gather(*(come_and_go() for _ in range(40)), world.sweeps.sweep())
    await world.drop()
    assert await world.attached(ada)
    assert await world.status(room, ada) is MemberStatus.ONLINE
    await asyncio.gather(world.drop(stays), *(come_and_go() for _ in range(20)))
    await world.drop()
    assert not await world.attached(ada)
    hold = await world.database.read(lambda uow: uow.connections.hold(ada.user_id))
    assert hold == (world.clock(), world.clock() + RESUME)


async def test_a_seat_taken_while_somebody_returns_is_not_left_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rooms are locked before users, so which rooms these are is read before: what is missed there must be noticed."""
    ada, _, room = await gone(world, 3)
    held_ids, calls = RoomRepository.held_ids, 0

    async def late(self: RoomRepository, user_id: UUID) -> frozenset[UUID]:
        nonlocal calls
        calls += 1
        return frozenset() if calls == 1 else await held_ids(self, user_id)

    monkeypatch.setattr(RoomRepository, "held_ids", late)
    await world.connect(ada)
    assert calls == 4
    assert await world.status(room, ada) is MemberStatus.ONLINE


async def test_skip_return_and_loss_at_once_end_a_match_once(world: World) -> None:
    """Whichever comes first, both are told of one end, and nobody is queued who did not ask for it."""
    for _ in range(8):
        ada, bob, room = await gone(world, 0)
        world.clock.forward(seconds=20)

        async def skipping(room: Room = room, bob: Caller = bob) -> None:
            async def work(uow: UnitOfWork) -> None:
                await skip(uow, bob.user_id, room.id, requeue=True, cooldown=RESUME, new_id=uuid4, clock=world.clock)

            await world.database.transact(work)

        await asyncio.gather(world.sweeps.sweep(), world.connect(ada), skipping())
        assert not (await world.room(room.id)).open
        for who in (ada, bob):
            assert len([event for event in await world.told(who) if isinstance(event, MatchEnded)]) == 1
        assert await world.waiting(ada) is None
        assert await world.waiting(bob) is not None


# --- what one says of oneself -------------------------------------------------------------------------------------------------


async def update(world: World, caller: Caller, room_id: object, **change: object) -> dict[str, Any]:
    """What `updatePresence` answered."""
    payload: dict[str, Any] = await world.answer(UPDATE, caller, input={"roomId": str(room_id), **change})
    return payload


async def test_fields_left_out_stay_as_they_are(world: World) -> None:
    """Who turns the camera on does not turn the microphone off."""
    ada, bob, room = await world.pair()
    member = seat(room, ada)
    shown = (await update(world, ada, room.id, camera=True))["member"]
    assert shown == {
        "id": str(member.id), "typing": False, "polite": False, "status": "ONLINE", "media": OFF | {"camera": True},
    }  # fmt: skip
    await update(world, ada, room.id, microphone=True, camera=None)
    shown = (await update(world, ada, room.id, typing=True))["member"]
    assert shown["typing"] is True
    assert shown["media"] == OFF | {"camera": True, "microphone": True}
    assert seat(await world.room(room.id), ada).media == MediaState(camera=True, microphone=True)
    told = [MemberUpdated(room.id, member.id)] * 3
    assert await world.told(bob) == told
    assert await world.told(ada) == told  # For the user's other tabs.
    assert world.reached == [member.id] * 3


async def test_nothing_new_is_told_to_nobody(world: World) -> None:
    """Front ends say the same again and again; the other side should not hear it."""
    ada, bob, room = await world.pair()
    await update(world, ada, room.id)
    await update(world, ada, room.id, camera=False, typing=False)
    assert await world.told(bob) == []
    await update(world, ada, room.id, typing=True)
    world.clock.forward(seconds=4)
    await update(world, ada, room.id, typing=True)  # Goes on typing.
    world.clock.forward(seconds=4)
    await world.sweeps.sweep()
    assert await world.told(bob) == [MemberUpdated(room.id, seat(room, ada).id)]
    assert seat(await world.room(room.id), ada).typing(world.clock())


async def test_typing_lapses_by_itself(world: World) -> None:
    """Somebody who closed the laptop in the middle of a word does not type for ever."""
    ada, bob, room = await world.pair()
    await update(world, ada, room.id, typing=True)
    world.clock.forward(seconds=6)
    assert not seat(await world.room(room.id), ada).typing(world.clock())
    await world.sweeps.sweep()
    await world.sweeps.sweep()
    assert seat(await world.room(room.id), ada).typing_until is None
    told = [MemberUpdated(room.id, seat(room, ada).id)] * 2
    assert await world.told(bob) == told
    assert await world.told(ada) == told


async def test_presence_is_changed_by_members_only(world: World) -> None:
    """Strangers cannot make noise in a room, and learn nothing from trying."""
    ada, _, room = await world.pair()
    eve = await world.user("Eve")
    assert (await update(world, eve, room.id, camera=True))["__typename"] == "NotFoundError"
    for unknown in (uuid4(), "", "\ud800", str(room.id).upper()):
        assert (await update(world, ada, unknown, camera=True))["__typename"] == "NotFoundError"
    await world.end(room)
    assert (await update(world, ada, room.id, camera=True))["__typename"] == "NotFoundError"
    assert seat(await world.room(room.id), ada).media == MediaState()
    answer = await world.ask(UPDATE, None, input={"roomId": str(room.id)})
    assert [type(failure) for failure in answer.failures] == [Unauthenticated]


async def test_changes_of_presence_are_limited(world: World) -> None:
    """Each is written and told to everybody in the room."""
    ada, _, room = await world.pair()
    for number in range(20):
        await update(world, ada, room.id, camera=bool(number % 2))
    with pytest.raises(RateLimited) as caught:
        await update(world, ada, room.id, camera=True)
    assert 0 < caught.value.retry_after <= 0.1
    world.clock.forward(seconds=0.2)
    await update(world, ada, room.id, camera=True)
