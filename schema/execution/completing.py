"""Completing values that are not leaves: lists, objects, and objects of which only the value tells the type.

"Value Completion" of the specification (section 6.4.3).
"""

from __future__ import annotations

from contextlib import suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, Undefined, located_error
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor, default_type_resolver, invalid_return_type_error
from graphql.pyutils import gather_with_cancel, is_iterable
from graphql.pyutils.is_awaitable import is_async_iterable
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from schema.execution.run import PLAIN, field_of, never_waits, settle, steps_of, waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterator

    from graphql import GraphQLAbstractType, GraphQLObjectType, GraphQLResolveInfo

    from schema.execution.fields import Field
    from schema.execution.leaves import Complete
    from schema.execution.run import Place, Run
    from schema.execution.selecting import Known, Selection


CLASSES = 4
"""Python classes that are remembered for one object type in one place: there is mostly one."""


class _Completion:
    """What all of them do with values that are none. `null` is the message for null where it is forbidden."""

    __slots__ = ("field", "null")

    def __init__(self, field: Field, null: str | None) -> None:
        self.field = field
        self.null = null

    def is_null(self, value: object) -> bool:
        """Whether the value is null. Raises if it must not be, and if it is an exception: that is raised."""
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            if self.null is not None:
                raise TypeError(self.null)
            return True
        return False

    def checked(self, type_: GraphQLObjectType, selection: Selection, run: Run, value: object, place: Place) -> Any:  # noqa: ANN401 - a result
        """The object's fields, if the type says that it is one of its own."""
        if type_.is_type_of is None:
            return selection.run(run, value, place)
        verdict = type_.is_type_of(value, self.field.info(run, field_of(place)))
        if not waits(verdict):
            if not verdict:
                raise _misplaced(self.field, type_, value)
            return selection.run(run, value, place)

        async def wait() -> Any:  # noqa: ANN401 - a result
            if not await verdict:  # type: ignore[misc]  # it waits
                raise _misplaced(self.field, type_, value)
            completed = selection.run(run, value, place)
            return await completed if type(completed) is CoroutineType else completed

        return wait()


class ListOf(_Completion):
    """Completes lists. `item` completes one item, and values of the class `exact` need no completion."""

    __slots__ = ("_exact", "_item", "_required")

    def __init__(self, field: Field, null: str | None, item: Complete, exact: type, *, required: bool) -> None:
        super().__init__(field, null)
        self._item = item
        self._exact = exact
        self._required = required

    def complete(self, run: Run, value: Any, place: Place) -> Any:  # noqa: ANN401 - a result
        """The completed items, or an awaitable of them."""
        kind = type(value)
        if kind is not list and kind is not tuple:
            if self.is_null(value):
                return None
            if is_async_iterable(value):
                return self._collected(run, value, place)
            if not is_iterable(value):
                shape = self.field.shape
                msg = f"Expected Iterable, but did not find one for field '{shape.parent}.{shape.name}'."
                raise GraphQLError(msg)
        results: list[Any] = []
        waiting: list[int] = []
        exact = self._exact
        items = iter(value)
        try:
            for item in items:
                if type(item) is exact:
                    results.append(item)
                    continue
                completed = self._completed(run, item, (place, len(results), None))
                if type(completed) is CoroutineType:
                    waiting.append(len(results))
                results.append(completed)
        except Exception:
            if abandoned := [*[results[index] for index in waiting], *_awaitables(items)]:
                settle(abandoned)
            raise
        return _all(results, waiting) if waiting else results

    def _completed(self, run: Run, item: object, place: Place) -> Any:  # noqa: ANN401 - a result
        if type(item) not in PLAIN and waits(item):
            return self._later(run, item, place)  # type: ignore[arg-type]  # it waits
        try:
            completed = self._item(run, item, place)
        except Exception as error:  # noqa: BLE001 - whatever it raised is the item's error
            self.field.fail(run, error, place, required=self._required)
            return None
        return self._finished(run, completed, place) if type(completed) is CoroutineType else completed

    async def _later(self, run: Run, item: Awaitable[Any], place: Place) -> Any:  # noqa: ANN401 - a result
        try:
            completed = self._item(run, await item, place)
            return await completed if type(completed) is CoroutineType else completed
        except Exception as error:  # noqa: BLE001 - as above
            self.field.fail(run, error, place, required=self._required)

    async def _finished(self, run: Run, completed: Awaitable[Any], place: Place) -> Any:  # noqa: ANN401 - a result
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - as above
            self.field.fail(run, error, place, required=self._required)

    async def _collected(self, run: Run, value: AsyncIterable[Any], place: Place) -> list[Any]:
        items = aiter(value)
        results: list[Any] = []
        waiting: list[int] = []
        try:
            while True:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                except Exception as error:
                    raise located_error(error, self.field.nodes, steps_of(place)) from error
                completed = self._completed(run, item, (place, len(results), None))
                if type(completed) is CoroutineType:
                    waiting.append(len(results))
                results.append(completed)
        except Exception:
            if (aclose := getattr(items, "aclose", None)) is not None:
                with suppress(Exception):
                    await aclose()
            if waiting:
                settle([results[index] for index in waiting])
            raise
        return await _all(results, waiting) if waiting else results


class ObjectOf(_Completion):
    """Completes objects of one type."""

    __slots__ = ("_castable", "_selection", "_type", "known")

    def __init__(self, field: Field, null: str | None, type_: GraphQLObjectType, selection: Selection) -> None:
        super().__init__(field, null)
        self._type = type_
        self._castable = type_.is_type_of is not None
        self._selection = selection
        self.known: Known = {}

    def complete(self, run: Run, value: Any, place: Place) -> Any:  # noqa: ANN401 - a result
        """The object's fields, or an awaitable of them."""
        if type(value) in self.known and (not self._castable or getattr(value, TYPE_CAST_ATTRIBUTE, None) is None):
            return self._selection.run(run, value, place)
        if self.is_null(value):
            return None
        if never_waits(value) and (not self._castable or is_native(self._type, value)):
            if len(self.known) == CLASSES:
                del self.known[next(iter(self.known))]
            self.known[type(value)] = self._selection
        return self.checked(self._type, self._selection, run, value, place)


class AnyOf(_Completion):
    """Completes objects of an interface or a union. `select` gives the selection for a type.

    Which type it is is asked once for each class, if Strawberry decides by the class alone; else for every value.
    """

    __slots__ = ("_select", "_type", "known")

    def __init__(
        self,
        field: Field,
        null: str | None,
        type_: GraphQLAbstractType,
        select: Callable[[GraphQLObjectType], Selection],
    ) -> None:
        super().__init__(field, null)
        self._type = type_
        self._select = select
        self.known: Known = {}

    def complete(self, run: Run, value: Any, place: Place) -> Any:  # noqa: ANN401 - a result
        """The object's fields, or an awaitable of them."""
        selection = self.known.get(type(value))
        if selection is not None and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None:
            return selection.run(run, value, place)
        if self.is_null(value):
            return None
        info = self.field.info(run, field_of(place))
        name = (self._type.resolve_type or default_type_resolver)(value, info, self._type)
        if waits(name):
            return self._later(run, value, place, info, name)  # type: ignore[arg-type]  # it waits
        return self._of(run, value, place, info, name)

    async def _later(
        self, run: Run, value: object, place: Place, info: GraphQLResolveInfo[Any], name: Awaitable[Any]
    ) -> Any:  # noqa: ANN401 - a result
        completed = self._of(run, value, place, info, await name)
        return await completed if type(completed) is CoroutineType else completed

    def _of(self, run: Run, value: object, place: Place, info: GraphQLResolveInfo[Any], name: object) -> Any:  # noqa: ANN401
        details = [FieldDetails(node, None) for node in self.field.nodes]
        # It reads nothing of its executor but the schema, which a plan has too.
        type_ = Executor.ensure_valid_runtime_type(run.plan, name, self._type, details, info, value)  # type: ignore[arg-type]
        selection = self._select(type_)
        if never_waits(value) and is_native(type_, value) and _is_strawberrys(self._type.resolve_type):
            self.known[type(value)] = selection
        return self.checked(type_, selection, run, value, place)


def is_native(type_: GraphQLObjectType, value: object) -> bool:
    """Whether every value of this class is of the type, as long as nobody cast it (`strawberry.cast`): it is the class that defines
    the type, which is not generic, and the question is Strawberry's to answer.
    """
    definition = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return (
        isinstance(definition, StrawberryObjectDefinition)
        and definition.origin is type(value)
        and definition.concrete_of is None
        and (type_.is_type_of is None or _is_strawberrys(type_.is_type_of))
        and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None
        and not isinstance(value, Exception)
    )


def _is_strawberrys(function: object) -> bool:
    return getattr(function, "__module__", None) in {"strawberry.schema.schema_converter", "strawberry.types.union"}


def _misplaced(field: Field, type_: GraphQLObjectType, value: object) -> GraphQLError:
    return invalid_return_type_error(type_, value, [FieldDetails(node, None) for node in field.nodes])


async def _all(results: list[Any], waiting: list[int]) -> list[Any]:
    if len(waiting) == 1:
        (index,) = waiting
        results[index] = await results[index]
    else:
        values = await gather_with_cancel(*[results[index] for index in waiting])
        for index, value in zip(waiting, values, strict=True):
            results[index] = value
    return results


def _awaitables(items: Iterator[Any]) -> list[Awaitable[Any]]:
    found: list[Awaitable[Any]] = []
    with suppress(Exception):
        found.extend(item for item in items if waits(item))
    return found
