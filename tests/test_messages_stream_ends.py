"""The stream of messages: whom it tells no more, whom it refuses, what it holds, and what it outlives."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from domain.chat import Message
from domain.errors import Unavailable
from domain.events import MemberUpdated, MessageSent
from domain.identity import SessionScope
from domain.inbox import Entry, Position
from domain.ports import UnitOfWork
from domain.rooms.room import Room
from persistence.transcript import Transcript
from schema.cursors import inbox_cursor, message_cursor
from schema.telling import MESSAGES_AT_ONCE, slices
from tests.streams import EVENTS, follow, places, streaming, subscribe
from tests.waiting import until
from tests.world import START, World
from tests.world.chat import gone


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


# ------------------------------------------------------------------------------------------ when it ends, and what it refuses


async def test_it_completes_with_the_viewers_seat(world: World) -> None:
    """Whoever leaves, is kicked, or whose room is closed is told no more."""
    (ada, bob, eve), room = await world.friends("Ada", "Bob", "Eve")
    kicked, staying = await follow(world, eve, room), await follow(world, bob, room)
    await world.sent(ada, room, 1)
    assert await places(kicked, room, 1) == [1]
    await world.change(room, eve, gone)
    await world.sent(ada, room, 2)
    assert await kicked.ended()
    assert await places(staying, room, 2) == [1, 2]
    await world.end(room)
    assert await staying.ended()


async def test_what_waits_for_a_slow_client_is_not_told_after_a_kick(world: World) -> None:
    """A frozen tab does not get the rest of the conversation once its user was made to leave: neither live nor from the table."""
    (ada, eve), room = await world.friends("Ada", "Eve")
    live, replayed = await follow(world, eve, room), await follow(world, eve, room, message_cursor(room.id, 0))
    everything = await subscribe(world, eve, EVENTS)
    assert await everything.kinds(1) == ["MatchSnapshot"]
    for n in range(5):
        await world.sent(ada, room, n)
    late = await follow(world, eve, room, message_cursor(room.id, 0))
    for stream in (live, replayed, late):
        assert await places(stream, room, 2) == [1, 2]
    assert await everything.kinds(1) == ["MessageSent"]
    await world.change(room, eve, gone)
    for stream in (live, replayed, late):
        assert await stream.ended()
    assert await everything.kinds(1) == ["MemberLeft"]
    await everything.close()


async def test_who_comes_back_while_the_stream_runs_misses_nothing(world: World) -> None:
    """Somebody who was out for a moment is told what the query would show: the inbox was not, but the places tell."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    stream = await follow(world, ada, room)
    await world.sent(bob, room, 1)
    assert await places(stream, room, 1) == [1]
    await world.change(room, ada, gone)
    await world.sent(bob, room, 2)
    back = next(m for m in room.members if m.user_id == ada.user_id)
    await world.change(room, ada, lambda _: back)
    await world.sent(bob, room, 3)
    assert await places(stream, room, 2) == [2, 3]
    await stream.close()


@pytest.mark.parametrize("sent_after", [0, 1])
async def test_who_was_outside_while_nothing_was_followed_is_told_so(world: World, sent_after: int) -> None:
    """A phone that was lost for half a minute takes its seat again and goes on behind its last event: what was said meanwhile is in
    no inbox of its user, and keeping quiet about that would be a hole.
    """
    (ada, bob), room = await world.friends("Ada", "Bob")
    stream = await follow(world, ada, room)
    await world.sent(bob, room, 1)
    seen = (await stream.next())["cursor"]
    await stream.close()
    await world.leave(ada, room)
    await world.sent(bob, room, 2)
    await world.enter(ada, world.invite_code(room))
    for n in range(sent_after):
        await world.sent(bob, room, n)
    stream = await follow(world, ada, room, seen)
    assert await stream.kinds(1) == ["ResyncRequired"]
    await world.sent(bob, room, 3)
    assert await places(stream, room, 1) == [3 + sent_after]
    await stream.close()


async def test_who_was_outside_after_a_message_they_lack_is_told_all_from_there(world: World) -> None:
    """What was sent before the absence shows where the hole begins, so nobody need be bothered. That others left is no absence."""
    (ada, bob, cat), room = await world.friends("Ada", "Bob", "Cat")
    quiet = inbox_cursor(await world.inbox.end(ada.user_id))
    await world.leave(cat, room)
    stream = await follow(world, ada, room, quiet)
    await world.sent(bob, room, 1)
    assert await places(stream, room, 1) == [1]
    await stream.close()
    await world.leave(ada, room)
    await world.sent(bob, room, 2)
    await world.enter(ada, world.invite_code(room))
    await world.sent(bob, room, 3)
    stream = await follow(world, ada, room, quiet)
    assert await places(stream, room, 3) == [1, 2, 3]
    await stream.close()


async def test_a_place_that_no_message_has_had_swallows_none(world: World) -> None:
    """After a restore of the database a client may know a place that the room has not come to again."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.sent(bob, room, 1)
    stream = await follow(world, ada, room, message_cursor(room.id, 1000))
    await world.sent(bob, room, 2)
    assert await places(stream, room, 1) == [2]
    await stream.close()


@pytest.mark.parametrize("after", ["live", "table"])
async def test_who_is_outside_for_one_message_is_told_it_once_back(
    world: World, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Being kicked and let in again while a page is delivered leaves no hole in the middle of it."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    stream = await follow(world, ada, room, None if after == "live" else message_cursor(room.id, 0))
    for n in range(5):
        await world.sent(bob, room, n)
    assert await places(stream, room, 2) == [1, 2]
    rooms, answers = world.directory.rooms, [{room.id: replace(room, members=tuple(map(gone, room.members)))}]

    async def outside_once(room_ids: Iterable[UUID]) -> Mapping[UUID, Room]:
        return answers.pop() if answers else await rooms(room_ids)

    monkeypatch.setattr(world.directory, "rooms", outside_once)
    assert await places(stream, room, 3) == [3, 4, 5]
    await world.sent(bob, room)
    assert await places(stream, room, 1) == [6]
    await stream.close()


async def test_what_cannot_be_followed_is_refused_before_the_stream_begins(world: World) -> None:
    """A cursor of another room would silently skip or repeat; a foreign room does not exist; rights are needed as everywhere."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    other = await world.open_room(ada)
    edge = await world.sent(ada, other)
    for cursor in (edge["cursor"], "nonsense", "", "\ud800", base64.urlsafe_b64encode(b"m" * 25).decode().rstrip("=")):
        stream = await follow(world, ada, room, cursor)
        assert await stream.failed() == "BAD_USER_INPUT"
    await world.end(other)
    for who, room_id in ((bob, str(other.id)), (ada, str(other.id)), (ada, str(uuid4())), (ada, "nonsense")):
        stream = await follow(world, who, room_id)
        assert await stream.failed() == "NOT_FOUND"
    limited = replace(ada, scope=SessionScope.APPEAL_ONLY)
    assert await (await follow(world, limited, room)).failed() == "FORBIDDEN"
    assert await (await follow(world, None, room)).failed() == "UNAUTHENTICATED"


async def test_who_signs_out_is_told_no_more(world: World) -> None:
    """Authority is looked at per event."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    live, replayed = await follow(world, ada, room), await follow(world, ada, room, message_cursor(room.id, 0))

    async def revoke(uow: UnitOfWork) -> None:
        await uow.lock_users((ada.user_id,))
        await uow.sessions.revoke(ada.session_id, START)
        uow.raise_control(ada.user_id)

    await world.database.transact(revoke)
    await world.sent(bob, room)
    for stream in (live, replayed):
        assert await stream.failed() == "UNAUTHENTICATED"


# ------------------------------------------------------------------------------------------ bounds and outages


class Counting(Transcript):
    """A transcript that notes how many messages it was asked for at once, and can be out of order."""

    def __init__(self, inner: Transcript) -> None:
        self._inner = inner
        self.asked: list[int] = []
        self.failures = 0

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        ids = list(message_ids)
        self.asked.append(len(ids))
        if self.failures:
            self.failures -= 1
            raise Unavailable(0.001)
        return await self._inner.messages(ids)


async def test_a_page_of_large_messages_is_not_held_at_once(world: World) -> None:
    """Ten thousand slow readers of large messages must not take the memory of the server: eight at a time, in both streams."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    counting = Counting(world.transcript)
    world.transcript = counting
    start = inbox_cursor(await world.inbox.end(ada.user_id))
    for n in range(30):
        await world.sent(bob, room, n)
    stream = await follow(world, ada, room, start)
    assert await places(stream, room, 30) == list(range(1, 31))
    await stream.close()
    assert counting.asked == [8, 8, 8, 6]
    counting.asked.clear()
    query = EVENTS.replace("events", f'events(after: "{start}")')
    stream = await subscribe(world, ada, query)
    assert await stream.kinds(30) == ["MessageSent"] * 30
    await stream.close()
    assert counting.asked == [8, 8, 8, 6]


async def test_an_outage_of_the_database_does_not_end_the_stream(world: World) -> None:
    """When PostgreSQL is restarted, open streams go on afterwards with nothing lost."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    counting = Counting(world.transcript)
    world.transcript = counting
    stream = await follow(world, ada, room)
    counting.failures = 3
    await world.sent(bob, room)
    assert await places(stream, room, 1) == [1]
    await until(lambda: not counting.failures)
    await stream.close()


async def test_a_message_that_is_gone_is_left_out(world: World) -> None:
    """What retention deleted between event and reading does not break the stream, nor what comes behind it."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    start = inbox_cursor(await world.inbox.end(ada.user_id))
    ids = [UUID((await world.sent(bob, room, n))["node"]["id"]) for n in range(3)]

    class Forgetful(Counting):
        async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
            found = await super().messages(message_ids)
            return {id: message for id, message in found.items() if id != ids[1]}

    world.transcript = Forgetful(world.transcript)
    stream = await follow(world, ada, room, start)
    assert await places(stream, room, 2) == [1, 3]
    await stream.close()


def test_slices_hold_a_few_messages_and_lose_nothing() -> None:
    """Other events do not count: a page without messages stays one piece."""

    def entries(kinds: str) -> Sequence[Entry]:
        room = uuid4()
        return [
            Entry(Position(1, n), START, MessageSent(room, uuid4(), n) if kind == "m" else MemberUpdated(room, room))
            for n, kind in enumerate(kinds)
        ]

    for kinds in ("", "x" * 64, "m" * 64, "mx" * 20, "x" * 5 + "m" * 8 + "x" * 5, "x" * 5 + "m" * 9):
        made = entries(kinds)
        found = list(slices(made))
        assert [entry for piece in found for entry in piece] == made
        counts = [sum(isinstance(e.event, MessageSent) for e in piece) for piece in found]
        assert max(counts) <= MESSAGES_AT_ONCE
        assert len(found) == max(1, -(-kinds.count("m") // MESSAGES_AT_ONCE))
