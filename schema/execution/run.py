"""What one execution knows and collects: its context and variables, the errors it met, and where in the response it is.

Everything else of a plan is made once and never changes; a `Run` is made for every operation, and for every event of a
subscription.
"""

from __future__ import annotations

import asyncio
from types import GeneratorType, NoneType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from graphql.execution.values import get_variable_values
from graphql.pyutils import Path, gather_with_cancel
from graphql.type import GraphQLResolveInfoHelpers
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import _OperationContextAwareGraphQLResolveInfo as TrueResolveInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType, GraphQLResolveInfo
    from graphql.execution.values import VariableValues

    from schema.execution.plan import Plan

Place: TypeAlias = "tuple[Place, str | int, str | None] | None"
"""A place in the response: the place around it, the response name or index there, and the type whose field it is.

graphql-core's `Path` without its name: a plain tuple is made in a fifth of the time.
"""

PLAIN: set[type] = {NoneType, bool, int, float, str, bytes, list, tuple, dict, set, frozenset}
"""Classes whose values are known not to be awaitable. Grows by the classes that resolvers answer with."""


class Run:
    """One execution of a plan."""

    __slots__ = ("_values", "context", "errors", "inputs", "nulled", "plan", "root", "variables")

    def __init__(
        self, plan: Plan, context: object, variables: dict[str, Any], inputs: dict[str, Any], root: object = None
    ) -> None:
        self.plan = plan
        self.context = context
        self.variables = variables
        """Coerced, by name; those that have no value are missing."""
        self.inputs = inputs
        """As the client gave them."""
        self.root = root
        self.errors: list[GraphQLError] = []
        self.nulled: set[Place] | None = None
        """Places that are null because of an error."""
        self._values: VariableValues | None = None

    def of(self, event: object) -> Run:
        """The same for one event of the subscription."""
        return Run(self.plan, self.context, self.variables, self.inputs, event)

    def add(self, error: GraphQLError, place: Place) -> None:
        """Collect an error, unless what it is about has become null already: then nobody could tell what it is about."""
        above = place
        if self.nulled is None:
            self.nulled = set()
        while above is not None and above not in self.nulled:
            above = above[0]
        if above not in self.nulled:
            self.nulled.add(place)
            self.errors.append(error)

    @property
    def values(self) -> VariableValues:
        """The variables as graphql-core's own functions want them."""
        if self._values is None:
            plan = self.plan
            definitions = plan.operation.variable_definitions or ()
            values = get_variable_values(plan.schema, definitions, self.inputs, hide_suggestions=plan.hide_suggestions)
            self._values = cast("VariableValues", values)  # they were coerced before
        return self._values


class ResolveInfo:
    """Stands for a `GraphQLResolveInfo` and becomes one when something else than `context` is read, which is rare."""

    __slots__ = ("_about", "_made", "context")

    def __init__(
        self, run: Run, nodes: list[FieldNode], field: GraphQLField, parent: GraphQLObjectType, place: Place
    ) -> None:
        self.context = run.context
        self._about = (run, nodes, field, parent, place)
        self._made: GraphQLResolveInfo[Any] | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the real one has
        if self._made is None:
            self._made = resolve_info(*self._about)
        return getattr(self._made, name)


def resolve_info(
    run: Run, nodes: list[FieldNode], field: GraphQLField, parent: GraphQLObjectType, place: Place
) -> GraphQLResolveInfo[Any]:
    """What graphql-core tells resolvers, and what Strawberry adds."""
    plan = run.plan
    made: Callable[..., GraphQLResolveInfo[Any]] = TrueResolveInfo  # type: ignore[assignment]  # which has one field more
    return made(
        field_name=nodes[0].name.value,
        field_nodes=nodes.copy(),
        return_type=field.type,
        parent_type=parent,
        path=_path(place),
        schema=plan.schema,
        fragments=plan.fragments,
        root_value=run.root,
        operation=plan.operation,
        variable_values=run.variables,
        context=run.context,
        is_awaitable=optimized_is_awaitable,
        abort_signal=None,
        async_helpers=_HELPERS,
        operation_extensions=None,
    )


def waits(value: object) -> bool:
    """Whether the value must be awaited."""
    kind = type(value)
    if kind in PLAIN:
        return False
    if optimized_is_awaitable(value):
        return True
    # A class that makes attributes up may make `__await__` up for one value and not for the next.
    if (
        kind is not GeneratorType
        and not hasattr(kind, "__getattr__")
        and kind.__getattribute__ is object.__getattribute__
    ):
        PLAIN.add(kind)
    return False


def never_waits(value: object) -> bool:
    """Whether no value of its class must be awaited."""
    return not waits(value) and type(value) in PLAIN


def settle(awaitables: Iterable[Awaitable[Any]]) -> None:
    """Let abandoned siblings of a failure end in the background, as graphql-core does: their errors are nobody's. Needs a loop that
    runs.
    """
    future = asyncio.gather(*awaitables, return_exceptions=True)
    _SETTLING.add(future)
    future.add_done_callback(_SETTLING.discard)


def steps_of(place: Place) -> list[str | int]:
    """The path of an error: response names and indices from the root on."""
    steps: list[str | int] = []
    while place is not None:
        steps.append(place[1])
        place = place[0]
    steps.reverse()
    return steps


def field_of(place: Place) -> Place:
    """The place of the field whose list, at any depth, the place is in."""
    while place is not None and isinstance(place[1], int):
        place = place[0]
    return place


def _path(place: Place) -> Path | None:
    if place is None:
        return None
    above, key, type_name = place
    return Path(_path(above), key, type_name)


def _track(values: Sequence[Any]) -> None:
    waiting = [value for value in values if optimized_is_awaitable(value)]
    if waiting:
        settle(waiting)


_SETTLING: set[asyncio.Future[Any]] = set()
_HELPERS = GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=_track)
