"""Valid documents over any schema, drawn so that they shrink: the smallest is one operation of one field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from graphql import (
    GraphQLCompositeType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationType,
    SchemaMetaFieldDef,
    TypeMetaFieldDef,
    get_named_type,
    is_composite_type,
    is_leaf_type,
)
from graphql.utilities import do_types_overlap
from hypothesis import strategies as st

from tests.differential.inputs import chance, pick
from tests.differential.literals import Literals, Variable
from tests.differential.places import Entry, Place, absorb, fits, shape

ALIASES: Final = ["a", "b", "id", "__a"]
"""Few, so that fields meet under one name; one is a field's own."""

INTROSPECTION: Final = 24
"""One root field in so many asks for the schema."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A named fragment that is complete. `place` is what it selects, with what the fragments within it select."""

    name: str
    on: GraphQLCompositeType
    text: str
    place: Place
    height: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, and the operation in it that is to run. `root` is the field of a subscription, or empty."""

    text: str
    name: str | None
    kind: OperationType
    variables: tuple[Variable, ...]
    root: str = ""


@st.composite
def operations(draw: st.DrawFn, schema: GraphQLSchema, depth: int = 4, size: int = 40) -> Operation:
    """A document of one to three operations, none with more than about `size` selections or deeper than `depth`."""
    return _Writer(draw, schema, size).document(depth)


class _Writer:
    def __init__(self, draw: st.DrawFn, schema: GraphQLSchema, size: int) -> None:
        self._draw = draw
        self._schema = schema
        self._size = size
        self._left = size
        self._literals = Literals(draw, schema)
        self._fragments: dict[str, Fragment] = {}
        self._nesting = 0
        self._names = 0

    def document(self, depth: int) -> Operation:
        count = 1 + self._draw(_OTHERS)
        bodies: list[tuple[str, OperationType, str, str]] = []
        for number in range(count):
            self._left = self._size
            kind = pick(self._draw, list(_roots(self._schema)))
            root = _roots(self._schema)[kind]
            if kind is OperationType.SUBSCRIPTION:
                selections, chosen = self._event(root, depth)
            else:
                selections, chosen = self._selections(root, {}, depth), ""
            bodies.append((f"Op{number}" if count > 1 or chance(self._draw, 2) else "", kind, selections, chosen))
        name, kind, selections, chosen = bodies[self._draw(st.integers(0, count - 1))]
        parts = [self._operation(*body[:3]) for body in bodies]
        spread = set().union(*(self._within(body[2])[0] for body in bodies))
        parts += [fragment.text for fragment in self._fragments.values() if fragment.name in spread]
        return Operation(
            "\n".join(parts[::-1] if chance(self._draw, 4) else parts),
            name if count > 1 or (name and chance(self._draw, 2)) else None,
            kind,
            self._variables(selections),
            chosen,
        )

    def _operation(self, name: str, kind: OperationType, selections: str) -> str:
        defined = ", ".join(map(str, self._variables(selections)))
        if not name and not defined and kind is OperationType.QUERY:
            return selections
        return f"{kind.value} {name}{f'({defined})' if defined else ''} {selections}"

    def _variables(self, selections: str) -> tuple[Variable, ...]:
        used = self._within(selections)[1]
        return tuple(variable for variable in self._literals.variables.values() if variable.name in used)

    def _within(self, selections: str) -> tuple[set[str], set[str]]:
        """The fragments and the variables that are used there, through fragments. No text of ours looks like either."""
        spread, variables, texts = set[str](), set[str](), [selections]
        while texts:
            text = texts.pop()
            variables |= set(_VARIABLE.findall(text))
            new = set(_SPREAD.findall(text)) - spread
            spread |= new
            texts += [self._fragments[name].text for name in new]
        return spread, variables

    def _event(self, root: GraphQLObjectType, depth: int) -> tuple[str, str]:
        """A subscription has one root field, without conditions; it may stand there twice, and within fragments."""
        name = pick(self._draw, list(root.fields))
        place: Place = {}
        texts = [self._field(root, name, place, depth, bare=True) for _ in range(1 + chance(self._draw, 5))]
        # Under two aliases they would be two fields.
        if len(place) > 1:
            texts, place = texts[:1], {}
        if chance(self._draw, 6):
            texts[0] = f"... on {root.name} {{ {texts[0]} }}"
        return f"{{ {' '.join(texts)} }}", name

    def _selections(self, on: GraphQLCompositeType, place: Place, depth: int) -> str:
        texts = []
        for _ in range(self._draw(_SOME)):
            self._left -= 1
            texts.append(self._selection(on, place, depth))
            if self._left <= 0:
                break
        return f"{{ {' '.join(texts)} }}"

    def _selection(self, on: GraphQLCompositeType, place: Place, depth: int) -> str:
        fields = self._selectable(on, depth)
        kind = self._draw(_KINDS)
        deeper = self._nesting < _NESTING and depth > 0 and self._left > 0
        if kind >= 7 and deeper:
            return self._inline(on, place, depth) if kind < 9 else self._spread(on, place, depth)
        if fields and kind > 0:
            if on is self._schema.query_type and chance(self._draw, INTROSPECTION):
                return self._field(on, pick(self._draw, ["__type", "__schema"]), place, min(depth, 3))
            return self._field(on, pick(self._draw, fields), place, depth)
        if isinstance(on, GraphQLUnionType) and kind > 0 and deeper:
            return self._inline(on, place, depth)  # nothing else can be selected there
        return self._typename(on, place)

    def _selectable(self, on: GraphQLCompositeType, depth: int) -> list[str]:
        fields: Mapping[str, GraphQLField] = {} if isinstance(on, GraphQLUnionType) else on.fields
        if depth > 0 and self._left > 0:
            return list(fields)
        return [name for name, definition in fields.items() if is_leaf_type(get_named_type(definition.type))]

    def _typename(self, on: GraphQLNamedType, place: Place) -> str:
        name = self._name("__typename", place)
        entry = place.setdefault(name, Entry("String!"))
        if entry.shape != "String!" or any(chosen != ("__typename", "") for chosen in entry.overlapping(on)):
            name = self._fresh()
            entry = place[name] = Entry("String!")
        entry.add(on, "__typename", "")
        return self._aliased(name, "__typename") + self._literals.directives()

    def _field(self, on: GraphQLCompositeType, name: str, place: Place, depth: int, *, bare: bool = False) -> str:
        definition = _definition(on, name)
        response_name = self._name(name, place)
        entry = place.get(response_name)
        arguments = None
        if entry is not None:
            overlapping = entry.overlapping(on)
            same = all(chosen == overlapping[0] and chosen[0] == name for chosen in overlapping)
            if entry.shape != shape(definition.type) or not same:
                response_name, entry = self._fresh(), None
            elif overlapping:
                arguments = overlapping[0][1]
        if entry is None:
            entry = place[response_name] = Entry(shape(definition.type))
        if arguments is None:
            arguments = self._literals.arguments(definition, name)
        entry.add(on, name, arguments)
        below = get_named_type(definition.type)
        text = self._aliased(response_name, name) + arguments + ("" if bare else self._literals.directives())
        return f"{text} {self._selections(below, entry.below, depth - 1)}" if is_composite_type(below) else text

    def _inline(self, on: GraphQLCompositeType, place: Place, depth: int) -> str:
        condition = None if chance(self._draw, 4) else self._condition(on)
        text = "..." if condition is None else f"... on {condition.name}"
        self._nesting += 1
        selections = self._selections(condition or on, place, depth)
        self._nesting -= 1
        return f"{text}{self._literals.directives()} {selections}"

    def _condition(self, on: GraphQLCompositeType) -> GraphQLCompositeType:
        """A type that something of this one may also be: mostly an object type."""
        objects, abstract = _overlapping(self._schema, on)
        return pick(self._draw, abstract if abstract and chance(self._draw, 4) else objects)  # type: ignore[no-any-return]

    def _spread(self, on: GraphQLCompositeType, place: Place, depth: int) -> str:
        known = [
            fragment
            for fragment in self._fragments.values()
            if fragment.height <= depth
            and do_types_overlap(self._schema, on, fragment.on)
            and fits(place, fragment.place)
        ]
        if known and chance(self._draw, 2):
            fragment = pick(self._draw, known)
        else:
            fragment = self._fragment(self._condition(on), depth)
            if not fits(place, fragment.place):
                return self._typename(on, place)
        absorb(place, fragment.place)
        return f"...{fragment.name}{self._literals.directives()}"

    def _fragment(self, on: GraphQLCompositeType, depth: int) -> Fragment:
        self._names += 1
        name, place = f"F{self._names}", Place()
        self._nesting += 1
        text = f"fragment {name} on {on.name} {self._selections(on, place, depth)}"
        self._nesting -= 1
        self._fragments[name] = Fragment(name, on, text, place, depth)
        return self._fragments[name]

    def _name(self, name: str, place: Place) -> str:
        """The field's own name mostly; else an alias, or a name that is taken."""
        choice = self._draw(_NAMES)
        if choice < 7:
            return name
        return str(pick(self._draw, [*place, *ALIASES] if choice < 9 else ALIASES))

    def _fresh(self) -> str:
        self._names += 1
        return f"n{self._names}"

    @staticmethod
    def _aliased(response_name: str, name: str) -> str:
        return name if response_name == name else f"{response_name}: {name}"


def _definition(on: GraphQLCompositeType, name: str) -> GraphQLField:
    if name == "__schema":
        return SchemaMetaFieldDef
    if name == "__type":
        return TypeMetaFieldDef
    assert not isinstance(on, GraphQLUnionType)
    field: GraphQLField = on.fields[name]
    return field


@lru_cache
def _roots(schema: GraphQLSchema) -> dict[OperationType, GraphQLObjectType]:
    roots = {kind: schema.get_root_type(kind) for kind in OperationType}
    return {kind: root for kind, root in roots.items() if root is not None}


@lru_cache(maxsize=512)
def _overlapping(
    schema: GraphQLSchema, on: GraphQLCompositeType
) -> tuple[list[GraphQLCompositeType], list[GraphQLCompositeType]]:
    """The object types and the abstract types that something of this one may also be."""
    types = [type_ for type_ in schema.type_map.values() if is_composite_type(type_)]
    types = [type_ for type_ in types if do_types_overlap(schema, on, type_)]
    return (
        [type_ for type_ in types if isinstance(type_, GraphQLObjectType)],
        [type_ for type_ in types if not isinstance(type_, GraphQLObjectType)],
    )


_OTHERS: Final = st.sampled_from([0, 0, 0, 0, 1, 2])
_SOME: Final = st.sampled_from([1, 2, 3, 4, 5, 6])
_KINDS: Final = st.integers(0, 10)
_NAMES: Final = st.integers(0, 9)
_NESTING: Final = 4
"""Fragments within fragments, so deep."""
_VARIABLE: Final = re.compile(r"\$(v\d+)")
_SPREAD: Final = re.compile(r"\.\.\.(F\d+)")
