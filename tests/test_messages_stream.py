"""The stream of messages: history and live joined, over the real database, while others send."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.chat import Message
from domain.errors import Unavailable
from domain.events import MemberUpdated, MessageSent
from domain.identity import Caller, SessionScope
from domain.inbox import Entry, Position
from domain.ports import UnitOfWork
from domain.rooms.room import Room
from persistence.bus import open_bus
from persistence.hub import Hub
from persistence.inbox.memory import RETENTION
from persistence.transcript import Transcript
from schema.api import schema
from schema.cursors import inbox_cursor, inbox_position, message_cursor, message_place, names_message
from schema.execution.documents import Prepared
from schema.execution.execute import Engine
from schema.execution.execute import Event as Told
from schema.message_stream import REPLAYED_AT_ONCE
from schema.telling import MESSAGES_AT_ONCE, slices
from tests.test_chat import change, gone, page, sent
from tests.waiting import until
from tests.world import START, Clock, World, open_world

ENGINE, DEADLINE = Engine(schema), 5.0
FOLLOW = """subscription($room: ID!, $after: Cursor) { messages(roomId: $room, after: $after) { __typename
  ... on Event { cursor at } ... on MessageSent { room { id me { id } }
    edge { cursor node { id ciphertext sentAt sender { id status } } } } } }"""
EVENTS = """subscription { events { __typename ... on Event { cursor }
  ... on MessageSent { edge { cursor node { ciphertext } } } } }"""


@asynccontextmanager
async def streaming(database_url: str, clock: Clock | None = None) -> AsyncIterator[World]:
    """A server whose readers are woken. Afterwards no stream may have left its watch behind."""
    async with open_world(database_url, clock) as world:
        bus = open_bus("memory://")
        await bus.connect()
        # The world's inbox gives no hints, so the sweep finds everything: each of its hints counts as lost.
        world.hub = Hub(bus, uuid4(), sweep_seconds=0.002)
        await world.hub.start(world.inbox.marks)
        try:
            yield world
        finally:
            await world.hub.stop()
            await bus.disconnect()
        assert world.hub.watched == 0


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


class Stream:
    """A subscription as its client sees it, which began before it was read from."""

    def __init__(self, outcome: AsyncGenerator[Told, None] | dict[str, Any]) -> None:
        self._outcome = outcome

    async def next(self) -> dict[str, Any]:
        """The next event."""
        assert not isinstance(self._outcome, dict), self._outcome
        async with asyncio.timeout(DEADLINE):
            result = (await anext(self._outcome)).result
        assert "errors" not in result, result
        (event,) = result["data"].values()
        assert isinstance(event, dict)
        return event

    async def kinds(self, count: int) -> list[str]:
        """The types of so many events."""
        return [(await self.next())["__typename"] for _ in range(count)]

    async def failed(self) -> str:
        """With which code it was refused, or failed now."""
        result = self._outcome
        if not isinstance(result, dict):
            async with asyncio.timeout(DEADLINE):
                result = (await anext(result)).result
        code: str = result["errors"][0]["extensions"]["code"]
        return code

    async def ended(self) -> bool:
        """Whether it completes by itself."""
        assert not isinstance(self._outcome, dict), self._outcome
        async with asyncio.timeout(DEADLINE):
            return await anext(self._outcome, None) is None

    async def close(self) -> None:
        """The client completes it."""
        assert not isinstance(self._outcome, dict), self._outcome
        await self._outcome.aclose()


async def subscribe(world: World, who: Caller | None, query: str, **variables: object) -> Stream:
    """A subscription, begun: as a socket begins it."""
    prepared = ENGINE.documents.prepare(query)
    assert isinstance(prepared, Prepared)
    return Stream(await ENGINE.subscribe(prepared, variables, None, world.context(who)))


async def follow(world: World, who: Caller | None, room: Room | str, after: str | None = None) -> Stream:
    """The stream of a room's messages."""
    return await subscribe(world, who, FOLLOW, room=room if isinstance(room, str) else str(room.id), after=after)


def place(event: dict[str, Any], room: Room) -> int:
    """The place in the room of what a `MessageSent` tells."""
    assert event["__typename"] == "MessageSent", event
    return message_place(event["edge"]["cursor"], room.id)


async def places(stream: Stream, room: Room, count: int) -> list[int]:
    """Those of so many events."""
    return [place(await stream.next(), room) for _ in range(count)]


async def friends(world: World, *names: str) -> tuple[Room, list[Caller]]:
    """A room with these people, the first of them its owner."""
    users = [await world.user(name) for name in names]
    return await world.open_room(*users), users


# ------------------------------------------------------------------------------------------ what it tells


async def test_it_tells_what_is_sent_from_now_on_to_everybody_inside(world: World) -> None:
    """The other side reads at once, and so do the sender's other devices; what was before is for the query."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    await sent(world, ada, room, "before")
    streams = [await follow(world, who, room) for who in (ada, ada, bob)]
    edge = await sent(world, bob, room, "now")
    for stream, who in zip(streams, (ada, ada, bob), strict=True):
        event = await stream.next()
        me = room.held_seat_of(who.user_id)
        assert me is not None
        assert inbox_position(event.pop("cursor")) == await world.inbox.end(who.user_id)
        assert event == {
            "__typename": "MessageSent",
            "at": "2026-11-21T09:30:00.000Z",
            "room": {"id": str(room.id), "me": {"id": str(me.id)}},
            "edge": {
                "cursor": edge["cursor"],
                "node": {
                    "id": edge["node"]["id"],
                    "ciphertext": edge["node"]["ciphertext"],
                    "sentAt": edge["node"]["sentAt"],
                    "sender": {"id": edge["node"]["sender"]["id"], "status": "ONLINE"},
                },
            },
        }
        await stream.close()


async def test_events_shows_messages_of_all_rooms(world: World) -> None:
    """One subscription is enough for a front end."""
    ada, bob, match = await world.pair()
    room = await world.open_room(bob, ada)
    stream = await subscribe(world, ada, EVENTS)
    assert await stream.kinds(1) == ["MatchSnapshot"]
    edges = [await sent(world, bob, where, n) for n, where in enumerate((match, room, match))]
    assert [(await stream.next())["edge"]["cursor"] for _ in edges] == [edge["cursor"] for edge in edges]
    await stream.close()


async def test_history_and_live_join(world: World) -> None:
    """From the cursor of a page on everything comes once, old ones with the cursor of the message, new ones with the inbox's."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    edges = [await sent(world, bob, room, n) for n in range(2 * REPLAYED_AT_ONCE + 3)]
    stream = await follow(world, ada, room, edges[1]["cursor"])
    for edge in edges[2:]:
        event = await stream.next()
        assert event["edge"]["cursor"] == event["cursor"] == edge["cursor"]
        assert event["at"] == event["edge"]["node"]["sentAt"]
    new = await sent(world, bob, room, "new")
    event = await stream.next()
    assert event["edge"]["cursor"] == new["cursor"]
    assert not names_message(event["cursor"])
    await stream.close()
    await sent(world, bob, room, "newer")
    for cursor in (event["cursor"], new["cursor"]):
        stream = await follow(world, ada, room, cursor)
        assert await places(stream, room, 1) == [len(edges) + 2]
        await stream.close()


async def test_a_message_cursor_outlives_the_server(database_url: str) -> None:
    """After a restart the inbox began anew; a client that kept a message cursor misses nothing."""
    async with streaming(database_url) as world:
        room, (ada, bob) = await friends(world, "Ada", "Bob")
        first = await sent(world, bob, room, 1)
        stream = await follow(world, ada, room)
        await sent(world, bob, room, 2)
        old = (await stream.next())["cursor"]
        await stream.close()
    async with streaming(database_url) as world:
        await sent(world, bob, room, 3)
        stream = await follow(world, ada, room, first["cursor"])
        assert await places(stream, room, 2) == [2, 3]
        await sent(world, bob, room, 4)
        assert await places(stream, room, 1) == [4]
        await stream.close()
        stream = await follow(world, ada, room, old)
        assert await stream.kinds(1) == ["ResyncRequired"]
        await sent(world, bob, room, 5)
        assert await places(stream, room, 1) == [5]
        await stream.close()


@pytest.mark.parametrize("how", ["renewed", "too old"])
async def test_a_place_lost_in_the_middle_is_mended_from_the_table(world: World, how: str) -> None:
    """A stream that knows what it told last need not bother its client: it reads on where the messages are."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    await sent(world, bob, room, 1)
    start = await world.inbox.end(ada.user_id)
    after: list[str | None] = [None, message_cursor(room.id, 1), inbox_cursor(start)]
    streams = [await follow(world, ada, room, cursor) for cursor in after]
    for expected in (2, 4):
        await sent(world, bob, room)
        await sent(world, bob, room)
        if how == "renewed":
            world.inbox.renew([ada.user_id])
        else:
            world.clock.forward(seconds=RETENTION.total_seconds())
        for stream in streams:
            assert await places(stream, room, 2) == [expected, expected + 1]
    await sent(world, bob, room)
    for stream in streams:
        assert await places(stream, room, 1) == [6]
        await stream.close()


async def test_only_a_start_behind_what_is_retained_asks_for_a_resync(world: World) -> None:
    """That client alone cannot be helped from here: nobody knows which message it saw last."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    quiet = inbox_cursor(await world.inbox.end(ada.user_id))
    await sent(world, bob, room)
    world.clock.forward(seconds=RETENTION.total_seconds())
    stream = await follow(world, ada, room, quiet)
    resync = await stream.next()
    assert resync["__typename"] == "ResyncRequired"
    await sent(world, bob, room)
    assert await places(stream, room, 1) == [2]
    world.inbox.renew([ada.user_id])
    await sent(world, bob, room)
    assert await places(stream, room, 1) == [3]
    await stream.close()
    stream = await follow(world, ada, room, inbox_cursor(Position(1, 1)))
    assert await stream.kinds(1) == ["ResyncRequired"]
    await stream.close()


# ------------------------------------------------------------------------------------------ joined under load


@dataclass
class Client:
    """What a careful client does: follows, and after a `ResyncRequired` or a lost connection goes on where it was."""

    world: World
    who: Caller
    room: Room
    rng: random.Random
    seen: list[int] = field(default_factory=list)
    resyncs: int = 0

    async def run(self, last: int) -> None:
        """Until the message at that place was seen."""
        after: str | None = await self._query()
        while not self.seen or self.seen[-1] < last:
            stream = await follow(self.world, self.who, self.room, after)
            for _ in range(self.rng.randint(1, 12)):
                event = await stream.next()
                after = event["cursor"]
                if event["__typename"] == "ResyncRequired":
                    self.resyncs += 1
                    after = await self._query()
                    break
                self.seen.append(place(event, self.room))
                if self.seen[-1] == last:
                    break
                if self.rng.random() < 0.3:
                    after = event["edge"]["cursor"]
            await stream.close()

    async def _query(self) -> str:
        """Reads the history to its end, and returns where that is."""
        cursor, more = message_cursor(self.room.id, self.seen[-1] if self.seen else 0), True
        while more:
            found = await page(self.world, self.who, self.room, first=self.rng.randint(1, 20), after=cursor)
            self.seen += [message_place(edge["cursor"], self.room.id) for edge in found["edges"]]
            cursor = found["pageInfo"]["endCursor"] or cursor
            more = found["pageInfo"]["hasNextPage"]
        return cursor


@pytest.mark.parametrize("seed", range(8))
async def test_no_hole_and_no_repeat_whatever_happens(database_url: str, seed: int) -> None:
    """Clients that come and go with either kind of cursor, inboxes that begin anew, and three people who write at once."""
    rng = random.Random(seed)
    async with streaming(database_url) as world:
        room, (ada, bob, cat) = await friends(world, "Ada", "Bob", "Cat")
        for n in range(rng.randrange(20)):
            await sent(world, ada, room, n)
        already = len(await world.told(ada))
        each, done = 12, asyncio.Event()
        clients = [Client(world, who, room, random.Random(rng.random())) for who in (ada, bob, cat, ada)]

        async def write(who: Caller) -> None:
            for n in range(each):
                await sent(world, who, room, n)
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)

        async def disturb() -> None:
            while not done.is_set():
                if rng.random() < 0.5:
                    world.inbox.renew([rng.choice((ada, bob, cat)).user_id])
                elif rng.random() < 0.2:
                    world.clock.forward(seconds=RETENTION.total_seconds())
                world.inbox.deliver([(ada.user_id, MemberUpdated(room.id, room.members[0].id))], (), world.clock())
                await asyncio.sleep(rng.random() * 0.02)

        disturbing = asyncio.ensure_future(disturb())
        last = already + 3 * each
        async with asyncio.timeout(60):
            await asyncio.gather(*(write(who) for who in (ada, bob, cat)), *(client.run(last) for client in clients))
        done.set()
        await disturbing
        for client in clients:
            assert client.seen == list(range(1, last + 1))


async def test_a_message_that_is_committed_and_not_yet_told_is_neither_lost_nor_doubled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit and the append to the inboxes lies a moment in which the table knows more than the inbox."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    cursors = None, message_cursor(room.id, 0), inbox_cursor(await world.inbox.end(ada.user_id))
    commit, committed, go = AsyncConnection.commit, asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await commit(connection)
        committed.set()
        await go.wait()

    monkeypatch.setattr(AsyncConnection, "commit", slow)
    sending = asyncio.ensure_future(sent(world, bob, room))
    await committed.wait()
    following = [asyncio.ensure_future(follow(world, ada, room, after)) for after in cursors]
    live, replayed = [await task for task in following[:2]]
    assert await places(replayed, room, 1) == [1]
    assert not following[2].done(), "whether the message is behind its cursor is not known yet"
    go.set()
    await sending
    resumed = await following[2]
    await sent(world, bob, room)
    assert await places(live, room, 1) == [2]
    assert await places(replayed, room, 1) == [2]
    assert await places(resumed, room, 2) == [1, 2]
    for stream in (live, replayed, resumed):
        await stream.close()


# ------------------------------------------------------------------------------------------ when it ends, and what it refuses


async def test_it_completes_with_the_viewers_seat(world: World) -> None:
    """Whoever leaves, is kicked, or whose room is closed is told no more."""
    room, (ada, bob, eve) = await friends(world, "Ada", "Bob", "Eve")
    kicked, staying = await follow(world, eve, room), await follow(world, bob, room)
    await sent(world, ada, room, 1)
    assert await places(kicked, room, 1) == [1]
    await change(world, room, eve, gone)
    await sent(world, ada, room, 2)
    assert await kicked.ended()
    assert await places(staying, room, 2) == [1, 2]
    await world.end(room)
    assert await staying.ended()


async def test_what_waits_for_a_slow_client_is_not_told_after_a_kick(world: World) -> None:
    """A frozen tab does not get the rest of the conversation once its user was made to leave: neither live nor from the table."""
    room, (ada, eve) = await friends(world, "Ada", "Eve")
    live, replayed = await follow(world, eve, room), await follow(world, eve, room, message_cursor(room.id, 0))
    everything = await subscribe(world, eve, EVENTS)
    assert await everything.kinds(1) == ["MatchSnapshot"]
    for n in range(5):
        await sent(world, ada, room, n)
    late = await follow(world, eve, room, message_cursor(room.id, 0))
    for stream in (live, replayed, late):
        assert await places(stream, room, 2) == [1, 2]
    assert await everything.kinds(1) == ["MessageSent"]
    await change(world, room, eve, gone)
    for stream in (live, replayed, late):
        assert await stream.ended()
    assert await everything.kinds(1) == ["MemberLeft"]
    await everything.close()


async def test_who_comes_back_while_the_stream_runs_misses_nothing(world: World) -> None:
    """Somebody who was out for a moment is told what the query would show: the inbox was not, but the places tell."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    stream = await follow(world, ada, room)
    await sent(world, bob, room, 1)
    assert await places(stream, room, 1) == [1]
    await change(world, room, ada, gone)
    await sent(world, bob, room, 2)
    back = next(m for m in room.members if m.user_id == ada.user_id)
    await change(world, room, ada, lambda _: back)
    await sent(world, bob, room, 3)
    assert await places(stream, room, 2) == [2, 3]
    await stream.close()


@pytest.mark.parametrize("sent_after", [0, 1])
async def test_who_was_outside_while_nothing_was_followed_is_told_so(world: World, sent_after: int) -> None:
    """A phone that was lost for half a minute takes its seat again and goes on behind its last event: what was said meanwhile is in
    no inbox of its user, and keeping quiet about that would be a hole.
    """
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    stream = await follow(world, ada, room)
    await sent(world, bob, room, 1)
    seen = (await stream.next())["cursor"]
    await stream.close()
    await world.leave(ada, room)
    await sent(world, bob, room, 2)
    await world.enter(ada, world.invite_code(room))
    for n in range(sent_after):
        await sent(world, bob, room, n)
    stream = await follow(world, ada, room, seen)
    assert await stream.kinds(1) == ["ResyncRequired"]
    await sent(world, bob, room, 3)
    assert await places(stream, room, 1) == [3 + sent_after]
    await stream.close()


async def test_who_was_outside_after_a_message_they_lack_is_told_all_from_there(world: World) -> None:
    """What was sent before the absence shows where the hole begins, so nobody need be bothered. That others left is no absence."""
    room, (ada, bob, cat) = await friends(world, "Ada", "Bob", "Cat")
    quiet = inbox_cursor(await world.inbox.end(ada.user_id))
    await world.leave(cat, room)
    stream = await follow(world, ada, room, quiet)
    await sent(world, bob, room, 1)
    assert await places(stream, room, 1) == [1]
    await stream.close()
    await world.leave(ada, room)
    await sent(world, bob, room, 2)
    await world.enter(ada, world.invite_code(room))
    await sent(world, bob, room, 3)
    stream = await follow(world, ada, room, quiet)
    assert await places(stream, room, 3) == [1, 2, 3]
    await stream.close()


async def test_a_place_that_no_message_has_had_swallows_none(world: World) -> None:
    """After a restore of the database a client may know a place that the room has not come to again."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    await sent(world, bob, room, 1)
    stream = await follow(world, ada, room, message_cursor(room.id, 1000))
    await sent(world, bob, room, 2)
    assert await places(stream, room, 1) == [2]
    await stream.close()


@pytest.mark.parametrize("after", ["live", "table"])
async def test_who_is_outside_for_one_message_is_told_it_once_back(
    world: World, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Being kicked and let in again while a page is delivered leaves no hole in the middle of it."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    stream = await follow(world, ada, room, None if after == "live" else message_cursor(room.id, 0))
    for n in range(5):
        await sent(world, bob, room, n)
    assert await places(stream, room, 2) == [1, 2]
    rooms, answers = world.directory.rooms, [{room.id: replace(room, members=tuple(map(gone, room.members)))}]

    async def outside_once(room_ids: Iterable[UUID]) -> Mapping[UUID, Room]:
        return answers.pop() if answers else await rooms(room_ids)

    monkeypatch.setattr(world.directory, "rooms", outside_once)
    assert await places(stream, room, 3) == [3, 4, 5]
    await sent(world, bob, room)
    assert await places(stream, room, 1) == [6]
    await stream.close()


async def test_what_cannot_be_followed_is_refused_before_the_stream_begins(world: World) -> None:
    """A cursor of another room would silently skip or repeat; a foreign room does not exist; rights are needed as everywhere."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    other = await world.open_room(ada)
    edge = await sent(world, ada, other)
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
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    live, replayed = await follow(world, ada, room), await follow(world, ada, room, message_cursor(room.id, 0))

    async def revoke(uow: UnitOfWork) -> None:
        await uow.lock_users((ada.user_id,))
        await uow.sessions.revoke(ada.session_id, START)
        uow.raise_control(ada.user_id)

    await world.database.transact(revoke)
    await sent(world, bob, room)
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
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    counting = Counting(world.transcript)
    world.transcript = counting
    start = inbox_cursor(await world.inbox.end(ada.user_id))
    for n in range(30):
        await sent(world, bob, room, n)
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
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    counting = Counting(world.transcript)
    world.transcript = counting
    stream = await follow(world, ada, room)
    counting.failures = 3
    await sent(world, bob, room)
    assert await places(stream, room, 1) == [1]
    await until(lambda: not counting.failures)
    await stream.close()


async def test_a_message_that_is_gone_is_left_out(world: World) -> None:
    """What retention deleted between event and reading does not break the stream, nor what comes behind it."""
    room, (ada, bob) = await friends(world, "Ada", "Bob")
    start = inbox_cursor(await world.inbox.end(ada.user_id))
    ids = [UUID((await sent(world, bob, room, n))["node"]["id"]) for n in range(3)]

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
