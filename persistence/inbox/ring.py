"""Tables that forget by themselves: rings of partitions, chosen by the time, of which the next one is always empty.

Rows are not deleted one by one: at thousands of events a second that would cost more than writing them did. A partition that is
written for `seconds` is truncated before its turn comes again, so a ring of n keeps rows for (n - 2) to (n - 1) turns.
"""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, SmallInteger, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from persistence.base import Row, Timestamp

LOCK_MILLISECONDS: Final = 50
"""How long a truncation waits for those who read: everybody else who reads waits behind it."""
BUSY: Final = "55P03"
"""lock_not_available: somebody reads the partition, and the next turn of the job tries again."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A table partitioned by list of `slot`, from 0."""

    table: str
    partitions: int
    seconds: int

    @property
    def slot(self) -> str:
        """SQL for the partition that is written now, by the database's clock, read when the row is written: after the locks."""
        return f"(floor(extract(epoch FROM clock_timestamp()) / {self.seconds})::bigint % {self.partitions})::smallint"

    @property
    def names(self) -> tuple[str, ...]:
        """The partitions, by slot."""
        return tuple(f"{self.table}_{slot}" for slot in range(self.partitions))


EVENTS: Final = Ring("inbox_event", partitions=6, seconds=30)
"""Events are retained for 2 to 2.5 minutes."""
RECEIPTS: Final = Ring("signal_receipt", partitions=4, seconds=300)
"""Client IDs of signals are remembered for 10 to 15 minutes."""
RINGS: Final = (EVENTS, RECEIPTS)


class InboxEventRow(Row, table=True):
    """An event at its place in a user's inbox. No foreign key: the user's head is locked by whoever writes it."""

    __tablename__ = EVENTS.table
    __table_args__ = ({"postgresql_partition_by": "LIST (slot)"},)

    # The key begins with what is looked for: within a partition the slot says nothing.
    user_id: UUID = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    slot: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False))
    previous: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The sequence number of the user's last event of that kind before, 0 for none: so a reader sees that one is missing."""
    at: datetime = Field(sa_type=Timestamp)
    payload: bytes


class SignalReceiptRow(Row, table=True):
    """A signal that was taken under its sender's own ID. Unique by the lock of the sender's head, not by a constraint, which would
    have to contain the slot.
    """

    __tablename__ = RECEIPTS.table
    __table_args__ = ({"postgresql_partition_by": "LIST (slot)"},)

    sender_id: UUID = Field(primary_key=True)
    receiver_id: UUID = Field(primary_key=True)
    client_id: str = Field(primary_key=True)
    slot: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    signal_id: UUID


async def turn(reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> list[str]:
    """Empties every ring's next partition if something is in it, and returns which ones were. Call every few seconds.

    A partition in use by a reader is left for the next call; there are dozens before its turn comes.
    """
    emptied = []
    for ring in RINGS:
        async with reading() as connection:
            slot = await connection.scalar(text(f"SELECT ({ring.slot} + 1) % {ring.partitions}"))
            name = ring.names[int(slot or 0)]
            if await _used(connection, name):
                await _truncate(connection, ring, name)
                if not await _used(connection, name):
                    emptied.append(name)
    return emptied


async def _used(connection: AsyncConnection, name: str) -> bool:
    return bool(await connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})")))  # noqa: S608  # names of ours


async def _truncate(connection: AsyncConnection, ring: Ring, name: str) -> None:
    # One statement, so that neither the limit nor the lock outlasts it; the slot is looked at again under the lock: a process that
    # stood still between the two would throw away what is written now.
    statement = f"""
        DO $$ BEGIN
            SET LOCAL lock_timeout = {LOCK_MILLISECONDS};
            LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE;
            IF ({ring.slot} + 1) % {ring.partitions} = {ring.names.index(name)} THEN TRUNCATE {name}; END IF;
        END $$
    """
    try:
        await connection.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != BUSY:
            raise
