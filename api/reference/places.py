"""Which part of the reference each piece of the schema belongs to, and its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_introspection_type,
)

from api.reference.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLNamedType, GraphQLSchema

ROOT = "/docs"


class Places:
    """Where everything is. What the schema has and `PARTS` does not know of finds a place all the same."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.roots = {kind: root for kind, root in _roots(schema) if root is not None}
        self._last = PARTS[-1].slug
        self.types: dict[str, str] = {
            name: part.slug for part in PARTS for name in part.types.split() if name in schema.type_map
        }
        """The slug of each type's part, the named ones first, then the nearest."""
        self.fields: dict[str, str] = {}
        """That of each root field, by its coordinate."""
        for part in PARTS:
            for kind, name in part.roots:
                if kind in self.roots and name in self.roots[kind].fields:
                    self.fields[f"{self.roots[kind].name}.{name}"] = part.slug
        self._spread()
        for root in self.roots.values():
            for name, field in root.fields.items():
                self.fields.setdefault(
                    f"{root.name}.{name}", self.types.get(get_named_type(field.type).name, self._last)
                )
        self.owned = dict(self._ownership())
        """Types that are part of one mutation only, by name: its coordinate."""

    def href(self, coordinate: str) -> str | None:
        """The address of a type (`Room`), a field or an enum value (`Room.members`), an argument (`Query.room.id`) or a directive
        (`@oneOf`). None for what there is not.
        """
        owner, *rest = coordinate.split(".")
        if coordinate.startswith("@"):
            slug: str | None = self._last if self.schema.get_directive(owner[1:]) else None
        elif rest and owner in {root.name for root in self.roots.values()}:
            slug = self.fields.get(f"{owner}.{rest[0]}")
        elif rest and rest[0] not in members(self.schema.type_map.get(owner)):
            slug = None
        else:
            slug = self.types.get(owner)
        return slug and f"{ROOT}/{slug}#{coordinate}"

    def told(self, text: str) -> str | None:
        """The address of what a description names in backticks, if that is one thing only."""
        if text in self.types or "." in text or text.startswith("@"):
            return self.href(text)
        found = [f"{root.name}.{text}" for root in self.roots.values() if text in root.fields]
        return self.href(found[0]) if len(found) == 1 else None

    def _spread(self) -> None:
        """Gives each type the part of the nearest root field, in width: of two that are as near the first part has it."""
        near: list[tuple[str, GraphQLNamedType]] = []
        for coordinate, slug in self.fields.items():
            owner, name = coordinate.split(".")
            root = self.schema.get_type(owner)
            if isinstance(root, GraphQLObjectType):
                near += [(slug, kind) for kind in _mentioned(root.fields[name])]
        near += [(slug, self.schema.type_map[name]) for name, slug in self.types.items()]
        done: set[str] = {root.name for root in self.roots.values()}
        while near:
            beyond: list[tuple[str, GraphQLNamedType]] = []
            for slug, kind in near:
                if kind.name not in done:
                    done.add(kind.name)
                    home = self.types.setdefault(kind.name, slug)
                    beyond += [(home, other) for other in self._led_to(kind)]
            near = beyond
        for kind in self.schema.type_map.values():
            if not is_introspection_type(kind):
                self.types.setdefault(kind.name, self._last)

    def _led_to(self, kind: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
        if isinstance(kind, GraphQLUnionType):
            yield from kind.types
        if isinstance(kind, GraphQLInterfaceType):
            yield from self.schema.get_possible_types(kind)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field in kind.fields.values():
                yield from _mentioned(field)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (get_named_type(field.type) for field in kind.fields.values())

    def _ownership(self) -> Iterator[tuple[str, str]]:
        """A mutation's own input, payload and success: nobody else mentions them."""
        mutation = self.roots.get("mutation")
        users = used_by(self.schema)
        for name, field in mutation.fields.items() if mutation else ():
            coordinate = f"{mutation.name}.{name}" if mutation else name
            candidates = [get_named_type(argument.type) for argument in field.args.values()]
            payload = get_named_type(field.type)
            for kind in (*candidates, payload):
                own = isinstance(kind, GraphQLInputObjectType | GraphQLUnionType) and len(users[kind.name]) == 1
                if own and self.types[kind.name] == self.fields[coordinate]:
                    yield kind.name, coordinate
                    for member in kind.types if isinstance(kind, GraphQLUnionType) else ():
                        if users[member.name] == [kind.name] and not member.interfaces:
                            yield member.name, coordinate


def used_by(schema: GraphQLSchema) -> dict[str, list[str]]:
    """By type: the coordinates of the fields, arguments and unions that mention it, and the types that implement it."""
    found: dict[str, list[str]] = {name: [] for name in schema.type_map}
    for kind in schema.type_map.values():
        if is_introspection_type(kind):
            continue
        if isinstance(kind, GraphQLUnionType):
            for member in kind.types:
                found[member.name].append(kind.name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for interface in kind.interfaces:
                found[interface.name].append(kind.name)
        for name, field in members(kind).items():
            if hasattr(field, "type"):
                found[get_named_type(field.type).name].append(f"{kind.name}.{name}")
            for argument, its in getattr(field, "args", {}).items():
                found[get_named_type(its.type).name].append(f"{kind.name}.{name}.{argument}")
    return found


def members(kind: GraphQLNamedType | None) -> dict[str, object]:
    """Fields or enum values, by name."""
    return getattr(kind, "fields", None) or getattr(kind, "values", None) or {}


def _roots(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLObjectType | None]]:
    yield "query", schema.query_type
    yield "mutation", schema.mutation_type
    yield "subscription", schema.subscription_type


def _mentioned(field: GraphQLField) -> Iterator[GraphQLNamedType]:
    yield get_named_type(field.type)
    yield from (get_named_type(argument.type) for argument in field.args.values())
