"""What is deleted when."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.clock import utc_now
from persistence.database import engine_for
from persistence.retention import RULES, purge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


ACCOUNTS = """
    INSERT INTO account (id, display_name, created_at) VALUES (:user, 'Ada', :now), (:other, 'Ben', :now)
"""
ROOM = """
    INSERT INTO room (id, kind, capacity, shared_interests, created_at, closed_at) VALUES (:room, 'MATCH', 2, '{}', :at, :at)
"""
MEMBER = """
    INSERT INTO member (id, room_id, room_kind, user_id, display_name, role, muted, status, camera, microphone, screen,
                        position, joined_at, left_at)
    VALUES (:id, :room, 'MATCH', :user, 'Ada', 'MEMBER', false, 'LEFT', false, false, false, 0, :at, :at)
"""
TICKET = """
    INSERT INTO ticket (id, user_id, status, mode, interests, languages, patience, enqueued_at, widens_at, changed_at,
                        joined_at, paused, attended, room_id)
    VALUES (:id, :user, 'MATCHED', 'TEXT', '{}', '{}', 0, :at, :at, :at, :at, false, true, :room)
"""
MESSAGE = """
    INSERT INTO message (room_id, seq, id, sender_id, client_message_id, ciphertext, sent_at)
    VALUES (:room, :seq, :id, :sender, gen_random_uuid(), 'sealed', :at)
"""
BAR = "INSERT INTO pair_bar (low_id, high_id, kind, until, changed_at) VALUES (:low, :high, :kind, :until, :now)"
SESSION = "INSERT INTO session (id, user_id, scope, created_at) VALUES (:id, :user, 'FULL', :now)"
TOKEN = (
    "INSERT INTO refresh_token (token_hash, session_id, issued_at, expires_at) VALUES (:hash, :session, :at, :until)"
)
LIMITS = "INSERT INTO rate_limit (key, full_at) VALUES ('past', :past), ('future', :future)"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Connections in autocommit, as `Database.reading` gives them."""
    engine = engine_for(database_url, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


async def test_what_nobody_needs_any_more_goes_and_the_rest_stays(engine: AsyncEngine) -> None:
    """A service that runs for years does not fill its disk, and never deletes what a report or a statistic still needs."""
    now = utc_now()
    user, other = sorted((uuid4(), uuid4()))
    old, fresh = uuid4(), uuid4()

    @asynccontextmanager
    async def reading() -> AsyncIterator[AsyncConnection]:
        async with engine.connect() as connection:
            yield connection

    async with reading() as connection:

        async def run(statement: str, **values: object) -> None:
            await connection.execute(text(statement), values)

        await run(ACCOUNTS, user=user, other=other, now=now)
        members = {}
        for room, age in ((old, timedelta(days=32)), (fresh, timedelta(days=30))):
            await run(ROOM, room=room, at=now - age)
            members[room] = uuid4()
            await run(MEMBER, id=members[room], room=room, user=user, at=now - age)
            await run(TICKET, id=uuid4(), room=room, user=user, at=now - age)
        month, minute = timedelta(days=30), timedelta(minutes=1)
        for seq, at in enumerate((now - month - minute, now - month + minute, now), 1):
            await run(MESSAGE, id=uuid4(), room=fresh, sender=members[fresh], seq=seq, at=at)
        hours = timedelta(hours=2)
        for kind, until in (("COOLDOWN", now - hours), ("LOST", now + hours), ("BLOCK_BY_LOW", None)):
            await run(BAR, low=user, high=other, kind=kind, until=until, now=now)
        session = uuid4()
        await run(SESSION, id=session, user=user, now=now)
        for number in range(5):
            until = now + timedelta(days=number - 3)
            await run(TOKEN, hash=bytes([number]), session=session, at=now, until=until)
        await run(LIMITS, past=now - timedelta(seconds=1), future=now + hours)

    gone = await purge(reading, now, batch=1)

    assert {table: rows for table, rows in gone.items() if rows} == {
        "rate_limit": 1,
        "pair_bar": 1,
        "refresh_token": 3,
        "ticket": 2,
        "message": 1,
        "member": 1,
        "room": 1,
    }
    assert await purge(reading, now) == dict.fromkeys(RULES, 0)
    async with reading() as connection:
        assert (await connection.execute(text("SELECT id FROM room"))).scalars().all() == [fresh]
        assert (await connection.execute(text("SELECT seq FROM message ORDER BY seq"))).scalars().all() == [2, 3]
        assert sorted((await connection.execute(text("SELECT kind FROM pair_bar"))).scalars()) == [
            "BLOCK_BY_LOW",
            "LOST",
        ]
        assert (await connection.execute(text("SELECT key FROM rate_limit"))).scalars().all() == ["future"]
