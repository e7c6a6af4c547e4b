"""Runs prepared documents on graphql-core, below Strawberry's own pipeline.

Strawberry's `Schema.execute` and `subscribe` prepare the document again for every operation; their resolvers, `Info`,
permissions, unions and inputs live in the graphql-core schema underneath, which is what runs here. Extensions of
Strawberry's schema do not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, OperationType
from graphql.execution import (
    create_source_event_stream,
    execute_root_selection_set,
    execute_subscription_event,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.execution.documents import Documents, Prepared
from schema.execution.errors import failure, masked, request_errors, told

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    import strawberry
    from graphql.execution import Executor

    from schema.execution.measure import DocumentLimits

Result = dict[str, Any]
"""A GraphQL response: `data` unless the request never ran, `errors` if there are any. Ready for JSON."""


class ParleyExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's executor without the leak of graphql-core 3.3.2.

    The executors of a subscription's events are shallow copies that share the memory of collected sub-fields, keyed
    by lists made anew for each event: 1,514 bytes an event while the subscription lives, 5 with a memory of its own.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:  # noqa: ANN401 - graphql-core's signature
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - the leak is in there
        return executor


@dataclass(frozen=True, slots=True)
class Event:
    """One response of a subscription. A result without `data` is the last: the stream has failed.

    `delivered`, if the source event brought one as its attribute `on_delivered`, is to be called once the response
    was written.
    """

    result: Result
    delivered: Callable[[], None] | None = None


class Engine:
    """A schema that can be asked. `documents` may be read for its counters."""

    def __init__(
        self, schema: strawberry.Schema, limits: DocumentLimits | None = None, *, introspection: bool = True
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 - what Strawberry resolves to, and offers no other way to
        self._hide_suggestions = not introspection
        self.documents = Documents(self._schema, limits, introspection=introspection)

    async def execute(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> Result:
        """Run a query or a mutation. Never raises but for cancellation: what fails is in `errors`, masked.

        `context` is what resolvers find as `info.context`; who may do what is theirs to decide, for each operation.
        """
        executor = self._build(prepared, variables, operation_name, context)
        if isinstance(executor, dict):
            return executor
        if executor.operation.operation is OperationType.SUBSCRIPTION:
            return {
                "errors": [failure("BAD_USER_INPUT", "This is a subscription: it answers with a stream, not once.")]
            }
        try:
            outcome = execute_root_selection_set(executor)
            return _result(await outcome if isawaitable(outcome) else outcome)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a client gets an answer
            return {"errors": [told(error)], "data": None}

    async def subscribe(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> AsyncGenerator[Event, None] | Result:
        """Start a subscription: its events, or a result without `data` if it cannot start. Never raises but for
        cancellation.

        The generator pulls the source only when it is pulled itself, and must be closed with `aclose()`, which closes
        the source.
        """
        executor = self._build(prepared, variables, operation_name, context)
        if isinstance(executor, dict):
            return executor
        try:
            outcome = create_source_event_stream(executor)
            source = await outcome if isawaitable(outcome) else outcome
        except Exception as error:  # noqa: BLE001 - the edge
            return {"errors": [told(error)]}
        if isinstance(source, ExecutionResult):
            return {"errors": [masked(error) for error in source.errors or ()]}
        return _events(executor, aiter(source))

    def _build(
        self, prepared: Prepared, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> Executor[Any] | Result:
        try:
            executor = ParleyExecutor.build(
                self._schema,
                prepared.document,
                None,
                context,
                variables,
                operation_name,
                max_coercion_errors=5,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # a TypeGuard in all but name
                hide_suggestions=self._hide_suggestions,
                operation_extensions=None,
            )
        except Exception as error:  # noqa: BLE001 - a scalar or input that fails on a client's value
            return {"errors": [told(error)]}
        return {"errors": request_errors(executor)} if isinstance(executor, list) else executor


async def _events(executor: Executor[Any], source: AsyncIterator[Any]) -> AsyncGenerator[Event, None]:
    try:
        async for payload in source:
            outcome = execute_subscription_event(executor.build_per_event_executor(payload))
            result = _result(await outcome if isawaitable(outcome) else outcome)
            yield Event(result, getattr(payload, "on_delivered", None))
    except Exception as error:  # noqa: BLE001 - the edge
        yield Event({"errors": [told(error)]})
    finally:
        aclose = getattr(source, "aclose", None)  # an iterator that is not a generator need not have one
        if aclose is not None:
            await aclose()


def _result(outcome: ExecutionResult) -> Result:
    if outcome.errors:
        return {"errors": [masked(error) for error in outcome.errors], "data": outcome.data}
    return {"data": outcome.data}
