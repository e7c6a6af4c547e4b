"""One field of a selection set: its value, completed, or its error, located.

"Executing Fields" of the specification (section 6.4).
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql import located_error
from graphql.execution.executor import default_field_resolver
from graphql.execution.values import get_argument_values

from schema.execution.arguments import Arguments
from schema.execution.run import PLAIN, ResolveInfo, resolve_info, steps_of, waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from graphql import FieldNode, GraphQLResolveInfo

    from schema.execution.blueprint import Resolver, Shape
    from schema.execution.run import Place, Run
    from schema.execution.selecting import Selection


class Field:
    """A field that is read off its source. `nodes` are all that ask for it under this name."""

    __slots__ = ("complete", "name", "nodes", "required", "shape")

    complete: Callable[[Run, Any, Place], Any]
    """Completes a value that need not be awaited: gives the result or an awaitable of it, and raises what is wrong with it."""

    def __init__(self, name: str, nodes: list[FieldNode], shape: Shape) -> None:
        self.name = name
        self.nodes = nodes
        self.shape = shape
        self.required = shape.required

    def execute(self, run: Run, source: object, above: Place) -> Any:  # noqa: ANN401 - a result
        """The completed value or an awaitable of it. Raises what resolving or completing raises: see `failed`."""
        raise NotImplementedError

    def completed(self, run: Run, value: object, above: Place) -> Any:  # noqa: ANN401 - a result
        """The resolved value completed, or an awaitable of that."""
        place = (above, self.name, self.shape.parent.name)
        if type(value) not in PLAIN and waits(value):
            return self._later(run, value, place)  # type: ignore[arg-type]  # it waits
        completed = self.complete(run, value, place)
        return self._finished(run, completed, place) if type(completed) is CoroutineType else completed

    def shown(self, run: Run, selection: Selection, value: object, above: Place) -> Any:  # noqa: ANN401 - a result
        """The same for an object that is known not to wait, and what is selected on it."""
        place = (above, self.name, self.shape.parent.name)
        results = selection.run(run, value, place)
        return self._finished(run, results, place) if type(results) is CoroutineType else results

    def failed(self, run: Run, error: Exception, above: Place) -> None:
        """Handle what `execute` or `completed` raised: null and an error in the response, or, where there must be no null, the
        error for the field around this one.
        """
        self.fail(run, error, (above, self.name, self.shape.parent.name), required=self.required)

    def fail(self, run: Run, error: Exception, place: Place, *, required: bool) -> None:
        """The same for any place at or beneath this field."""
        located = located_error(error, self.nodes, steps_of(place))
        if required:
            raise located
        run.add(located, place)

    def info(self, run: Run, place: Place) -> GraphQLResolveInfo[Any]:
        """What graphql-core tells of this field."""
        return resolve_info(run, self.nodes, self.shape.definition, self.shape.parent, place)

    async def _later(self, run: Run, value: Awaitable[Any], place: Place) -> Any:  # noqa: ANN401 - a result
        try:
            completed = self.complete(run, await value, place)
            return await completed if type(completed) is CoroutineType else completed
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises is the field's error
            self.fail(run, error, place, required=self.required)

    async def _finished(self, run: Run, completed: Awaitable[Any], place: Place) -> Any:  # noqa: ANN401 - a result
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(run, error, place, required=self.required)


class Asked(Field):
    """A field that is resolved as graphql-core does it, by `resolve`."""

    __slots__ = ("_resolve",)

    def __init__(self, name: str, nodes: list[FieldNode], shape: Shape, resolve: Callable[..., Any]) -> None:
        super().__init__(name, nodes, shape)
        self._resolve = resolve

    def execute(self, run: Run, source: object, above: Place) -> Any:  # noqa: ANN401 - a result
        return self.completed(run, self.value(run, source, above), above)

    def value(self, run: Run, source: object, above: Place) -> Any:  # noqa: ANN401 - whatever a resolver answers
        """What the resolver answers. Raises what it raises, and what is wrong with the arguments."""
        definition, node = self.shape.definition, self.nodes[0]
        info = self.info(run, (above, self.name, self.shape.parent.name))
        if not definition.args:
            return self._resolve(source, info)
        arguments = get_argument_values(definition, node, run.values, None, run.plan.hide_suggestions)
        return self._resolve(source, info, **arguments)


class Called(Asked):
    """A field whose resolver is called directly, with arguments that were compiled."""

    __slots__ = ("_arguments", "_resolver")

    def __init__(
        self, name: str, nodes: list[FieldNode], shape: Shape, resolve: Callable[..., Any], resolver: Resolver
    ) -> None:
        super().__init__(name, nodes, shape, resolve)
        self._resolver = resolver
        self._arguments = Arguments(nodes[0], resolver.parameters) if resolver.parameters else None

    def value(self, run: Run, source: object, above: Place) -> Any:  # noqa: ANN401 - whatever a resolver answers
        resolver, shape = self._resolver, self.shape
        try:
            arguments = {} if self._arguments is None else self._arguments(run.variables)
        except Exception:  # noqa: BLE001 - whatever it was, graphql-core and Strawberry say it better
            return super().value(run, source, above)
        if resolver.info_name is not None:
            raw = ResolveInfo(run, self.nodes, shape.definition, shape.parent, (above, self.name, shape.parent.name))
            arguments[resolver.info_name] = resolver.info_class(_raw_info=raw, _field=resolver.field)
        for name in resolver.source_names:
            arguments[name] = source
        return resolver.function(source, **arguments) if resolver.takes_self else resolver.function(**arguments)


def resolved(name: str, nodes: list[FieldNode], shape: Shape, resolve: Callable[..., Any] | None) -> Asked:
    """The field with its resolver called directly if it and the arguments allow it, or else `resolve`, as graphql-core has it."""
    resolve = resolve or default_field_resolver
    if shape.resolver is not None:
        try:
            return Called(name, nodes, shape, resolve, shape.resolver)
        except Exception:  # noqa: BLE001, S110 - arguments that cannot be compiled, or that are wrong: they are looked at each time
            pass
    return Asked(name, nodes, shape, resolve)
