"""What is known of the fields of a schema before any document asks for them: how each comes by its value.

Three ways, from the cheapest. Strawberry's plain fields are attributes of their object. A resolver around which Strawberry does
nothing but convert arguments is called with arguments that were converted here. All others (permissions, extensions,
introspection) are called the way graphql-core calls them.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isasyncgenfunction, iscoroutinefunction
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLNonNull
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from schema.execution.inputs import Inputs, Unusual
from schema.execution.leaves import itself, leaf, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import strawberry
    from graphql import GraphQLArgument, GraphQLField, GraphQLLeafType, GraphQLObjectType, GraphQLSchema

    from schema.execution.inputs import Convert
    from schema.execution.leaves import Complete, Plain


@dataclass(frozen=True, slots=True, eq=False)
class Resolver:
    """A function that Strawberry would call with nothing but the source, `info` and its arguments."""

    function: Callable[..., Any]
    takes_self: bool
    source_names: tuple[str, ...]
    """Keywords under which it takes the source."""
    info_name: str | None
    info_class: type[Any]
    field: StrawberryField
    parameters: tuple[tuple[str, GraphQLArgument, str, Convert | None], ...]
    """See `Arguments`."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One field of one object type."""

    parent: GraphQLObjectType
    name: str
    definition: GraphQLField
    read: Callable[[Any], Any] | None
    """From the source to the value; None if it takes more than that."""
    resolver: Resolver | None
    """Of a field that is not read, and of the source of a subscription."""

    @property
    def required(self) -> bool:
        """Whether null is an error of the field around it."""
        return isinstance(self.definition.type, GraphQLNonNull)

    @property
    def null(self) -> str:
        """What graphql-core says of a null where there must be none."""
        return f"Cannot return null for non-nullable field {self.parent}.{self.name}."


class Blueprint:
    """The fields of one schema, each looked at when it is first asked for."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self.schema: GraphQLSchema = schema._schema  # noqa: SLF001 - what Strawberry resolves to
        self.inputs = Inputs(schema.schema_converter)
        self._config = schema.schema_converter.config
        self._plain_exceptions = not schema.schema_converter.exception_handlers
        self._shapes: dict[tuple[str, str], Shape] = {}
        self._leaves: dict[tuple[str, str | None], tuple[Complete, type, Plain]] = {}

    def shape(self, parent: GraphQLObjectType, name: str) -> Shape:
        """The field of that name."""
        known = self._shapes.get((parent.name, name))
        if known is None:
            known = self._shapes[parent.name, name] = self._shape(parent, name)
        return known

    def leaf(self, type_: GraphQLLeafType, null: str | None) -> tuple[Complete, type, Plain]:
        """What completes values of a scalar or an enum: see `leaves.leaf`, `leaves.itself` and `leaves.plain`."""
        known = self._leaves.get((type_.name, null))
        if known is None:
            known = self._leaves[type_.name, null] = (leaf(type_, null=null), itself(type_), plain(type_))
        return known

    def _shape(self, parent: GraphQLObjectType, name: str) -> Shape:
        definition = cast("GraphQLField", self.schema.get_field(parent, name))  # the document is valid
        if name == "__typename":
            return Shape(parent, name, definition, lambda _source: parent.name, None)
        field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(field, StrawberryField) or not _is_strawberrys(definition, field):
            return Shape(parent, name, definition, None, None)
        if field.is_basic_field and self._plain_exceptions and field.default_resolver is getattr:
            return Shape(parent, name, definition, attrgetter(field.python_name), None)
        return Shape(
            parent, name, definition, _itself if field.is_subscription else None, self._resolver(field, definition)
        )

    def _resolver(self, field: StrawberryField, definition: GraphQLField) -> Resolver | None:
        resolver = field.base_resolver
        if field.extensions or not self._plain_exceptions or type(resolver) is not StrawberryResolver:
            return None
        function = cast("Callable[..., Any]", resolver.wrapped_func)  # Strawberry has bound it
        # Strawberry awaits what an asynchronous function gives, whatever that is: only for these two it makes no difference.
        if field.is_async and not (
            iscoroutinefunction(function) or (field.is_subscription and isasyncgenfunction(function))
        ):
            return None
        name_of = self._config.name_converter.from_argument
        try:
            parameters = tuple(
                (
                    name_of(argument),
                    definition.args[name_of(argument)],
                    argument.python_name,
                    self.inputs.converter(argument.type),
                )
                for argument in field.arguments
            )
        except Unusual:
            return None
        if any(argument.out_name is not None for _, argument, _, _ in parameters):
            return None
        sources = (resolver.parent_parameter, resolver.root_parameter)
        info = resolver.info_parameter
        return Resolver(
            function,
            resolver.self_parameter is not None,
            tuple(parameter.name for parameter in sources if parameter is not None),
            None if info is None else info.name,
            self._config.info_class,
            field,
            parameters,
        )


def _is_strawberrys(definition: GraphQLField, field: StrawberryField) -> bool:
    """Whether the field runs as Strawberry made it, and Strawberry makes it as we know."""
    resolve = definition.subscribe if field.is_subscription else definition.resolve
    return (
        type(field).get_result is StrawberryField.get_result
        and type(field).is_async is StrawberryField.is_async
        and getattr(resolve, "__module__", None) == GraphQLCoreConverter.__module__
        and getattr(definition.resolve, "__module__", None) == GraphQLCoreConverter.__module__
    )


def _itself(event: Any) -> Any:  # noqa: ANN401 - whatever a source yields
    """A field of a subscription shows the event that its source yielded."""
    return event
