"""A small schema that has everything that execution must know: what plans do with it is compared with graphql-core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

from domain.errors import Forbidden

Even = NewType("Even", int)
Anything = NewType("Anything", object)


def even(value: Any) -> Any:
    """Both ways: an even number, or a failure of the kind that scalars have."""
    if not isinstance(value, int) or value % 2:
        msg = f"{value!r} is not even."
        raise ValueError(msg)
    return value


SCALARS: dict[object, ScalarDefinition] = {
    Even: strawberry.scalar(name="Even", serialize=even, parse_value=even),
    Anything: strawberry.scalar(name="Anything", serialize=lambda value: value, parse_value=lambda value: value),
}


@strawberry.enum
class Size(Enum):
    """An enum with a value that is spelled otherwise in the API, and one that the API lacks nothing of."""

    SMALL = "s"
    LARGE = strawberry.enum_value("l", name="HUGE")


class Never(BasePermission):
    """Forbids."""

    message = "Not for you"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(info.context.get("allowed"))


class Later(BasePermission):
    """Decides after a while."""

    message = "Not yet"

    async def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        await asyncio.sleep(0)
        return bool(info.context.get("allowed"))


class Loud(FieldExtension):
    """Changes what a resolver answers."""

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return str(next_(source, info, **kwargs)).upper()


@strawberry.interface
class Named:
    """An interface, with a resolver of its own."""

    name: str

    @strawberry.field
    def greeting(self, greeting: str = "hello", times: int | None = None) -> str:
        return f"{greeting} {self.name} {times}"


@strawberry.type
class Cat(Named):
    """May have an enemy."""

    lives: int
    enemy: Dog | None = None
    size: Size = Size.SMALL


@strawberry.type
class Dog(Named):
    """Its best friend comes late, if there is one."""

    barks: bool
    friends: list[Named] = strawberry.field(default_factory=list)

    @strawberry.field
    async def best_friend(self) -> Named:
        await asyncio.sleep(0)
        if not self.friends:
            raise Forbidden
        return self.friends[0]


@strawberry.type
class Stone:
    """A member of the union that has no interface."""

    weight: float | None


Thing = Annotated[Cat | Dog | Stone, strawberry.union("Thing")]


@strawberry.input
class Point:
    """Defaults of every kind; one of them is a list that could be shared by mistake."""

    x: int
    y: int = 7
    label: str | None = None
    tags: list[str] = strawberry.field(default_factory=lambda: ["none"])


@strawberry.input
class Shape:
    """Inputs within inputs."""

    points: list[Point]
    size: Size = Size.LARGE
    even: Even | None = strawberry.UNSET


@strawberry.input(one_of=True)
class Pick:
    """Exactly one of two."""

    by_name: str | None = strawberry.UNSET
    by_point: Point | None = strawberry.UNSET


@strawberry.input
class Strict:
    """An input with an opinion of its own, which GraphQL does not know."""

    number: int

    def __post_init__(self) -> None:
        if self.number > 100:
            msg = "too large"
            raise ValueError(msg)


@strawberry.input
class Patch:
    """What is absent differs from null."""

    value: strawberry.Maybe[str]


class Awaited:
    """Waits, without being a coroutine."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self._value


@strawberry.type
class Node:
    """Fields that go right, wrong and late, at every nullability; `deep` nests."""

    source: strawberry.Private[dict[str, Any]]

    @strawberry.field
    def deep(self) -> Node:
        return self

    @strawberry.field
    def maybe(self) -> Node | None:
        return self

    @strawberry.field
    async def late(self) -> Node:
        await asyncio.sleep(0)
        return self

    @strawberry.field
    async def late_maybe(self) -> Node | None:
        return self

    @strawberry.field
    def null(self) -> str | None:
        return None

    @strawberry.field
    def bad_null(self) -> str:
        return None  # type: ignore[return-value]  # the mistake that it is about

    @strawberry.field
    def fail(self) -> str | None:
        raise Forbidden

    @strawberry.field
    def bad_fail(self) -> str:
        msg = "secret"
        raise ValueError(msg)

    @strawberry.field
    async def late_fail(self, ticks: int = 1) -> str | None:
        for _ in range(ticks):
            await asyncio.sleep(0)
        raise Forbidden

    @strawberry.field
    async def bad_late_fail(self, ticks: int = 1) -> str:
        for _ in range(ticks):
            await asyncio.sleep(0)
        raise Forbidden

    @strawberry.field
    async def slow(self, ticks: int = 5) -> str:
        for _ in range(ticks):
            await asyncio.sleep(0)
        return "slow"

    @strawberry.field
    def located(self) -> str | None:
        raise GraphQLError("mine", extensions={"a": 1})

    @strawberry.field
    def returned(self) -> str | None:
        return ValueError("returned")  # type: ignore[return-value]  # graphql-core raises it

    @strawberry.field
    def numbers(self) -> list[int]:
        numbers: list[int] = self.source.get("numbers", [1, 2, 3])
        return numbers

    @strawberry.field
    def evens(self) -> list[Even | None]:
        return [Even(2), Even(3), None, Even(4)]

    @strawberry.field
    def bad_evens(self) -> list[Even] | None:
        return [Even(2), Even(3), Even(5)]

    @strawberry.field
    def awaitables(self) -> list[str | None]:
        async def item(value: str) -> str:
            await asyncio.sleep(0)
            if value == "c":
                raise Forbidden
            return value

        return [item("a"), "b", item("c"), Awaited("d")]  # type: ignore[list-item]  # graphql-core awaits them

    @strawberry.field
    def bad_awaitables(self) -> list[str] | None:
        async def item(value: str) -> str:
            if value == "c":
                raise Forbidden
            await asyncio.sleep(0)
            return value

        return [item("a"), item("c"), item("b")]  # type: ignore[list-item]  # graphql-core awaits them

    @strawberry.field
    def generated(self) -> list[int]:
        return (number for number in range(3))  # type: ignore[return-value]  # any iterable will do

    @strawberry.field
    def streamed(self) -> list[int]:
        async def items() -> AsyncIterator[int]:
            yield 1
            await asyncio.sleep(0)
            yield 2

        return items()  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def broken_stream(self) -> list[int] | None:
        async def items() -> AsyncIterator[int]:
            yield 1
            raise Forbidden

        return items()  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def breaking(self) -> list[int] | None:
        def items() -> Iterator[int]:
            yield 1
            raise Forbidden

        return items()  # type: ignore[return-value]  # any iterable will do

    @strawberry.field
    def no_list(self) -> list[int] | None:
        return 3  # type: ignore[return-value]  # the mistake that it is about

    @strawberry.field
    def nested(self) -> list[list[Thing | None]]:
        return [[Cat(name="Tom", lives=9), None], [], [Stone(weight=float("nan"))]]

    @strawberry.field
    def things(self) -> list[Thing]:
        cat = Cat(name="Tom", lives=9)
        dog = Dog(name="Rex", barks=True, friends=[cat])
        cat.enemy = dog
        return [cat, dog, Stone(weight=1.5), Stone(weight=None)]

    @strawberry.field
    def named(self) -> list[Named | None]:
        return [Cat(name="Tom", lives=9), Dog(name="Rex", barks=False), Stone(weight=1.0)]  # type: ignore[list-item]

    @strawberry.field
    def misplaced(self) -> Thing | None:
        return Node(source={})  # type: ignore[return-value]  # the mistake that it is about

    @strawberry.field
    def cast(self) -> Thing | None:
        return strawberry.cast(Stone, Awaited(None))  # type: ignore[return-value]  # the mistake that it is about

    @strawberry.field
    def typed(self) -> Cat | None:
        return Dog(name="Rex", barks=True)  # type: ignore[return-value]  # is not one

    @strawberry.field
    def wrong_number(self) -> int | None:
        return 2**40

    @strawberry.field
    def number_of_text(self) -> int | None:
        return "12"  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def text_of_number(self) -> str | None:
        return 12  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def truth_of_number(self) -> bool | None:
        return 1  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def fraction(self) -> float:
        return 2

    @strawberry.field
    def identity(self) -> strawberry.ID:
        return 17  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def size(self) -> Size:
        return Size.LARGE

    @strawberry.field
    def value_of_size(self) -> Size | None:
        return "l"  # type: ignore[return-value]  # graphql-core takes it

    @strawberry.field
    def wrong_size(self) -> Size | None:
        return "unknown"  # type: ignore[return-value]  # the mistake that it is about

    @strawberry.field
    def when(self) -> datetime:
        return datetime(2026, 11, 21)  # noqa: DTZ001 - what it is does not matter

    @strawberry.field(permission_classes=[Never])
    def guarded(self) -> str | None:
        return "open"

    @strawberry.field(permission_classes=[Later])
    async def guarded_late(self, number: int = 3) -> str:
        return f"open {number}"

    @strawberry.field(extensions=[Loud()])
    def loud(self, text: str) -> str:
        return text

    @strawberry.field
    def told(self, info: strawberry.Info, number: int = 4) -> str:
        path: Any = info.path
        steps = []
        while path is not None:
            steps.append((path.key, path.typename))
            path = path.prev
        return repr(
            (
                info.field_name,
                info.python_name,
                steps,
                info.variable_values,
                info.context.get("who"),
                str(info.return_type),
                info.operation.operation.value,
                [getattr(selected, "name", None) for selected in info.selected_fields],
                info.root_value is None,
            )
        )

    @strawberry.field
    def echo(
        self,
        text: str | None = None,
        number: int = 3,
        fraction: float | None = strawberry.UNSET,
        flag: bool = False,
        id: strawberry.ID | None = None,
        numbers: list[int] | None = None,
        table: list[list[int | None]] | None = None,
        size: Size = Size.SMALL,
        shape: Shape | None = None,
        even: Even | None = None,
        any: Anything | None = None,
        points: list[Point] | None = None,
    ) -> str:
        return repr((text, number, fraction, flag, id, numbers, table, size, shape, even, any, points))

    @strawberry.field
    def required(self, text: str, point: Point) -> str:
        return repr((text, point))

    @strawberry.field
    def defaulted(self, point: Point = Point(x=1, label="d")) -> str:  # noqa: B008 - what it is about
        point.x += 1
        point.tags.append("changed")
        return repr(point)

    @strawberry.field
    def pick(self, pick: Pick) -> str:
        return repr(pick)

    @strawberry.field
    def strict(self, strict: Strict) -> str | None:
        return repr(strict)

    @strawberry.field
    async def strict_late(self, strict: Strict) -> str | None:
        return repr(strict)

    @strawberry.field
    def patch(self, patch: Patch) -> str | None:
        return repr(patch)

    @strawberry.field
    def waiting(self) -> str:
        return Awaited("done")  # type: ignore[return-value]  # graphql-core awaits it


@strawberry.type
class Plain:
    """Attributes of all sorts."""

    text: str = "text"
    strange: str | None = None
    child: Plain | None = None
    children: list[Plain] = strawberry.field(default_factory=list)


def plain() -> Plain:
    """One whose attributes wait, fail and lack."""

    async def text() -> str:
        await asyncio.sleep(0)
        return "awaited"

    async def fails() -> str:
        raise Forbidden

    return Plain(
        strange=fails(),  # type: ignore[arg-type]  # graphql-core awaits it
        child=Awaited(Plain(text=text())),  # type: ignore[arg-type]  # graphql-core awaits it
        children=[Plain(), Plain(strange=ValueError("v"))],  # type: ignore[arg-type]
    )


class Shared:
    """A context whose sources yield the same objects to everybody."""

    def __init__(self) -> None:
        self.shown, self.stone, self.node = Plain(), Stone(weight=1.0), Node(source={})

    def get(self, name: str) -> object:
        """As the other contexts are asked."""
        return name


@strawberry.type
class Query:
    """Ways in."""

    @strawberry.field
    def node(self, info: strawberry.Info) -> Node:
        return Node(source=info.context)

    @strawberry.field
    async def node_maybe(self, info: strawberry.Info) -> Node | None:
        return Node(source=info.context)

    @strawberry.field
    def plain(self) -> Plain:
        return plain()

    @strawberry.field
    def lacking(self) -> Plain | None:
        lacking = Plain()
        del lacking.text
        return lacking


@strawberry.type
class Mutation:
    """What is done leaves a trace in the context's log."""

    @strawberry.mutation
    async def add(self, info: strawberry.Info, text: str, ticks: int = 0) -> list[str]:
        for _ in range(ticks):
            await asyncio.sleep(0)
        info.context["log"].append(text)
        return list(info.context["log"])

    @strawberry.mutation
    def now(self, info: strawberry.Info, text: str) -> Node | None:
        info.context["log"].append(text)
        return Node(source={"numbers": list(range(len(info.context["log"])))})

    @strawberry.mutation
    async def fail(self, info: strawberry.Info) -> str:
        info.context["log"].append("failed")
        raise Forbidden

    @strawberry.mutation
    async def fail_maybe(self) -> str | None:
        raise Forbidden


@strawberry.type
class Subscription:
    """Sources of every kind."""

    @strawberry.subscription
    async def count(self, info: strawberry.Info, to: int = 3) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def nodes(self, info: strawberry.Info, to: int = 2) -> AsyncGenerator[Node, None]:
        for number in range(to):
            yield Node(source={**info.context, "numbers": [number]})

    @strawberry.subscription
    async def plain(self, info: strawberry.Info) -> AsyncGenerator[Plain, None]:
        while True:
            yield info.context.shown

    @strawberry.subscription
    async def thing(self, info: strawberry.Info) -> AsyncGenerator[Thing, None]:
        while True:
            yield info.context.stone

    @strawberry.subscription
    async def node(self, info: strawberry.Info) -> AsyncGenerator[Node, None]:
        while True:
            yield info.context.node

    @strawberry.subscription
    async def things(self) -> AsyncGenerator[Thing, None]:
        yield Stone(weight=1.0)
        yield Cat(name="Tom", lives=9)
        yield Node(source={})  # type: ignore[misc]  # the mistake that it is about

    @strawberry.subscription
    async def plains(self) -> AsyncGenerator[Plain, None]:
        for text in ("a", "b"):
            yield Plain(text=text, children=[Plain()])

    @strawberry.subscription
    async def returned(self, info: strawberry.Info, refuse: bool = False) -> AsyncGenerator[int, None]:
        if refuse:
            raise Forbidden

        async def numbers() -> AsyncGenerator[int, None]:
            yield 1

        return numbers()

    @strawberry.subscription
    async def breaks(self) -> AsyncGenerator[int, None]:
        yield 1
        raise Forbidden

    @strawberry.subscription
    async def unsound(self) -> AsyncGenerator[int, None]:
        return 3  # type: ignore[return-value]  # the mistake that it is about


schema = strawberry.Schema(
    query=Query, mutation=Mutation, subscription=Subscription, config=StrawberryConfig(scalar_map=SCALARS)
)
