"""An operation for each root field, made from the schema: one that a front end can begin with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    value_from_ast_untyped,
)
from graphql.utilities.get_default_value_ast import get_default_value_ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import GraphQLField, GraphQLInputField, GraphQLInputType, GraphQLNamedType, GraphQLSchema

DEPTH = {"query": 1, "mutation": 2, "subscription": 2}
"""Objects within what is answered, one in another; the members of a union are one."""
FEW = 3
"""Fields of the innermost objects: enough to see what they are."""
FAILURES = "UserError"
SAMPLES: Mapping[str, object] = {
    "displayName": "Ada",
    "name": "Book club",
    "interests": ["music"],
    "languages": ["en"],
    "category": "HARASSMENT",
    "sdp": "v=0",
    "Base64": "AAAA",
    "DateTime": "2026-11-21T09:30:00.000Z",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
}
"""Values by the name of the field, else of the scalar; for any other the name in capitals stands, to be replaced."""
_PAGING = re.compile("(Connection|Edge|PageInfo)$")


@dataclass(frozen=True, slots=True)
class Example:
    """An operation, and its variables as JSON; empty if it has none."""

    query: str
    variables: str


def example(schema: GraphQLSchema, kind: str, root: GraphQLObjectType, name: str) -> Example:
    """An operation of the root field `name`: what it requires as variables, and what it answers without the details."""
    field = root.fields[name]
    required = {key: its for key, its in field.args.items() if is_required_argument(its)}
    declared = ", ".join(f"${key}: {its.type}" for key, its in required.items())
    given = ", ".join(f"{key}: ${key}" for key in required)
    head = f"{kind} {name[:1].upper()}{name[1:]}{f'({declared})' if declared else ''}"
    call = f"{name}({given})" if given else name
    values = {key: _value(_telling(key, field), its.type) for key, its in required.items()}
    return Example(
        "\n".join(_block(head, _Selection(schema).field(call, get_named_type(field.type), DEPTH[kind]))),
        orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() if values else "",
    )


def _telling(argument: str, field: GraphQLField) -> str:
    """`id` says of what when it is `roomId`."""
    return f"{get_named_type(field.type).name}Id" if argument == "id" else argument


@dataclass(frozen=True, slots=True)
class _Selection:
    """Lines of a selection. A field that cannot be asked for without arguments, or is deprecated, is left out."""

    schema: GraphQLSchema

    def field(self, written: str, kind: GraphQLNamedType, depth: int) -> list[str]:
        """A field of that type, as `written`; no lines if nothing could be selected in it."""
        if is_leaf_type(kind):
            return [written]
        inner = self._within(kind, depth)
        return _block(written, inner) if inner else []

    def _within(self, kind: GraphQLNamedType, depth: int) -> list[str]:
        if isinstance(kind, GraphQLUnionType):
            common = [each for each in _common(kind) if each.name != FAILURES]
            shown = [line for each in common for line in _block(f"... on {each.name}", self._fields(each, 0, {}))]
            return ["__typename", *shown, *self._members(kind.types, depth - 1 if common else depth, common)]
        if isinstance(kind, GraphQLInterfaceType):
            members = self.schema.get_possible_types(kind)
            return ["__typename", *self._fields(kind, depth, {}), *self._members(members, depth - 1, [kind])]
        return self._fields(kind, depth, {}) if isinstance(kind, GraphQLObjectType) else []

    def _members(
        self, kinds: Iterable[GraphQLObjectType], depth: int, common: Iterable[GraphQLInterfaceType]
    ) -> list[str]:
        """A fragment for each type, without the fields of `common`, and one for all failures together."""
        taken = {name: str(its.type) for interface in common for name, its in interface.fields.items()}
        known = frozenset(taken)
        lines: list[str] = []
        failures = False
        for kind in kinds:
            if any(interface.name == FAILURES for interface in kind.interfaces):
                failures = True
            elif inner := self._fields(kind, depth, taken, known):
                lines += _block(f"... on {kind.name}", inner)
        return lines + (_block(f"... on {FAILURES}", ["message"]) if failures else [])

    def _fields(
        self,
        kind: GraphQLObjectType | GraphQLInterfaceType,
        depth: int,
        taken: dict[str, str],
        known: frozenset[str] = frozenset(),
    ) -> list[str]:
        """The fields of `kind` but for the `known`. `taken` holds the types by the names that fragments beside this one select: the
        same name for another type gets an alias, since they may not answer two types by one name.
        """
        lines: list[str] = []
        leaves = 0
        paging = _PAGING.search(kind.name)
        for name, field in kind.fields.items():
            its = get_named_type(field.type)
            inside = depth if paging or is_leaf_type(its) or its.name == "PageInfo" else depth - 1
            if (
                name in known
                or inside < 0
                or field.deprecation_reason is not None
                or any(is_required_argument(argument) for argument in field.args.values())
            ):
                continue
            leaves += is_leaf_type(its)
            if depth == 0 and not paging and leaves > FEW:
                break
            same = taken.setdefault(name, str(field.type)) == str(field.type)
            lines += self.field(
                name if same else f"{_lower(kind.name)}{name[:1].upper()}{name[1:]}: {name}", its, inside
            )
        return lines


def _common(union: GraphQLUnionType) -> list[GraphQLInterfaceType]:
    first, *others = union.types
    return [each for each in first.interfaces if all(each in other.interfaces for other in others)]


def _block(head: str, inner: Iterable[str]) -> list[str]:
    return [f"{head} {{", *(f"  {line}" for line in inner), "}"]


def _lower(name: str) -> str:
    return f"{name[:1].lower()}{name[1:]}"


def _value(name: str, kind: GraphQLInputType) -> object:
    """A value to begin with."""
    if isinstance(kind, GraphQLNonNull):
        return _value(name, kind.of_type)
    if isinstance(kind, GraphQLList):
        given = SAMPLES.get(name)
        return given if isinstance(given, list) else [_value(name, kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        return {key: _default(its) or _value(key, its.type) for key, its in _needed(kind).items()}
    if isinstance(kind, GraphQLEnumType):
        return SAMPLES[name] if SAMPLES.get(name) in kind.values else next(iter(kind.values))
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
    return SAMPLES.get(name, SAMPLES.get(kind.name, words))


def _default(field: GraphQLInputField) -> object:
    """None without one."""
    written = get_default_value_ast(field)
    return written and value_from_ast_untyped(written)


def _needed(kind: GraphQLInputObjectType) -> Mapping[str, GraphQLInputField]:
    """The required fields. Where none is: those with a default, or the first, of which `@oneOf` takes exactly one."""
    required = {key: its for key, its in kind.fields.items() if is_required_input_field(its)}
    usual = {key: its for key, its in kind.fields.items() if get_default_value_ast(its)}
    return required or usual or dict(list(kind.fields.items())[:1])
