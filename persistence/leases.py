"""Leases: what one worker at a time does, by the database's clock. A frozen process loses its lease, where it would keep a lock."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlmodel import Field

from domain.errors import Unavailable
from persistence.base import Row, Timestamp
from persistence.driver import FAULTS

LEADER_TERM: Final = timedelta(seconds=1)
WORKER_TERM: Final = timedelta(seconds=10)
CONNECT_SECONDS: Final = 3.0
LEADER_PATIENCE_SECONDS: Final = 0.4
"""A renewal that takes longer is given up, so that another one fits into the term."""
WORKER_PATIENCE_SECONDS: Final = 2.0


class LeaseRow(Row, table=True):
    """Who leads, until when, and since when nobody swept."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: UUID
    expires_at: datetime = Field(sa_type=Timestamp)
    swept_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When the leader's last sweep over people who are not there began that succeeded."""


LEADER: Final = "leader"
"""The name of the one row."""

PREPARE = f"""
    INSERT INTO lease (name, holder, expires_at) VALUES ('{LEADER}', $1, clock_timestamp()) ON CONFLICT (name) DO NOTHING
"""  # noqa: S608  # a name of ours
# Where two are at it, the second waits for the first and then sees that the lease is taken. The rest of the statement sees the row
# as it was before: what it says matters to those only who did not change it. A term that ends later than any can is of a clock that
# was set back since, and its holder may be dead.
LEAD = f"""
    WITH taken AS (UPDATE lease SET holder = $1, expires_at = clock_timestamp() + $2::interval
                   WHERE name = '{LEADER}' AND (holder = $1 OR expires_at <= clock_timestamp()
                                                OR expires_at > clock_timestamp() + 2 * $2::interval)
                   RETURNING name)
    SELECT EXISTS (SELECT FROM taken) AS leads,
           extract(epoch FROM expires_at - clock_timestamp())::float8 AS remaining
    FROM lease WHERE name = '{LEADER}'
"""  # noqa: S608  # a name of ours
RESIGN = f"UPDATE lease SET expires_at = clock_timestamp() WHERE name = '{LEADER}' AND holder = $1"  # noqa: S608  # a name of ours

REGISTER = """
    INSERT INTO worker (incarnation, started_at, lease_until)
    VALUES ($1, clock_timestamp(), clock_timestamp() + $2::interval)
    ON CONFLICT (incarnation) DO UPDATE SET lease_until = excluded.lease_until
    RETURNING clock_timestamp() AS now
"""
# One that is being reaped has lost connections already: it counts as gone.
RENEW = """
    UPDATE worker SET lease_until = clock_timestamp() + $2::interval
    WHERE incarnation = $1 AND lease_until > '-infinity' RETURNING clock_timestamp() AS now
"""
RELEASE = """
    UPDATE worker SET lease_until = clock_timestamp() WHERE incarnation = $1 AND lease_until > clock_timestamp()
"""


class _Direct:
    """A connection of its own, which waits for no pool and is made anew after whatever went wrong with it."""

    def __init__(
        self, dsn: str, name: str, patience: float, prepare: tuple[str, tuple[object, ...]] | None = None
    ) -> None:
        self._dsn = dsn
        self._name = name
        self._patience = patience
        self._prepare = prepare
        self._connection: asyncpg.Connection | None = None

    async def row(self, statement: str, *values: object) -> asyncpg.Record | None:
        """The first row of what the statement answers, or None. Raises `Unavailable`."""
        try:
            connection = await self._connected()
            return await connection.fetchrow(statement, *values, timeout=self._patience)
        except FAULTS as error:
            self.close()
            raise Unavailable from error
        except BaseException:
            self.close()  # Cancelled in the middle: what comes next would read its answer.
            raise

    async def connect(self) -> None:
        """Connects unless it is: for who measures how long an answer takes. Raises `Unavailable`."""
        try:
            await self._connected()
        except FAULTS as error:
            raise Unavailable from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> asyncpg.Connection:
        # A lease that a crash of PostgreSQL takes back harms nobody, and a slow disk must not cost it.
        settings = {
            "application_name": self._name,
            "statement_timeout": str(int(1000 * self._patience)),
            "synchronous_commit": "off",
            "jit": "off",
        }
        connection = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS, server_settings=settings)
        if self._prepare is not None:
            statement, values = self._prepare
            try:
                await connection.execute(statement, *values, timeout=self._patience)
            except BaseException:
                connection.terminate()
                raise
        return connection


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of asking for the leader's lease. `remaining` is how many seconds another holder has left."""

    leads: bool
    remaining: float


class LeaderLease:
    """The one lease over what only one worker shall do. It has a term of `LEADER_TERM`.

    Every method raises `Unavailable` when the database does not answer, and the next call connects again.
    """

    def __init__(self, dsn: str, worker: UUID) -> None:
        self._worker = worker
        self._direct = _Direct(dsn, f"parley lease {worker}", LEADER_PATIENCE_SECONDS, (PREPARE, (worker,)))

    async def claim(self) -> Claim:
        """Takes the lease if it is free, and renews it if it is held already: for a term, from some moment after the call."""
        row = await self._direct.row(LEAD, self._worker, LEADER_TERM)
        if row is None:  # Somebody deleted it: connecting makes it anew.
            self._direct.close()
            raise Unavailable
        return Claim(row["leads"], row["remaining"])

    async def resign(self) -> None:
        """Gives the lease up if it is held: whoever asks next has it."""
        await self._direct.row(RESIGN, self._worker)

    def close(self) -> None:
        """Closes the connection."""
        self._direct.close()


class WorkerLease:
    """A worker's row, which says that the process lives. It has a term of `WORKER_TERM`.

    `observed` is told the database's time, and how many seconds it took to come. Every method raises `Unavailable` when the
    database does not answer, and the next call connects again.
    """

    def __init__(
        self,
        dsn: str,
        worker: UUID,
        *,
        observed: Callable[[datetime, float], None] = lambda *_: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker = worker
        self._observed = observed
        self._monotonic = monotonic
        self._direct = _Direct(dsn, f"parley worker {worker}", WORKER_PATIENCE_SECONDS)
        self._turn = asyncio.Lock()

    async def register(self) -> None:
        """Enters this process as a worker: its connections need that. Once more is a renewal, and ends a reaping under way."""
        await self._extended(REGISTER)

    async def renew(self) -> bool:
        """Renews the lease; returns whether there was one. If not, the worker was reaped, and its connections with it."""
        return await self._extended(RENEW)

    async def release(self) -> None:
        """Ends the lease: what this worker still holds is released as soon as somebody looks."""
        async with self._turn:
            await self._direct.row(RELEASE, self._worker)

    def close(self) -> None:
        """Closes the connection."""
        self._direct.close()

    async def _extended(self, statement: str) -> bool:
        async with self._turn:
            await self._direct.connect()
            began = self._monotonic()
            row = await self._direct.row(statement, self._worker, WORKER_TERM)
            if row is not None:
                self._observed(row["now"], self._monotonic() - began)
            return row is not None
