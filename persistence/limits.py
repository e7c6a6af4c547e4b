"""Rate limits that hold across workers: GCRA in one statement on PostgreSQL."""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.errors import RateLimited
from persistence.base import Row, Timestamp


class RateLimitRow(Row, table=True):
    """One limited thing. `full_at` is GCRA's theoretical arrival time: when the whole burst is available again."""

    __tablename__ = "rate_limit"

    key: str = Field(primary_key=True)
    full_at: datetime = Field(sa_type=Timestamp, index=True)


# `excluded.full_at - :cost` is the statement's own reading of the clock, taken once. Nothing is returned by the INSERT when the
# WHERE refuses; `held` is then as it was when the statement began, or missing if the row was made while it waited.
_TAKE = text(
    """
    WITH taken AS (
        INSERT INTO rate_limit AS held (key, full_at) VALUES (:key, clock_timestamp() + :cost)
        ON CONFLICT (key) DO UPDATE SET full_at = greatest(held.full_at, excluded.full_at - :cost) + :cost
        WHERE greatest(held.full_at, excluded.full_at - :cost) - (excluded.full_at - :cost) <= :spare
        RETURNING full_at
    )
    SELECT EXISTS (SELECT FROM taken), full_at - clock_timestamp()
    FROM (VALUES (1)) AS always LEFT JOIN rate_limit ON key = :key
    """
).bindparams(bindparam("cost", type_=Interval), bindparam("spare", type_=Interval))


_MISSING = text("SELECT full_at - :spare - clock_timestamp() FROM rate_limit WHERE key = :key").bindparams(
    bindparam("spare", type_=Interval)
)


class PostgresRateLimits:
    """`ports.RateLimits` for all workers on one database: GCRA (ITU-T I.371) in one statement, by the database's clock.

    Takers of one key follow each other through its row, so exactly `burst` of any number at once succeed.
    """

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        """`reading` gives a connection in autocommit: `Database.reading`."""
        self._reading = reading

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        cost = _cost(burst, period)
        spare = cost * (burst - 1)
        values = {"key": key, "cost": cost, "spare": spare}
        async with self._reading() as connection:
            taken, full_in = (await connection.execute(_TAKE, values)).one()
        if not taken:
            wait = timedelta() if full_in is None else full_in - spare
            if wait <= timedelta():  # Emptied by others while this one waited for the row.
                wait = cost
            raise RateLimited(math.ceil(wait / timedelta(milliseconds=1)) / 1000)

    async def check(self, key: str, *, burst: int, period: timedelta) -> None:
        spare = _cost(burst, period) * (burst - 1)
        async with self._reading() as connection:
            wait = await connection.scalar(_MISSING, {"key": key, "spare": spare})
        if wait is not None and wait > timedelta():
            raise RateLimited(math.ceil(wait / timedelta(milliseconds=1)) / 1000)


def _cost(burst: int, period: timedelta) -> timedelta:
    """Microseconds are whole: rounded down, `burst` of them fit into the period."""
    return timedelta(microseconds=period // timedelta(microseconds=1) // burst)


class NoRateLimits:
    """`ports.RateLimits` that never refuse: `PARLEY_RATE_LIMITS=off`, for load tests."""

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        """Returns at once."""

    async def check(self, key: str, *, burst: int, period: timedelta) -> None:
        """Returns at once."""
