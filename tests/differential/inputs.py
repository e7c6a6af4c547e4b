"""What clients write and send for input types: literals for documents, JSON for variables, right and wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    Undefined,
    get_nullable_type,
)
from hypothesis import strategies as st
from strawberry.schema.schema_converter import GraphQLCoreConverter

TEXTS: Final = ["", "a", "Zoë 🜁", 'line\n"quoted"\\', "123", "true", "x" * 300, "2f1cfd0e-8a3b-4a35-9f63-0a5f6c3f9b11"]
TIMES: Final = ["2026-11-21T09:30:00.000Z", "2026-11-21T09:30:00+02:00", "0001-01-01T00:00:00Z"]
SCALARS: Final[Mapping[str, list[Any]]] = {
    "Int": [0, 1, -1, 2147483647, -2147483648],
    "Float": [0, 1, 0.5, -2.25, 1e100, 123456789012],
    "Boolean": [True, False],
    "ID": [*TEXTS, 7, -1],
    "String": TEXTS,
    "DateTime": TIMES,
    "Base64": ["", "AA==", "3q2+7w=="],
    "Cursor": ["", "c", "m:12"],
    "Even": [0, 2, -4],
}
"""Values that each scalar takes, as JSON has them."""

SENT_ONLY: Final[Mapping[str, list[Any]]] = {"Int": [3.0], "String": ["\ud800"], "ID": [5.0]}
"""Those that only a variable can bring."""

WRONG: Final[list[Any]] = [
    None,
    True,
    1.5,
    2**31,
    -(2**31) - 1,
    10**400,
    math.nan,
    math.inf,
    1e308,
    "",
    "nobody would",
    "\ud800",
    "AA=",
    "AB==",
    "2026-11-21",
    "x" * 201,
    [],
    [None],
    [[1]],
    {},
    {"unknown": 1},
    {"__typename": "X"},
]
"""What a client may send anywhere; some of it is right somewhere."""


def chance(draw: st.DrawFn, of: int) -> bool:
    """True once in `of` times, and False in the simplest case."""
    return draw(_BELOW[of]) == of - 1


_BELOW: Final = {of: st.integers(0, of - 1) for of in range(1, 33)}


def pick(draw: st.DrawFn, choices: list[Any]) -> Any:  # noqa: ANN401 - one of whatever it is
    """One of the choices; the first is the simplest."""
    if len(choices) <= 32:
        return choices[draw(_BELOW[len(choices)])]
    return choices[draw(st.integers(0, len(choices) - 1))]


def sent(draw: st.DrawFn, type_: GraphQLInputType, wrong: int = 0) -> Any:  # noqa: ANN401 - JSON
    """A variable's value. With `wrong`, one in so many parts of it is not what the type demands."""
    if wrong and chance(draw, wrong):
        return pick(draw, WRONG)
    if isinstance(type_, GraphQLNonNull):
        return _sent(draw, type_.of_type, wrong)
    return None if chance(draw, 6) else _sent(draw, type_, wrong)


def _sent(draw: st.DrawFn, type_: GraphQLInputType, wrong: int) -> Any:  # noqa: ANN401 - JSON
    if isinstance(type_, GraphQLList):
        if chance(draw, 5):
            one = sent(draw, type_.of_type, wrong)
            return one if one is not None else []
        return [sent(draw, type_.of_type, wrong) for _ in range(draw(_BELOW[4]))]
    if isinstance(type_, GraphQLEnumType):
        return pick(draw, list(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        return _sent_object(draw, type_, wrong)
    assert isinstance(type_, GraphQLScalarType)
    return pick(draw, [*SCALARS[type_.name], *SENT_ONLY.get(type_.name, [])])


def _sent_object(draw: st.DrawFn, type_: GraphQLInputObjectType, wrong: int) -> dict[str, Any]:
    if is_one_of(type_):
        some = [pick(draw, list(type_.fields))]
        if wrong and chance(draw, 3):
            some.append(pick(draw, list(type_.fields)))
        return {name: sent(draw, GraphQLNonNull(get_nullable_type(type_.fields[name].type)), wrong) for name in some}
    value = {}
    for name, input_field in type_.fields.items():
        needed = isinstance(input_field.type, GraphQLNonNull) and not given_by_default(input_field)
        if (needed and not (wrong and chance(draw, wrong))) or chance(draw, 2):
            value[name] = sent(draw, input_field.type, wrong)
    if wrong and chance(draw, wrong * 2):
        value["unknown"] = 1
    return value


def is_one_of(type_: GraphQLInputObjectType) -> bool:
    """Whether exactly one field may be given. Strawberry checks that itself and tells graphql-core nothing."""
    return type_.is_one_of or type_.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].is_one_of


def given_by_default(input_value: GraphQLArgument | GraphQLInputField) -> bool:
    """Whether an argument or a field of an input has a default."""
    return input_value.default_value is not Undefined


def written(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    """A scalar as a document has it."""
    return json.dumps(value)
