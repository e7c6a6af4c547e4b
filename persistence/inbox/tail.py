"""The end of one inbox in a worker's memory, for those who follow it here: an event is read once, however many streams show it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from domain.inbox import Batch, Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.inbox import Entry, View

TAIL_EVENTS: Final = 64
TAIL_BYTES: Final = 256 * 1024
"""What is further back is read from the database again: a slow reader takes no memory here."""
ENTRY_BYTES: Final = 512
"""What an entry takes beside its payload."""


class Tail:
    """Everything behind `start` and up to `position`, without a hole."""

    __slots__ = ("_entries", "_old", "_size", "position", "start")

    def __init__(self, position: Position) -> None:
        self.position = position
        self.start = self._old = position.seq
        self._entries: deque[tuple[Entry, int]] = deque()
        self._size = 0

    def extend(self, entries: Sequence[Entry], sizes: Sequence[int], seq: int) -> None:
        """Adds what follows; `seq` is how far that reaches, past events that this version does not know."""
        for entry, size in zip(entries, sizes, strict=True):
            self._entries.append((entry, size + ENTRY_BYTES))
            self._size += size + ENTRY_BYTES
        self.position = Position(self.position.epoch, seq)
        while len(self._entries) > TAIL_EVENTS or self._size > TAIL_BYTES:
            self._drop()

    def begin(self, position: Position) -> None:
        """Forgets everything: what is behind that position comes next."""
        self.position, self.start, self._old, self._size = position, position.seq, position.seq, 0
        self._entries.clear()

    def age(self) -> None:
        """Forgets what was here when this was called before: whoever follows has read it, or will read it back."""
        while self._entries and self._entries[0][0].position.seq <= self._old:
            self._drop()
        self._old = self.position.seq

    def covers(self, after: Position) -> bool:
        """Whether everything behind that position is here."""
        return after.epoch == self.position.epoch and self.start <= after.seq <= self.position.seq

    def read(self, after: Position, view: View, limit: int) -> Batch:
        """The view's next page behind a position that is covered."""
        if after.seq == self.position.seq:
            return Batch((), self.position, at_end=True)
        found: list[Entry] = []
        for entry, _ in self._entries:
            if entry.position.seq > after.seq and view.shows(entry.event):
                found.append(entry)
                if len(found) == limit:
                    return Batch(tuple(found), entry.position)
        return Batch(tuple(found), self.position, at_end=True)

    def _drop(self) -> None:
        entry, size = self._entries.popleft()
        self.start = entry.position.seq
        self._size -= size
