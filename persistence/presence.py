"""Workers and the connections that they hold, in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from persistence.base import Row, Timestamp


class WorkerRow(Row, table=True):
    """One run of one serving process. Others would know by its lease that it lives; in this version there are none."""

    __tablename__ = "worker"

    incarnation: UUID = Field(primary_key=True)
    started_at: datetime = Field(sa_type=Timestamp)
    lease_until: datetime = Field(sa_type=Timestamp)


class ConnectionRow(Row, table=True):
    """A socket of a user. A user is attached while there is one."""

    __tablename__ = "connection"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    worker: UUID = Field(foreign_key="worker.incarnation", index=True)
    connected_at: datetime = Field(sa_type=Timestamp)


ATTACH = text("""
    WITH added AS (INSERT INTO connection (id, user_id, worker, connected_at) VALUES (:id, :user_id, :worker, :now)
                   ON CONFLICT (id) DO NOTHING)
    UPDATE head SET detached_at = NULL, hold_until = NULL WHERE user_id = :user_id AND detached_at IS NOT NULL
""")
# The deleted row is still in the statement's snapshot, so it is left out by its ID.
DETACH = text("""
    WITH removed AS (DELETE FROM connection WHERE id = :id)
    UPDATE head SET detached_at = :now, hold_until = :hold_until
    WHERE user_id = :user_id AND detached_at IS NULL
      AND NOT EXISTS (SELECT FROM connection WHERE user_id = :user_id AND id <> :id)
""")
ATTACHED = text("SELECT EXISTS (SELECT FROM connection WHERE user_id = :user_id)")
HOLD = text("SELECT detached_at, hold_until FROM head WHERE user_id = :user_id AND detached_at IS NOT NULL")
# Without a hold nothing was held so far: what is held now was taken now.
KEEP = text("""
    UPDATE head SET detached_at = CASE WHEN hold_until IS NULL THEN :now ELSE detached_at END,
                    hold_until = greatest(hold_until, :hold_until)
    WHERE user_id = :user_id AND NOT EXISTS (SELECT FROM connection WHERE user_id = :user_id)
""")
AWAY = text("""
    SELECT h.user_id FROM head h
    WHERE h.detached_at <= :before AND h.hold_until IS NOT NULL
      AND EXISTS (SELECT FROM member m WHERE m.user_id = h.user_id AND m.left_at IS NULL AND m.status = 'ONLINE')
    ORDER BY h.detached_at LIMIT :limit
""")
HOLDS_SOMETHING = """(EXISTS (SELECT FROM member m WHERE m.user_id = h.user_id AND m.left_at IS NULL)
           OR EXISTS (SELECT FROM ticket t WHERE t.user_id = h.user_id AND t.status = 'WAITING'))"""
LOST = text("""
    SELECT h.user_id FROM head h
    WHERE h.detached_at IS NOT NULL AND h.hold_until <= :now
      AND EXISTS (SELECT FROM member m WHERE m.user_id = h.user_id AND m.left_at IS NULL)
    ORDER BY h.hold_until LIMIT :limit
""")
# Skipped heads are in use by somebody who knows better, and are looked at again the next time.
SETTLE = text(f"""
    UPDATE head SET hold_until = NULL
    WHERE user_id IN (SELECT h.user_id FROM head h
                      WHERE h.detached_at IS NOT NULL AND h.hold_until <= :now AND NOT {HOLDS_SOMETHING}
                      LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
""")  # noqa: S608  # a condition of ours
REGISTER = text("INSERT INTO worker (incarnation, started_at, lease_until) VALUES (:worker, :now, :lease_until)")
RENEW = text("UPDATE worker SET lease_until = :lease_until WHERE incarnation = :worker")
PAUSE_ORPHANS = text("""
    UPDATE ticket SET paused = TRUE, changed_at = clock_timestamp()
    WHERE status = 'WAITING' AND NOT paused AND NOT EXISTS
          (SELECT FROM connection c WHERE c.user_id = ticket.user_id AND c.worker = :worker)
""")
DETACH_ORPHANS = text("""
    UPDATE head SET detached_at = :now, hold_until = :hold_until
    WHERE detached_at IS NULL AND NOT EXISTS
          (SELECT FROM connection c WHERE c.user_id = head.user_id AND c.worker = :worker)
""")
PROLONG_HOLDS = text(f"""
    UPDATE head SET hold_until = :hold_until
    WHERE user_id IN (SELECT h.user_id FROM head h
                      WHERE h.detached_at IS NOT NULL AND h.hold_until < :hold_until AND {HOLDS_SOMETHING}
                      ORDER BY h.user_id FOR NO KEY UPDATE)
""")  # noqa: S608  # a condition of ours
# Who was told of a match is noted a moment later, and what a dead worker had not noted yet is not known any more: presence
# decides about those members from here on.
REACH_ORPHANS = text("""
    UPDATE member SET reached_at = :now
    WHERE room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL AND NOT EXISTS
          (SELECT FROM connection c WHERE c.user_id = member.user_id AND c.worker = :worker)
""")
REMOVE_ORPHANS = text("DELETE FROM connection WHERE worker <> :worker")
REMOVE_WORKERS = text("DELETE FROM worker WHERE incarnation <> :worker")

BATCH = 1000
"""Users looked up or settled at once; the rest come a sweep later."""


class ConnectionRepository:
    """See `ports.Connections`. `worker` is the incarnation of this process.

    A hold is a head with `detached_at` and `hold_until`. Once it has ended with nothing held, `hold_until` becomes null: what the
    sweeps look at is who was detached lately, not everybody who ever was.
    """

    def __init__(self, connection: AsyncConnection, worker: UUID) -> None:
        self._connection = connection
        self._worker = worker

    async def attach(self, connection_id: UUID, user_id: UUID, now: datetime) -> bool:
        values = {"id": connection_id, "user_id": user_id, "worker": self._worker, "now": now}
        return (await self._connection.execute(ATTACH, values)).rowcount > 0

    async def detach(self, connection_id: UUID, user_id: UUID, now: datetime, hold_until: datetime) -> bool:
        values = {"id": connection_id, "user_id": user_id, "now": now, "hold_until": hold_until}
        return (await self._connection.execute(DETACH, values)).rowcount > 0

    async def attached(self, user_id: UUID) -> bool:
        return bool(await self._connection.scalar(ATTACHED, {"user_id": user_id}))

    async def away(self, before: datetime) -> Sequence[UUID]:
        return list(await self._connection.scalars(AWAY, {"before": before, "limit": BATCH}))

    async def lost(self, now: datetime) -> Sequence[UUID]:
        return list(await self._connection.scalars(LOST, {"now": now, "limit": BATCH}))

    async def hold(self, user_id: UUID) -> tuple[datetime, datetime] | None:
        row = (await self._connection.execute(HOLD, {"user_id": user_id})).one_or_none()
        return None if row is None else (row.detached_at, row.hold_until or row.detached_at)

    async def keep(self, user_id: UUID, now: datetime, hold_until: datetime) -> None:
        await self._connection.execute(KEEP, {"user_id": user_id, "now": now, "hold_until": hold_until})

    async def settle(self, now: datetime) -> None:
        await self._connection.execute(SETTLE, {"now": now, "limit": BATCH})

    async def prolong_holds(self, hold_until: datetime) -> None:
        await self._connection.execute(PROLONG_HOLDS, {"hold_until": hold_until})

    async def register_worker(self, now: datetime, lease_until: datetime) -> None:
        await self._connection.execute(REGISTER, {"worker": self._worker, "now": now, "lease_until": lease_until})

    async def renew_worker(self, lease_until: datetime) -> None:
        await self._connection.execute(RENEW, {"worker": self._worker, "lease_until": lease_until})

    async def release_worker(self, now: datetime, hold_until: datetime) -> None:
        mine = {"worker": self._worker}
        await self._connection.execute(PAUSE_ORPHANS, mine)
        await self.prolong_holds(hold_until)
        await self._connection.execute(DETACH_ORPHANS, mine | {"now": now, "hold_until": hold_until})
        await self._connection.execute(REACH_ORPHANS, mine | {"now": now})
        await self._connection.execute(REMOVE_ORPHANS, mine)
        await self._connection.execute(REMOVE_WORKERS, mine)
