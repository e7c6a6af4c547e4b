"""Units of work when the database misbehaves: it hangs, breaks off in the middle of a commit, restarts under load."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api import migrations
from api.clock import utc_now
from domain.errors import Conflict, Unavailable
from domain.events import MemberUpdated, SignalReceived
from domain.identity import User
from domain.ports import UnitOfWork
from domain.rooms.room import MemberStatus
from domain.signaling import Offer
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.embedded import embedded_postgres
from persistence.inbox.memory import MemoryInbox
from persistence.transcript import RecentMessages
from tests.waiting import DEADLINE, Stopwatch, until
from tests.world import FakeSocket, open_world, seat


@dataclass
class Parts:
    """A database and the inbox that it delivers to."""

    database: Database
    inbox: MemoryInbox

    async def user(self) -> UUID:
        """A new account."""
        user = User(uuid4(), "Ada", utc_now(), None, None)
        await self.database.transact(lambda uow: uow.users.add(user))
        return user.id

    async def lock(self, user_id: UUID) -> None:
        """A unit as short as one can be."""
        await self.database.transact(lambda uow: uow.lock_users((user_id,)))


@pytest.fixture
async def parts(database_url: str) -> AsyncIterator[Parts]:
    """With a pool of three connections, and little patience."""
    inbox = MemoryInbox(clock=utc_now, hint=lambda _: None)
    database = Database(
        database_url,
        outbox=inbox,
        cache=CachedRooms(),
        messages=RecentMessages(),
        worker=uuid4(),
        clock=utc_now,
        pool_size=3,
        patience=1.0,
    )
    yield Parts(database, inbox)
    await database.close()


async def test_a_revocation_of_unknown_outcome_is_looked_at(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection broke after the commit that ended a stolen session: its sockets must not live on because nobody was told."""
    user_id = await parts.user()
    before = parts.inbox.control_version(user_id)
    commit = AsyncConnection.commit

    async def broken(self: AsyncConnection) -> None:
        await commit(self)
        raise ConnectionResetError

    async def work(uow: UnitOfWork) -> None:
        await uow.lock_users((user_id,))
        uow.raise_control(user_id)

    monkeypatch.setattr(AsyncConnection, "commit", broken)
    with pytest.raises(Unavailable):
        await parts.database.transact(work)
    assert parts.inbox.control_version(user_id) > before


async def test_a_doubt_costs_only_those_who_may_miss_something(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage hundreds of sockets attach and detach in vain: whoever was to be told nothing by that keeps their place."""
    told, quiet = await parts.user(), await parts.user()
    before = await parts.inbox.end(told), await parts.inbox.end(quiet)

    async def broken(_: AsyncConnection) -> None:
        raise ConnectionResetError

    async def work(uow: UnitOfWork) -> None:
        await uow.lock_users((told, quiet))
        uow.append(told, MemberUpdated(uuid4(), uuid4()))

    monkeypatch.setattr(AsyncConnection, "commit", broken)
    with pytest.raises(Unavailable):
        await parts.database.transact(work)
    assert await parts.inbox.end(told) != before[0]
    assert await parts.inbox.end(quiet) == before[1]


HESITATION = """
    CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(1); END;
        RETURN NULL;
    END $$;
"""
"""At a commit: goes on for a second after it was given up on, and then commits."""


async def test_a_commit_that_comes_late_is_seen_when_it_comes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk stood still for half a minute: whoever was kicked then must not stay for as long as the room is remembered."""
    monkeypatch.setattr("tests.world.Database", partial(Database, patience=0.5))
    monkeypatch.setattr("persistence.database.DOUBT_SECONDS", 0.05)
    async with open_world(database_url) as world:
        owner, other = await world.people(2)
        room = await world.open_room(owner, other)
        async with world.database.engine.begin() as connection:
            await connection.execute(text(HESITATION))
            await connection.execute(
                text(
                    "CREATE CONSTRAINT TRIGGER hesitate AFTER UPDATE ON member DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW EXECUTE FUNCTION hesitate()"
                )
            )
        with pytest.raises(Unavailable):
            await world.kick(owner, seat(room, other).id)
        assert (await world.directory.rooms((room.id,)))[room.id].holds(other)
        assert await world.status(room, other) is MemberStatus.ONLINE
        epoch = (await world.inbox.end(other)).epoch

        async def seen() -> bool:
            return not (await world.directory.rooms((room.id,)))[room.id].holds(other)

        await until(seen)
        assert await world.status(room, other) is MemberStatus.LEFT
        assert (await world.inbox.end(other)).epoch != epoch
    assert not any(task.get_name() == "doubt" for task in asyncio.all_tasks())


async def test_nothing_is_written_for_who_is_not_locked(parts: Parts) -> None:
    """Numbers of events and control versions are given out under the lock: without it two workers would give out the same."""
    user_id = await parts.user()

    async def tell(uow: UnitOfWork) -> None:
        uow.append(user_id, MemberUpdated(uuid4(), uuid4()))

    async def revoke(uow: UnitOfWork) -> None:
        uow.raise_control(user_id)

    for work in (tell, revoke):
        with pytest.raises(RuntimeError, match="not locked"):
            await parts.database.transact(work)


async def test_a_database_that_hangs_is_given_up_on(parts: Parts) -> None:
    """A switch that eats packets, a disk that stands still: people are told to try again, and locks are not held for ever."""
    user_id = await parts.user()
    frozen: list[int] = []

    async def work(uow: UnitOfWork) -> None:
        await uow.lock_users((user_id,))
        pid = await uow._connection.scalar(text("SELECT pg_backend_pid()"))  # type: ignore[attr-defined]  # of Unit, not of the port
        frozen.append(pid)
        os.kill(pid, signal.SIGSTOP)
        await uow.users.get(user_id)

    try:
        with Stopwatch() as watch:
            with pytest.raises(Unavailable):
                await parts.database.transact(work)
            assert watch.seconds < 5
        assert parts.inbox.free(user_id)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    async with asyncio.timeout(DEADLINE):
        await parts.lock(user_id)
    assert parts.database.connections_in_use == 0


async def test_clients_that_hang_up_cost_no_connection(parts: Parts) -> None:
    """Five hundred sockets close in the middle of a query each: those who stay must still be served."""
    user_id = await parts.user()

    async def read() -> None:
        async with parts.database.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(0.002)"))

    async def hang_up(number: int) -> None:
        task = asyncio.create_task(read() if number % 2 else parts.lock(user_id))
        await asyncio.sleep(random.uniform(0, 0.02))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    for _ in range(10):
        await asyncio.gather(*(hang_up(number) for number in range(30)))
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(read() for _ in range(10)), *(parts.lock(user_id) for _ in range(10)))
    await until(lambda: parts.database.connections_in_use == 0)  # Units whose callers went still complete.
    assert parts.inbox.free(user_id)


async def test_a_restart_of_postgresql_loses_nothing_and_is_over_in_seconds(tmp_path: Path) -> None:
    """Every database is restarted some day: calls under way go on, what cannot be done answers `Unavailable`, sockets that close
    meanwhile are not forgotten, and afterwards all is as before.
    """
    with ExitStack() as running:
        postgres = running.enter_context(embedded_postgres(tmp_path))
        link = tmp_path / "socket"  # Each start has a socket of its own; the server under test knows one address.
        link.symlink_to(postgres.socket_folder)
        dsn = postgres.dsn().replace(str(postgres.socket_folder), str(link))
        await migrations.upgrade(dsn)
        async with open_world(dsn) as world:
            ada, bob, room = await world.pair()
            leaving = [(await world.user(), FakeSocket()) for _ in range(20)]
            gone = [await world.connect(who) for who, _ in leaving]
            partner = seat(room, bob).id

            async def signal_once(number: int) -> None:
                await world.signals.post(
                    ada.user_id,
                    partner,
                    Offer(f"v={number}"),
                    call_id=None,
                    client_signal_id=str(number),
                    now=world.clock(),
                )

            await signal_once(0)
            answers: list[type[BaseException] | None] = []

            async def load() -> None:
                while len(answers) < 100_000:
                    try:
                        await world.database.transact(lambda uow: uow.lock_users((ada.user_id, bob.user_id)))
                    except (Unavailable, Conflict) as error:
                        answers.append(type(error))
                        await asyncio.sleep(0.01)
                    else:
                        answers.append(None)

            busy = [asyncio.create_task(load()) for _ in range(15)]
            try:
                await until(lambda: len(answers) > 50)
                link.unlink()
                await asyncio.to_thread(running.close)
                await until(lambda: Unavailable in answers[-20:])
                for socket in gone:
                    await world.presence.closed(socket)  # type: ignore[arg-type]  # a fake
                for number in range(20):
                    await signal_once(number)
                postgres = await asyncio.to_thread(running.enter_context, embedded_postgres(tmp_path))
                link.symlink_to(postgres.socket_folder)
                answers.clear()
                await until(lambda: answers.count(None) > 500, seconds=5)
                await until(lambda: world.presence.leaving == 0, seconds=5)
                eve = await world.user("Eve")
                await world.connect(eve)
                for who, _ in leaving:
                    assert not await world.attached(who)
                assert await world.attached(ada)
                sent = [event.signal for event in await world.told(bob) if isinstance(event, SignalReceived)]
                assert sent == [Offer(f"v={number}") for number in range(20)]
            finally:
                for task in busy:
                    task.cancel()
                await asyncio.gather(*busy, return_exceptions=True)
            await until(lambda: world.database.connections_in_use == 0)
