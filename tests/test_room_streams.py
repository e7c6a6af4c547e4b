"""The streams of a room, presence, signals and keys: whom they begin for, with what, and that they end with the seat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.events import (
    KeysPublished,
    MatchEnded,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    SignalReceived,
)
from domain.rooms.room import (
    MatchEndReason,
    MediaState,
    MemberLeaveReason,
    MemberStatus,
    RoomKind,
)
from domain.signaling import Offer
from tests.stream_world import ADA, World, a_room, stream_world
from tests.waiting import until
from tests.world import START


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A started worker."""
    async with stream_world() as made:
        yield made


@pytest.mark.parametrize("operation", ["signals", "presence"])
async def test_a_room_that_is_not_ones_own_does_not_exist(world: World, operation: str) -> None:
    """Strangers, people who left, closed rooms and made-up IDs: one answer, before the stream begins."""
    open_room = a_room()
    closed = world.has(replace(a_room(), closed_at=START))
    left = world.has(
        replace(open_room, id=uuid4(), members=(replace(open_room.members[0], left_at=START), open_room.members[1]))
    )
    foreign = world.has(replace(open_room, id=uuid4(), members=open_room.members[1:]))
    rooms = [str(room.id) for room in (closed, left, foreign)]
    for room_id in [*rooms, str(uuid4()), "nonsense", "", str(closed.id).upper()]:
        stream = await world.follow(operation, room=room_id)
        assert await stream.failed() == "NOT_FOUND"


async def test_signals_begin_with_those_already_sent(world: World) -> None:
    """The offer of a partner who was quicker is not lost. What was sent before the viewer came in is not theirs."""
    room = world.has(replace(a_room(), kind=RoomKind.INVITE))
    ben = room.members[1].id
    early, mine = (SignalReceived(uuid4(), room.id, ben, None, Offer("v=0")) for _ in range(2))
    elsewhere = SignalReceived(uuid4(), uuid4(), ben, None, Offer("v=0"))
    world.put(early, at=START - timedelta(seconds=1))
    world.put(elsewhere, mine)
    stream = await world.follow("signals", room=room)
    first = await stream.next()
    assert first["id"] == str(mine.id)
    await stream.close()
    stream = await world.follow("signals", room=room, after=first["cursor"])
    world.put(elsewhere)
    assert await stream.quiet()


async def test_a_partner_s_offer_is_not_lost_between_two_clocks(world: World) -> None:
    """The leader wrote when the match began, the partner's worker when the offer came: a little earlier by its own clock."""
    room = world.has(a_room())
    offer = SignalReceived(uuid4(), room.id, room.members[1].id, None, Offer("v=0"))
    world.put(offer, at=START - timedelta(milliseconds=20))
    stream = await world.follow("signals", room=room)
    assert (await stream.next())["id"] == str(offer.id)


async def test_who_came_in_through_another_worker_a_moment_ago_is_shown(world: World) -> None:
    """Whoever reads back may find a newcomer's signal before this worker has heard of the newcomer: it is not lost for that."""
    room = world.has(replace(a_room(), kind=RoomKind.INVITE))
    stream = await world.follow("signals", room=room)
    waiting = asyncio.ensure_future(stream.next())
    await until(lambda: world.hub.watched)
    world.directory.stale[room.id] = replace(room, members=room.members[:1])
    offer = SignalReceived(uuid4(), room.id, room.members[1].id, None, Offer("v=0"))
    world.put(offer)
    assert (await waiting)["sender"]["id"] == str(room.members[1].id)


async def test_signals_are_told_whatever_the_clock_says(world: World) -> None:
    """Set back by a minute just after two have met, it must not keep their offers from each other for that minute."""
    room = world.has(replace(a_room(), kind=RoomKind.INVITE))
    early, late = (SignalReceived(uuid4(), room.id, room.members[1].id, None, Offer("v=0")) for _ in range(2))
    world.put(early, at=START - timedelta(seconds=1))
    world.now = START - timedelta(minutes=1)
    stream = await world.follow("signals", room=room)
    waiting = asyncio.ensure_future(stream.next())
    await until(lambda: world.hub.watched)
    world.put(late)
    assert (await waiting)["id"] == str(late.id)
    await stream.close()


async def test_presence_begins_with_everyone_and_tells_who_comes_and_goes(world: World) -> None:
    """A list of people can be drawn from this stream alone."""
    room = world.has(a_room())
    world.put(MemberUpdated(room.id, room.members[1].id))  # shown by the snapshot
    stream = await world.follow("presence", room=room)
    snapshot = await stream.next()
    assert snapshot["__typename"] == "PresenceSnapshot"
    assert snapshot["room"]["members"] == [{"id": str(m.id)} for m in room.members]
    away = replace(room.members[1], media=MediaState(camera=True))
    world.has(replace(room, members=(room.members[0], away)))
    world.put(MemberUpdated(room.id, away.id))
    updated = await stream.next()
    assert updated["member"] == {"id": str(away.id), "media": {"camera": True}, "typing": False}
    await stream.close()


async def test_streams_of_a_room_end_with_a_leaving_although_the_viewer_is_back(world: World) -> None:
    """What happened while they were outside is in no inbox of theirs: the people, keys or signals would be wrong from then on."""
    room = world.has(a_room())
    ada, ben = room.members
    presence = await world.follow("presence", room=room)
    keys, signals = await world.follow("keyEvents", room=room), await world.follow("signals", room=room)
    assert await presence.kinds(1) == ["PresenceSnapshot"]
    world.has(replace(room, members=(ben, replace(ada, position=2))))
    world.put(KeysPublished(room.id, ben.id, identity_changed=True))
    world.put(MemberLeft(room.id, ada.id, MemberLeaveReason.LEFT), MemberJoined(room.id, ada.id))
    assert await presence.kinds(2) == ["MemberLeft", "MemberJoined"]
    assert await keys.kinds(1) == ["KeysPublished"]
    for stream in (presence, keys, signals):
        assert await stream.ended()


@pytest.mark.parametrize("how", ["closed", "left"])
async def test_a_stream_of_a_room_ends_after_its_last_event(world: World, how: str) -> None:
    """A client sees the partner leave, and then the stream complete: nothing hangs, and nothing comes after."""
    room = world.has(a_room())
    ada, ben = room.members
    presence, signals = await world.follow("presence", room=room), await world.follow("signals", room=room)
    await presence.next()
    both = asyncio.gather(presence.next(), signals.ended())
    await asyncio.sleep(0)
    gone = tuple(replace(m, status=MemberStatus.LEFT, left_at=START) for m in (ada, ben))
    closed = replace(room, closed_at=START, members=gone)
    world.has(closed if how == "closed" else replace(room, members=(gone[0], ben)))
    world.put(MemberLeft(room.id, ben.id, MemberLeaveReason.LEFT), MatchEnded(room.id, MatchEndReason.PARTNER_LEFT))
    left, signals_ended = await both
    assert left["__typename"] == "MemberLeft"
    assert left["member"] == {"id": str(ben.id), "status": "LEFT"}
    assert signals_ended
    assert await presence.ended()


async def test_a_stream_of_a_room_that_was_deleted_ends(world: World) -> None:
    """Nobody waits in a room that does not exist any more."""
    room = world.has(a_room())
    stream = await world.follow("presence", room=room)
    await stream.next()
    del world.directory.known[room.id]
    world.put(MemberLeft(room.id, room.members[1].id, MemberLeaveReason.ROOM_CLOSED))
    assert await stream.ended()


async def test_the_end_waits_for_the_events_of_a_commit_under_way(world: World) -> None:
    """The database may show a room closed a moment before its events are in the inbox: the last event still comes first."""
    room = world.has(a_room())
    stream = await world.follow("presence", room=room)
    await stream.next()
    async with world.inbox.hold([ADA]):
        gone = tuple(replace(m, status=MemberStatus.LEFT, left_at=START) for m in room.members)
        world.has(replace(room, closed_at=START, members=gone))
        last = asyncio.create_task(stream.next())
        world.hub.wake([ADA])
        await asyncio.sleep(0.02)
        assert not last.done()
        world.put(MemberLeft(room.id, room.members[1].id, MemberLeaveReason.LEFT))
    assert (await last)["__typename"] == "MemberLeft"
    assert await stream.ended()
