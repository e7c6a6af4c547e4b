"""The scalars, enums and inputs of `everything`."""

from __future__ import annotations

import enum
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

Even = NewType("Even", int)


def _even(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"An Even is a whole number, and this is {value!r}."
        raise TypeError(msg)
    if value % 2:
        raise GraphQLError("An Even is even.", extensions={"code": "ODD"})
    return value


SCALARS: dict[object, Any] = {Even: strawberry.scalar(name="Even", serialize=_even, parse_value=_even)}


@strawberry.enum
class Colour(enum.Enum):
    """Values that are not their names."""

    RED = 1
    GREEN = "verde"
    BLUE = strawberry.enum_value(("b", 3), name="AZURE")


@strawberry.input
class Point:
    """Numbers, one with a default."""

    x: int
    y: float | None = 0.5
    tags: list[str] = strawberry.field(default_factory=lambda: ["here"])


@strawberry.input
class Shape:
    """Inputs within inputs and lists."""

    corners: list[Point]
    grid: list[list[int | None]] | None = strawberry.UNSET
    colour: Colour = Colour.GREEN
    centre: Point | None = None
    inner: Shape | None = strawberry.UNSET
    even: Even | None = None
    note: strawberry.Maybe[str | None] = None
    class_: str | None = strawberry.field(name="class", default=None)


@strawberry.input(one_of=True)
class Choice:
    """One of several kinds."""

    number: int | None = strawberry.UNSET
    words: list[str] | None = strawberry.UNSET
    point: Point | None = strawberry.UNSET
    colour: Colour | None = strawberry.UNSET
