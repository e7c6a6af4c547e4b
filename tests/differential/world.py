"""What resolvers find: values of the true types, of wrong ones now and then, failures, and waiting, all by a seed.

Two worlds of one seed are the same world, whatever order they are asked in, so each executor gets its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Iterator
from random import Random
from typing import Any, Final

import strawberry
from graphql import GraphQLError, GraphQLSchema
from strawberry.types.info import Info

from domain import errors
from tests.differential.turns import Turns
from tests.differential.values import Values

FAILURES: Final[list[Callable[[], Exception]]] = [
    errors.Unauthenticated,
    errors.Forbidden,
    errors.NotFound,
    lambda: errors.BadInput("Not so."),
    lambda: errors.RateLimited(1.5),
    lambda: errors.Conflict("Too late."),
    lambda: errors.Unavailable(2),
    lambda: errors.InvalidInput("signal.offer", "Not that."),
    lambda: ValueError("secret"),
    lambda: KeyError("key"),
    lambda: TimeoutError("late"),
    lambda: GraphQLError("told", extensions={"code": "TEAPOT", "more": [1]}),
    lambda: GraphQLError("elsewhere", path=["its", "own", 3]),
    lambda: GraphQLError("wrapped", original_error=errors.NotFound()),
    lambda: StopIteration("over"),
    AssertionError,
    lambda: RecursionError("deep"),
]
"""How a resolver may fail."""


class World:
    """`trouble` is how much goes wrong: 0 nothing, 3 much. `log` is who was called with what, in their order.

    A world `beside` another streams the same objects, as one source does to many subscribers.
    """

    def __init__(
        self, schema: GraphQLSchema, seed: int, trouble: int, beside: World | None = None, longest: int = 3
    ) -> None:
        self._schema = schema
        self._seed = seed
        self._trouble = trouble
        self._events: dict[int, Any] = {} if beside is None else beside._events
        self._reads = 0
        self.turns: Turns = Turns(seed) if beside is None else beside.turns
        self.values = Values(schema, seed, trouble, longest, self.turns)
        self.log: list[str] = []

    def answer(self, info: Info[Any, Any], arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - of the field's type
        """What a resolver returns at once."""
        path = self._called(info, arguments)
        self._fail(path)
        parent = self._schema.type_map[info.path.typename or ""]
        return self.values.make(parent.fields[info.field_name].type, path)  # type: ignore[attr-defined]

    async def later(self, info: Info[Any, Any], arguments: dict[str, Any]) -> Any:  # noqa: ANN401
        """What a coroutine returns, after none to two turns."""
        path = self._called(info, arguments)
        await self.rest(path)
        self._fail(path)
        parent = self._schema.type_map[info.path.typename or ""]
        return self.values.make(parent.fields[info.field_name].type, path)  # type: ignore[attr-defined]

    async def rest(self, path: str) -> None:
        """None to two turns."""
        for turn in range(self._random("rest", path).choice([0, 1, 1, 2])):
            await self.turns.wait(f"{path}:{turn}")

    def source(self, info: Info[Any, Any], arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - mostly a generator
        """What a subscription's resolver returns: a stream, mostly."""
        path = self._called(info, arguments)
        self._fail(path)
        random = self._random("source", path)
        if self._trouble and random.random() < 0.1:
            return random.choice([None, 3, [], ValueError("returned"), _NotAGenerator()])
        return self.events(info)

    async def events(self, info: Info[Any, Any]) -> AsyncGenerator[Any, None]:
        """Up to four events; one of them may stand twice, and the source may fail behind any."""
        path = ".".join(map(str, info.path.as_list()))
        random = self._random("events", path)
        type_ = self._schema.subscription_type.fields[info.field_name].type  # type: ignore[union-attr]
        event: Any = None
        try:
            for number in range(random.randint(0, 4)):
                await self.rest(f"{path}#{number}")
                if self._trouble and random.random() < 0.1:
                    self._fail(f"{path}#{number}", always=True)
                if event is None or random.random() < 0.7:
                    if number not in self._events:
                        self._events[number] = self.values.make(type_, f"{path}#{number}")
                    event = self._events[number]
                yield event
        finally:
            self.log.append(f"{path} closed")

    async def read(self, _work: object) -> Any:  # noqa: ANN401 - what the unit of work would have given
        """Stands for `Services.read`, whose callers say nothing of where they are."""
        self._reads += 1
        path = f"read{self._reads}"
        await self.rest(path)
        self._fail(path)
        return self.values.counts(path)

    def coin(self, what: str, path: str, of: float = 0.5) -> bool:
        """Whether it is so, there."""
        return self._random(what, path).random() < of

    def _called(self, info: Info[Any, Any], arguments: dict[str, Any]) -> str:
        path = ".".join(map(str, info.path.as_list()))
        # A function does not see the order of its keyword arguments.
        given = {name: arguments[name] for name in sorted(arguments) if name != "info"}
        self.log.append(f"{path} {info.path.typename}.{info.field_name}({given!r}) {info.variable_values!r}")
        for value in given.values():
            _spoil(value)
        return path

    def _fail(self, path: str, *, always: bool = False) -> None:
        random = self._random("fail", path)
        if always or random.random() < (0, 0.03, 0.1, 0.25)[self._trouble]:
            raise random.choice(FAILURES)()  # noqa: RSE102 - some are functions

    def _random(self, what: str, path: str) -> Random:
        return Random(f"{self._seed}/{what}/{path}")


class _NotAGenerator:
    """An iterator of events that nobody can close."""

    def __init__(self) -> None:
        self._left = 2

    def __aiter__(self) -> _NotAGenerator:
        return self

    async def __anext__(self) -> object:
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return object()


def _spoil(value: object) -> None:
    """Changes what a resolver was given, as a resolver may: nobody else may see it."""
    if isinstance(value, list):
        for one in value:
            _spoil(one)
        value.append("spoilt")
    elif isinstance(value, dict):
        value["spoilt"] = True
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in _names(value):
            _spoil(getattr(value, name))
            setattr(value, name, strawberry.UNSET)


def _names(value: Any) -> Iterator[str]:  # noqa: ANN401 - an instance of a dataclass
    return (field.name for field in dataclasses.fields(value))
