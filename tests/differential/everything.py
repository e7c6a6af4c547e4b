"""A small schema with what Strawberry and GraphQL offer and the contract does not use; it answers from a `World`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Generic, TypeVar

import strawberry
from strawberry.permission import PermissionExtension
from strawberry.schema.config import StrawberryConfig

from tests.differential.everything_guards import Allowed, AllowedLater, Context, Doubling, Info, Waiting
from tests.differential.everything_inputs import SCALARS, Choice, Colour, Even, Point, Shape

__all__ = ["Context", "everything"]

T = TypeVar("T")


@strawberry.interface
class Node:
    """The widest interface."""

    id: strawberry.ID

    @strawberry.field
    def shouted(self, info: Info, mark: str = "!") -> str:
        return f"{self.id}{mark}"


@strawberry.interface
class Named(Node):
    """An interface that implements another."""

    name: str | None
    friend: Node | None


@strawberry.type
class Person(Named):
    """Implements both."""

    age: int
    knows: list[Named]

    @strawberry.field
    async def loves(self, info: Info) -> Named:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]


@strawberry.type
class Robot(Named):
    """Shares names with `Person` under other types."""

    age: float | None
    series: Colour
    parts: list[list[Thing] | None]

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Strawberry asks this instead of looking at the class."""
        return isinstance(value, Robot) and value.id != "x"


@strawberry.type
class Thing:
    """Belongs to no interface, so nothing is asked of what is taken for it."""

    weight: float
    even: Even | None
    matrix: list[list[int | None] | None]
    owner: Being | None

    @strawberry.field(description="Its arguments and how it is asked.")
    def asked(self, info: Info, shape: Shape | None = None, *, colours: list[Colour] | None = None) -> str:
        world = info.context.world
        world.answer(info, {"shape": shape, "colours": colours})
        selected = [(getattr(each, "name", None), getattr(each, "alias", None)) for each in info.selected_fields]
        return f"{info.field_name} {info.path.as_list()} {info.python_name} {selected} {info.operation.operation}"

    @strawberry.field
    def chain(self) -> Chain:
        return Chain(depth=int(self.weight > 0))


Being = Annotated[Person | Robot, strawberry.union("Being")]
Anything = Annotated[Person | Robot | Thing, strawberry.union("Anything")]


@strawberry.type
class Chain:
    """Non-null all the way: what fails at its end takes all of it away."""

    depth: int

    @strawberry.field
    def next(self, info: Info) -> Chain:
        return self._next(info)

    @strawberry.field
    async def next_later(self, info: Info) -> Chain:
        await info.context.world.rest(f"chain {info.path.as_list()}")
        return self._next(info)

    @strawberry.field
    def maybe(self, info: Info) -> Chain | None:
        return self._next(info)

    @strawberry.field
    def links(self, info: Info) -> list[Chain]:
        return [self._next(info), Chain(depth=self.depth)]

    @strawberry.field
    async def links_later(self, info: Info) -> list[Chain | None]:
        await info.context.world.rest(f"links {info.path.as_list()}")
        return [Chain(depth=0), self._next(info)]

    def _next(self, info: Info) -> Chain:
        if self.depth > 1 and info.context.world.coin("chain", str(info.path.as_list()), 0.3):
            return None  # type: ignore[return-value]  # the fault that this type is there for
        return Chain(depth=self.depth + 1)


@strawberry.type
class Page(Generic[T]):
    """A generic type."""

    items: list[T]
    cursor: str | None


def outside(info: Info, root: object, text: str = "text") -> str | None:
    """A resolver that is no method."""
    return info.context.world.answer(info, {"root": root, "text": text})  # type: ignore[no-any-return]


@strawberry.type
class Query:
    """Asks the world."""

    standalone: str | None = strawberry.field(resolver=outside)

    @strawberry.field
    def now(self, info: Info, number: int = 3) -> int:
        return info.context.world.answer(info, {"number": number})  # type: ignore[no-any-return]

    @strawberry.field
    async def later(self, info: Info, number: float | None = None) -> float | None:
        return await info.context.world.later(info, {"number": number})  # type: ignore[no-any-return]

    @strawberry.field
    async def at_once(self) -> int | None:
        return 7

    @strawberry.field
    def secretly_later(self, info: Info, text: str | None) -> str | None:
        return info.context.world.later(info, {"text": text})  # type: ignore[return-value]

    @strawberry.field
    def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return info.context.world.answer(info, {"id": id})  # type: ignore[no-any-return]

    @strawberry.field
    async def named(self, info: Info) -> list[Named | None] | None:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]

    @strawberry.field
    def beings(self, info: Info, choice: Choice) -> list[Being]:
        return info.context.world.answer(info, {"choice": choice})  # type: ignore[no-any-return]

    @strawberry.field
    async def anything(self, info: Info, choices: list[Choice] | None = None) -> Anything | None:
        return await info.context.world.later(info, {"choices": choices})  # type: ignore[no-any-return]

    @strawberry.field
    def things(self, info: Info, shapes: list[list[Shape]]) -> list[list[Thing | None]]:
        return info.context.world.answer(info, {"shapes": shapes})  # type: ignore[no-any-return]

    @strawberry.field
    def shape(  # noqa: PLR0917 - resolvers are called by name
        self,
        info: Info,
        shape: Shape,
        corner: Point = Point(x=1, y=None),  # noqa: B008 - the default under test
        colours: list[Colour] = [Colour.RED, Colour.BLUE],  # noqa: B006 - the default under test
        even: Even = Even(4),  # noqa: B008 - the default under test
        flag: bool | None = True,  # noqa: FBT001, FBT002
        maybe: strawberry.Maybe[Point | None] = None,
    ) -> Colour | None:
        given = {"shape": shape, "corner": corner, "colours": colours, "even": even, "flag": flag, "maybe": maybe}
        return info.context.world.answer(info, given)  # type: ignore[no-any-return]

    @strawberry.field
    def chain(self) -> Chain | None:
        return Chain(depth=0)

    @strawberry.field
    def chain_must(self) -> Chain:
        return Chain(depth=0)

    @strawberry.field
    async def page(self, info: Info) -> Page[Person]:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]

    @strawberry.field
    def numbers(self, info: Info) -> Page[int]:
        return info.context.world.answer(info, {})  # type: ignore[no-any-return]

    @strawberry.field(permission_classes=[Allowed])
    def guarded(self, info: Info) -> Thing:
        return info.context.world.answer(info, {})  # type: ignore[no-any-return]

    @strawberry.field(permission_classes=[Allowed, AllowedLater])
    async def guarded_later(self, info: Info, even: Even | None = None) -> int | None:
        return await info.context.world.later(info, {"even": even})  # type: ignore[no-any-return]

    @strawberry.field(extensions=[PermissionExtension(permissions=[Allowed()], fail_silently=True)])
    def silent(self, info: Info) -> list[Thing]:
        return info.context.world.answer(info, {})  # type: ignore[no-any-return]

    @strawberry.field(extensions=[Doubling()])
    def doubled(self, info: Info, number: int = 2) -> int | None:
        return info.context.world.answer(info, {"number": number})  # type: ignore[no-any-return]

    @strawberry.field(extensions=[Waiting()])
    async def awaited(self, info: Info) -> Robot | None:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]


@strawberry.type
class Mutation:
    """Fields of it run one after the other."""

    @strawberry.mutation
    def now(self, info: Info, shape: Shape | None = None) -> int | None:
        return info.context.world.answer(info, {"shape": shape})  # type: ignore[no-any-return]

    @strawberry.mutation
    async def later(self, info: Info, choice: Choice | None = None) -> Anything:
        return await info.context.world.later(info, {"choice": choice})  # type: ignore[no-any-return]

    @strawberry.mutation
    async def must(self, info: Info, number: int | None = 5) -> int:
        return await info.context.world.later(info, {"number": number})  # type: ignore[no-any-return]

    @strawberry.mutation
    async def people(self, info: Info) -> list[Person]:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]

    @strawberry.mutation(permission_classes=[AllowedLater])
    async def guarded(self, info: Info) -> Thing | None:
        return await info.context.world.later(info, {})  # type: ignore[no-any-return]


@strawberry.type
class Subscription:
    """Sources that fail before, between and after their events."""

    @strawberry.subscription
    async def numbers(self, info: Info, number: int = 1) -> AsyncGenerator[int, None]:
        info.context.world.answer(info, {"number": number})
        async for event in info.context.world.events(info):
            yield event

    @strawberry.subscription
    async def beings(self, info: Info, choice: Choice | None = None) -> AsyncGenerator[Being, None]:
        await info.context.world.rest("beings")
        return info.context.world.source(info, {"choice": choice})  # type: ignore[no-any-return]

    @strawberry.subscription
    def named(self, info: Info) -> AsyncGenerator[list[Named | None] | None, None]:
        return info.context.world.source(info, {})  # type: ignore[no-any-return]

    @strawberry.subscription(permission_classes=[Allowed])
    async def guarded(self, info: Info) -> AsyncGenerator[Thing | None, None]:
        async for event in info.context.world.events(info):
            yield event


def everything() -> strawberry.Schema:
    """The schema."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Robot],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
