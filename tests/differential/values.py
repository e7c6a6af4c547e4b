"""Values by type: instances of the classes that the schema was made from, right and wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Generator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from domain import errors
from domain.rooms.room import Invite
from tests.differential.batches import SOMEBODY, Batch
from tests.differential.turns import Turns

BACK: Final = GraphQLCoreConverter.DEFINITION_BACKREF
DEEPEST: Final = 7
ROOM: Final = UUID("2f1cfd0e-8a3b-4a35-9f63-0a5f6c3f9b11")
WHEN: Final = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SCALARS: Final[dict[str, list[Any]]] = {
    "Int": [0, 1, -7, 2147483647, True],
    "Float": [0.0, 1, -2.5, 1e300],
    "Boolean": [True, False],
    "ID": [str(ROOM), "x", "", 5],
    "String": ["", "a", "Zoë 🜁", "x" * 100, 3, True],
    "DateTime": [WHEN, WHEN.astimezone(timezone(timedelta(hours=2))), WHEN.replace(tzinfo=None)],
    "Base64": [b"", b"\x00", b"\xde\xad\xbe\xef" * 8],
    "Cursor": ["", "c:1"],
    "Even": [0, 2],
}
"""What each scalar can be made from, with what graphql-core converts."""
WRONG: Final[list[Any]] = [None, "text", 3.5, 2**31, float("nan"), float("inf"), [], {}, b"\xff", object, True, ()]
"""What no resolver should give; some of it is right somewhere."""


class Values:
    """Makes values, each by its path alone; `trouble` as in `World`."""

    def __init__(self, schema: GraphQLSchema, seed: int, trouble: int, longest: int, turns: Turns) -> None:
        self._schema = schema
        self._seed = seed
        self._wrong = (0.0, 0.01, 0.04, 0.12)[trouble]
        self._longest = longest
        self._turns = turns

    def make(self, type_: GraphQLOutputType, path: str) -> Any:  # noqa: ANN401 - of that type
        """A value for the type, and for what may be selected in it."""
        return self._value(type_, path, Random(f"{self._seed}/value/{path}"), 0)

    def counts(self, path: str) -> Any:  # noqa: ANN401 - stands for `OneTimeKeyCounts`
        """How many keys are left: two numbers."""
        random = Random(f"{self._seed}/value/{path}")
        return SimpleNamespace(pre_keys=self._leaf("Int", random), kem_keys=self._leaf("Int", random))

    def _value(self, type_: GraphQLOutputType, path: str, random: Random, depth: int) -> Any:  # noqa: ANN401
        if self._wrong and random.random() < self._wrong:
            return self._trouble(type_, path, random, depth)
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif random.random() < 0.2 or depth > DEEPEST:
            return None
        return self._present(type_, path, random, depth)

    def _present(self, type_: GraphQLOutputType, path: str, random: Random, depth: int) -> Any:  # noqa: ANN401
        if isinstance(type_, GraphQLList):
            count = random.randint(0, max(0, self._longest - depth // 2))
            items = [self._value(type_.of_type, path, random, depth + 1) for _ in range(count)]
            return tuple(items) if random.random() < 0.1 else items
        if isinstance(type_, (GraphQLInterfaceType, GraphQLUnionType)):
            type_ = random.choice(self._schema.get_possible_types(type_))
        if isinstance(type_, GraphQLObjectType):
            return self._instance(type_, path, random, depth)
        if isinstance(type_, GraphQLEnumType):
            return random.choice([value.value for value in type_.values.values()])
        assert isinstance(type_, GraphQLNamedType)
        return self._leaf(type_.name, random)

    def _leaf(self, name: str, random: Random) -> Any:  # noqa: ANN401
        return random.choice(WRONG) if self._wrong and random.random() < self._wrong else random.choice(SCALARS[name])

    def _instance(self, type_: GraphQLObjectType, path: str, random: Random, depth: int) -> Any:  # noqa: ANN401
        cls = type_.extensions[BACK].origin
        given = {
            name: self._value(of, path, random, depth + 1) if of is not None else _private(name, random)
            for name, of in attributes(type_).items()
        }
        made = cls(**given)
        if given and self._wrong and random.random() < self._wrong:
            delattr(made, random.choice(list(given)))
        return made

    def _trouble(self, type_: GraphQLOutputType, path: str, random: Random, depth: int) -> Any:  # noqa: ANN401
        """Something else than the type demands, or the right thing brought in another way."""
        match random.randint(1, 8):
            case 1:
                return random.choice([ValueError("a value"), errors.NotFound(), GraphQLError("in a value")])
            case 2:
                objects = [each for each in self._schema.type_map.values() if isinstance(each, GraphQLObjectType)]
                others = [each for each in objects if BACK in each.extensions and not _is_root(self._schema, each)]
                return self._instance(random.choice(others), path, random, DEEPEST)
            case 3:
                right = self._value(type_, path, random, depth + 1)
                return Later(right, self._turns, f"{path}~{random.random()}")
            case 4 if isinstance(getattr(type_, "of_type", type_), GraphQLList):
                right = self._value(type_, path, random, depth + 1)
                return _generated(right) if random.random() < 0.5 else _streamed(right, random.random() < 0.5)
            case 5 if isinstance(get_named_type(type_), GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
                right = self._value(type_, path, random, depth + 1)
                objects = [each for each in self._schema.type_map.values() if isinstance(each, GraphQLObjectType)]
                classes = [each.extensions[BACK].origin for each in objects if BACK in each.extensions]
                return strawberry.cast(random.choice(classes), right) if hasattr(right, "__dict__") else right
            case _:
                return random.choice(WRONG)


class Later:
    """A value that has to be awaited, and that no attribute should hold: graphql-core awaits it."""

    def __init__(self, value: object, turns: Turns, name: str) -> None:
        self._value = value
        self._turns = turns
        self._name = name

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:  # noqa: ANN401
        await self._turns.wait(self._name)
        return self._value


def _generated(values: Any) -> Any:  # noqa: ANN401 - a list, or what stands for one
    return (value for value in values) if isinstance(values, list | tuple) else values


async def _streamed(values: Any, fails: bool) -> AsyncIterator[Any]:  # noqa: ANN401, FBT001
    for value in values if isinstance(values, list | tuple) else ():
        yield value
    if fails:
        raise errors.NotFound


@lru_cache(maxsize=512)
def attributes(type_: GraphQLObjectType) -> dict[str, GraphQLOutputType | None]:
    """What the class of an object type is made with: the types of its fields by their names in Python, None if private."""
    fields = {field.extensions[BACK].python_name: field.type for field in type_.fields.values()}
    return {
        field.name: fields.get(field.name)
        for field in dataclasses.fields(type_.extensions[BACK].origin)
        if field.init and (field.name in fields or field.default is dataclasses.MISSING)
    }


def _private(name: str, random: Random) -> Any:  # noqa: ANN401
    if name == "batch":
        return Batch(random.getrandbits(32), WHEN)
    values: dict[str, list[Any]] = {
        "room_id": [None, ROOM],
        "invite": [None, Invite(1, "k")],
        "case_id": [SOMEBODY],
        "report_id": [SOMEBODY],
        "reporter_id": [None, SOMEBODY],
    }
    return random.choice(values[name])


def _is_root(schema: GraphQLSchema, type_: GraphQLObjectType) -> bool:
    return type_ in {schema.query_type, schema.mutation_type, schema.subscription_type}
