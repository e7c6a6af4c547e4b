"""How much an operation may ask for at most, known before it runs.

After IBM's GraphQL Cost Directives (https://ibm.github.io/graphql-specs/cost-spec.html), with these weights: an object counts one
and a leaf nothing; a list counts as many objects as its page has, which is `first` or `last` (of a connection: of the field above
its `edges`), and where it has no pages what `LISTS` says, else `LISTED`; a mutation counts `MUTATION` more, as at Shopify
(https://shopify.dev/docs/api/usage/limits). A subscription counts what one of its events does. It is an upper bound: `@skip` and
`@include` are taken for what they let through, a field that is selected twice counts twice, and of fragments on different types
all count. What `__schema` and `__type` show is as long as the schema, and bounded by a specified rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value

from domain.chat import MOST_AT_ONCE, USUAL_AT_ONCE
from domain.figures import MOST_POINTS
from domain.rooms.invites import LARGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLNamedType, GraphQLSchema, SelectionSetNode, ValueNode

LISTED = LARGEST
"""Objects in a list without pages: as many as a room seats."""
LISTS = {"FigurePoint": MOST_POINTS}
"""The same where there may be more, by type."""
USUAL_PAGE = USUAL_AT_ONCE
"""Edges of a page whose size nobody gave, where the schema has no default for it."""
LARGEST_PAGE = MOST_AT_ONCE
"""More are refused by every use case, so more are never shown."""
MUTATION = 10
PAGING = frozenset({"first", "last"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A page's size that a variable gives; `usual` without it."""

    variable: str
    usual: int

    def of(self, variables: Mapping[str, Any]) -> int:
        """As far as it is a number: what is none is refused when variables are coerced."""
        value = variables.get(self.variable, self.usual)
        if isinstance(value, int):
            return _page(value)
        return LARGEST_PAGE if isinstance(value, float) else self.usual


@dataclass(frozen=True, slots=True)
class Cost:
    """`fixed`, and for each page whose size is in the variables its size times what one of its edges costs."""

    fixed: int = 0
    pages: tuple[tuple[Asked, Cost], ...] = ()

    def of(self, variables: Mapping[str, Any] | None) -> int:
        """What the operation costs with these variables, as the client gave them."""
        if not self.pages:
            return self.fixed
        given = variables or {}
        return self.fixed + sum(asked.of(given) * below.of(given) for asked, below in self.pages)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.fixed + other.fixed, self.pages + other.pages)

    def times(self, size: int | Asked) -> Cost:
        """As many of it as a page or a list has."""
        if isinstance(size, Asked):
            return Cost(0, ((size, self),))
        return Cost(self.fixed * size, tuple((asked, below.times(size)) for asked, below in self.pages))


def costs(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Cost]:
    """What each operation of a valid document costs, by its name; an anonymous one is named None."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    return {
        definition.name.value if definition.name else None: _Walk(schema, fragments, definition).cost()
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    }


class _Walk:
    """One operation. How many fields it visits, with fragments expanded, `DocumentLimits.fields` has bounded before."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._operation = operation
        self._usual = {
            variable.variable.name.value: _page(int(variable.default_value.value))
            for variable in operation.variable_definitions or ()
            if isinstance(variable.default_value, IntValueNode)
        }

    def cost(self) -> Cost:
        root = self._schema.get_root_type(self._operation.operation)
        return Cost() if root is None else self._selected(self._operation.selection_set, root, ())

    def _selected(self, selected: SelectionSetNode, on: GraphQLNamedType, pages: tuple[int | Asked, ...]) -> Cost:
        """What is selected on one object; `pages` are the sizes that the field above gave for the lists in it."""
        total = Cost()
        for node in selected.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, on, pages)
            elif isinstance(node, InlineFragmentNode):
                narrowed = self._schema.get_type(node.type_condition.name.value) if node.type_condition else on
                total += self._selected(node.selection_set, narrowed or on, pages)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                narrowed = self._schema.get_type(fragment.type_condition.name.value)
                total += self._selected(fragment.selection_set, narrowed or on, pages)
        return total

    def _field(self, node: FieldNode, on: GraphQLNamedType, pages: tuple[int | Asked, ...]) -> Cost:
        extra = Cost(MUTATION) if on is self._schema.mutation_type else Cost()
        if node.name.value.startswith("__"):
            return Cost(1)
        field: GraphQLField = on.fields[node.name.value]  # type: ignore[attr-defined]  # the document is valid: it has fields
        of = get_named_type(field.type)
        if not is_composite_type(of) or node.selection_set is None:
            return extra
        own = self._pages(node, field)
        listed = is_list_type(get_nullable_type(field.type))
        one = Cost(1) + self._selected(node.selection_set, of, () if listed else own)
        if not listed:
            return extra + one
        total = extra
        for size in own or pages or (LISTS.get(of.name, LISTED),):
            total += one.times(size)
        return total

    def _pages(self, node: FieldNode, field: GraphQLField) -> tuple[int | Asked, ...]:
        """The sizes that a field's arguments give. Two are no page that any use case shows, and both count."""
        names = PAGING & field.args.keys()
        given = {
            argument.name.value: argument.value for argument in node.arguments or () if argument.name.value in names
        }
        if not names:
            return ()
        defaults = (coerce_default_value(field.args[name]) for name in names)
        usual = next((_page(value) for value in defaults if isinstance(value, int)), USUAL_PAGE)
        sizes = [self._size(value, usual) for value in given.values()]
        return tuple(sizes) or (usual,)

    def _size(self, value: ValueNode, usual: int) -> int | Asked:
        if isinstance(value, VariableNode):
            name = value.name.value
            return Asked(name, self._usual.get(name, usual))
        return _page(int(value.value)) if isinstance(value, IntValueNode) else usual


def _page(asked: int) -> int:
    return min(max(asked, 0), LARGEST_PAGE)
