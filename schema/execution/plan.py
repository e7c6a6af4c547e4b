"""Plans: an operation of a document, compiled once, and run without graphql-core's executor.

A plan is the tree that the response will be: a `Selection` for every object, in it a step for every field, and with each field
what completes its value. All that depends on schema and document alone is decided when the tree is made: fragments are spread,
types looked up, literals coerced. `@skip` and `@include` depend on variables, so there is a tree for each answer of theirs that was
met (`Tree`). A tree is made as it is first walked, so nobody pays for what no response shows.
"""

from __future__ import annotations

from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)

from schema.execution.collecting import Collector, Uncovered, conditions_of
from schema.execution.completing import AnyOf, ListOf, ObjectOf
from schema.execution.fields import Field, resolved
from schema.execution.leaves import Never
from schema.execution.run import Run
from schema.execution.selecting import Selection
from schema.execution.subscribing import Shared
from schema.execution.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from graphql import DocumentNode, FieldNode, GraphQLLeafType, GraphQLOutputType, SelectionSetNode

    from schema.execution.blueprint import Blueprint
    from schema.execution.fields import Asked
    from schema.execution.leaves import Complete, Plain
    from schema.execution.selecting import Known, Step

TREES = 4
"""Trees kept of one operation: answers of its `@skip` and `@include` that come again."""

LEAST_STEPS, CHARACTERS_PER_STEP = 48, 4
"""How many fields are kept compiled of a document: so many, and one more for so many characters. Fields are written longer than
that: only documents whose fragments are spread on many types are ever compiled anew."""


class Plans:
    """The plans of one document."""

    __slots__ = ("_document", "_made", "_room", "_taken")

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._made: dict[str | None, Plan | str] = {}
        """Or why there is none."""
        length = 0 if document.loc is None else document.loc.end
        self._room = LEAST_STEPS + length // CHARACTERS_PER_STEP
        self._taken = 0

    def plan(self, operation_name: str | None, blueprint: Blueprint, *, hide_suggestions: bool) -> Plan:
        """The plan of the operation that a request names. Raises `Uncovered`, and `KeyError` if it names none."""
        made = self._made.get(operation_name)
        if made is None:
            operation, fragments = self._parts(operation_name)
            try:
                made = Plan(blueprint, operation, fragments, self._take, hide_suggestions=hide_suggestions)
            except Uncovered as uncovered:
                made = uncovered.reason
            self._made[operation_name] = made
        if isinstance(made, str):
            raise Uncovered(made)
        return made

    def _parts(self, operation_name: str | None) -> tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]]:
        operations: list[OperationDefinitionNode] = []
        fragments: dict[str, FragmentDefinitionNode] = {}
        for definition in self._document.definitions:
            if isinstance(definition, FragmentDefinitionNode):
                fragments[definition.name.value] = definition
            elif isinstance(definition, OperationDefinitionNode) and (
                operation_name is None or (definition.name is not None and definition.name.value == operation_name)
            ):
                operations.append(definition)
        if len(operations) != 1:
            raise KeyError(operation_name)
        return operations[0], fragments

    def _take(self, steps: int) -> None:
        """Count what is compiled. Beyond the room for it all is let go: what runs keeps its own."""
        self._taken += steps
        if self._taken > self._room:
            self._taken = 0
            self._made.clear()


class Plan:
    """One operation, ready to run."""

    def __init__(
        self,
        blueprint: Blueprint,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        take: Callable[[int], None],
        *,
        hide_suggestions: bool,
    ) -> None:
        self.schema = blueprint.schema
        self.operation = operation
        self.fragments = fragments
        self.hide_suggestions = hide_suggestions
        self.kind = operation.operation
        root = self.schema.get_root_type(self.kind)
        if root is None:
            raise Uncovered("root")
        self._root: GraphQLObjectType = root
        self._blueprint = blueprint
        self._take = take
        self._conditions = conditions_of(operation, fragments)
        self._variables = Variables(
            self.schema,
            operation.variable_definitions or (),
            blueprint.inputs,
            hide_suggestions=hide_suggestions,
        )
        self._trees: dict[tuple[bool, ...], Tree] = {}

    def begin(self, context: object, inputs: dict[str, Any]) -> Run | list[GraphQLError]:
        """What an execution with these variables starts with, or what is wrong with them."""
        variables = self._variables.coerce(inputs)
        if isinstance(variables, list):
            return variables
        if self.kind is OperationType.SUBSCRIPTION:
            # It may live for hours: what the client sent beside the variables is not kept that long.
            inputs = {name: inputs[name] for name in self._variables.names if name in inputs}
        return Run(self, context, variables, inputs)

    def tree(self, run: Run) -> Tree:
        """The tree for the variables of this execution. Raises `Uncovered` if a condition is neither true nor false."""
        answers = tuple(run.variables.get(name) for name in self._conditions) if self._conditions else ()
        tree = self._trees.get(answers)  # type: ignore[arg-type]  # others than bool are not in it
        if tree is None:
            if not all(isinstance(answer, bool) for answer in answers):
                raise Uncovered("condition")
            if len(self._trees) >= TREES:
                self._trees.pop(next(iter(self._trees)))
            collector = Collector(self.schema, self.fragments, dict(zip(self._conditions, answers, strict=True)))  # type: ignore[arg-type]
            tree = Tree(self._blueprint, collector, self._root, self.operation.selection_set, self._take)
            self._trees[answers] = tree  # type: ignore[index]
        return tree

    def execute(self, run: Run, tree: Tree) -> dict[str, Any] | Awaitable[dict[str, Any] | None] | None:
        """The data, or an awaitable of it; errors are in the run."""
        try:
            serially = self.kind is OperationType.MUTATION
            data = tree.root.serially(run, run.root) if serially else tree.root.run(run, run.root, None)
        except GraphQLError as error:
            run.add(error, None)
            return None
        return _awaited(run, data) if type(data) is CoroutineType else data


class Tree:
    """The selections of one operation, its conditions answered."""

    def __init__(
        self,
        blueprint: Blueprint,
        collector: Collector,
        root: GraphQLObjectType,
        selection_set: SelectionSetNode,
        take: Callable[[int], None],
    ) -> None:
        self._blueprint = blueprint
        self._collector = collector
        self._take = take
        self._compiled: dict[tuple[str | int, ...], tuple[Step, ...]] = {}
        self._root_sets = (selection_set,)
        self._root_type = root
        self.root = self._selection(self._root_sets, root)
        self._source: Asked | None = None
        self._shared: Shared | None = None

    @property
    def source(self) -> Asked:
        """The only field of a subscription, as what makes its source. Raises `Uncovered` if there is none."""
        if self._source is None:
            for name, nodes in self._collector.fields(self._root_sets, self._root_type).items():
                shape = self._blueprint.shape(self._root_type, nodes[0].name.value)
                self._source = resolved(name, nodes, shape, shape.definition.subscribe)
                if self._is_impersonal(self._root_sets, self._root_type):
                    self._shared = Shared()
                return self._source
            raise Uncovered("no_field")
        return self._source

    @property
    def shared(self) -> Shared | None:
        """What subscribers share if a response depends on its source alone: all of it is read off objects of known types."""
        return self._shared

    def _is_impersonal(self, sets: Sequence[SelectionSetNode], on: GraphQLObjectType) -> bool:
        for nodes in self._collector.fields(sets, on).values():
            shape = self._blueprint.shape(on, nodes[0].name.value)
            type_ = get_named_type(shape.definition.type)
            if shape.read is None:
                return False
            if isinstance(type_, GraphQLObjectType):
                if type_.is_type_of is not None or not self._is_impersonal(_sets(nodes), type_):
                    return False
            elif not is_leaf_type(type_):
                return False
        return True

    def _selection(self, sets: Sequence[SelectionSetNode], on: GraphQLObjectType) -> Selection:
        return Selection(partial(self._steps, sets, on))

    def _steps(self, sets: Sequence[SelectionSetNode], on: GraphQLObjectType) -> tuple[Step, ...]:
        grouped = self._collector.fields(sets, on)
        # The same fragment in many places is one selection.
        key: tuple[str | int, ...] = (on.name, *(id(node) for nodes in grouped.values() for node in nodes))
        steps = self._compiled.get(key)
        if steps is None:
            self._take(len(grouped))
            steps = self._compiled[key] = tuple(self._step(name, nodes, on) for name, nodes in grouped.items())
        return steps

    def _step(self, name: str, nodes: list[FieldNode], on: GraphQLObjectType) -> Step:
        shape = self._blueprint.shape(on, nodes[0].name.value)
        read = shape.read is not None
        field = Field(name, nodes, shape) if read else resolved(name, nodes, shape, shape.definition.resolve)
        field.complete, exact, plain, known = self._completion(field, shape.definition.type)
        return name, shape.read, exact, plain, known, field

    def _completion(
        self, field: Field, type_: GraphQLOutputType, null: str | None = None
    ) -> tuple[Complete, type, Plain | None, Known | None]:
        """What completes values of the type; for leaves, and for objects, also what completes nearly all of them."""
        if isinstance(type_, GraphQLNonNull):
            return self._completion(field, type_.of_type, field.shape.null)
        if isinstance(type_, GraphQLList):
            item, exact, _, _ = self._completion(field, type_.of_type)
            required = isinstance(type_.of_type, GraphQLNonNull)
            return ListOf(field, null, item, exact, required=required).complete, Never, None, None
        if isinstance(type_, GraphQLObjectType):
            selection = self._selection(_sets(field.nodes), type_)
            objects = ObjectOf(field, null, type_, selection)
            return objects.complete, Never, None, objects.known
        if is_abstract_type(type_):
            some = AnyOf(field, null, type_, partial(self._selection, _sets(field.nodes)))
            return some.complete, Never, None, some.known
        return *self._blueprint.leaf(cast("GraphQLLeafType", type_), null), None


def _sets(nodes: Iterable[FieldNode]) -> tuple[SelectionSetNode, ...]:
    return tuple(node.selection_set for node in nodes if node.selection_set is not None)


async def _awaited(run: Run, data: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return await data
    except GraphQLError as error:
        run.add(error, None)
        return None
