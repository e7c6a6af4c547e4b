"""Appending to inboxes in PostgreSQL: numbers for events under the locks of their heads, and the statement that writes them.

A head that is locked is nobody else's, so its numbers are given out here, and their order is that of the commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from domain.inbox import Entry, Position
from persistence.inbox.codec import KINDS, encode
from persistence.inbox.ring import EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from domain.events import Event
    from persistence.heads import Head

WRITE: Final = f"""
    WITH moved AS (
        UPDATE head SET seq = new.seq, latest = new.latest::bigint[], control_version = control_version + new.raised
        FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::int[]) AS new (user_id, seq, latest, raised)
        WHERE head.user_id = new.user_id
        RETURNING head.user_id, head.control_version
    ), added AS (
        INSERT INTO inbox_event (slot, user_id, seq, kind, previous, at, payload)
        SELECT {EVENTS.slot}, new.user_id, new.seq, new.kind, new.previous, $10, new.payload
        FROM unnest($5::uuid[], $6::bigint[], $7::smallint[], $8::bigint[], $9::bytea[])
             AS new (user_id, seq, kind, previous, payload)
    )
    SELECT user_id, control_version FROM moved
"""  # noqa: S608  # names of ours
"""Heads moved on and events added, in one statement. Its arguments are `Numbered.arguments`."""


@dataclass(slots=True)
class News:
    """What one user was told by one commit: events behind `place`, and who has to know."""

    user_id: UUID
    place: Position
    workers: tuple[UUID, ...]
    entries: list[Entry] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of the entries' payloads."""

    @property
    def end(self) -> int:
        """The sequence number of the last of them."""
        return self.place.seq + len(self.entries)


class Numbered:
    """Events with their places in the inboxes of those whose heads are locked, in the order in which they are given."""

    def __init__(
        self,
        epoch: int,
        heads: Mapping[UUID, Head],
        entries: Iterable[tuple[UUID, Event]],
        controls: Collection[UUID],
        at: datetime,
    ) -> None:
        self.news: dict[UUID, News] = {}
        self._at = at
        self._controls = controls
        self._latest: dict[UUID, list[int]] = {}
        self._rows: list[tuple[UUID, int, int, int, bytes]] = []
        for user_id, event in entries:
            head = heads[user_id]
            news = self.news.get(user_id)
            if news is None:
                news = self.news[user_id] = News(user_id, Position(epoch, head.seq), head.workers)
                self._latest[user_id] = list(head.latest)
            seq, kind, latest = news.end + 1, KINDS[type(event)], self._latest[user_id]
            if kind >= len(latest):
                latest += [0] * (kind + 1 - len(latest))
            payload = encode(event)
            self._rows.append((user_id, seq, kind, latest[kind], payload))
            latest[kind] = seq
            news.sizes.append(len(payload))
            news.entries.append(Entry(Position(epoch, seq), at, event))
        for user_id in controls:
            if user_id not in self.news:
                head = heads[user_id]
                self.news[user_id] = News(user_id, Position(epoch, head.seq), head.workers)
                self._latest[user_id] = list(head.latest)

    def arguments(self) -> tuple[object, ...]:
        """For `WRITE`."""
        users = list(self.news)
        rows = self._rows
        return (
            users,
            [news.end for news in self.news.values()],
            ["{" + ",".join(map(str, self._latest[user_id])) + "}" for user_id in users],
            [int(user_id in self._controls) for user_id in users],
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
            [row[4] for row in rows],
            self._at,
        )
