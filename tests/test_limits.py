"""Rate limits that hold across workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import Interval, bindparam, text

from domain.errors import RateLimited
from persistence.database import Database
from persistence.directory import CachedRooms
from persistence.inbox.memory import MemoryInbox
from persistence.limits import NoRateLimits, PostgresRateLimits
from persistence.transcript import RecentMessages

HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of the test's own."""
    clock = partial(datetime.now, UTC)
    inbox = MemoryInbox(clock=clock, hint=lambda _: None)
    opened = Database(
        database_url, outbox=inbox, cache=CachedRooms(), messages=RecentMessages(), worker=uuid4(), clock=clock
    )
    yield opened
    await opened.close()


async def pass_time(database: Database, time: timedelta) -> None:
    """Moves every limit so much into the past."""
    earlier = text("UPDATE rate_limit SET full_at = full_at - :time").bindparams(bindparam("time", type_=Interval))
    async with database.reading() as connection:
        await connection.execute(earlier, {"time": time})


async def taken(limits: PostgresRateLimits, key: str, tries: int, burst: int, period: timedelta = HOUR) -> int:
    """How many of so many tries one after the other succeed."""
    count = 0
    for _ in range(tries):
        try:
            await limits.take(key, burst=burst, period=period)
        except RateLimited:
            continue
        count += 1
    return count


@pytest.mark.parametrize("burst", [1, 3, 6, 7, 20])
async def test_a_whole_burst_is_there_at_once_and_no_more(database: Database, burst: int) -> None:
    """A class behind one address signs in together, whatever number does not divide the period evenly."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "class", burst + 3, burst) == burst
    assert await taken(limits, "seconds", burst + 3, burst, timedelta(seconds=1000)) == burst


async def test_exactly_the_burst_succeeds_of_fifty_at_once(database: Database) -> None:
    """Whoever floods over fifty connections gets no more than whoever asks politely."""
    limits = PostgresRateLimits(database.reading)
    tries = (limits.take("flood", burst=20, period=HOUR) for _ in range(50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [result for result in results if result is not None]
    assert len(refused) == 30
    assert all(isinstance(result, RateLimited) and 0 < result.retry_after <= 180 for result in refused)


async def test_whoever_waits_as_told_is_served(database: Database) -> None:
    """`retryAfter` is a promise: the client shows a countdown and then tries again, once."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "key", 4, 4) == 4
    with pytest.raises(RateLimited) as refused:
        await limits.take("key", burst=4, period=HOUR)
    wait = timedelta(seconds=refused.value.retry_after)
    assert timedelta(minutes=14, seconds=30) < wait <= timedelta(minutes=15)
    await pass_time(database, wait - timedelta(minutes=1))
    with pytest.raises(RateLimited):
        await limits.take("key", burst=4, period=HOUR)
    await pass_time(database, timedelta(minutes=1))
    assert await taken(limits, "key", 2, 4) == 1


async def test_a_limit_refills_and_never_above_its_burst(database: Database) -> None:
    """After a quiet night the network has its burst again, and not one saved up for the whole night."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "key", 10, 4) == 4
    await pass_time(database, timedelta(minutes=30))
    assert await taken(limits, "key", 10, 4) == 2
    await pass_time(database, timedelta(days=1))
    assert await taken(limits, "key", 10, 4) == 4


async def test_keys_do_not_share(database: Database) -> None:
    """One flooded network locks nobody else out."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "one", 5, 3) == 3
    assert await taken(limits, "other", 5, 3) == 3


async def test_a_refusal_takes_nothing(database: Database) -> None:
    """Asking in vain does not lengthen the wait."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "key", 10, 10) == 10
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            await limits.take("key", burst=10, period=HOUR)
        assert 350 < refused.value.retry_after <= 360


async def refused(limits: PostgresRateLimits, key: str, burst: int) -> float | None:
    """The `retryAfter` with which a check refuses, None when it does not."""
    try:
        await limits.check(key, burst=burst, period=HOUR)
    except RateLimited as refusal:
        return refusal.retry_after
    return None


@pytest.mark.parametrize("burst", [1, 3, 7, 10])
async def test_a_check_refuses_exactly_when_taking_would(database: Database, burst: int) -> None:
    """Whoever may fail ten times gets ten answers: neither nine nor eleven."""
    limits = PostgresRateLimits(database.reading)
    for _ in range(burst):
        assert await refused(limits, "key", burst) is None
        assert await taken(limits, "key", 1, burst) == 1
    assert await refused(limits, "key", burst) is not None
    assert await taken(limits, "key", 1, burst) == 0


async def test_checking_takes_nothing(database: Database) -> None:
    """What costs only when it fails may be done without end."""
    limits = PostgresRateLimits(database.reading)
    for _ in range(50):
        assert await refused(limits, "key", 4) is None
    assert await taken(limits, "key", 10, 4) == 4
    for _ in range(50):
        assert await refused(limits, "key", 4) is not None
    await pass_time(database, timedelta(minutes=15))
    assert await taken(limits, "key", 10, 4) == 1


async def test_whoever_waits_as_a_check_said_is_served(database: Database) -> None:
    """`retryAfter` means the same wherever it is said."""
    limits = PostgresRateLimits(database.reading)
    assert await taken(limits, "key", 4, 4) == 4
    wait = await refused(limits, "key", 4)
    assert wait is not None
    assert 14.5 * 60 < wait <= 15 * 60
    await pass_time(database, timedelta(seconds=wait, minutes=-1))
    assert await refused(limits, "key", 4) is not None
    await pass_time(database, timedelta(minutes=1))
    assert await refused(limits, "key", 4) is None


async def test_limits_that_are_off_refuse_nobody() -> None:
    """Who measures their own server is not stopped by it."""
    for _ in range(100):
        await NoRateLimits().take("key", burst=1, period=HOUR)
        await NoRateLimits().check("key", burst=1, period=HOUR)
