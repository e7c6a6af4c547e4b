"""Pages of what is listed: where one goes on, and how long it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from domain.errors import PageTooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

T_co = TypeVar("T_co", covariant=True)


class Place(NamedTuple):
    """Where something stands in its list: by rank (0 where a list has none), then time, then ID. It outlives what stood there."""

    rank: int
    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Listed(Generic[T_co]):
    """One page of a list. `more_before` tells whether it was asked for from somewhere behind the beginning."""

    items: Sequence[T_co]
    more_after: bool
    more_before: bool

    @classmethod
    def cut(cls, found: Sequence[T_co], size: int, after: Place | None) -> Listed[T_co]:
        """The page out of up to `size + 1` items found behind `after`: one more than asked for tells that there are more."""
        return cls(found[:size], len(found) > size, after is not None)


def page_size(first: int, most: int) -> int:
    """How many items are asked for. Raises `PageTooLarge` unless it is 1 to `most`."""
    if not 1 <= first <= most:
        msg = f"A page has 1 to {most} edges."
        raise PageTooLarge(msg)
    return first
