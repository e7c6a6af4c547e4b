"""Relaying signals, in memory and through PostgreSQL: to whom they may go, in which order, once, and whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_, or_
from pathlib import Path
from typing import Any
from uuid import RFC_4122, UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import migrations
from domain.errors import Failure, NotFound, Unavailable
from domain.events import Event, MatchEnded, MemberLeft, MemberUpdated, SignalReceived
from domain.identity import User
from domain.inbox import Position
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import Inbox, SignalPost, UnitOfWork
from domain.rooms.authority import kick
from domain.rooms.leaving import close_room, leave_room
from domain.rooms.room import Invite, MatchEndReason, Member, MemberRole, Room, RoomKind
from domain.signaling import Offer
from persistence.database import Database
from persistence.directory import CachedRooms, Directory
from persistence.embedded import embedded_postgres
from persistence.inbox.memory import MemoryInbox
from persistence.signals import MemorySignalPost, PostgresSignalPost, postgres
from persistence.signals.memory import RandomIds
from persistence.transcript import RecentMessages
from tests.inboxes import EVERYTHING, START, Worker, a_bus, a_worker
from tests.seats import a_seat
from tests.waiting import DEADLINE, until

Pair = tuple[Member, Member]


@dataclass(frozen=True)
class Side:
    """One server: a post, and what it stands on."""

    post: SignalPost
    database: Database
    directory: Directory
    inbox: Inbox

    async def send(self, sender: Member, to: Member | UUID, sdp: str = "v=0", name: str | None = None) -> UUID:
        """Posts an offer, under the client's ID `name`."""
        member_id = to if isinstance(to, UUID) else to.id
        return await self.post.post(
            sender.user_id, member_id, Offer(sdp), call_id="c", client_signal_id=name, now=START
        )

    async def told(self, member: Member) -> list[Event]:
        """The user's events so far."""
        return [entry.event for entry in (await self.inbox.read(member.user_id, None, EVERYTHING, 10_000)).entries]

    async def heard(self, member: Member) -> list[str]:
        """The offers that the user got, in their order."""
        signals = (event.signal for event in await self.told(member) if isinstance(event, SignalReceived))
        return [signal.sdp for signal in signals if isinstance(signal, Offer)]

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

    async def friends(self, count: int, *user_ids: UUID) -> Room:
        """A new room of so many new users, of whom the first owns it, and of those who are named."""
        ids = [*(uuid4() for _ in range(count)), *user_ids]
        room_id = uuid4()
        seats = tuple(
            a_seat(
                room_id=room_id,
                user_id=user_id,
                role=MemberRole.MEMBER if position else MemberRole.OWNER,
                position=position,
            )
            for position, user_id in enumerate(ids)
        )
        room = Room(room_id, RoomKind.INVITE, None, "Friends", 16, (), START, None, seats, Invite(1, "k"))

        async def work(uow: UnitOfWork) -> None:
            for user_id in ids[:count]:
                await uow.users.add(User(user_id, "Eve", START, None, None))
            await uow.rooms.add(room, room_id.bytes * 2)

        await self.database.transact(work)
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


@asynccontextmanager
async def in_memory(url: str) -> AsyncIterator[Side]:
    """With `MemorySignalPost`."""
    cache, inbox = CachedRooms(), MemoryInbox(clock=lambda: START, hint=lambda _: None)
    database = Database(url, outbox=inbox, cache=cache, messages=RecentMessages(), worker=uuid4(), clock=lambda: START)
    directory = Directory(cache, database.reading)
    try:
        yield Side(MemorySignalPost(inbox, directory), database, directory, inbox)
    finally:
        await database.close()


@asynccontextmanager
async def of_worker(worker: Worker) -> AsyncIterator[Side]:
    """With `PostgresSignalPost`."""
    post = PostgresSignalPost(worker.database)
    try:
        yield Side(post, worker.database, worker.directory, worker.inbox)
    finally:
        await post.close()


@asynccontextmanager
async def workers(url: str, count: int = 1) -> AsyncIterator[Sequence[Side]]:
    """So many, on one bus."""
    async with AsyncExitStack() as running:
        bus = await running.enter_async_context(a_bus())
        servers = [await running.enter_async_context(a_worker(url, bus)) for _ in range(count)]
        yield [await running.enter_async_context(of_worker(worker)) for worker in servers]


@pytest.fixture(params=["memory", "postgres"])
async def either(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Side]:
    """A server with the one post or the other: nobody can tell which."""
    if request.param == "memory":
        async with in_memory(database_url) as side:
            yield side
    else:
        async with workers(database_url) as (side,):
            yield side


@pytest.fixture
async def side(database_url: str) -> AsyncIterator[Side]:
    """One worker."""
    async with workers(database_url) as (side,):
        yield side


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[Sequence[Side]]:
    """Two workers on one database."""
    async with workers(database_url, 2) as sides:
        yield sides


@asynccontextmanager
async def held(side: Side, *members: Member) -> AsyncIterator[None]:
    """Somebody else is at work on these users: what is posted meanwhile waits."""
    async with side.database.engine.begin() as connection:
        await connection.execute(
            text("SELECT FROM head WHERE user_id = ANY(:ids) ORDER BY user_id FOR UPDATE"),
            {"ids": [member.user_id for member in members]},
        )
        yield


async def at_once(*posts: Awaitable[UUID]) -> list[asyncio.Future[UUID]]:
    """Starts all of them, in this order."""
    started: list[asyncio.Future[UUID]] = [asyncio.ensure_future(post) for post in posts]
    await asyncio.sleep(0)
    return started


async def outcomes(posts: Sequence[Awaitable[UUID]]) -> list[UUID | BaseException]:
    """What became of each, when all are done."""
    return await asyncio.wait_for(asyncio.gather(*posts, return_exceptions=True), DEADLINE)


def pair_of(room: Room) -> Pair:
    """Who sends, and who receives."""
    first, second = room.members
    return first, second


def contiguous(positions: Sequence[Position]) -> bool:
    """Whether nothing is missing between them."""
    return [position.seq for position in positions] == list(range(1, len(positions) + 1))


# ------------------------------------------------------------------------------------------ who may


async def test_a_signal_reaches_its_receiver_alone_with_its_true_sender(either: Side) -> None:
    """No client can name its own sender, and nobody else sees the offer."""
    room, stranger = await either.match(), await either.match()
    ada, ben = room.members
    signal_id = await either.send(ada, ben, "v=0\r\n \x00é😀")
    expected = SignalReceived(signal_id, room.id, ada.id, "c", Offer("v=0\r\n \x00é😀"))
    assert await either.told(ben) == [expected]
    for member in (ada, *stranger.members):
        assert await either.told(member) == []


async def test_what_a_sender_may_not_reach_does_not_exist(either: Side) -> None:
    """Strangers, oneself, users, made-up members and those of a match that is over: one answer, and nothing arrives."""
    room, other = await either.match(), await either.match()
    ada, ben = room.members
    attempts: list[tuple[Member, Member | UUID]] = [
        (other.members[0], ben),
        (ada, ada),
        (ada, ben.user_id),
        (ada, room.id),
        (ada, uuid4()),
    ]
    for sender, to in attempts:
        with pytest.raises(NotFound):
            await either.send(sender, to)
    await either.end(room)
    for sender, to in ((ada, ben), (ben, ada)):
        with pytest.raises(NotFound):
            await either.send(sender, to)
    for member in room.members:
        assert [type(event) for event in await either.told(member)] == [MatchEnded]


async def test_who_has_left_neither_sends_nor_receives(either: Side) -> None:
    """Whoever has gone wants to hear nothing more, and has nothing more to say; the others go on."""
    room = await either.friends(4)
    owner, kicked, left, stays = room.members
    for member in room.members[1:]:
        await either.send(owner, member)
    await kick(either.directory, either.database.transact, owner.user_id, kicked.id, now=START)
    await either.database.transact(lambda uow: leave_room(uow, left.user_id, room.id, now=START))
    for gone in (kicked, left):
        for sender, to in ((gone, owner), (owner, gone)):
            with pytest.raises(NotFound):
                await either.send(sender, to)
    await either.send(owner, stays, "still here")
    assert await either.heard(stays) == ["v=0", "still here"]
    await either.database.transact(lambda uow: close_room(uow, owner.user_id, room.id, now=START))
    with pytest.raises(NotFound):
        await either.send(owner, stays)
    assert await either.heard(kicked) == await either.heard(left) == ["v=0"]


@pytest.mark.parametrize("turned", [False, True])
async def test_a_signal_that_meets_the_end_of_the_match_comes_before_it_or_not_at_all(
    either: Side, *, turned: bool
) -> None:
    """After `MatchEnded` nobody hears from the other side, however close the race."""
    room = await either.match()
    ada, ben = room.members[::-1] if turned else room.members
    await either.send(ada, ben, "before")
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        under_way.set()
        await go_on.wait()

    ending = asyncio.create_task(either.end(room, wait))
    await asyncio.wait_for(under_way.wait(), DEADLINE)
    (late,) = await at_once(either.send(ada, ben, "late"))
    await blocked_or_waiting(either)
    assert not late.done()
    go_on.set()
    await asyncio.wait_for(ending, DEADLINE)
    assert [type(outcome) for outcome in await outcomes([late])] == [NotFound]
    assert [type(event) for event in await either.told(ben)] == [SignalReceived, MatchEnded]


async def blocked_or_waiting(side: Side) -> None:
    """Returns once what was posted waits for a lock: in memory at once."""
    if isinstance(side.post, PostgresSignalPost):
        await until_blocked(side)


async def until_blocked(side: Side, count: int = 1) -> None:
    """Waits until so many transactions wait for locks."""

    async def blocked() -> bool:
        async with side.database.reading() as connection:
            found = await connection.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
        return bool(found >= count)

    await until(blocked)


async def test_no_signal_that_is_committed_after_a_kick_arrives(two: Sequence[Side]) -> None:
    """Whoever is put out of a room while everybody talks hears nothing after their leaving, and is not heard after it."""
    one, other = two
    for _ in range(8):
        room = await one.friends(4)
        owner, kicked, *rest = room.members
        stop = asyncio.Event()

        async def talk(side: Side, sender: Member, to: Member, stop: asyncio.Event = stop) -> None:
            while not stop.is_set():
                try:
                    await side.send(sender, to)
                except NotFound:
                    return

        talking = [
            asyncio.create_task(talk(side, sender, to))
            for side in two
            for pair in ((owner, kicked), (rest[0], kicked), (rest[1], kicked))
            for sender, to in (pair, pair[::-1])
        ]
        await until(partial(_at_least, one, (owner, kicked), 5))
        await kick(other.directory, other.database.transact, owner.user_id, kicked.id, now=START)
        await asyncio.wait_for(asyncio.gather(*talking), DEADLINE)
        stop.set()
        for member in room.members:
            events = await one.told(member)
            end = next(i for i, event in enumerate(events) if isinstance(event, MemberLeft))
            assert not [event for event in events[end:] if isinstance(event, SignalReceived)]
            assert any(isinstance(event, SignalReceived) for event in events[:end])


async def _at_least(side: Side, members: Sequence[Member], count: int) -> bool:
    return all([len(await side.heard(member)) >= count for member in members])


# ------------------------------------------------------------------------------------------ order


async def test_signals_of_a_sender_arrive_in_their_order(either: Side) -> None:
    """A candidate before its offer is lost on a browser: a thousand in a row, in two rooms, while others talk as well."""
    talkers = [await either.match() for _ in range(4)]
    first = talkers[0]
    ada, ben = first.members
    room = await either.friends(3, ada.user_id, ben.user_id)
    posts = []
    for number in range(1000):
        to = ben if number % 3 else room.members[-1]
        posts.append(either.send(ada, to, str(number)))
        if not number % 5:
            posts += [either.send(match.members[1], match.members[0], "other") for match in talkers]
    answers = await outcomes(posts)
    assert not [answer for answer in answers if not isinstance(answer, UUID)]
    assert await either.heard(ben) == [str(number) for number in range(1000)]
    assert await either.heard(ada) == ["other"] * 200


async def test_inboxes_have_no_holes_when_everybody_writes_to_them(two: Sequence[Side]) -> None:
    """A hole would be a loss to every reader: signals of two workers, and units that tell the same users other things."""
    rooms = [await two[0].friends(3) for _ in range(4)]
    members = [member for room in rooms for member in room.members]

    async def updates(side: Side, room: Room) -> None:
        for _ in range(10):

            async def work(uow: UnitOfWork) -> None:
                await uow.lock_room(room.id)
                for member in room.members:
                    uow.append(member.user_id, MemberUpdated(room.id, room.members[0].id))

            await side.database.transact(work)

    posts = [
        side.send(sender, to, f"{number}")
        for number in range(20)
        for side in two
        for room in rooms
        for sender in room.members
        for to in room.members
        if sender is not to
    ]
    jobs = [updates(side, room) for side in two for room in rooms]
    _, answers = await asyncio.gather(asyncio.gather(*jobs), outcomes(posts))
    assert all(isinstance(answer, UUID) for answer in answers)
    for member in members:
        entries = (await two[0].inbox.read(member.user_id, None, EVERYTHING, 10_000)).entries
        assert contiguous([entry.position for entry in entries])
        assert len(entries) == 2 * 10 + 2 * 2 * 20
        for side_sender in (m for m in members if m.room_id == member.room_id and m is not member):
            theirs = [e.event for e in entries if isinstance(e.event, SignalReceived)]
            numbers = [e.signal.sdp for e in theirs if e.sender_id == side_sender.id and isinstance(e.signal, Offer)]
            assert sorted(numbers) == sorted([str(number) for number in range(20)] * 2)


# ------------------------------------------------------------------------------------------ once


async def test_a_retry_with_the_same_client_id_is_delivered_once(either: Side) -> None:
    """A client that lost the answer may send again: the partner gets one offer. To another member it is another signal."""
    room = await either.friends(3)
    ada, ben, eve = room.members
    first = await either.send(ada, ben, name="x")
    assert await either.send(ada, ben, "another", name="x") == first
    others = [await either.send(ada, eve, name="x"), await either.send(ben, ada, name="x"), await either.send(ada, ben)]
    assert len({first, await either.send(ada, ben, name="y"), *others}) == 5
    assert await either.heard(ben) == ["v=0"] * 3


async def test_repeats_at_the_same_time_are_delivered_once(two: Sequence[Side]) -> None:
    """A client that lost its socket sends again through another worker while the first one is still at it."""
    room = await two[0].match()
    ada, ben = room.members
    posts = [side.send(ada, ben, str(number), name=str(number)) for number in range(20) for side in (*two, *two, *two)]
    random.Random(1).shuffle(posts)
    async with held(two[0], ada):
        started = await at_once(*posts)
        await until_blocked(two[0], 2)
    answers = await outcomes(started)
    assert len(set(answers)) == 20
    assert sorted(await two[0].heard(ben)) == sorted(str(number) for number in range(20))


async def test_a_client_id_is_remembered_for_as_long_as_it_was_promised(side: Side) -> None:
    """Ten minutes at least, whichever partition is written meanwhile."""
    ada, ben = (await side.match()).members
    first = await side.send(ada, ben, name="x")
    for _ in range(2):  # Each turn of the ring is five minutes.
        async with side.database.engine.begin() as connection:
            await connection.execute(text("UPDATE signal_receipt SET slot = (slot + 3) % 4"))
        assert await side.send(ada, ben, name="x") == first
    assert await side.heard(ben) == ["v=0"]


# ------------------------------------------------------------------------------------------ what breaks


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
async def test_what_does_not_go_in_hurts_nobody_else(side: Side, bad: str) -> None:
    """One payload that PostgreSQL or the codec refuses, between hundreds of others: only its sender sees an error."""
    rooms = [await side.match() for _ in range(3)]
    pairs = [pair_of(room) for room in rooms]
    async with held(side, *(pair[0] for pair in pairs)):
        posts = []
        for number in range(100):
            posts += [side.send(*pair, sdp=str(number)) for pair in pairs]
            if number in {7, 50}:
                ada, ben = pairs[0]
                call_id, name = (None, bad) if bad == "\x00" else (bad, None)
                posts.append(
                    side.post.post(ada.user_id, ben.id, Offer("bad"), call_id=call_id, client_signal_id=name, now=START)
                )
        started = await at_once(*posts)
    answers = await outcomes(started)
    assert len([answer for answer in answers if not isinstance(answer, UUID)]) == 2
    assert not [answer for answer in answers if isinstance(answer, Failure)]
    for pair in pairs:
        assert await side.heard(pair[1]) == [str(number) for number in range(100)]


async def test_a_commit_of_unknown_outcome_is_told_and_a_repeat_delivers_once(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke after the commit was asked for: whether it was or not, a retry leaves one offer."""
    ada, ben = (await side.match()).members
    commit = AsyncConnection.commit
    for number, committed in enumerate((True, False)):

        async def broken(self: AsyncConnection, committed: bool = committed) -> None:  # noqa: FBT001  # bound here
            if committed:
                await commit(self)
            raise ConnectionResetError

        with monkeypatch.context() as patched:
            patched.setattr(AsyncConnection, "commit", broken)
            waiting = await at_once(
                side.send(ada, ben, f"named {number}", name=f"{number}"), side.send(ada, ben, "not")
            )
            assert [type(outcome) for outcome in await outcomes(waiting)] == [Unavailable, Unavailable]
        first = await side.send(ada, ben, f"named {number}", name=f"{number}")
        assert await side.send(ada, ben, f"named {number}", name=f"{number}") == first
    assert await side.heard(ben) == ["named 0", "not", "named 1"]


async def test_a_backend_that_dies_while_it_commits_loses_nothing_that_was_acknowledged(
    side: Side, database_url: str
) -> None:
    """An operator ends a session, a failover begins: senders are told to try again, and a retry delivers once."""
    ada, ben = (await side.match()).members
    async with side.database.engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN IF convert_from(NEW.payload, 'UTF8') LIKE '%slow%' THEN PERFORM pg_sleep(60); END IF;"
                " RETURN NULL; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON inbox_event DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION linger()"
            )
        )
    admin = await asyncpg.connect(database_url)
    try:
        (slow,) = await at_once(side.send(ada, ben, "slow", name="1"))
        committing = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        await until(lambda: _positive(admin, f"SELECT count(*) {committing}"))
        (behind,) = await at_once(side.send(ada, ben, "behind", name="2"))
        await admin.execute(f"SELECT pg_terminate_backend(pid) {committing}")
        assert [type(outcome) for outcome in await outcomes([slow, behind])] == [Unavailable, Unavailable]
        assert await side.heard(ben) == []
        await admin.execute("DROP TRIGGER linger ON inbox_event")
    finally:
        await admin.close()
    again = [await side.send(ada, ben, sdp, name=name) for sdp, name in (("slow", "1"), ("behind", "2"), ("slow", "1"))]
    assert again[0] == again[2]
    assert await side.heard(ben) == ["slow", "behind"]


async def _positive(connection: asyncpg.Connection[Any], statement: str) -> bool:
    return bool(await connection.fetchval(statement))


async def insist(side: Side, pair: Pair, count: int) -> int:
    """Sends so many offers one after the other, each until it is taken; returns how often that was refused."""
    refused = 0
    for number in range(count):
        while True:
            try:
                await side.send(*pair, sdp=str(number), name=str(number))
                break
            except Unavailable:
                refused += 1
                await asyncio.sleep(random.uniform(0, 0.02))
    return refused


async def heard_at_last(side: Side, member: Member) -> list[str]:
    """What the user heard, asked for until the database answers: the pool may hold connections that were broken."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await side.heard(member)
            except Unavailable:
                await asyncio.sleep(0)


async def test_a_database_that_breaks_off_all_the_time_loses_and_doubles_nothing(side: Side, database_url: str) -> None:
    """Clients that go on trying with the same IDs get everything across, once."""
    rooms = [await side.match() for _ in range(6)]
    talking = [asyncio.create_task(insist(side, pair_of(room), 20)) for room in rooms]
    admin = await asyncpg.connect(database_url)
    try:
        while not all(task.done() for task in talking):
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query ~ '(COMMIT|inbox_event|signal_receipt)'"
            )
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    assert sum(await asyncio.gather(*talking)) > 0
    for room in rooms:
        assert await heard_at_last(side, room.members[1]) == [str(number) for number in range(20)]


async def test_a_restart_of_postgresql_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Every database is restarted some day: calls that are set up meanwhile are set up a moment later."""
    with ExitStack() as running:
        cluster = running.enter_context(embedded_postgres(tmp_path))
        link = tmp_path / "socket"  # Each start has a socket of its own; the worker knows one address.
        link.symlink_to(cluster.socket_folder)
        dsn = cluster.dsn().replace(str(cluster.socket_folder), str(link))
        await migrations.upgrade(dsn)
        async with workers(dsn) as (side,):
            rooms = [await side.match() for _ in range(6)]
            early = [await insist(side, pair_of(room), 5) for room in rooms]
            talking = [asyncio.create_task(insist(side, pair_of(room), 150)) for room in rooms]
            await asyncio.to_thread(running.close)
            cluster = await asyncio.to_thread(running.enter_context, embedded_postgres(tmp_path))
            link.unlink()
            link.symlink_to(cluster.socket_folder)
            async with asyncio.timeout(60):
                refused = await asyncio.gather(*talking)
            assert sum(early) == 0
            assert sum(refused) > 0
            for room in rooms:
                assert await heard_at_last(side, room.members[1]) == [str(number) for number in range(150)]


async def test_deadlocks_are_tried_again(side: Side, database_url: str) -> None:
    """Whoever writes heads by hand, in another order, costs a moment and no signal."""
    ada, ben = sorted((await side.match()).members, key=lambda member: member.user_id)
    admin = await asyncpg.connect(database_url)
    try:
        await admin.execute("SET deadlock_timeout = '1h'")  # It is the post's backend that finds the circle.
        async with admin.transaction():
            lock = "SELECT FROM head WHERE user_id = $1 FOR UPDATE"
            await admin.execute(lock, ben.user_id)
            (post,) = await at_once(side.send(ada, ben))
            await until_blocked(side)
            await asyncio.wait_for(admin.execute(lock, ada.user_id), DEADLINE)
    finally:
        await admin.close()
    assert isinstance((await outcomes([post]))[0], UUID)
    assert await side.heard(ben) == ["v=0"]


async def test_callers_who_go_away_take_nobody_with_them(side: Side) -> None:
    """A tab that is closed in the middle of a call does not break the calls of others in the same batch."""
    pairs = [pair_of(await side.match()) for _ in range(3)]
    async with held(side, *(pair[0] for pair in pairs)):
        started = await at_once(*(side.send(*pair, sdp=str(number)) for number in range(20) for pair in pairs))
        await until_blocked(side)
        for post in started[::4]:
            post.cancel()
    answers = await outcomes(started)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 15
    assert sum(isinstance(answer, UUID) for answer in answers) == 45
    for pair in pairs:
        assert await side.heard(pair[1]) == [str(number) for number in range(20)]


async def test_too_much_that_waits_is_refused(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stands still does not fill the worker's memory, by number or by bytes; afterwards all is as before."""
    monkeypatch.setattr(postgres, "WAITING_SIGNALS", 10)
    monkeypatch.setattr(postgres, "WAITING_BYTES", 1000)
    ada, ben = (await side.match()).members
    for sdp, fit in (("v=0", 10), ("v" * 400, 3)):
        async with held(side, ada):
            (first,) = await at_once(side.send(ada, ben))
            await until_blocked(side)
            started = await at_once(*(side.send(ada, ben, sdp) for _ in range(20)))
            refused = [post for post in started if post.done()]
            assert len(refused) == 20 - fit
        answers = await outcomes([first, *started])
        assert sum(isinstance(answer, Unavailable) for answer in answers) == 20 - fit
    assert len(await side.heard(ben)) == 1 + 10 + 1 + 3
    assert isinstance(side.post, PostgresSignalPost)
    assert side.post.waiting == 0


async def test_a_post_that_closes_answers_everybody(side: Side) -> None:
    """A worker that drains has not acknowledged less than it has sent; who comes later goes to another worker."""
    ada, ben = (await side.match()).members
    assert isinstance(side.post, PostgresSignalPost)
    async with held(side, ada):
        started = await at_once(*(side.send(ada, ben, str(number)) for number in range(5)))
        closing = asyncio.create_task(side.post.close())
        await until_blocked(side)
        assert not closing.done()
    await asyncio.wait_for(closing, DEADLINE)
    assert all(post.done() for post in started)
    assert len(set(await outcomes(started))) == 5
    with pytest.raises(Unavailable):
        await side.send(ada, ben)
    assert len(await side.heard(ben)) == 5


async def test_a_post_that_cannot_close_gives_up(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that must end tells those who wait to try again elsewhere."""
    monkeypatch.setattr(postgres, "CLOSING_SECONDS", 0.1)
    ada, ben = (await side.match()).members
    assert isinstance(side.post, PostgresSignalPost)
    async with held(side, ada):
        started = await at_once(*(side.send(ada, ben) for _ in range(5)))
        await until_blocked(side)
        await asyncio.wait_for(side.post.close(), DEADLINE)
        assert [type(outcome) for outcome in await outcomes(started)] == [Unavailable] * 5


def test_random_ids_are_random_and_say_so() -> None:
    """As those of `uuid4`: no two alike, however many are drawn at once, and of version 4, which a client may look at."""
    new_id = RandomIds()
    drawn = [new_id() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert {(made.version, made.variant) for made in drawn} == {(4, RFC_4122)}
    ones = reduce(or_, (made.int for made in drawn))
    zeros = reduce(and_, (made.int for made in drawn))
    assert (ones.bit_count(), zeros.bit_count()) == (128 - 4, 2)
    assert all(str(made) == str(UUID(int=made.int)) and made == UUID(int=made.int) for made in drawn)
    assert hash(drawn[0]) == hash(UUID(int=drawn[0].int))
