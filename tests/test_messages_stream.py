"""The stream of messages: history and live joined, over the real database, while others send."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import MemberUpdated
from domain.identity import Caller, Grant, open_session
from domain.inbox import Position
from domain.ports import UnitOfWork
from domain.rooms.room import Room
from persistence.inbox.memory import RETENTION
from persistence.retention import purge
from schema.cursors import inbox_cursor, inbox_position, message_cursor, message_place, names_message
from schema.message_stream import REPLAYED_AT_ONCE
from tests.streams import EVENTS, follow, place, places, streaming, subscribe
from tests.world import World


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


# ------------------------------------------------------------------------------------------ what it tells


async def test_it_tells_what_is_sent_from_now_on_to_everybody_inside(world: World) -> None:
    """The other side reads at once, and so do the sender's other devices; what was before is for the query."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.sent(ada, room, "before")
    streams = [await follow(world, who, room) for who in (ada, ada, bob)]
    edge = await world.sent(bob, room, "now")
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
    edges = [await world.sent(bob, where, n) for n, where in enumerate((match, room, match))]
    assert [(await stream.next())["edge"]["cursor"] for _ in edges] == [edge["cursor"] for edge in edges]
    await stream.close()


async def test_history_and_live_join(world: World) -> None:
    """From the cursor of a page on everything comes once, old ones with the cursor of the message, new ones with the inbox's."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    edges = [await world.sent(bob, room, n) for n in range(2 * REPLAYED_AT_ONCE + 3)]
    stream = await follow(world, ada, room, edges[1]["cursor"])
    for edge in edges[2:]:
        event = await stream.next()
        assert event["edge"]["cursor"] == event["cursor"] == edge["cursor"]
        assert event["at"] == event["edge"]["node"]["sentAt"]
    new = await world.sent(bob, room, "new")
    event = await stream.next()
    assert event["edge"]["cursor"] == new["cursor"]
    assert not names_message(event["cursor"])
    await stream.close()
    await world.sent(bob, room, "newer")
    for cursor in (event["cursor"], new["cursor"]):
        stream = await follow(world, ada, room, cursor)
        assert await places(stream, room, 1) == [len(edges) + 2]
        await stream.close()


async def signed_in_again(world: World, who: Caller) -> Caller:
    """The same user, by a session of today."""

    async def work(uow: UnitOfWork) -> Grant:
        user = await uow.users.get(who.user_id)
        assert user is not None
        return await open_session(uow, world.secrets, uuid4, user, now=world.clock())

    return world.caller(await world.database.transact(work))


@pytest.mark.parametrize("how", ["never any", "all deleted", "looked for behind", "looked for before"])
async def test_an_empty_page_and_the_stream_join(world: World, how: str) -> None:
    """The first message of a room comes as likely as any other between the query and the subscription."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    said = 0 if how == "never any" else 3
    for n in range(said):
        await world.sent(bob, room, n)
    if how == "all deleted":
        world.clock.forward(days=31)
        # A session that nobody renewed for so long is gone too.
        ada, bob = [await signed_in_again(world, person) for person in (ada, bob)]
        await purge(world.database.reading, world.clock())
    around: dict[str, object] = {}
    if how == "looked for behind":
        around["after"] = message_cursor(room.id, 3)
    if how == "looked for before":
        around["before"] = message_cursor(room.id, 1)
    found = await world.page(ada, room, **around)
    assert found["edges"] == []
    await world.sent(bob, room, "between")
    stream = await follow(world, ada, room, found["pageInfo"]["endCursor"])
    await world.sent(bob, room, "then")
    told = list(range(1 if how == "looked for before" else said + 1, said + 3))
    assert await places(stream, room, len(told)) == told
    await stream.close()


async def test_a_message_cursor_outlives_the_server(database_url: str) -> None:
    """After a restart the inbox began anew; a client that kept a message cursor misses nothing."""
    async with streaming(database_url) as world:
        (ada, bob), room = await world.friends("Ada", "Bob")
        first = await world.sent(bob, room, 1)
        stream = await follow(world, ada, room)
        await world.sent(bob, room, 2)
        old = (await stream.next())["cursor"]
        await stream.close()
    async with streaming(database_url) as world:
        await world.sent(bob, room, 3)
        stream = await follow(world, ada, room, first["cursor"])
        assert await places(stream, room, 2) == [2, 3]
        await world.sent(bob, room, 4)
        assert await places(stream, room, 1) == [4]
        await stream.close()
        stream = await follow(world, ada, room, old)
        assert await stream.kinds(1) == ["ResyncRequired"]
        await world.sent(bob, room, 5)
        assert await places(stream, room, 1) == [5]
        await stream.close()


@pytest.mark.parametrize("how", ["renewed", "too old"])
async def test_a_place_lost_in_the_middle_is_mended_from_the_table(world: World, how: str) -> None:
    """A stream that knows what it told last need not bother its client: it reads on where the messages are."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.sent(bob, room, 1)
    start = await world.inbox.end(ada.user_id)
    after: list[str | None] = [None, message_cursor(room.id, 1), inbox_cursor(start)]
    streams = [await follow(world, ada, room, cursor) for cursor in after]
    for expected in (2, 4):
        await world.sent(bob, room)
        await world.sent(bob, room)
        if how == "renewed":
            world.inbox.renew([ada.user_id])
        else:
            world.clock.forward(seconds=RETENTION.total_seconds())
        for stream in streams:
            assert await places(stream, room, 2) == [expected, expected + 1]
    await world.sent(bob, room)
    for stream in streams:
        assert await places(stream, room, 1) == [6]
        await stream.close()


async def test_only_a_start_behind_what_is_retained_asks_for_a_resync(world: World) -> None:
    """That client alone cannot be helped from here: nobody knows which message it saw last."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    quiet = inbox_cursor(await world.inbox.end(ada.user_id))
    await world.sent(bob, room)
    world.clock.forward(seconds=RETENTION.total_seconds())
    stream = await follow(world, ada, room, quiet)
    resync = await stream.next()
    assert resync["__typename"] == "ResyncRequired"
    await world.sent(bob, room)
    assert await places(stream, room, 1) == [2]
    world.inbox.renew([ada.user_id])
    await world.sent(bob, room)
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
            found = await self.world.page(self.who, self.room, first=self.rng.randint(1, 20), after=cursor)
            self.seen += [message_place(edge["cursor"], self.room.id) for edge in found["edges"]]
            cursor = found["pageInfo"]["endCursor"]
            more = found["pageInfo"]["hasNextPage"]
        return cursor


@pytest.mark.parametrize("seed", range(8))
async def test_no_hole_and_no_repeat_whatever_happens(database_url: str, seed: int) -> None:
    """Clients that come and go with either kind of cursor, inboxes that begin anew, and three people who write at once."""
    rng = random.Random(seed)
    async with streaming(database_url) as world:
        (ada, bob, cat), room = await world.friends("Ada", "Bob", "Cat")
        for n in range(rng.randrange(20)):
            await world.sent(ada, room, n)
        already = len(await world.told(ada))
        each, done = 12, asyncio.Event()
        clients = [Client(world, who, room, random.Random(rng.random())) for who in (ada, bob, cat, ada)]

        async def write(who: Caller) -> None:
            for n in range(each):
                await world.sent(who, room, n)
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
    (ada, bob), room = await world.friends("Ada", "Bob")
    cursors = None, message_cursor(room.id, 0), inbox_cursor(await world.inbox.end(ada.user_id))
    commit, committed, go = AsyncConnection.commit, asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await commit(connection)
        committed.set()
        await go.wait()

    monkeypatch.setattr(AsyncConnection, "commit", slow)
    sending = asyncio.ensure_future(world.sent(bob, room))
    await committed.wait()
    following = [asyncio.ensure_future(follow(world, ada, room, after)) for after in cursors]
    live, replayed = [await task for task in following[:2]]
    assert await places(replayed, room, 1) == [1]
    assert not following[2].done(), "whether the message is behind its cursor is not known yet"
    go.set()
    await sending
    resumed = await following[2]
    await world.sent(bob, room)
    assert await places(live, room, 1) == [2]
    assert await places(replayed, room, 1) == [2]
    assert await places(resumed, room, 2) == [1, 2]
    for stream in (live, replayed, resumed):
        await stream.close()
