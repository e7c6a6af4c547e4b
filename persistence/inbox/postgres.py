"""The inbox in PostgreSQL: the store when several workers serve.

Written inside the transaction that makes the event true, so what was acknowledged survives any worker. Read once per worker
and event, into the tails of those who follow here; who is further back, or comes back, is read from the tables.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from domain.events import Matched, MatchEnded, MemberJoined, MemberLeft, MemberUpdated
from domain.inbox import Batch, Entry, Position
from persistence.heads import LOCK_HEADS, Head
from persistence.inbox.appending import WRITE, Numbered
from persistence.inbox.codec import KINDS, decode
from persistence.inbox.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.engine import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.events import Event
    from domain.inbox import View
    from persistence.hub import Hub
    from persistence.inbox.appending import News

    Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

PAGE: Final = 64
PAGE_BYTES: Final = 256 * 1024
"""In one read of one inbox, unless a single event is longer."""
CONTROLS_KEPT: Final = 20_000
LARGEST: Final = 2**63 - 1
"""What a forged cursor may say more than is no number of PostgreSQL's."""
STATE_EVENTS: Final = (Matched, MatchEnded, MemberJoined, MemberLeft, MemberUpdated)
"""Whoever is told of these shows the room as it is since."""

# What a restore, a failover or a dropped table changes, and a restart does not. The timeline is read off the log's present file:
# the one in the control file changes only with the next checkpoint.
EPOCH: Final = text("""
    SELECT (SELECT system_identifier FROM pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
           || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database()) || ' ' || 'head'::regclass::oid
""")
HEADS: Final = "SELECT user_id, seq, control_version FROM head WHERE user_id = ANY($1::uuid[])"
# The payload of an event that has no place on the page is null: the page ends before it. Sizes are known without reading the texts.
READ: Final = """
    SELECT h.user_id, h.seq AS last, h.latest, h.control_version, e.seq, e.kind, e.previous, e.at, e.payload
    FROM unnest($1::uuid[], $2::bigint[]) AS wanted (user_id, after)
    JOIN head h ON h.user_id = wanted.user_id
    LEFT JOIN LATERAL (
        SELECT seq, kind, previous, at,
               CASE WHEN sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) < $5 THEN payload END AS payload
        FROM (SELECT * FROM inbox_event i
              WHERE i.user_id = wanted.user_id AND i.seq > coalesce(wanted.after, h.seq) AND i.kind = ANY($3::smallint[])
              ORDER BY i.seq LIMIT $4) AS page
    ) AS e ON TRUE
    ORDER BY h.user_id, e.seq
"""
EVERY_KIND: Final = tuple(KINDS.values())


class PostgresInbox:
    """`ports.Inbox`, `database.Outbox` and `hub.Store`. `forget_rooms` is told of rooms that changed, before anybody is told of the
    change. Whatever reads raises `Unavailable` while the database does not answer.
    """

    def __init__(self, hub: Hub, *, forget_rooms: Callable[[Iterable[UUID]], None]) -> None:
        self._hub = hub
        self._forget_rooms = forget_rooms
        self._reading: Reading | None = None
        self._epoch = 0
        self._tails: dict[UUID, Tail] = {}
        """Of those whom the hub watches, once they were read: from then on hints keep them up to date."""
        self._controls: OrderedDict[UUID, int] = OrderedDict()
        """Control versions as this worker saw them last, of those who are not watched as well."""

    async def open(self, reading: Reading) -> None:
        """Connects it with the database (`Database.reading`), which in turn was given this as its outbox."""
        self._reading = reading
        await self._look_at_epoch()

    # ---------------------------------------------------------------------------------------- reading

    async def end(self, user_id: UUID) -> Position:
        (found,) = await self._heads((user_id,)) or (None,)
        return Position(self._epoch, 0 if found is None else found.seq)

    async def settled(self, user_id: UUID) -> None:
        """See `ports.Inbox`: events are committed with the state, so looking again is enough."""
        await self.refresh((user_id,))

    async def read(self, user_id: UUID, after: Position | None, view: View, limit: int = PAGE) -> Batch:
        tail = self._tails.get(user_id)
        if tail is not None and after is not None and tail.covers(after):
            return tail.read(after, view, limit)
        return await self._read_back(user_id, after, view, limit)

    def control_version(self, user_id: UUID) -> int:
        return self._controls.get(user_id, 0)

    # ---------------------------------------------------------------------------------------- for the hub

    async def refresh(self, user_ids: Iterable[UUID]) -> None:
        """Brings the tails of those of the users who are watched up to date: one query for all, and another while there is more."""
        due = [user_id for user_id in user_ids if self._hub.watches(user_id)]
        while due:
            tails = (self._tails.get(user_id) for user_id in due)
            after = [None if tail is None else tail.position.seq for tail in tails]
            found = await self._page(due, after, EVERY_KIND, PAGE)
            due = [user_id for user_id in due if self._extended(user_id, found.get(user_id, ()))]

    async def changed(self, user_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of the users whose inbox, or what they may do, is not as this worker knows it."""
        await self._look_at_epoch()
        known = {user_id: self._controls.get(user_id) for user_id in user_ids}
        rows = await self._heads(user_ids)
        tails = self._tails
        return [
            row.user_id
            for row in rows
            if (tail := tails.get(row.user_id)) is None
            or tail.position.seq < row.seq
            or known[row.user_id] != row.control_version
        ]

    def forget(self, user_id: UUID) -> None:
        """Nobody watches the user any more: hints will not be heard."""
        self._tails.pop(user_id, None)

    def __len__(self) -> int:
        """How many inboxes have their end in memory."""
        return len(self._tails)

    # ---------------------------------------------------------------------------------------- writing

    def hold(self, user_ids: Sequence[UUID]) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  # the head rows hold it
        """See `database.Outbox`: the heads' locks are held until the commit, in all workers."""
        return nullcontext()

    async def write(
        self,
        connection: AsyncConnection,
        heads: Mapping[UUID, Head],
        entries: Sequence[tuple[UUID, Event]],
        controls: Collection[UUID],
        at: datetime,
    ) -> Callable[[], None]:
        """See `database.Outbox`."""
        if not entries and not controls:
            return _nothing
        unlocked = sorted(set(controls) - heads.keys())
        known = dict(heads) | (await locked_heads(connection, unlocked) if unlocked else {})
        numbered = self.numbered(known, entries, controls, at)
        rows = await connection.exec_driver_sql(WRITE, numbered.arguments())
        return partial(self.tell, list(numbered.news.values()), {row.user_id: row.control_version for row in rows})

    def numbered(
        self,
        heads: Mapping[UUID, Head],
        entries: Iterable[tuple[UUID, Event]],
        controls: Collection[UUID],
        at: datetime,
    ) -> Numbered:
        """The events with their places, for `WRITE`; when that is committed, `tell` is to be called with their news."""
        return Numbered(self._epoch, heads, entries, controls, at)

    def tell(self, news: Collection[News], controls: Mapping[UUID, int]) -> None:
        """What was committed: into the tails of those who are watched here, and as a hint to the workers where they are."""
        for each in news:
            self._note_control(each.user_id, controls[each.user_id])
            tail = self._tails.get(each.user_id)
            if tail is not None and tail.position.seq == each.seq:
                tail.extend(each.entries, each.sizes, each.seq + len(each.entries))
            elif tail is None or tail.position.seq < each.seq:
                self._hub.stale((each.user_id,))
        self._hub.hint((each.user_id, each.workers) for each in news)

    def renew(self, user_ids: Iterable[UUID]) -> None:
        """See `database.Outbox`: whether it was committed stands in the tables."""
        self._hub.stale(user_ids)

    # ---------------------------------------------------------------------------------------- inside

    def _connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        if self._reading is None:
            msg = "the inbox was not opened"
            raise RuntimeError(msg)
        return self._reading()

    async def _look_at_epoch(self) -> None:
        async with self._connection() as connection:
            names = await connection.scalar(EPOCH)
        epoch = int.from_bytes(hashlib.sha256(str(names).encode()).digest()[:8])
        if epoch != self._epoch:
            self._epoch = epoch
            self._tails.clear()

    async def _heads(self, user_ids: Iterable[UUID]) -> Sequence[Row[Any]]:
        async with self._connection() as connection:
            rows = (await connection.exec_driver_sql(HEADS, (list(user_ids),))).all()
        for row in rows:
            self._note_control(row.user_id, row.control_version)
        return rows

    async def _page(
        self, user_ids: Sequence[UUID], after: Sequence[int | None], kinds: Collection[int], limit: int
    ) -> Mapping[UUID, Sequence[Row[Any]]]:
        """By user a row per event behind the place `after` (None: the end), or one row without an event."""
        async with self._connection() as connection:
            values = (list(user_ids), list(after), list(kinds), limit, PAGE_BYTES)
            rows = (await connection.exec_driver_sql(READ, values)).all()
        return {user_id: list(theirs) for user_id, theirs in groupby(rows, key=lambda row: row.user_id)}

    def _extended(self, user_id: UUID, rows: Sequence[Row[Any]]) -> bool:
        """Adds to a tail what was read behind it; returns whether there is more."""
        if not rows or not self._hub.watches(user_id):
            return False
        head = rows[0]
        self._note_control(user_id, head.control_version)
        tail = self._tails.get(user_id)
        if tail is None:
            tail = self._tails[user_id] = Tail(Position(self._epoch, head.last))
        # What was read before somebody else extended the tail says nothing new.
        events = [row for row in rows if row.payload is not None and row.seq > tail.position.seq]
        if events and events[0].seq != tail.position.seq + 1:
            tail.begin(Position(self._epoch, events[0].seq - 1))
        entries = [(self._entry(row), len(row.payload)) for row in events]
        if entries:
            known = [(entry, size) for entry, size in entries if entry is not None]
            tail.extend([entry for entry, _ in known], [size for _, size in known], events[-1].seq)
        if _more(rows, PAGE):
            return True
        if tail.position.seq < head.last:  # The rest is not retained any more.
            tail.begin(Position(self._epoch, head.last))
        return False

    async def _read_back(self, user_id: UUID, after: Position | None, view: View, limit: int) -> Batch:
        """The view's next page out of the tables."""
        epoch, kinds = self._epoch, [KINDS[kind] for kind in view.kinds]
        place, found = 0 if after is None else after.seq, list[Entry]()
        seen = None if after is None else dict.fromkeys(kinds, place)
        """Per kind the last event that the reader knows of; None for a reader who knows of none."""
        while True:
            rows = (await self._page((user_id,), (min(place, LARGEST),), kinds, limit)).get(user_id, ())
            end = Position(epoch, rows[0].last if rows else 0)
            if after is not None and (after.epoch != epoch or after.seq > end.seq):
                return Batch((), end, lost=True)
            for row in (row for row in rows if row.payload is not None):
                if seen is not None and row.previous > seen[row.kind]:
                    return Batch((), end, lost=True)
                place = row.seq
                if seen is not None:
                    seen[row.kind] = place
                entry = self._entry(row)
                if entry is not None and view.shows(entry.event):
                    found.append(entry)
            if found and _more(rows, limit):
                return Batch(tuple(found), Position(epoch, place))
            if not _more(rows, limit):
                lost = seen is not None and bool(rows) and _missed(rows[0].latest, seen)
                return Batch((), end, lost=True) if lost else Batch(tuple(found), end)

    def _entry(self, row: Row[Any]) -> Entry | None:
        """None for an event that only a newer version knows."""
        event = decode(row.kind, row.payload)
        if event is None:
            return None
        if isinstance(event, STATE_EVENTS):
            self._forget_rooms((event.room_id,))
        return Entry(Position(self._epoch, row.seq), row.at, event)

    def _note_control(self, user_id: UUID, version: int) -> None:
        controls = self._controls
        controls[user_id] = max(version, controls.get(user_id, 0))
        controls.move_to_end(user_id)
        if len(controls) > CONTROLS_KEPT:
            controls.popitem(last=False)


async def locked_heads(connection: AsyncConnection, user_ids: Sequence[UUID]) -> dict[UUID, Head]:
    """Locks the heads in the order of their IDs, in which they are given."""
    rows = await connection.execute(LOCK_HEADS, {"ids": user_ids})
    return {row.user_id: Head(row.user_id, row.seq, tuple(row.latest), tuple(row.workers)) for row in rows}


def _more(rows: Sequence[Row[Any]], limit: int) -> bool:
    """Whether a page ended before the inbox did."""
    return len(rows) == limit or bool(rows and rows[-1].seq is not None and rows[-1].payload is None)


def _missed(latest: Sequence[int], seen: Mapping[int, int]) -> bool:
    """Whether of one of the kinds there was a later event than the last that was seen."""
    return any(kind < len(latest) and latest[kind] > last for kind, last in seen.items())


def _nothing() -> None:
    """Nobody was told anything."""
