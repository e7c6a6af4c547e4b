"""When two people accept each other: the one rule, in the form of a test and in the form of keys to be filed under.

Per dimension (interests, languages) a side accepts the other if its own list is empty, or the lists intersect, or it has
widened; both sides must accept in both dimensions, and the mode must be equal. A side is `open` in a dimension when its list
is empty or it has widened: two sides accept each other there if and only if both are open or the lists intersect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

OPEN = None
"""The key of those who take anyone."""


def suit(one: Collection[str], other: Collection[str], *, one_widened: bool, other_widened: bool) -> bool:
    """Whether two sides accept each other in one dimension. Compares as given: the lists are normalised (`preferences`)."""
    both_open = (one_widened or not one) and (other_widened or not other)
    return both_open or any(value in other for value in one)


def keys(values: Collection[str], *, widened: bool) -> Collection[str | None]:
    """Two sides suit each other in a dimension if and only if these have a member in common."""
    return (*values, OPEN) if widened or not values else values
