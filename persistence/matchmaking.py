"""Tickets, barred pairs and the matcher's bulk statements in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, String, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.matchmaking.commit import NewMatch, PairFacts
from domain.matchmaking.pool import PoolTicket
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, Ticket, TicketStatus
from persistence.base import UUIDS, Row, Timestamp


class TicketRow(Row, table=True):
    """A place in the queue. `changed_at` is what the matcher follows, never `enqueued_at`: a re-queued ticket keeps that."""

    __tablename__ = "ticket"
    __table_args__ = (
        Index("uq_ticket_waiting_user", "user_id", unique=True, postgresql_where=text("status = 'WAITING'")),
        Index("ix_ticket_user_id", "user_id"),  # For the deletion of accounts, and their foreign key.
        Index("ix_ticket_changed_at", "changed_at"),
        Index("ix_ticket_matched_at", "matched_at", postgresql_where=text("matched_at IS NOT NULL")),
        CheckConstraint("status IN ('WAITING', 'MATCHED', 'CANCELLED', 'EXPIRED')", name="status"),
        CheckConstraint("(status = 'MATCHED') = (room_id IS NOT NULL)", name="room_of_match"),
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id")
    status: str
    mode: str
    interests: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    languages: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    patience: int
    enqueued_at: datetime = Field(sa_type=Timestamp)
    widens_at: datetime = Field(sa_type=Timestamp)
    changed_at: datetime = Field(sa_type=Timestamp)
    joined_at: datetime = Field(sa_type=Timestamp)
    """When this row was made: later than `enqueued_at` for a re-queued ticket."""
    matched_at: datetime | None = Field(default=None, sa_type=Timestamp)
    paused: bool
    """True while the user is detached."""
    attended: bool
    """Whether the user was attached at any time since joining."""
    room_id: UUID | None = Field(default=None, foreign_key="room.id", index=True)


class PairBarRow(Row, table=True):
    """Two users who shall not meet until `until` (null: for ever). `low_id` < `high_id`; a lifted bar ends at once, and ended ones
    are purged later.
    """

    __tablename__ = "pair_bar"
    __table_args__ = (
        CheckConstraint("low_id < high_id", name="ordered"),
        CheckConstraint("kind IN ('COOLDOWN', 'LOST', 'BLOCK_BY_LOW', 'BLOCK_BY_HIGH')", name="kind"),
        Index("ix_pair_bar_changed_at", "changed_at"),
        Index("ix_pair_bar_until", "until"),
    )

    low_id: UUID = Field(primary_key=True)
    high_id: UUID = Field(primary_key=True, index=True)
    kind: str = Field(primary_key=True)
    until: datetime | None = Field(default=None, sa_type=Timestamp)
    changed_at: datetime = Field(sa_type=Timestamp)


NAMES = ARRAY(String)
TICKET = "id, user_id, status, mode, interests, languages, patience, enqueued_at, widens_at, room_id"
"""Columns in the order in which `_ticket` reads them. `changed_at` is always the database's time, the one clock that all
workers share, and taken when the row is written: after the wait for locks."""

WAITING = text(f"SELECT {TICKET} FROM ticket WHERE user_id = :user_id AND status = 'WAITING'")  # noqa: S608  # ours
WAITING_OF = text(
    f"SELECT {TICKET} FROM ticket WHERE user_id = ANY(:users) AND status = 'WAITING' ORDER BY user_id"  # noqa: S608  # ours
).bindparams(bindparam("users", type_=UUIDS))
OF_ROOM = text(f"SELECT {TICKET} FROM ticket WHERE room_id = :room_id AND user_id = :user_id")  # noqa: S608  # ours
ADD = text("""
    INSERT INTO ticket (id, user_id, status, mode, interests, languages, patience, enqueued_at, widens_at, room_id,
                        changed_at, joined_at, paused, attended)
    VALUES (:id, :user_id, :status, :mode, :interests, :languages, :patience, :enqueued_at, :widens_at, :room_id,
            clock_timestamp(), :now, NOT :attached, :attached)
""").bindparams(bindparam("interests", type_=NAMES), bindparam("languages", type_=NAMES))
SAVE = text("""
    UPDATE ticket SET status = :status, mode = :mode, interests = :interests, languages = :languages, patience = :patience,
                      widens_at = :widens_at, room_id = :room_id, changed_at = clock_timestamp()
    WHERE id = :id
""").bindparams(bindparam("interests", type_=NAMES), bindparam("languages", type_=NAMES))
PAUSE = text("""
    UPDATE ticket SET paused = :paused, attended = attended OR NOT :paused, changed_at = clock_timestamp()
    WHERE user_id = ANY(:users) AND status = 'WAITING' AND (paused <> :paused OR NOT attended)
""").bindparams(bindparam("users", type_=UUIDS))
POOL_TICKET = "id, user_id, mode, interests, languages, enqueued_at, widens_at, NOT paused"
# A change is stamped when it is written and seen when it is committed, which takes seconds when a disk or a process stands still:
# only what is older than the oldest transaction under way is all there. Somebody's backup of an hour does not count.
SETTLED_TIME = text("""
    SELECT least(clock_timestamp(), CASE WHEN count(xact_start) > 0 THEN
                 greatest(min(xact_start), clock_timestamp() - interval '60 seconds') END)
    FROM pg_stat_get_activity(NULL) WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid <> pg_backend_pid() AND backend_type = 'client backend'
""")
ALL_WAITING = text(f"SELECT {POOL_TICKET} FROM ticket WHERE status = 'WAITING'")  # noqa: S608  # ours
CHANGED = text(f"SELECT {POOL_TICKET} FROM ticket WHERE changed_at >= :since AND status = 'WAITING'")  # noqa: S608  # ours
ENDED = text("SELECT id FROM ticket WHERE changed_at >= :since AND status <> 'WAITING'")
UNATTENDED = """
    SELECT t.user_id, t.attended
    FROM ticket t JOIN head h ON h.user_id = t.user_id
    WHERE t.status = 'WAITING'
      AND CASE WHEN t.attended THEN h.detached_at IS NOT NULL AND h.hold_until <= :now ELSE t.joined_at <= :joined END
      AND NOT EXISTS (SELECT FROM connection c WHERE c.user_id = t.user_id)
"""
ALL_UNATTENDED = text(UNATTENDED)
UNATTENDED_USER = text(f"{UNATTENDED} AND t.user_id = :user_id")

NEVER_ATTENDED_WAITS = timedelta(seconds=30)
"""How long somebody who joined has to open a first connection."""


class TicketRepository:
    """See `ports.Tickets`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def waiting(self, user_id: UUID) -> Ticket | None:
        row = (await self._connection.execute(WAITING, {"user_id": user_id})).one_or_none()
        return None if row is None else _ticket(row)

    async def waiting_of(self, user_ids: Collection[UUID]) -> Sequence[Ticket]:
        return [_ticket(row) for row in (await self._connection.execute(WAITING_OF, {"users": list(user_ids)})).all()]

    async def of_room(self, room_id: UUID, user_id: UUID) -> Ticket | None:
        row = (await self._connection.execute(OF_ROOM, {"room_id": room_id, "user_id": user_id})).one_or_none()
        return None if row is None else _ticket(row)

    async def add(self, ticket: Ticket, now: datetime, *, attached: bool) -> None:
        values = _values(ticket) | {"user_id": ticket.user_id, "enqueued_at": ticket.enqueued_at}
        await self._connection.execute(ADD, values | {"now": now, "attached": attached})

    async def save(self, ticket: Ticket) -> None:
        await self._connection.execute(SAVE, _values(ticket))

    async def pause(self, user_ids: Collection[UUID], *, paused: bool) -> None:
        await self._connection.execute(PAUSE, {"users": list(user_ids), "paused": paused})

    async def changed_since(self, since: datetime | None) -> tuple[datetime, Sequence[PoolTicket], Sequence[UUID]]:
        # In a statement before: what was under way then and is committed meanwhile is seen by the next.
        time = (await self._connection.execute(SETTLED_TIME)).scalar_one()
        if since is None:
            return time, [_pool_ticket(row) for row in (await self._connection.execute(ALL_WAITING)).all()], ()
        # Those that wait first: one that ends in between is then in both, and its end counts.
        waiting = (await self._connection.execute(CHANGED, {"since": since})).all()
        ended = (await self._connection.execute(ENDED, {"since": since})).all()
        return time, [_pool_ticket(row) for row in waiting], [row[0] for row in ended]

    async def unattended(self, now: datetime) -> Sequence[UUID]:
        rows = await self._connection.execute(ALL_UNATTENDED, {"now": now, "joined": now - NEVER_ATTENDED_WAITS})
        return [row.user_id for row in rows]

    async def overdue(self, user_id: UUID, now: datetime) -> QueueLeaveReason | None:
        values = {"now": now, "joined": now - NEVER_ATTENDED_WAITS, "user_id": user_id}
        row = (await self._connection.execute(UNATTENDED_USER, values)).one_or_none()
        if row is None:
            return None
        return QueueLeaveReason.CONNECTION_LOST if row.attended else QueueLeaveReason.EXPIRED


RAISE_BAR = text("""
    INSERT INTO pair_bar (low_id, high_id, kind, until, changed_at) VALUES (:low, :high, :kind, :until, clock_timestamp())
    ON CONFLICT (low_id, high_id, kind) DO UPDATE SET
        until = CASE WHEN pair_bar.until IS NULL OR excluded.until IS NULL THEN NULL
                     ELSE greatest(pair_bar.until, excluded.until) END,
        changed_at = excluded.changed_at
""")
# It stays for a while as one that ended: the matcher learns of changes, not of what is missing.
LIFT_BAR = text("""
    UPDATE pair_bar SET until = :now, changed_at = clock_timestamp()
    WHERE low_id = :low AND high_id = :high AND kind = :kind AND (until IS NULL OR until > :now)
""")
BARS = """
    SELECT low_id, high_id, CASE WHEN bool_or(until IS NULL) THEN NULL ELSE max(until) END AS until
    FROM pair_bar JOIN ({pairs}) AS touched USING (low_id, high_id)
    GROUP BY low_id, high_id
"""
BARS_OF_USERS = """
    SELECT low_id, high_id FROM pair_bar WHERE low_id = ANY(:users)
    UNION SELECT low_id, high_id FROM pair_bar WHERE high_id = ANY(:users)
"""
BARS_TOUCHING = text(BARS.format(pairs=BARS_OF_USERS)).bindparams(bindparam("users", type_=UUIDS))
BARS_CHANGED_OR_TOUCHING = text(
    BARS.format(pairs=f"SELECT low_id, high_id FROM pair_bar WHERE changed_at >= :since UNION {BARS_OF_USERS}")  # noqa: S608  # ours
).bindparams(bindparam("users", type_=UUIDS))


class BarRepository:
    """See `ports.Bars`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def raise_bar(self, one: UUID, other: UUID, kind: str, until: datetime | None) -> None:
        low, high = sorted((one, other))
        await self._connection.execute(RAISE_BAR, {"low": low, "high": high, "kind": kind, "until": until})

    async def lift_bar(self, one: UUID, other: UUID, kind: str, now: datetime) -> None:
        low, high = sorted((one, other))
        await self._connection.execute(LIFT_BAR, {"low": low, "high": high, "kind": kind, "now": now})

    async def changed_since(
        self, since: datetime | None, users: Collection[UUID]
    ) -> Sequence[tuple[UUID, UUID, datetime | None]]:
        if since is None:
            rows = await self._connection.execute(BARS_TOUCHING, {"users": list(users)})
        else:
            rows = await self._connection.execute(BARS_CHANGED_OR_TOUCHING, {"since": since, "users": list(users)})
        return [(row[0], row[1], row[2]) for row in rows]


# Given to the driver as they are: taking hundreds of values through SQLAlchemy's parameters cost as much as the statements.
# Not EXISTS, for which the planner likes to read the whole table of connections, or of members, into a hash.
FACTS: Final = f"""
    SELECT {TICKET},
           (SELECT TRUE FROM connection c WHERE c.user_id = t.user_id LIMIT 1) IS NOT NULL AS attached,
           EXISTS (SELECT FROM suspension s
                   WHERE (s.user_id = t.user_id OR s.device_id = (SELECT a.device_id FROM account a WHERE a.id = t.user_id))
                     AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > $2)) AS suspended,
           (SELECT TRUE FROM member m
            WHERE m.user_id = t.user_id AND m.room_kind = 'MATCH' AND m.left_at IS NULL LIMIT 1) IS NOT NULL AS seated
    FROM ticket t WHERE id = ANY($1::uuid[])
"""  # noqa: S608  # columns of ours
BARS_IN_FORCE: Final = """
    SELECT low_id, high_id, CASE WHEN bool_or(until IS NULL) THEN NULL ELSE max(until) END AS until
    FROM pair_bar JOIN unnest($1::uuid[], $2::uuid[]) AS pair (low, high) ON low_id = low AND high_id = high
    WHERE until IS NULL OR until > $3
    GROUP BY low_id, high_id
"""
# One statement, for each costs a round trip while everybody in the batch is locked. Foreign keys are checked at its end. Names and
# tickets are found by their keys: left to itself the planner reads both tables whole, and there are fifty thousand who wait.
# Of members, users and tickets those of one match follow each other, so the room of the nth is that of half n.
OPEN: Final = """
    WITH opened AS (
        INSERT INTO room (id, kind, mode, name, capacity, shared_interests, created_at)
        SELECT new.id, 'MATCH', new.mode, NULL, 2, string_to_array(new.shared, chr(31)), $1
        FROM unnest($2::uuid[], $3::varchar[], $4::varchar[]) AS new (id, mode, shared)
    ), seated AS (
        INSERT INTO member (id, room_id, room_kind, user_id, display_name, role, muted, status, camera, microphone, screen,
                            position, joined_at)
        SELECT new.id, ($2::uuid[])[(new.nth + 1) / 2], 'MATCH', new.user_id,
               (SELECT display_name FROM account WHERE id = new.user_id), 'MEMBER', false, 'ONLINE', false, false, false,
               (new.nth - 1) % 2, $1
        FROM unnest($5::uuid[], $6::uuid[]) WITH ORDINALITY AS new (id, user_id, nth)
    )
    UPDATE ticket SET status = 'MATCHED', room_id = ($2::uuid[])[(new.nth + 1) / 2], matched_at = $1,
                      changed_at = clock_timestamp()
    FROM unnest($7::uuid[]) WITH ORDINALITY AS new (id, nth) WHERE ticket.id = new.id AND ticket.id = ANY($7::uuid[])
"""


class MatchingRepository:
    """See `ports.Matching`. A statement per batch, not per pair."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def facts(self, pairs: Sequence[tuple[UUID, UUID]], now: datetime) -> Mapping[tuple[UUID, UUID], PairFacts]:
        ids = [one for pair in pairs for one in pair]
        rows: dict[UUID, Any] = {}
        for row in (await self._connection.exec_driver_sql(FACTS, (ids, now))).all():
            rows[row.id] = row
        tickets = {ticket_id: _ticket(row) for ticket_id, row in rows.items()}
        found = [(tickets.get(first), tickets.get(second)) for first, second in pairs]
        meetings = {_pair(first, second) for first, second in found if first and second}
        values = [low for low, _ in meetings], [high for _, high in meetings], now
        in_force = (await self._connection.exec_driver_sql(BARS_IN_FORCE, values)).all()
        bars = {(bar.low_id, bar.high_id): bar.until for bar in in_force}
        facts = {}
        for pair, (first, second) in zip(pairs, found, strict=True):
            sides = [rows[ticket.id] for ticket in (first, second) if ticket is not None]
            meeting = _pair(first, second) if first and second else None
            facts[pair] = PairFacts(
                first=first,
                second=second,
                attached=all(side.attached for side in sides),
                barred_until=bars.get(meeting) if meeting else None,
                barred=meeting in bars,
                suspended=any(side.suspended for side in sides),
                seated=any(side.seated for side in sides),
            )
        return facts

    async def open(self, matches: Sequence[NewMatch], now: datetime) -> None:
        tickets = [ticket for match in matches for ticket in (match.first, match.second)]
        values = (
            now,
            [match.room_id for match in matches],
            [match.first.preferences.mode.value for match in matches],
            # An array per row does not unnest. Interests hold no control characters, so the unit separator is free.
            ["\x1f".join(match.shared_interests) for match in matches],
            [member for match in matches for member in (match.first_member_id, match.second_member_id)],
            [ticket.user_id for ticket in tickets],
            [ticket.id for ticket in tickets],
        )
        await self._connection.exec_driver_sql(OPEN, values)


def _pool_ticket(row: Sequence[Any]) -> PoolTicket:
    return PoolTicket(row[0], row[1], row[2], frozenset(row[3]), frozenset(row[4]), row[5], row[6], attached=row[7])


def _pair(first: Ticket, second: Ticket) -> tuple[UUID, UUID]:
    low, high = sorted((first.user_id, second.user_id))
    return low, high


def _values(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "status": ticket.status.value,
        "mode": ticket.preferences.mode.value,
        "interests": list(ticket.preferences.interests),
        "languages": list(ticket.preferences.languages),
        "patience": ticket.preferences.patience,
        "widens_at": ticket.widens_at,
        "room_id": ticket.room_id,
    }


def _ticket(row: Sequence[Any]) -> Ticket:
    return Ticket(
        id=row[0],
        user_id=row[1],
        status=TicketStatus(row[2]),
        preferences=Preferences(ChatMode(row[3]), tuple(row[4]), tuple(row[5]), row[6]),
        enqueued_at=row[7],
        widens_at=row[8],
        room_id=row[9],
    )
