"""One server per database: who holds it keeps it through every misfortune, and nobody else gets in meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from api import sole
from api.refusal import Refusal
from api.sole import LOCK_KEY, one_of_many, sole_server
from tests.waiting import DEADLINE, until

HOLDER = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
"""

GOES_MEANWHILE = f"""
    WITH holders AS MATERIALIZED ({HOLDER}) SELECT pid FROM holders WHERE $1 <> '' AND NOT pg_terminate_backend(pid, 10000)
"""  # noqa: S608  # a text of ours
"""In place of ending our own sessions: whoever holds the lock is ended, has gone when this answers, and is in no list."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks often."""
    monkeypatch.setattr(sole, "CHECK_SECONDS", 0.1)


@asynccontextmanager
async def asking(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the servers'."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def holder(connection: asyncpg.Connection, other_than: int | None = None) -> int:
    """Waits until a session holds the lock, another than that one; returns its process."""
    async with asyncio.timeout(DEADLINE):
        while True:
            pid = await connection.fetchval(HOLDER)
            if pid is not None and pid != other_than:
                return int(pid)
            await asyncio.sleep(0.01)


async def two_others(connection: asyncpg.Connection, than: int) -> bool:
    """Whether two sessions hold the lock, neither of them that one."""
    holders = {row["pid"] for row in await connection.fetch(HOLDER)}
    return len(holders) == 2 and than not in holders


async def test_a_second_server_is_refused_until_the_first_has_gone(database_url: str) -> None:
    """Two in-memory inboxes over one database lose events."""
    async with sole_server(database_url, lambda: None):
        with pytest.raises(Refusal, match="Another Parley server"):
            async with sole_server(database_url, lambda: None):
                pass
    async with sole_server(database_url, lambda: None):
        pass


async def test_servers_that_share_a_bus_share_the_lock_and_keep_one_without_out(database_url: str) -> None:
    """Any number of them serve one database; what a server holds in memory they would never see."""
    async with one_of_many(database_url, lambda: None), one_of_many(database_url, lambda: None):
        with pytest.raises(Refusal, match="set PARLEY_BUS_URL for both"):
            async with sole_server(database_url, lambda: None):
                pass
    async with sole_server(database_url, lambda: None):
        with pytest.raises(Refusal, match="give it the PARLEY_BUS_URL of this one"):
            async with one_of_many(database_url, lambda: None):
                pass


async def test_a_shared_lock_that_was_lost_is_taken_again(database_url: str) -> None:
    """PostgreSQL was restarted under four workers: each of them goes on, and the lock is theirs again."""
    lost: list[bool] = []
    async with asking(database_url) as other, one_of_many(database_url, lambda: lost.append(True)):
        first = await holder(other)
        async with one_of_many(database_url, lambda: lost.append(True)):
            await other.execute("SELECT pg_terminate_backend($1)", first)
            await until(lambda: two_others(other, first))
        with pytest.raises(Refusal):
            async with sole_server(database_url, lambda: None):
                pass
    assert not lost


async def test_a_server_alone_that_was_faster_stops_those_with_a_bus(database_url: str) -> None:
    """It got in while they could not reach the database: what it holds in memory is all that counts now."""
    lost = asyncio.Event()
    async with asking(database_url) as other, one_of_many(database_url, lost.set):
        first = await holder(other)
        waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY))
        async with asking(database_url) as killer:
            await killer.execute("SELECT pg_terminate_backend($1)", first)
        await waiting
        async with asyncio.timeout(DEADLINE):
            await lost.wait()


async def test_a_lost_lock_is_taken_again(database_url: str) -> None:
    """PostgreSQL was restarted: the server that was there goes on."""
    lost: list[bool] = []
    async with asking(database_url) as other, sole_server(database_url, lambda: lost.append(True)):
        first = await holder(other)
        await other.execute("SELECT pg_terminate_backend($1)", first)
        await holder(other, other_than=first)
    assert not lost


async def test_who_was_faster_is_told_of(database_url: str) -> None:
    """Somebody started another server while the first could not reach the database: the first must stop."""
    lost = asyncio.Event()
    async with asking(database_url) as other, sole_server(database_url, lost.set):
        first = await holder(other)
        waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY))
        async with asking(database_url) as killer:
            await killer.execute("SELECT pg_terminate_backend($1)", first)
        await waiting
        async with asyncio.timeout(DEADLINE):
            await lost.wait()


async def test_a_database_that_stands_still_does_not_make_a_server_give_way_to_itself(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few seconds without an answer the lock is sought on a new connection, while PostgreSQL may still know the old one:
    that is no other server, and no reason to stop.
    """
    lost: list[bool] = []
    sought: list[str] = []
    connect = asyncpg.connect

    async def counted(dsn: str, **options: Any) -> asyncpg.Connection:  # noqa: ANN401  # the driver's own
        sought.append(dsn)
        return await connect(dsn, **options)

    async with asking(database_url) as other, sole_server(database_url, lambda: lost.append(True)):
        first = await holder(other)
        monkeypatch.setattr(asyncpg, "connect", counted)
        os.kill(first, signal.SIGSTOP)
        try:
            async with asyncio.timeout(DEADLINE):
                while len(sought) < 3:  # counted by what is replaced
                    await asyncio.sleep(0.01)
        finally:
            os.kill(first, signal.SIGCONT)
        assert not lost
        await holder(other, other_than=first)
    assert not lost


async def test_an_old_session_that_goes_while_it_is_looked_for_is_nobody_else(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the lock when that was asked for, and was in no list when it was looked up: the lock is free then."""
    lost: list[bool] = []
    async with asking(database_url) as old, asking(database_url) as other:
        async with sole_server(database_url, lambda: lost.append(True)):
            first, second = await holder(other), old.get_server_pid()
            monkeypatch.setattr(sole, "END_OLD_SESSIONS", GOES_MEANWHILE)
            waiting = asyncio.create_task(old.execute("SELECT pg_advisory_lock($1)", LOCK_KEY))
            await other.execute("SELECT pg_terminate_backend($1)", first)
            await waiting
            async with asyncio.timeout(DEADLINE):
                while await holder(other) in {first, second}:
                    await asyncio.sleep(0.01)
        assert not lost
