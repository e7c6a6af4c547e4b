"""The inbox in PostgreSQL: the store when several workers serve.

Written inside the transaction that makes the event true, so what was acknowledged survives any worker. Read once per worker
and event, into the tails of those who follow here; who is further back, or comes back, is read from the tables.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text

from domain.events import Matched, MatchEnded, MemberJoined, MemberLeft, MemberUpdated
from domain.inbox import Batch, Entry, Position
from persistence.inbox.appending import WRITE, Numbered
from persistence.inbox.codec import KINDS, decode
from persistence.inbox.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from sqlalchemy.engine import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.events import Event
    from domain.inbox import View
    from persistence.heads import Head
    from persistence.hub import Hub
    from persistence.inbox.appending import News

    Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

PAGE: Final = 64
PAGE_BYTES: Final = 256 * 1024
"""In one read of one inbox, unless a single event is longer."""
SWEPT_AT_ONCE: Final = 2_000
"""Users who are compared in one query: 5 ms of this process's time, in which nothing else happens (12,500 at once are 31)."""
TAIL_SWEEPS: Final = 10
"""For so many sweeps, up to twice as many, what was told stays in memory. Sockets are open for hours: 64 candidates each of
12,500 users were 940 MB.
"""
USERS_AT_ONCE: Final = 200
"""In one query that reads on for those who follow here."""
ROWS_AT_ONCE: Final = 1_000
"""Events that are decoded before others get their turn: some 20 ms. After a freeze everybody has a page to read."""
CONTROLS_KEPT: Final = 20_000
"""Users who are not watched, and whose control versions are known all the same: whoever asks over HTTP."""
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
END: Final = "SELECT seq, control_version FROM head WHERE user_id = $1::uuid"
CHANGED: Final = """
    SELECT h.user_id, h.control_version, h.seq < known.seq AS earlier
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS known (user_id, seq, control_version)
    JOIN head h ON h.user_id = known.user_id
    WHERE h.seq <> known.seq OR h.control_version > known.control_version
"""
# The payload of an event that has no place on the page is null: the page ends before it. Sizes are known without reading the texts.
READ: Final = """
    SELECT h.user_id, h.seq AS last, h.latest, h.control_version, e.seq, e.kind, e.previous, e.at, e.payload
    FROM unnest($1::uuid[], $2::bigint[]) AS wanted (user_id, after)
    JOIN head h ON h.user_id = wanted.user_id
    LEFT JOIN LATERAL (
        SELECT seq, kind, previous, at,
               CASE WHEN sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) < $5 THEN payload END AS payload
        FROM (SELECT * FROM inbox_event i
              WHERE i.user_id = wanted.user_id AND i.seq > coalesce(wanted.after, h.seq)
                AND ($3::smallint[] IS NULL OR i.kind = ANY($3::smallint[]))
              ORDER BY i.seq LIMIT $4) AS page
    ) AS e ON TRUE
    ORDER BY h.user_id, e.seq
"""


class PostgresInbox:
    """`ports.Inbox`, `database.Outbox` and `hub.Store`. `forget_rooms` is told of rooms that changed, and of users whose rooms may
    have (`CachedRooms.drop` takes both), before anybody is told of the change.

    Whatever reads raises `Unavailable` while the database does not answer.
    """

    def __init__(self, hub: Hub, *, forget_rooms: Callable[[Iterable[UUID]], None]) -> None:
        self._hub = hub
        self._forget_rooms = forget_rooms
        self._reading: Reading | None = None
        self._epoch = 0
        self._tails: dict[UUID, Tail] = {}
        """Of those whom the hub watches, once they were read: from then on hints keep them up to date."""
        self._controls: OrderedDict[UUID, tuple[int, int]] = OrderedDict()
        """Of everybody who is watched, and of others who were seen last: the version in the database, and what stands for it here.
        Here it is never lowered, whatever was restored or forgotten.
        """
        self._raised = 0
        self._sweeps = 0
        self._forgotten_control = 0

    async def open(self, reading: Reading) -> None:
        """Connects it with the database (`Database.reading`), which in turn was given this as its outbox."""
        self._reading = reading
        await self._look_at_epoch()

    # ---------------------------------------------------------------------------------------- reading

    async def end(self, user_id: UUID) -> Position:
        epoch = self._epoch
        async with self._connection() as connection:
            found = (await connection.exec_driver_sql(END, (user_id,))).one_or_none()
        if found is None:
            return Position(epoch, 0)
        self._note_control(user_id, found.control_version)
        return Position(epoch, found.seq)

    async def settled(self, user_id: UUID) -> None:
        """See `ports.Inbox`: events are committed with the state, so looking again is enough."""
        await self.refresh((user_id,))

    async def read(self, user_id: UUID, after: Position | None, view: View, limit: int = PAGE) -> Batch:
        tail = self._tails.get(user_id)
        if tail is not None and after is not None and tail.covers(after):
            return tail.read(after, view, limit)
        return await self._read_back(user_id, after, view, limit)

    def control_version(self, user_id: UUID) -> int:
        known = self._controls.get(user_id)
        return self._forgotten_control if known is None else known[1]

    # ---------------------------------------------------------------------------------------- for the hub

    async def refresh(self, user_ids: Iterable[UUID]) -> None:
        """Brings the tails of those of the users who are watched up to date, by one query for all."""
        watched = [user_id for user_id in user_ids if self._hub.watches(user_id)]
        for first in range(0, len(watched), USERS_AT_ONCE):
            due, epoch = watched[first : first + USERS_AT_ONCE], self._epoch
            tails = (self._tails.get(user_id) for user_id in due)
            after = [None if tail is None else tail.position.seq for tail in tails]
            found = await self._page(due, after, None, PAGE)
            handled = 0
            for user_id, rows in found.items():
                if epoch != self._epoch:
                    return  # Of another beginning, after which everybody is read again.
                if self._hub.watches(user_id):
                    self._follow(user_id, rows)
                handled += len(rows)
                if handled >= ROWS_AT_ONCE:
                    handled = 0
                    await asyncio.sleep(0)

    async def changed(self, user_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of the users whose inbox, or what they may do, is not as this worker knows it."""
        await self._look_at_epoch()
        self._sweeps += 1
        users, found = list(user_ids), list[UUID]()
        for first in range(0, len(users), SWEPT_AT_ONCE):
            compared = users[first : first + SWEPT_AT_ONCE]
            tails = [self._tails.get(user_id) for user_id in compared]
            if self._sweeps % TAIL_SWEEPS == 0:
                for tail in tails:
                    if tail is not None:
                        tail.age()
            seqs = [-1 if tail is None else tail.position.seq for tail in tails]
            controls = [self._controls.get(user_id, (-1, 0))[0] for user_id in compared]
            async with self._connection() as connection:
                rows = (await connection.exec_driver_sql(CHANGED, (compared, seqs, controls))).all()
            for row in rows:
                self._note_control(row.user_id, row.control_version)
                if row.earlier:
                    # A copy was put in the database's place: what is known here was before, and its numbers come again.
                    self._tails.pop(row.user_id, None)
                found.append(row.user_id)
        return found

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
        numbered = Numbered(self._epoch, heads, entries, controls, at)
        rows = await connection.exec_driver_sql(WRITE, numbered.arguments())
        return partial(self._tell, list(numbered.news.values()), {row.user_id: row.control_version for row in rows})

    def _tell(self, news: Collection[News], controls: Mapping[UUID, int]) -> None:
        """What was committed: into the tails of those who are watched here, and as a hint to the workers where they are."""
        for each in news:
            self._note_control(each.user_id, controls[each.user_id])
            tail = self._tails.get(each.user_id)
            if tail is not None and tail.position == each.place:
                tail.extend(each.entries, each.sizes, each.end)
            elif tail is None or tail.position.seq < each.end or tail.position.epoch != each.place.epoch:
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
            self._controls.clear()
            self._raised += 1
            self._forgotten_control = self._raised

    async def _page(
        self, user_ids: Sequence[UUID], after: Sequence[int | None], kinds: Sequence[int] | None, limit: int
    ) -> Mapping[UUID, Sequence[Row[Any]]]:
        """By user a row per event behind the place `after` (None: the end), or one row without an event. Kinds None are all, also
        those that only a newer version knows.
        """
        async with self._connection() as connection:
            values = (list(user_ids), list(after), kinds, limit, PAGE_BYTES)
            rows = (await connection.exec_driver_sql(READ, values)).all()
        return {user_id: list(theirs) for user_id, theirs in groupby(rows, key=lambda row: row.user_id)}

    def _follow(self, user_id: UUID, rows: Sequence[Row[Any]]) -> None:
        """Adds to a tail what was read behind it, or behind a place before: somebody else may have extended it meanwhile."""
        head = rows[0]
        self._note_control(user_id, head.control_version)
        tail = self._tails.get(user_id)
        skipped = tail is None
        if tail is None:
            tail = self._tails[user_id] = Tail(Position(self._epoch, head.last))
        for row in (row for row in rows if row.payload is not None and row.seq > tail.position.seq):
            if row.seq > tail.position.seq + 1:
                tail.begin(Position(self._epoch, row.seq - 1))
                skipped = True
            entry = self._entry(row, self._epoch)
            tail.extend(() if entry is None else (entry,), () if entry is None else (len(row.payload),), row.seq)
        if tail.position.seq < head.last:
            # Too much to be read for everybody at once, or not retained any more: readers look for themselves.
            tail.begin(Position(self._epoch, head.last))
            skipped = True
        if skipped:
            self._forget_rooms((user_id,))

    async def _read_back(self, user_id: UUID, after: Position | None, view: View, limit: int) -> Batch:
        """The view's next page out of the tables."""
        epoch, kinds = self._epoch, [KINDS[kind] for kind in view.kinds]
        place, found = 0 if after is None else after.seq, list[Entry]()
        seen = None if after is None else dict.fromkeys(kinds, place)
        """Per kind the last event that the reader knows of; None for a reader who knows of none."""
        while True:
            rows = (await self._page((user_id,), (min(place, LARGEST),), kinds, limit)).get(user_id, ())
            end = Position(self._epoch, rows[0].last if rows else 0)
            if epoch != end.epoch or (after is not None and (after.epoch != epoch or after.seq > end.seq)):
                return Batch((), end, lost=True)
            for row in (row for row in rows if row.payload is not None):
                if seen is not None:
                    if row.previous > seen[row.kind]:
                        return Batch((), end, lost=True)
                    seen[row.kind] = row.seq
                place = row.seq
                entry = self._entry(row, epoch)
                if entry is not None and view.shows(entry.event):
                    found.append(entry)
            if not _more(rows, limit):
                lost = seen is not None and bool(rows) and _missed(rows[0].latest, seen)
                return Batch((), end, lost=True) if lost else Batch(tuple(found), end)
            if found:
                return Batch(tuple(found), Position(epoch, place))

    def _entry(self, row: Row[Any], epoch: int) -> Entry | None:
        """None for an event that only a newer version knows."""
        event = decode(row.kind, row.payload)
        if event is None:
            return None
        if isinstance(event, STATE_EVENTS):
            self._forget_rooms((event.room_id,))
        return Entry(Position(epoch, row.seq), row.at, event)

    def _note_control(self, user_id: UUID, version: int) -> None:
        """Versions come in any order: an answer may have been under way for longer than another."""
        controls = self._controls
        known = controls.get(user_id)
        if known is None and not version:
            controls[user_id] = (0, self._forgotten_control)
        elif known is None or version > known[0]:
            self._raised += 1
            controls[user_id] = (version, self._raised)
            self._forget_rooms((user_id,))
        controls.move_to_end(user_id)
        while len(controls) > CONTROLS_KEPT + self._hub.watched:
            oldest, known = controls.popitem(last=False)
            if self._hub.watches(oldest):
                controls[oldest] = known
            else:
                self._forgotten_control = max(self._forgotten_control, known[1])


def _more(rows: Sequence[Row[Any]], limit: int) -> bool:
    """Whether a page ended before the inbox did."""
    # Without any event there still is a row, with the head.
    return bool(rows) and rows[-1].seq is not None and (len(rows) == limit or rows[-1].payload is None)


def _missed(latest: Sequence[int], seen: Mapping[int, int]) -> bool:
    """Whether of one of the kinds there was a later event than the last that was seen."""
    return any(kind < len(latest) and latest[kind] > last for kind, last in seen.items())


def _nothing() -> None:
    """Nobody was told anything."""
