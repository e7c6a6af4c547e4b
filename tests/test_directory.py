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
from domain.following import Follower, seat_in
from domain.identity import User
from domain.inbox import ALL_KINDS, PRESENCE_KINDS, SIGNAL_KINDS, View
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import UnitOfWork
from domain.rooms.authority import kick, mute, unmute
from domain.rooms.room import Invite, MatchEndReason, MemberRole, MemberStatus, Room, RoomKind
from domain.signaling import HangUp, Offer
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.inbox.memory import MemoryInbox
from persistence.signals import MemorySignalPost
from persistence.signals import memory as signals
from persistence.transcript import RecentMessages
from tests.inboxes import Worker, two_workers
from tests.seats import a_seat
from tests.waiting import DEADLINE, until

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


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
async def a_world(
    url: str, *, capacity: int = 100, pool_size: int = 4, cache: CachedRooms | None = None
) -> AsyncIterator[World]:
    """All of it over one database, closed afterwards."""
    cache = CachedRooms(capacity) if cache is None else cache
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


# ------------------------------------------------------------------------------------------ changed by other workers


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """How old what is cached is."""
    return Seconds()


@pytest.fixture
async def shared(database_url: str, seconds: Seconds) -> AsyncIterator[World]:
    """A world in which other workers change rooms too."""
    async with a_world(database_url, cache=CachedRooms(max_age_seconds=1.0, monotonic=seconds)) as made:
        yield made


async def elsewhere(database_url: str, room: Room, index: int = 0, **changes: object) -> Room:
    """Changes a seat on another worker; returns the room as it is then."""
    async with a_world(database_url) as other:
        changed = replace(room.members[index], **changes)  # type: ignore[arg-type]  # any field

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id)
            await uow.rooms.save_member(changed)

        await other.database.transact(work)
    return replace(room, members=tuple(changed if m.id == changed.id else m for m in room.members))


async def test_a_room_that_others_change_is_believed_for_a_second(
    database_url: str, shared: World, seconds: Seconds
) -> None:
    """What no event tells of, as a new invite code, is seen within a second; until then a room costs no query."""
    room = await shared.match()
    await shared.directory.rooms([room.id])
    changed = await elsewhere(database_url, room, muted=True)
    seconds.now += 0.999
    assert await shared.directory.rooms([room.id]) == {room.id: room}
    assert shared.reads.count == 1
    seconds.now += 0.001
    assert await shared.directory.rooms([room.id]) == {room.id: changed}
    assert await shared.directory.room_of_member(room.members[0].id) == changed
    assert shared.reads.count == 2


async def test_a_room_ages_from_before_it_was_read(shared: World, seconds: Seconds) -> None:
    """A query that took long does not make what it saw any younger."""
    room = await shared.match()
    shared.reads.go_on.clear()
    asking = asyncio.ensure_future(shared.directory.rooms([room.id]))
    await asyncio.wait_for(shared.reads.has_read.wait(), DEADLINE)
    seconds.now += 1.0
    shared.reads.go_on.set()
    await asyncio.wait_for(asking, DEADLINE)
    assert shared.cache.get(room.id) is None


async def test_the_room_as_it_is_now_is_never_that_of_a_second_ago(
    database_url: str, shared: World, world: World
) -> None:
    """A snapshot that a stream begins with is not older than the place behind which the stream goes on; alone it costs nothing."""
    room = await shared.match()
    await shared.directory.rooms([room.id])
    changed = await elsewhere(database_url, room, muted=True)
    assert await shared.directory.room(room.id) == changed
    assert await shared.directory.rooms([room.id]) == {room.id: changed}
    assert await shared.directory.room(uuid4()) is None
    for _ in range(3):
        await world.directory.room(room.id)
    assert (shared.reads.count, world.reads.count) == (3, 1)


async def test_nobody_is_told_that_they_have_no_seat_before_it_was_looked_at(database_url: str, shared: World) -> None:
    """Whoever joined on another worker a moment ago may act here at once, and act on those who joined with them."""
    room = await shared.match()
    ada, ben = room.members
    gone = await elsewhere(database_url, room, status=MemberStatus.LEFT, left_at=START)
    await shared.directory.rooms([room.id])
    assert await shared.directory.room_of_member(ben.id) == gone
    back = await elsewhere(database_url, room, status=MemberStatus.ONLINE, left_at=None)
    assert await shared.directory.room_of_member(ben.id) == gone, "who only wants to know where costs no query"
    assert shared.reads.count == 1
    assert await shared.directory.room_of_member(ben.id, ada.user_id) == back
    assert await shared.directory.room_of_member(ada.id, ben.user_id) == back
    assert shared.reads.count == 2
    stranger = uuid4()
    assert await shared.directory.room_of_member(ada.id, stranger) == back


async def test_a_user_s_rooms_are_dropped_by_their_id(shared: World) -> None:
    """When what somebody may do has changed, and nobody knows where, all their rooms are looked at again, and only theirs."""
    room, other = await shared.match(), await shared.match()
    await shared.directory.rooms([room.id, other.id])
    shared.cache.drop([room.members[1].user_id])
    assert (shared.cache.get(room.id), shared.cache.get(other.id)) == (None, other)
    shared.cache.drop([other.id, uuid4()])
    assert (len(shared.cache), shared.cache._rooms_of, shared.cache._room_of) == (0, {}, {})


@pytest.mark.parametrize("by_user", [False, True])
async def test_what_is_being_read_when_an_event_comes_is_not_kept(
    database_url: str, shared: World, *, by_user: bool
) -> None:
    """An event never shows a room older than itself, although a query that began before it ends after it."""
    room = await shared.match()
    shared.reads.go_on.clear()
    early = asyncio.ensure_future(shared.directory.rooms([room.id]))
    await asyncio.wait_for(shared.reads.has_read.wait(), DEADLINE)
    changed = await elsewhere(database_url, room, muted=True)
    shared.cache.drop([room.members[0].user_id if by_user else room.id])
    late = asyncio.ensure_future(shared.directory.rooms([room.id]))
    await asyncio.sleep(0)
    shared.reads.go_on.set()
    assert await asyncio.wait_for(early, DEADLINE) == {room.id: room}
    assert await asyncio.wait_for(late, DEADLINE) == {room.id: changed}
    assert shared.cache.get(room.id) == changed


# --- two workers ------------------------------------------------------------------------------------------------------------


async def friends(worker: Worker, attached_to: UUID) -> tuple[UUID, UUID, Room]:
    """Two users with sockets on that worker, in an invite room of the first."""
    ada, ben = await worker.user(attached_to), await worker.user(attached_to)
    room_id = uuid4()
    seats = tuple(
        a_seat(room_id=room_id, user_id=user, position=position, role=role)
        for position, (user, role) in enumerate([(ada, MemberRole.OWNER), (ben, MemberRole.MEMBER)])
    )
    room = Room(room_id, RoomKind.INVITE, None, "Friends", 16, (), START, None, seats, Invite(1, "k"))
    await worker.database.transact(lambda uow: uow.rooms.add(room, uuid4().bytes))
    return ada, ben, room


@pytest.mark.parametrize("hints", [True, False])
async def test_a_kick_on_one_worker_ends_the_streams_on_another(database_url: str, *, hints: bool) -> None:
    """At once when the hint arrives, within a sweep when it does not: and never after half a minute of idling."""
    async with two_workers(database_url, sweep_seconds=0.3, loses=lambda: not hints) as (one, two):
        ada, ben, room = await friends(one, two.id)

        async def outside() -> bool:
            found = (await two.directory.rooms([room.id]))[room.id]
            return not found.holds(ben)

        with two.hub.watch(ben) as watch:
            # Of signals only: what tells of the kick is not in the view.
            follower = Follower(
                two.inbox, watch, lambda: START, user_id=ben, view=View(SIGNAL_KINDS), after=None, over=outside
            )
            told = asyncio.create_task(follower.next())
            await until(lambda: len(two.inbox) == 1)
            await two.directory.rooms([room.id])
            await kick(one.directory, one.database.transact, ada, room.members[1].id, now=START)
            assert await asyncio.wait_for(told, DEADLINE) is None


async def test_a_stream_that_begins_while_its_viewer_is_kicked_ends_too(database_url: str) -> None:
    """The kick came after the look at the seat and before anybody listened here: no event will tell of it."""
    async with two_workers(database_url) as (one, two):
        ada, ben, room = await friends(one, two.id)
        await two.directory.rooms([room.id])
        await kick(one.directory, one.database.transact, ada, room.members[1].id, now=START)

        async def outside() -> bool:
            return not (await two.directory.rooms([room.id]))[room.id].holds(ben)

        assert not await outside(), "this worker does not know yet"
        with two.hub.watch(ben) as watch:
            end = await two.inbox.end(ben)
            follower = Follower(
                two.inbox, watch, lambda: START, user_id=ben, view=View(SIGNAL_KINDS), after=end, over=outside
            )
            assert await asyncio.wait_for(follower.next(), DEADLINE) is None


async def test_an_update_is_shown_with_the_state_that_it_tells_of(database_url: str) -> None:
    """Muted on one worker, everybody on the other sees the mute with the event, although the room was at hand there."""
    async with two_workers(database_url) as (one, two):
        ada, ben, room = await friends(one, two.id)
        with two.hub.watch(ben) as watch:
            follower = Follower(two.inbox, watch, lambda: START, user_id=ben, view=View(PRESENCE_KINDS), after=None)
            for change, muted in ((mute, True), (unmute, False)) * 3:
                assert (await two.directory.rooms([room.id]))[room.id].members[1].muted is not muted
                follower._told.clear()
                await change(one.directory, one.database.transact, ada, room.members[1].id)
                assert await asyncio.wait_for(follower.next(), DEADLINE)
                assert (await two.directory.rooms([room.id]))[room.id].members[1].muted is muted


async def test_a_new_invite_is_shown_elsewhere_within_a_second(database_url: str) -> None:
    """No event tells of it: an owner's other device shows the new code a moment later, and not the one that admits nobody."""
    async with two_workers(database_url) as (one, two):
        _, _, room = await friends(one, two.id)
        await two.directory.rooms([room.id])

        async def rotate(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id)
            await uow.rooms.set_invite(room.id, Invite(2, "k"), uuid4().bytes)

        await one.database.transact(rotate)

        async def rotated() -> bool:
            return (await two.directory.rooms([room.id]))[room.id].invite == Invite(2, "k")

        await until(rotated, 1.5)


async def test_whoever_joined_on_another_worker_is_seated_here_at_once(database_url: str) -> None:
    """`joinRoom` goes over HTTP to whichever worker is free, and the subscription that follows it to another."""
    async with two_workers(database_url) as (one, two):
        ada, _, room = await friends(one, two.id)
        eve = await one.user()
        await two.directory.rooms([room.id])
        with pytest.raises(NotFound):
            await seat_in(two.directory, room.id, eve)
        seat = a_seat(room_id=room.id, user_id=eve, position=2)

        async def join(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id, (eve,))
            await uow.rooms.add_member(seat)

        await one.database.transact(join)
        assert (await seat_in(two.directory, room.id, eve))[1] == seat
        assert (await seat_in(one.directory, room.id, ada))[0].members[2] == seat


# ------------------------------------------------------------------------------------------ signals


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
