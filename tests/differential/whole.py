"""One operation for each root field, with all that can be selected and given: so nothing of a schema is forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLCompositeType,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    ObjectFieldNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_composite_type,
    parse,
    visit,
)
from graphql.utilities import do_types_overlap

from tests.differential.documents import Operation
from tests.differential.inputs import SCALARS, is_one_of, written


def operations(schema: GraphQLSchema, depth: int, deeper: Mapping[str, int] | None = None) -> Iterator[Operation]:
    """For each root field two operations, or as many as an input of its offers a choice. Of some fields they go `deeper`."""
    for kind in OperationType:
        root = schema.get_root_type(kind)
        for name, definition in root.fields.items() if root else ():
            for variant in range(max([2, *(_choices(argument.type, 5) for argument in definition.args.values())])):
                levels = (deeper or {}).get(name, depth)
                body = _Whole(schema, variant).field(definition, name, name, levels)
                yield Operation(f"{kind.value} {{ {body} }}", None, kind, (), name)


def _choices(type_: GraphQLInputType, depth: int) -> int:
    """How many fields the widest `@oneOf` has that is within so many levels."""
    named = get_named_type(type_)
    if not isinstance(named, GraphQLInputObjectType) or not depth:
        return 1
    own = len(named.fields) if is_one_of(named) else 1
    return max([own, *(_choices(each.type, depth - 1) for each in named.fields.values())])


class _Whole:
    def __init__(self, schema: GraphQLSchema, variant: int) -> None:
        self._schema = schema
        self._variant = variant

    def field(self, definition: GraphQLField, name: str, response_name: str, depth: int) -> str:
        """The field with its arguments and everything below it."""
        arguments = ", ".join(f"{key}: {self._literal(argument.type, 5)}" for key, argument in definition.args.items())
        text = f"{response_name}: {name}" + (f"({arguments})" if arguments else "")
        below = get_named_type(definition.type)
        return f"{text} {{ {self._selection(below, depth - 1)} }}" if is_composite_type(below) else text

    def _selection(self, on: GraphQLCompositeType, depth: int) -> str:
        parts = ["__typename"]
        if not isinstance(on, GraphQLUnionType):
            for name, definition in on.fields.items():
                if depth > 0 or not is_composite_type(get_named_type(definition.type)):
                    # Two types of a union may have fields of one name that cannot be merged.
                    parts.append(self.field(definition, name, f"{on.name}_{name}", depth))
        if isinstance(on, GraphQLUnionType):
            parts += [
                f"... on {type_.name} {{ __typename {' '.join(self._leaves(type_))} }}"
                for type_ in self._schema.type_map.values()
                if isinstance(type_, GraphQLInterfaceType) and do_types_overlap(self._schema, on, type_)
            ]
        if not isinstance(on, GraphQLObjectType):
            parts += [
                f"... on {type_.name} {{ {self._selection(type_, depth)} }}"
                for type_ in self._schema.get_possible_types(on)
            ]
        return " ".join(parts)

    def _leaves(self, on: GraphQLInterfaceType) -> list[str]:
        return [
            self.field(definition, name, f"{on.name}_{name}", 0)
            for name, definition in on.fields.items()
            if not is_composite_type(get_named_type(definition.type))
        ]

    def _literal(self, type_: GraphQLInputType, depth: int) -> str:
        if isinstance(type_, GraphQLNonNull):
            return self._literal(type_.of_type, depth)
        if isinstance(type_, GraphQLList):
            return f"[{self._literal(type_.of_type, depth)}]"
        if isinstance(type_, GraphQLEnumType):
            return str(list(type_.values)[self._variant % len(type_.values)])
        if not isinstance(type_, GraphQLInputObjectType):
            return written(SCALARS[type_.name][self._variant % len(SCALARS[type_.name])])
        fields = list(type_.fields.items())
        if is_one_of(type_):
            fields = [fields[self._variant % len(fields)]]
        given = [
            f"{name}: {self._literal(definition.type, depth - 1)}"
            for name, definition in fields
            if depth > 0 or isinstance(definition.type, GraphQLNonNull)
        ]
        return f"{{{', '.join(given)}}}"


@dataclass
class Coverage:
    """What documents asked for: types, `Type.field`, `Type.field(argument)` and `Input.field`."""

    schema: GraphQLSchema
    reached: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Count what a document asks for."""
        types = TypeInfo(self.schema)
        document: DocumentNode = parse(text)
        visit(document, TypeInfoVisitor(types, _Reader(types, self.reached)))

    def missing(self) -> set[str]:
        """What the schema has and nobody asked for, introspection aside."""
        return all_of(self.schema) - self.reached


class _Reader(Visitor):
    def __init__(self, types: TypeInfo, reached: set[str]) -> None:
        super().__init__()
        self._types = types
        self._reached = reached

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self._types.get_parent_type()
        assert parent is not None
        self._reached |= {parent.name, f"{parent.name}.{node.name.value}"}
        self._reached |= {f"{parent.name}.{node.name.value}({each.name.value})" for each in node.arguments or ()}

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> None:
        parent = get_named_type(self._types.get_parent_input_type())
        assert parent is not None
        self._reached |= {parent.name, f"{parent.name}.{node.name.value}"}


def all_of(schema: GraphQLSchema) -> set[str]:
    """All that can be asked for: types that have fields, fields, and arguments."""
    found = set()
    for type_ in schema.type_map.values():
        if type_.name.startswith("__") or not hasattr(type_, "fields"):
            continue
        found |= {type_.name, *(f"{type_.name}.{name}" for name in type_.fields)}
        if not isinstance(type_, GraphQLInputObjectType):
            found |= {
                f"{type_.name}.{name}({argument})"
                for name, definition in type_.fields.items()
                for argument in definition.args
            }
    return found
