"""Bounded mappings from texts to what was made of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lru(Generic[Value]):
    """Keeps what was used last, within `entries` and `weight`; a value heavier than a quarter of `weight` is not
    kept.
    """

    def __init__(self, entries: int, weight: int) -> None:
        self._items: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._max_entries = entries
        self._max_weight = weight
        self.weight = 0

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> Value | None:
        """The value, now the most recently used, or None."""
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: str, value: Value, weight: int) -> list[tuple[str, Value, int]]:
        """Keep a value under a new key; what had to go for it is returned, the least recently used first."""
        if weight * 4 > self._max_weight:
            return []
        self._items[key] = (value, weight)
        self.weight += weight
        gone: list[tuple[str, Value, int]] = []
        while len(self._items) > self._max_entries or self.weight > self._max_weight:
            old, (old_value, old_weight) = self._items.popitem(last=False)
            self.weight -= old_weight
            gone.append((old, old_value, old_weight))
        return gone

    def pop(self, key: str) -> tuple[Value, int] | None:
        """Take a value out, with its weight."""
        item = self._items.pop(key, None)
        if item is not None:
            self.weight -= item[1]
        return item


class SegmentedLru(Generic[Value]):
    """An LRU that a flood of values used once cannot empty.

    New values are on probation in a fifth of the room; the second use moves them into the rest, and what falls out
    there gets one more chance on probation (Karedla et al., Caching strategies to improve disk system performance,
    1994).
    """

    def __init__(self, entries: int, weight: int) -> None:
        self._probation: Lru[Value] = Lru(max(1, entries // 5), weight // 5)
        self._proven: Lru[Value] = Lru(entries - max(1, entries // 5), weight - weight // 5)

    def __len__(self) -> int:
        return len(self._probation) + len(self._proven)

    @property
    def weight(self) -> int:
        """The weight of all that is kept."""
        return self._probation.weight + self._proven.weight

    def get(self, key: str) -> Value | None:
        """The value, or None."""
        value = self._proven.get(key)
        if value is not None:
            return value
        item = self._probation.pop(key)
        if item is None:
            return None
        for old, old_value, old_weight in self._proven.put(key, *item):
            self._probation.put(old, old_value, old_weight)
        return item[0]

    def put(self, key: str, value: Value, weight: int) -> None:
        """Keep a value under a new key."""
        self._probation.put(key, value, weight)
