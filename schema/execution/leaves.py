"""Scalars and enums on their way out: most values need nothing but a look at their class.

Whatever is not plain goes to the type's own function by way of graphql-core, whose errors it then has.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any
from uuid import UUID

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
    is_specified_scalar_type,
)
from graphql.execution.executor import Executor
from strawberry.schema.schema_converter import CustomGraphQLEnumType

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLLeafType

    from schema.execution.run import Place, Run

    Complete = Callable[[Run, Any, Place], Any]

    Plain = Callable[[Any], Any]

SIMPLE = frozenset({str, int, float, bool, bytes, date, datetime, time, timedelta, Decimal, UUID})
"""Classes whose values a custom scalar may be given at once: they are no errors, and nothing to wait for."""


class Never:
    """The class of no value."""


def itself(type_: GraphQLLeafType) -> type:
    """The class whose values are their own result: they are what JSON has, and the type has nothing against any of them."""
    if type_ is GraphQLString or type_ is GraphQLID or type_.coerce_output_value is str:
        return str
    return bool if type_ is GraphQLBoolean else Never


def plain(type_: GraphQLLeafType) -> Plain:
    """What gives the result for an ordinary value, and None for any other, about which `leaf` must be asked."""
    if type_ is GraphQLInt:
        return lambda value: value if type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT else None
    if type_ is GraphQLFloat:
        return lambda value: value if type(value) is float and isfinite(value) else None
    if isinstance(type_, CustomGraphQLEnumType):
        return _members(type_)
    if is_specified_scalar_type(type_) or isinstance(type_, GraphQLEnumType):
        return lambda _value: None
    coerce = type_.coerce_output_value

    def serialize(value: Any) -> Any:  # noqa: ANN401 - whatever a resolver answers
        if type(value) not in SIMPLE or (result := coerce(value)) is Undefined:
            return None
        return result

    return serialize


def leaf(type_: GraphQLLeafType, *, null: str | None) -> Complete:
    """What completes all values of the type. `null` is the message for None where it is forbidden."""
    quick = plain(type_)

    def complete(_run: Run, value: Any, _place: Place) -> Any:  # noqa: ANN401 - whatever a resolver answers
        if (result := quick(value)) is not None:
            return result
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            if null is not None:
                raise TypeError(null)
            return None
        return Executor.complete_leaf_value(type_, value)

    return complete


def _members(type_: CustomGraphQLEnumType) -> Callable[[Any], str | None]:
    # By identity, which is a member's own as long as its class lives: hashing a member costs as much as all the rest.
    members: list[Any] = list(type_.wrapped_cls)
    names = {id(member): _name(type_, member) for member in members}
    return lambda value: names.get(id(value))


def _name(type_: GraphQLEnumType, member: object) -> str | None:
    try:
        return type_.coerce_output_value(member)
    except Exception:  # noqa: BLE001 - a member that is not in the schema: it is looked at again when it comes
        return None
