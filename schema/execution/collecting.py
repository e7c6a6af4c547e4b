"""Which fields a selection set has for an object type, its fragments spread and its conditions decided.

"Field collection" of the specification (section 6.3.2). It runs when a plan is compiled and not when it runs: `@skip` and
`@include` ask variables, so a plan is compiled for one answer of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
    is_abstract_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import (
        GraphQLObjectType,
        GraphQLSchema,
        OperationDefinitionNode,
        SelectionNode,
        SelectionSetNode,
        ValueNode,
    )

FOREIGN = frozenset({"defer", "stream", "experimental_disableErrorPropagation"})
"""Directives that change how an operation runs, and that plans do not know. All others but `@skip` and `@include` mean nothing
to execution."""


class Uncovered(Exception):
    """A plan cannot be made; `reason` is one word for the metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def conditions_of(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that `@skip` and `@include` ask anywhere in the operation. Raises `Uncovered`."""
    found: dict[str, None] = {}
    reached: set[str] = set()
    pending = [operation.selection_set]
    _check_foreign(operation)
    while pending:
        for node in pending.pop().selections:
            _check_foreign(node)
            for name in ("skip", "include"):
                condition = _condition(node, name)
                if isinstance(condition, VariableNode):
                    found[condition.name.value] = None
            if isinstance(node, FragmentSpreadNode):
                if node.name.value not in reached:
                    reached.add(node.name.value)
                    pending.append(_without_variables(fragments[node.name.value]).selection_set)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                pending.append(node.selection_set)
    return tuple(found)


class Collector:
    """Collects fields where the variables of the conditions have these values."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, bool],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._conditions = conditions

    def fields(self, sets: Iterable[SelectionSetNode], on: GraphQLObjectType) -> dict[str, list[FieldNode]]:
        """The nodes of each response name, in the order of the response."""
        grouped: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection_set in sets:
            self._collect(selection_set, on, grouped, spread)
        return grouped

    def _collect(
        self,
        selection_set: SelectionSetNode,
        on: GraphQLObjectType,
        grouped: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for node in selection_set.selections:
            if node.directives and not self._included(node):
                continue
            if isinstance(node, FieldNode):
                grouped.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node, on):
                    self._collect(node.selection_set, on, grouped, spread)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                fragment = self._fragments[node.name.value]
                if self._applies(fragment, on):
                    spread.add(node.name.value)
                    self._collect(fragment.selection_set, on, grouped, spread)

    def _included(self, node: SelectionNode) -> bool:
        return self._answer(node, "skip") is not True and self._answer(node, "include") is not False

    def _answer(self, node: SelectionNode, name: str) -> bool | None:
        condition = _condition(node, name)
        if isinstance(condition, VariableNode):
            return self._conditions[condition.name.value]
        return condition.value if isinstance(condition, BooleanValueNode) else None

    def _applies(self, fragment: FragmentDefinitionNode | InlineFragmentNode, on: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self._schema.get_type(fragment.type_condition.name.value)
        return condition is on or (is_abstract_type(condition) and self._schema.is_sub_type(condition, on))


def _without_variables(fragment: FragmentDefinitionNode) -> FragmentDefinitionNode:
    if fragment.variable_definitions:
        raise Uncovered("fragment_variables")
    return fragment


def _condition(node: SelectionNode, name: str) -> ValueNode | None:
    for directive in node.directives or ():
        if directive.name.value == name:
            return next((argument.value for argument in directive.arguments or ()), None)
    return None


def _check_foreign(node: SelectionNode | OperationDefinitionNode) -> None:
    for directive in node.directives or ():
        if directive.name.value in FOREIGN:
            raise Uncovered(directive.name.value)
