"""Which pairs are held apart, and until when."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

NOBODY: Mapping[int, datetime | None] = MappingProxyType({})
SLACK = 64
"""Outdated entries that a heap may hold beyond the number of those in force, before it is rebuilt."""


class Apart:
    """Unordered pairs of IDs (as integers, which hash faster than `UUID`), each with an end or without.

    A pair whose end has passed is still apart until `pop_ended` returns it, so that an end cannot pass unnoticed. Memory is
    proportional to the pairs in force.
    """

    def __init__(self) -> None:
        self._others: dict[int, dict[int, datetime | None]] = {}
        self._ends: list[tuple[datetime, int, int]] = []
        self._ending = 0

    def of(self, one: int) -> Mapping[int, datetime | None]:
        """Those who are held apart from `one`; the caller does not keep it."""
        return self._others.get(one, NOBODY)

    def hold(self, one: int, other: int, until: datetime | None) -> None:
        """Holds the pair apart until then (None: for ever), in place of any end it had."""
        held = self.of(one)
        if one == other or (other in held and held[other] == until):
            return
        self.release(one, other)
        self._others.setdefault(one, {})[other] = until
        self._others.setdefault(other, {})[one] = until
        if until is not None:
            self._ending += 1
            heappush(self._ends, (until, one, other))
            if len(self._ends) > 2 * self._ending + SLACK:
                self._ends = [(end, *pair) for pair, end in self._pairs() if end is not None]
                heapify(self._ends)

    def release(self, one: int, other: int) -> None:
        """Unknown pairs are left alone."""
        if other not in self.of(one):
            return
        if self._others[one][other] is not None:
            self._ending -= 1
        for side, partner in ((one, other), (other, one)):
            partners = self._others[side]
            del partners[partner]
            if not partners:
                del self._others[side]

    def release_all_but(self, kept: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Releases all other pairs and returns them."""
        keep = {(min(pair), max(pair)) for pair in kept}
        released = [pair for pair, _ in self._pairs() if pair not in keep]
        for one, other in released:
            self.release(one, other)
        return released

    def next_end(self) -> datetime | None:
        """When the first pair ends."""
        while self._ends and not self._in_force(*self._ends[0]):
            heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def pop_ended(self, now: datetime) -> tuple[int, int] | None:
        """Releases a pair whose end has come and returns it; None when there is none."""
        end = self.next_end()
        if end is None or end > now:
            return None
        _, one, other = heappop(self._ends)
        self.release(one, other)
        return one, other

    def __len__(self) -> int:
        return sum(map(len, self._others.values())) // 2

    def _pairs(self) -> Iterator[tuple[tuple[int, int], datetime | None]]:
        return (
            ((one, other), end) for one, others in self._others.items() for other, end in others.items() if one < other
        )

    def _in_force(self, end: datetime, one: int, other: int) -> bool:
        return self.of(one).get(other) == end
