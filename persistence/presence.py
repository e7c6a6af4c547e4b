"""Workers and the connections that they hold, in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.presence import Reaped
from persistence.base import UUIDS, Row, Timestamp
from persistence.leases import LEADER


class WorkerRow(Row, table=True):
    """One run of one serving process. Others know by its lease that it lives."""

    __tablename__ = "worker"

    incarnation: UUID = Field(primary_key=True)
    started_at: datetime = Field(sa_type=Timestamp)
    lease_until: datetime = Field(sa_type=Timestamp)
    """By the database's clock; minus infinity while it is reaped."""


class ConnectionRow(Row, table=True):
    """A socket of a user. A user is attached while there is one."""

    __tablename__ = "connection"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    worker: UUID = Field(foreign_key="worker.incarnation", index=True)
    connected_at: datetime = Field(sa_type=Timestamp)


# What a head was before is read from the statement's snapshot, which shows it as it was locked. A head that is as it should be is
# not written: the second tab of somebody on this worker costs one row.
ATTACH = text("""
    WITH added AS (INSERT INTO connection (id, user_id, worker, connected_at)
                   SELECT id, user_id, :worker, :now FROM unnest(:ids, :users) AS new (id, user_id)
                   ON CONFLICT (id) DO NOTHING)
    UPDATE head SET detached_at = NULL, hold_until = NULL,
                    workers = CASE WHEN :worker = ANY(head.workers) THEN head.workers ELSE head.workers || :worker END
    FROM head AS before
    WHERE head.user_id = ANY(:users) AND before.user_id = head.user_id
      AND (head.detached_at IS NOT NULL OR NOT :worker = ANY(head.workers))
    RETURNING head.user_id, before.detached_at IS NOT NULL AS returned
""").bindparams(
    bindparam("ids", type_=UUIDS), bindparam("users", type_=UUIDS), bindparam("worker", type_=PG_UUID(as_uuid=True))
)
# A deleted row is still in the statement's snapshot, so it is left out by its ID.
DETACH = text("""
    WITH removed AS (DELETE FROM connection WHERE id = :id),
         rest AS (SELECT ARRAY(SELECT DISTINCT worker FROM connection WHERE user_id = :user_id AND id <> :id) AS workers)
    UPDATE head SET workers = rest.workers,
                    detached_at = CASE WHEN rest.workers = '{}' THEN coalesce(head.detached_at, :now) END,
                    hold_until = CASE WHEN rest.workers = '{}' AND head.detached_at IS NULL THEN :hold_until
                                      ELSE head.hold_until END
    FROM rest, head AS before
    WHERE head.user_id = :user_id AND before.user_id = head.user_id
      AND (NOT head.workers <@ rest.workers OR head.detached_at IS NULL AND rest.workers = '{}')
    RETURNING rest.workers = '{}' AND before.detached_at IS NULL
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
PROLONG_HOLDS = text(f"""
    UPDATE head SET hold_until = :hold_until
    WHERE user_id IN (SELECT h.user_id FROM head h
                      WHERE h.detached_at IS NOT NULL AND h.hold_until < :hold_until AND {HOLDS_SOMETHING}
                      ORDER BY h.user_id FOR NO KEY UPDATE)
""")  # noqa: S608  # a condition of ours
SHOWN_AWAY = text("""
    SELECT DISTINCT m.user_id FROM member m JOIN head h ON h.user_id = m.user_id
    WHERE m.user_id = ANY(:users) AND m.left_at IS NULL AND m.status = 'AWAY' AND h.detached_at IS NULL
""").bindparams(bindparam("users", type_=UUIDS))
BEGIN_SWEEP = text(f"""
    SELECT clock_timestamp() AS began, (SELECT swept_at FROM lease WHERE name = '{LEADER}') AS swept_at
""")  # noqa: S608  # a name of ours
# Without a lease nobody else could lead, and its row is made here.
END_SWEEP = text(f"""
    INSERT INTO lease (name, holder, expires_at, swept_at) VALUES ('{LEADER}', :worker, :began, :began)
    ON CONFLICT (name) DO UPDATE SET swept_at = greatest(lease.swept_at, excluded.swept_at)
""")  # noqa: S608  # a name of ours
OTHERS = text("SELECT incarnation FROM worker WHERE incarnation <> :worker")
DEAD = text("SELECT incarnation FROM worker WHERE incarnation <> :worker AND lease_until <= clock_timestamp()")
CONDEMN = text("""
    UPDATE worker SET lease_until = '-infinity'
    WHERE incarnation = :worker AND (:dead OR lease_until <= clock_timestamp())
""")
# Shared: several may reap one worker, and whoever registers it again waits for the batch under way.
CONDEMNED = text("SELECT lease_until = '-infinity' FROM worker WHERE incarnation = :worker FOR SHARE")
HELD_BY = text("SELECT DISTINCT user_id FROM connection WHERE worker = :worker ORDER BY user_id LIMIT :limit")
RELEASE = text("""
    WITH gone AS (DELETE FROM connection WHERE worker = :worker AND user_id = ANY(:users) RETURNING user_id),
         rest AS (SELECT user_id, ARRAY(SELECT DISTINCT c.worker FROM connection c
                                        WHERE c.user_id = left_behind.user_id AND c.worker <> :worker) AS workers
                  FROM (SELECT DISTINCT user_id FROM gone) AS left_behind)
    UPDATE head SET workers = rest.workers,
                    detached_at = CASE WHEN rest.workers = '{}' THEN coalesce(head.detached_at, :now) END,
                    hold_until = CASE WHEN rest.workers = '{}' THEN greatest(head.hold_until, :hold_until) END
    FROM rest WHERE head.user_id = rest.user_id
    RETURNING head.user_id, rest.workers = '{}' AS detached
""").bindparams(bindparam("users", type_=UUIDS))
# Who was told of a match is noted a moment later, and what a dead worker had not noted yet is not known any more: presence
# decides about those members from here on. In the order in which everybody locks several members.
REACH = text("""
    UPDATE member SET reached_at = :now
    WHERE id IN (SELECT id FROM member
                 WHERE user_id = ANY(:users) AND room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL
                 ORDER BY room_id, position FOR NO KEY UPDATE)
""").bindparams(bindparam("users", type_=UUIDS))
LOCK_WORKER = text("SELECT FROM worker WHERE incarnation = :worker FOR UPDATE")
BURY = text("""
    DELETE FROM worker WHERE incarnation = :worker AND lease_until = '-infinity'
      AND NOT EXISTS (SELECT FROM connection WHERE worker = :worker)
""")

BATCH = 1000
"""Users looked up or settled at once; the rest come a sweep later."""


class ConnectionRepository:
    """See `ports.Connections`. `worker` is the incarnation of this process; its own row is written by `leases.WorkerLease`.

    A hold is a head with `detached_at` and `hold_until`. Once it has ended with nothing held, `hold_until` becomes null: what the
    sweeps look at is who was detached lately, not everybody who ever was.
    """

    def __init__(self, connection: AsyncConnection, worker: UUID) -> None:
        self._connection = connection
        self._worker = worker

    async def attach(self, connections: Mapping[UUID, UUID], now: datetime) -> Collection[UUID]:
        ids, users = list(connections), list(connections.values())
        values = {"ids": ids, "users": users, "worker": self._worker, "now": now}
        try:
            rows = await self._connection.execute(ATTACH, values)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) == "23503":  # foreign_key_violation: the worker's row is gone.
                raise Reaped from error
            raise
        return [row.user_id for row in rows if row.returned]

    async def detach(self, connection_id: UUID, user_id: UUID, now: datetime, hold_until: datetime) -> bool:
        values = {"id": connection_id, "user_id": user_id, "now": now, "hold_until": hold_until}
        return bool(await self._connection.scalar(DETACH, values))

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

    async def shown_away(self, user_ids: Collection[UUID]) -> Sequence[UUID]:
        return list(await self._connection.scalars(SHOWN_AWAY, {"users": list(user_ids)}))

    async def begin_sweep(self) -> tuple[datetime, timedelta | None]:
        began, swept_at = (await self._connection.execute(BEGIN_SWEEP)).one()
        return began, None if swept_at is None else began - swept_at

    async def end_sweep(self, began: datetime) -> None:
        await self._connection.execute(END_SWEEP, {"worker": self._worker, "began": began})

    async def other_workers(self, *, dead: bool) -> Sequence[UUID]:
        return list(await self._connection.scalars(DEAD if dead else OTHERS, {"worker": self._worker}))

    async def condemn(self, worker: UUID, *, dead: bool) -> None:
        await self._connection.execute(CONDEMN, {"worker": worker, "dead": dead})

    async def condemned(self, worker: UUID) -> bool:
        return bool(await self._connection.scalar(CONDEMNED, {"worker": worker}))

    async def held_by(self, worker: UUID, limit: int) -> Sequence[UUID]:
        return list(await self._connection.scalars(HELD_BY, {"worker": worker, "limit": limit}))

    async def release(
        self, worker: UUID, user_ids: Collection[UUID], now: datetime, hold_until: datetime
    ) -> Collection[UUID]:
        values = {"worker": worker, "users": list(user_ids), "now": now, "hold_until": hold_until}
        detached = [row.user_id for row in await self._connection.execute(RELEASE, values) if row.detached]
        await self._connection.execute(REACH, {"users": detached, "now": now})
        return detached

    async def bury(self, worker: UUID) -> bool:
        await self._connection.execute(LOCK_WORKER, {"worker": worker})
        return (await self._connection.execute(BURY, {"worker": worker})).rowcount > 0
