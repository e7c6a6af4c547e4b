"""A selection set of an object type, compiled: what to do for each field, in the order of the response.

"Executing Selection Sets" of the specification (section 6.3).
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from graphql.pyutils import gather_with_cancel
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from schema.execution.run import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schema.execution.fields import Field
    from schema.execution.leaves import Plain
    from schema.execution.run import Place, Run

    Known = dict[type, "Selection"]
    """What is selected on values of a class, for classes of which nothing is asked again: they need not be awaited, and are of one
    type unless somebody cast them (`strawberry.cast`)."""

    Step = tuple[str, Callable[[Any], Any] | None, type, Plain | None, Known | None, Field]
    """Response name; what reads the value off the source, or None if resolving takes more; for leaves what completes nearly
    all values (see `leaves.itself` and `leaves.plain`); for objects what does; the field, which can do all of it."""


class Selection:
    """The fields of one object. `steps` is called when they are first needed: what no response shows is never compiled."""

    __slots__ = ("_compile", "_steps")

    def __init__(self, steps: Callable[[], tuple[Step, ...]]) -> None:
        self._compile: Callable[[], tuple[Step, ...]] | None = steps
        self._steps: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What there is to do."""
        if self._compile is not None:
            self._steps, self._compile = self._compile(), None
        return self._steps

    def run(self, run: Run, source: object, place: Place) -> Any:  # noqa: ANN401, C901 - a dict or an awaitable of one; the hot loop
        """The fields' results by name, or an awaitable of them. Raises the error of a field that must not be null."""
        results: dict[str, Any] = {}
        waiting: list[str] | None = None
        try:
            for name, read, exact, plain, known, field in self._steps or self.steps:
                try:
                    if read is None:
                        value = field.execute(run, source, place)
                    else:
                        value = read(source)
                        if type(value) is exact:
                            results[name] = value
                            continue
                        if known is not None and (
                            (selection := known.get(type(value))) is not None
                            and getattr(value, TYPE_CAST_ATTRIBUTE, None) is None
                        ):
                            value = field.shown(run, selection, value, place)
                        elif plain is not None and (result := plain(value)) is not None:
                            value = result
                        elif value is not None or field.required:
                            value = field.completed(run, value, place)
                except Exception as error:  # noqa: BLE001 - whatever it raised is the field's error
                    field.failed(run, error, place)
                    value = None
                results[name] = value
                if type(value) is CoroutineType:
                    if waiting is None:
                        waiting = []
                    waiting.append(name)
        except Exception:
            if waiting is not None:
                settle(results[name] for name in waiting)
            raise
        return results if waiting is None else _all(results, waiting)

    def serially(self, run: Run, source: object) -> Any:  # noqa: ANN401 - a dict, or an awaitable of one
        """The same for the root of a mutation: each field begins when the one before it has ended."""
        results: dict[str, Any] = {}
        steps = iter(self.steps)
        for step in steps:
            results[step[0]] = value = _one(step, run, source)
            if type(value) is CoroutineType:
                return _rest(run, source, results, step[0], steps)
        return results


async def _all(results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    if len(waiting) == 1:
        (name,) = waiting
        results[name] = await results[name]
    else:
        values = await gather_with_cancel(*[results[name] for name in waiting])
        results.update(zip(waiting, values, strict=True))
    return results


async def _rest(run: Run, source: object, results: dict[str, Any], name: str, steps: Iterator[Step]) -> dict[str, Any]:
    results[name] = await results[name]
    for step in steps:
        value = _one(step, run, source)
        results[step[0]] = await value if type(value) is CoroutineType else value
    return results


def _one(step: Step, run: Run, source: object) -> Any:  # noqa: ANN401 - a result
    _, read, _, _, _, field = step
    try:
        return field.execute(run, source, None) if read is None else field.completed(run, read(source), None)
    except Exception as error:  # noqa: BLE001 - as above
        field.failed(run, error, None)
        return None
