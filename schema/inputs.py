"""Input fields that may be left out."""

from __future__ import annotations

from typing import TypeVar

import strawberry

T = TypeVar("T")


def given(value: T | None) -> T | None:
    """The value of a nullable field: one left out is like null.

    It is `strawberry.UNSET` then, because a default of None would be published as a default.
    """
    return None if value is strawberry.UNSET else value
