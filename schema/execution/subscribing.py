"""Subscriptions: a source of events, each shown by a plan as it comes.

"Subscription" of the specification (section 6.2.3). Between the source and whoever pulls the events there is no task and no queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from graphql import GraphQLError, located_error
from graphql.execution.execute import assert_event_stream

from schema.execution.run import waits

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable

    from schema.execution.fields import Asked
    from schema.execution.results import Event
    from schema.execution.run import Run


class Shared:
    """The last event of a plan whose events depend on their source alone: a thousand subscribers are shown it for the price of one.
    Kept as long as its source lives.

    A stream whose source yields the same object again looks at it afresh: it may have changed.
    """

    __slots__ = ("_event", "_source")

    def __init__(self) -> None:
        self._source: ReferenceType[Any] | None = None
        self._event: Event | None = None

    def event_of(self, source: object) -> Event | None:
        """What others were shown of this very object."""
        return self._event if self._source is not None and self._source() is source else None

    def show(self, source: object, event: Event) -> None:
        """Others may be shown this."""
        try:
            self._source = ref(source, self._forget)
        except TypeError:  # it has no room for a reference
            return
        self._event = event

    def _forget(self, source: ReferenceType[Any]) -> None:
        if source is self._source:
            self._source = self._event = None


def create_source(field: Asked, run: Run) -> AsyncIterable[Any] | Awaitable[AsyncIterable[Any]]:
    """The source, or an awaitable of it. Both raise `GraphQLError`, located."""
    try:
        source = field.value(run, run.root, None)
        if waits(source):
            return _awaited(field, source)
        return assert_event_stream(source)
    except Exception as error:
        raise _located(field, error) from error


async def close_source(source: object) -> None:
    """Lets go of the source, however its stream ended: an iterator that is not a generator need not have a way to close it."""
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


async def _awaited(field: Asked, source: Awaitable[Any]) -> AsyncIterable[Any]:
    try:
        return assert_event_stream(await source)
    except Exception as error:
        raise _located(field, error) from error


def _located(field: Asked, error: Exception) -> GraphQLError:
    return located_error(error, field.nodes, [field.name])
