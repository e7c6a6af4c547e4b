"""The accounts of a chaos run: what was sent, what was acknowledged, what arrived, and what of it must not have been so.

Pure: times are arguments, seconds on one clock. A sender numbers what it sends to one place from 1 on, and sends the next only when
the one before was acknowledged or refused for good, so that order is a promise and not luck.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_TOLD = 20
"""Wrongs of one kind that are told one by one; the others are counted."""


FEW = 5
"""Deliveries that show that things flow."""


class Kind(StrEnum):
    """What people send each other."""

    SIGNAL = "signal"
    """To one member. Told to them also when the match has ended meanwhile: it lies before the end in their inbox."""
    MESSAGE = "message"
    """Into a room, to all inside. Hidden from whoever has left it before reading."""


@dataclass(slots=True)
class Item:
    """One thing that was sent, from the first attempt on."""

    kind: Kind
    room: str
    sender: str
    receivers: frozenset[str]
    """IDs of members, the sender's own for messages."""
    number: int
    asked_at: float
    acknowledged_at: float | None = None
    id: str | None = None
    """The server's, once it acknowledged."""
    refused: bool = False
    received: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When, and under which of the server's IDs, each receiver had it."""

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.sender[:8]} in {self.room[:8]}"


class Wrongs:
    """What must not have been, counted by kind; the first few of each are told with their facts."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.told: list[str] = []

    def add(self, kind: str, facts: object) -> None:
        self.counted[kind] += 1
        if self.counted[kind] <= MOST_TOLD:
            self.told.append(f"{kind}: {facts}")

    def __bool__(self) -> bool:
        return bool(self.counted)


class Ledger:
    """Who sent what to whom, and whether it came. `wrongs` gathers what is seen at once; `close` adds what only the end shows."""

    def __init__(self, wrongs: Wrongs) -> None:
        self.wrongs = wrongs
        self._items: dict[tuple[Kind, str, str], list[Item]] = {}
        self._last: dict[tuple[Kind, str, str, str], int] = {}
        """The highest number that a receiver had of a sender, by place."""
        self.deliveries = 0
        self._recent: deque[float] = deque(maxlen=FEW)
        self._left: set[tuple[str, str | None]] = set()

    def __iter__(self) -> Iterator[Item]:
        return (item for items in self._items.values() for item in items)

    def ask(self, kind: Kind, room: str, sender: str, receivers: Iterable[str], now: float) -> Item:
        """Writes down what is about to be sent: to one member, or (a message) to all who are in the room."""
        everybody = frozenset(receivers)
        place = room if kind is Kind.MESSAGE else "".join(everybody)
        items = self._items.setdefault((kind, sender, place), [])
        item = Item(kind, room, sender, everybody, len(items) + 1, now)
        items.append(item)
        return item

    def receive(
        self, kind: Kind, number: int, *, room: str, sender: str, receiver: str, id: str, now: float
    ) -> Item | None:
        """Writes down that it came. Wrong: what nobody sent, what came before, what came under another ID, what was overtaken."""
        place = room if kind is Kind.MESSAGE else receiver
        sent = self._items.get((kind, sender, place), [])
        if not 1 <= number <= len(sent) or receiver not in sent[number - 1].receivers:
            self.wrongs.add("came from nowhere", f"{kind} {number} of {sender[:8]} to {receiver[:8]} in {room[:8]}")
            return None
        item = sent[number - 1]
        if receiver in item.received:
            self.wrongs.add("came twice", f"{item} to {receiver[:8]}, as {item.received[receiver][1]} and as {id}")
            return item
        stream = (kind, sender, place, receiver)
        if number < self._last.get(stream, 0):
            self.wrongs.add("out of order", f"{item} to {receiver[:8]}, after {self._last[stream]}")
        self._last[stream] = max(number, self._last.get(stream, 0))
        item.received[receiver] = (now, id)
        self.deliveries += 1
        self._recent.append(item.asked_at)
        return item

    def flows(self, since: float) -> bool:
        """Whether the few things that came last were all sent after that."""
        return len(self._recent) == FEW and min(self._recent) > since

    def left(self, room: str, member: str | None = None) -> None:
        """The member's seat has ended, or everybody's: messages that they have not read are hidden from them, from now on all."""
        self._left.add((room, member))

    def missing(self, room: str | None = None) -> list[tuple[Item, str]]:
        """What was acknowledged, is due to a receiver, and has not come; of one room, or of all.

        After a receiver left, a message is due only if a later one of the same sender was still shown to them.
        """
        return [
            (item, receiver)
            for item in self
            if item.acknowledged_at is not None and room in {None, item.room}
            for receiver in item.receivers - item.received.keys()
            if self._due(item, receiver)
        ]

    def close(self) -> None:
        """Adds what is wrong at the end: everything that is due has had its time."""
        for item, receiver in self.missing():
            self.wrongs.add("lost", f"{item} to {receiver[:8]}, acknowledged as {item.id}")
        for item in self:
            ids = {id for _, id in item.received.values()} | ({item.id} if item.id is not None else set())
            if len(ids) > 1:
                self.wrongs.add("two of one", f"{item} has the IDs {', '.join(sorted(ids))}")
            if item.acknowledged_at is None and not item.refused:
                self.wrongs.add("never answered", item)

    def _due(self, item: Item, receiver: str) -> bool:
        if item.kind is Kind.SIGNAL or self._left.isdisjoint({(item.room, receiver), (item.room, None)}):
            return True
        return item.number < self._last.get((item.kind, item.sender, item.room, receiver), 0)
