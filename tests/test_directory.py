"""Rooms in memory for showing and for authority, and the signals that are relayed by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFound, Unavailable
from domain.events import MatchEnded, SignalReceived
from domain.identity import User
from domain.inbox import ALL_KINDS, View
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import UnitOfWork
from domain.rooms.room import MatchEndReason, Room, RoomKind
from domain.signaling import HangUp, Offer
from persistence import signals
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.inbox.memory import MemoryInbox
from persistence.signals import MemorySignalPost
from persistence.transcript import RecentMessages
from tests.seats import a_seat

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
DEADLINE = 10.0


class CountingReads:
    """`Database.reading` that counts, can be held up just after it has read, and can fail."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._reading = reading
        self.count = 0
        self.fail = False
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncConnection]:
        self.count += 1
        if self.fail:
            raise Unavailable
        async with self._reading() as connection:
            yield connection
        self.has_read.set()
        await self.go_on.wait()


@dataclass
class World:
    """A database with an inbox, a directory and a signal post over it."""

    database: Database
    inbox: MemoryInbox
    cache: CachedRooms
    reads: CountingReads
    directory: Directory
    post: MemorySignalPost

    async def match(self) -> Room:
        """A new match of two new users."""
        users = [User(uuid4(), name, START, None, None) for name in ("Ada", "Ben")]
        preferences = Preferences(ChatMode.VIDEO, (), (), 10)
        first, second = (Ticket(uuid4(), u.id, TicketStatus.WAITING, preferences, START, START) for u in users)
        match = NewMatch(uuid4(), first, second, uuid4(), uuid4(), ())

        async def work(uow: UnitOfWork) -> None:
            for user, ticket in zip(users, (first, second), strict=True):
                await uow.users.add(user)
                await uow.tickets.add(ticket, START, attached=True)
            await uow.lock_users(user.id for user in users)
            await uow.matching.open([match], START)

        await self.database.transact(work)
        room = await self.database.read(lambda uow: uow.rooms.get(match.room_id))
        assert room is not None
        return room

    async def end(self, room: Room, wait: Callable[[], Awaitable[object]] | None = None) -> None:
        """Closes the room and tells everybody; `wait` runs under the locks."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id)
            await uow.rooms.close(room.id, START)
            for member in room.members:
                uow.append(member.user_id, MatchEnded(room.id, MatchEndReason.PARTNER_LEFT))
            if wait is not None:
                await wait()

        await self.database.transact(work)

    async def signal(self, sender: UUID, to: UUID, client_id: str | None = None, now: datetime = START) -> UUID:
        """Posts an offer."""
        return await self.post.post(sender, to, Offer("v=0"), call_id="c", client_signal_id=client_id, now=now)

    async def told(self, user_id: UUID) -> list[object]:
        """The user's events so far."""
        return [entry.event for entry in (await self.inbox.read(user_id, None, View(ALL_KINDS), 10_000)).entries]


def a_room(people: int) -> Room:
    """A room with so many in it, which is nowhere."""
    room_id = uuid4()
    members = tuple(a_seat(room_id=room_id, position=position) for position in range(people))
    return Room(room_id, RoomKind.INVITE, None, "Friends", 16, (), START, None, members)


@asynccontextmanager
async def a_world(url: str, *, capacity: int = 100, pool_size: int = 4) -> AsyncIterator[World]:
    """All of it over one database, closed afterwards."""
    cache = CachedRooms(capacity)
    inbox = MemoryInbox(clock=lambda: START, hint=lambda _: None)
    database = Database(
        url,
        outbox=inbox,
        cache=cache,
        messages=RecentMessages(),
        worker=uuid4(),
        clock=lambda: START,
        pool_size=pool_size,
    )
    reads = CountingReads(database.reading)
    directory = Directory(cache, reads)
    try:
        yield World(database, inbox, cache, reads, directory, MemorySignalPost(inbox, directory))
    finally:
        await database.close()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """The usual sizes."""
    async with a_world(database_url) as made:
        yield made


async def mute_first(world: World, room: Room) -> Room:
    """Changes the room; returns it as it is then."""
    changed = replace(room.members[0], muted=True)

    async def work(uow: UnitOfWork) -> None:
        await uow.lock_room(room.id)
        await uow.rooms.save_member(changed)

    await world.database.transact(work)
    return replace(room, members=(changed, *room.members[1:]))


async def test_a_batch_of_rooms_costs_one_query_and_the_next_one_none(world: World) -> None:
    """A page of sixty events of a busy user is shown after one query, and signals are relayed after none."""
    rooms = [await world.match() for _ in range(3)]
    wanted = [room.id for room in rooms]
    assert await world.directory.rooms([*wanted, uuid4()]) == {room.id: room for room in rooms}
    assert world.reads.count == 1
    assert await world.directory.rooms(wanted) == {room.id: room for room in rooms}
    assert await world.directory.room_of_member(rooms[1].members[1].id) == rooms[1]
    assert world.reads.count == 1


async def test_readers_of_one_turn_share_a_query(world: World) -> None:
    """When the matcher commits two hundred matches at once, four hundred streams do not queue for ten connections."""
    rooms = [await world.match() for _ in range(3)]
    found = await asyncio.gather(
        *(world.directory.rooms([room.id]) for room in rooms for _ in range(2)),
        *(world.directory.room_of_member(room.members[0].id) for room in rooms),
    )
    assert found == [{room.id: room} for room in rooms for _ in range(2)] + rooms
    assert world.reads.count == 1


async def test_a_change_is_seen_as_soon_as_it_is_committed(world: World) -> None:
    """Nobody acts on the state before: a kicked member has no authority left, and everyone sees the mute at once."""
    room = await world.match()
    await world.directory.rooms([room.id])
    muted = await mute_first(world, room)
    assert await world.directory.rooms([room.id]) == {room.id: muted}
    assert await world.directory.room_of_member(room.members[1].id) == muted


async def test_what_was_read_before_a_change_is_not_kept_after_it(world: World) -> None:
    """A reader that overlaps a commit would otherwise leave the old authority in the cache for ever."""
    room = await world.match()
    for ask in (
        lambda: world.directory.rooms([room.id]),
        lambda: world.directory.room_of_member(room.members[0].id),
    ):
        world.cache.drop([room.id])
        world.reads.has_read.clear()
        world.reads.go_on.clear()
        early = asyncio.ensure_future(ask())
        await asyncio.wait_for(world.reads.has_read.wait(), DEADLINE)
        muted = await mute_first(world, room)
        world.reads.go_on.set()
        await asyncio.wait_for(early, DEADLINE)
        assert world.directory.cached_room_of_member(room.members[0].id) is None
        assert await world.directory.rooms([room.id]) == {room.id: muted}


async def test_a_caller_that_goes_away_takes_nobody_with_it(world: World) -> None:
    """One closed tab does not break the streams of others that waited for the same query."""
    room = await world.match()
    world.reads.go_on.clear()
    leaving, staying = (asyncio.create_task(world.directory.rooms([room.id])) for _ in range(2))
    await asyncio.wait_for(world.reads.has_read.wait(), DEADLINE)
    leaving.cancel()
    world.reads.go_on.set()
    assert await asyncio.wait_for(staying, DEADLINE) == {room.id: room}


async def test_an_outage_is_told_and_over_when_it_is_over(world: World) -> None:
    """Whoever asks during an outage may ask again; nothing wrong is remembered."""
    room = await world.match()
    world.reads.fail = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.directory.rooms([room.id])
    world.reads.fail = False
    assert await world.directory.rooms([room.id]) == {room.id: room}


async def test_what_does_not_exist_is_none(world: World) -> None:
    """A made-up ID is answered like somebody else's, and takes no memory."""
    assert await world.directory.rooms([uuid4()]) == {}
    assert await world.directory.room_of_member(uuid4()) is None
    assert len(world.cache) == 0


async def test_the_cache_keeps_the_rooms_used_last(database_url: str) -> None:
    """Memory does not grow with every match that ever was."""
    async with a_world(database_url, capacity=4) as world:
        rooms = [await world.match() for _ in range(3)]
        await world.directory.rooms([rooms[0].id])
        await world.directory.rooms([rooms[1].id])
        await world.directory.rooms([rooms[0].id])
        await world.directory.rooms([rooms[2].id])
        assert len(world.cache) == 2
        assert len(world.cache._room_of) == 4
        assert world.directory.cached_room_of_member(rooms[0].members[0].id) == rooms[0]
        assert world.directory.cached_room_of_member(rooms[1].members[0].id) is None


def test_a_room_of_many_takes_the_place_of_many_rooms() -> None:
    """Ten thousand rooms in which two hundred people were would be a gigabyte. One that is too large is kept alone."""
    cache = CachedRooms(capacity=10)
    pairs, crowd = [a_room(2) for _ in range(5)], a_room(9)
    for room in pairs:
        cache.store(room)
    assert len(cache) == 5
    cache.store(crowd)
    assert (len(cache), cache.get(crowd.id), cache.of_member(pairs[4].members[0].id)) == (1, crowd, None)
    enormous = a_room(11)
    cache.store(enormous)
    assert (len(cache), cache.get(enormous.id), len(cache._room_of)) == (1, enormous, 11)


# ------------------------------------------------------------------------------------------ signals


async def test_a_signal_reaches_its_receiver_alone_with_its_true_sender(world: World) -> None:
    """No client can name its own sender, and nobody else sees the offer."""
    room, stranger = await world.match(), await world.match()
    ada, ben = room.members
    signal_id = await world.signal(ada.user_id, ben.id)
    assert await world.told(ben.user_id) == [SignalReceived(signal_id, room.id, ada.id, "c", Offer("v=0"))]
    for user in (ada.user_id, *(m.user_id for m in stranger.members)):
        assert await world.told(user) == []


async def test_what_a_sender_may_not_reach_does_not_exist(world: World) -> None:
    """Strangers, oneself, made-up members and those of a match that is over: one answer, and nothing arrives."""
    room, other = await world.match(), await world.match()
    ada, ben = room.members
    with pytest.raises(NotFound):
        await world.signal(other.members[0].user_id, ben.id)
    with pytest.raises(NotFound):
        await world.signal(ada.user_id, ada.id)
    with pytest.raises(NotFound):
        await world.signal(ada.user_id, uuid4())
    await world.end(room)
    with pytest.raises(NotFound):
        await world.signal(ada.user_id, ben.id)
    assert [type(event) for event in await world.told(ben.user_id)] == [MatchEnded]


async def test_signals_of_a_known_room_neither_query_nor_wait(world: World) -> None:
    """Trickled candidates come in dozens: each costs microseconds, also while the database is busy or down."""
    room = await world.match()
    ada, ben = room.members
    await world.signal(ada.user_id, ben.id)
    world.reads.fail = True
    coroutine = world.post.post(ada.user_id, ben.id, HangUp(), call_id=None, client_signal_id=None, now=START)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert len(await world.told(ben.user_id)) == 2
    assert world.reads.count == 1


@pytest.mark.parametrize("held", [0, 1])
async def test_a_signal_that_meets_the_end_of_the_match_comes_before_it_or_not_at_all(world: World, held: int) -> None:
    """After `MatchEnded` nobody hears from the other side, however close the race."""
    room = await world.match()
    ada, ben = room.members
    await world.directory.rooms([room.id])
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        under_way.set()
        await go_on.wait()

    ending = asyncio.create_task(world.end(room, wait))
    await asyncio.wait_for(under_way.wait(), DEADLINE)
    pair = (ada, ben) if held else (ben, ada)
    late = asyncio.create_task(world.signal(pair[0].user_id, pair[1].id))
    await asyncio.sleep(0)
    assert not late.done()
    go_on.set()
    await asyncio.wait_for(ending, DEADLINE)
    with pytest.raises(NotFound):
        await asyncio.wait_for(late, DEADLINE)
    for member in room.members:
        assert [type(event) for event in await world.told(member.user_id)] == [MatchEnded]
        assert world.inbox.free(member.user_id)


async def test_signals_and_commits_over_one_connection_do_not_wait_in_a_circle(database_url: str) -> None:
    """A burst in a room that keeps changing goes through, although each needs what the others hold."""
    async with a_world(database_url, pool_size=1) as world:
        room = await world.match()
        ada, ben = room.members
        work = [mute_first(world, room) for _ in range(10)]
        work += [world.signal(ada.user_id, ben.id) for _ in range(10)]  # type: ignore[misc]  # both are only awaited
        work += [mute_first(world, room) for _ in range(10)]
        await asyncio.wait_for(asyncio.gather(*work), DEADLINE)
        assert len(await world.told(ben.user_id)) == 10


async def test_a_retry_with_the_same_client_id_is_delivered_once(world: World) -> None:
    """A client that lost the answer may send again: the partner does not get two offers. To another member it is another signal."""
    room = await world.match()
    ada, ben = room.members
    first = await world.signal(ada.user_id, ben.id, "x")
    almost = START + signals.REMEMBERED_FOR - timedelta(seconds=1)
    assert await world.signal(ada.user_id, ben.id, "x", now=almost) == first
    assert await world.signal(ben.user_id, ada.id, "x") != first
    assert await world.signal(ada.user_id, ben.id, "y") != first
    assert len(await world.told(ben.user_id)) == 2
    assert await world.signal(ada.user_id, ben.id, "x", now=START + signals.REMEMBERED_FOR) != first


async def test_client_ids_take_bounded_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody fills the server by sending new IDs, alone or with many accounts, and who is gone is forgotten."""
    monkeypatch.setattr(signals, "SENDER_LIMIT", 5)
    monkeypatch.setattr(signals, "TOTAL_LIMIT", 8)
    rooms = [await world.match() for _ in range(3)]
    known = world.post._acknowledged
    for i in range(20):
        await world.signal(rooms[0].members[0].user_id, rooms[0].members[1].id, str(i))
    assert len(known) == 5
    for room in rooms[1:]:
        for i in range(5):
            await world.signal(room.members[0].user_id, room.members[1].id, str(i))
    assert len(known) <= 8
    again = await world.signal(rooms[2].members[0].user_id, rooms[2].members[1].id, "4")
    assert again in {e.id for e in await world.told(rooms[2].members[1].user_id) if isinstance(e, SignalReceived)}
    await world.signal(rooms[0].members[0].user_id, rooms[0].members[1].id, "z", now=START + signals.REMEMBERED_FOR)
    assert len(known) == 1
