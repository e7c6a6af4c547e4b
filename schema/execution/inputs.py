"""Input types, compiled: what a client gives becomes what graphql-core makes of it, and that becomes what resolvers take.

Exact by delegation. The compiled way knows good values only: it raises `Mismatch` (or whatever a scalar raises) on anything
else, and then graphql-core's own functions run, and find the same, or the error that they always found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
    is_required_input_field,
)
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.relay.types import GlobalID
from strawberry.schema.compat import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

if TYPE_CHECKING:
    from graphql import GraphQLInputType

Coerce: TypeAlias = Callable[[Any], Any]
Convert: TypeAlias = Callable[[Any], Any]

IMMUTABLE = (
    str,
    int,
    float,
    bool,
    bytes,
    type(None),
    Enum,
    UUID,
    datetime,
    date,
    time,
    timedelta,
    Decimal,
    type(UNSET),
)


class Mismatch(Exception):
    """The value is not one of those that the compiled way knows."""


class Unusual(Exception):
    """The type is not one of those that can be compiled."""


def is_immutable(value: object) -> bool:
    """Whether executions may share the value."""
    return isinstance(value, IMMUTABLE)


def is_frozen(value: object) -> bool:
    """Whether all that is inside a coerced value may be shared: lists and objects are made anew by converting them."""
    if isinstance(value, list):
        return all(map(is_frozen, value))
    if isinstance(value, dict):
        return all(map(is_frozen, value.values()))
    return is_immutable(value)


class Inputs:
    """The input types of one schema, each compiled when it is first needed."""

    def __init__(self, converter: GraphQLCoreConverter) -> None:
        self._converter = converter
        self._coercers: dict[GraphQLInputType, Coerce] = {}
        self._converters: dict[type, Convert] = {}
        self._open: set[object] = set()

    def coercer(self, type_: GraphQLInputType) -> Coerce:
        """What graphql-core's `coerce_input_value` gives for a good value. Raises `Unusual`."""
        known = self._coercers.get(type_)
        if known is None:
            known = self._coercers[type_] = self._coercer(type_)
        return known

    def _coercer(self, type_: GraphQLInputType) -> Coerce:
        if isinstance(type_, GraphQLNonNull):
            return self._nullable(type_.of_type)
        return _or_null(self._nullable(type_))

    def _nullable(self, type_: GraphQLInputType) -> Coerce:
        if isinstance(type_, GraphQLList):
            return _list(self.coercer(type_.of_type))
        if isinstance(type_, GraphQLInputObjectType):
            if type_ in self._open:
                raise Unusual  # it contains itself: graphql-core sees to how deeply it is nested
            self._open.add(type_)
            try:
                return self._object(type_)
            finally:
                self._open.discard(type_)
        if isinstance(type_, GraphQLEnumType):
            return _enum(type_)
        if isinstance(type_, GraphQLScalarType):
            return _BUILT_IN.get(type_, type_.coerce_input_value)
        raise Unusual

    def _object(self, type_: GraphQLInputObjectType) -> Coerce:
        fields = []
        for name, field in type_.fields.items():
            if field.out_name not in {None, name}:
                raise Unusual
            default = coerce_default_value(field)
            fields.append((name, self.coercer(field.type), default, is_required_input_field(field)))
        one_of = type_.is_one_of
        # What Strawberry makes of a `@oneOf` input is to look whether exactly one is given, which is done here already.
        known = type_.out_type is GraphQLInputObjectType.out_type or (one_of and _is_strawberrys(type_.out_type))
        finish = None if known else type_.out_type

        def coerce(value: Any) -> Any:  # noqa: ANN401 - what a client gave
            if type(value) is not dict:
                raise Mismatch
            result, given = {}, 0
            for name, coerce_field, default, required in fields:
                if name in value:
                    result[name] = coerce_field(value[name])
                    given += 1
                elif required:
                    raise Mismatch
                elif default is not Undefined:
                    result[name] = default
            if given != len(value) or (one_of and (given != 1 or None in result.values())):
                raise Mismatch
            return result if finish is None else finish(result)

        return coerce

    def converter(self, type_: Any) -> Convert | None:  # noqa: ANN401 - Strawberry's types have no base
        """What Strawberry's `convert_argument` gives for a coerced value; None if that is the value. Raises `Unusual`."""
        if isinstance(type_, LazyType):
            return self.converter(type_.resolve_type())
        if isinstance(type_, StrawberryMaybe) or type_ is GlobalID:
            raise Unusual
        if isinstance(type_, StrawberryOptional):
            return self.converter(type_.of_type)  # it takes null, like all of them
        if isinstance(type_, StrawberryList):
            return _each(self.converter(type_.of_type))
        if (
            is_scalar(type_, self._converter.scalar_registry)
            or isinstance(type_, StrawberryEnumDefinition)
            or has_enum_definition(type_)
        ):
            return None
        if not has_object_definition(type_) or type_ in self._open:
            raise Unusual
        known = self._converters.get(type_)
        if known is None:
            self._open.add(type_)
            try:
                known = self._converters[type_] = self._builder(type_)
            finally:
                self._open.discard(type_)
        return known

    def _builder(self, type_: type) -> Convert:
        definition = type_.__strawberry_definition__  # type: ignore[attr-defined]
        if definition.from_input is not None or not definition.is_input:
            raise Unusual
        name_of = self._converter.config.name_converter.from_field
        fields = {
            name_of(field): (field.python_name, self.converter(field.resolve_type(type_definition=definition)))
            for field in definition.fields
        }
        empty = {
            field.python_name: None
            for field in definition.fields
            if field.default_value is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }

        def convert(value: Any) -> Any:  # noqa: ANN401 - what was coerced
            if value is None or value is UNSET:
                return value
            given = empty.copy()
            for name, inner in value.items():
                python_name, convert_field = fields[name]
                given[python_name] = inner if convert_field is None else convert_field(inner)
            return type_(**given)

        return convert


def _is_strawberrys(out_type: Callable[..., Any]) -> bool:
    return out_type.__module__ == GraphQLCoreConverter.__module__


def _or_null(coerce: Coerce) -> Coerce:
    return lambda value: None if value is None else coerce(value)


def _list(coerce: Coerce) -> Coerce:
    def coerce_list(value: Any) -> list[Any]:  # noqa: ANN401 - what a client gave
        kind = type(value)
        if kind is list:
            return [coerce(item) for item in value]
        if kind in {str, int, float, bool, dict}:
            return [coerce(value)]
        raise Mismatch

    return coerce_list


def _exactly(kind: type) -> Coerce:
    def coerce(value: Any) -> Any:  # noqa: ANN401 - what a client gave
        if type(value) is not kind:
            raise Mismatch
        return value

    return coerce


def _int(value: Any) -> int:  # noqa: ANN401 - what a client gave
    if type(value) is not int or not GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        raise Mismatch
    return value


_BUILT_IN: dict[GraphQLScalarType, Coerce] = {
    GraphQLString: _exactly(str),
    GraphQLID: _exactly(str),
    GraphQLBoolean: _exactly(bool),
    GraphQLInt: _int,
}


def _enum(type_: GraphQLEnumType) -> Coerce:
    members = {name: type_.coerce_input_value(name) for name in type_.values}

    def coerce(value: Any) -> Any:  # noqa: ANN401 - what a client gave
        if type(value) is not str or value not in members:
            raise Mismatch
        return members[value]

    return coerce


def _each(convert: Convert | None) -> Convert:
    def convert_list(value: Any) -> Any:  # noqa: ANN401 - what was coerced
        if value is None or value is UNSET:
            return value
        return list(value) if convert is None else [convert(item) for item in value]

    return convert_list
