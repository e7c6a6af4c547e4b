"""graphql-core's executor, for what plans do not cover."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, OperationType
from graphql.execution import create_source_event_stream, execute_root_selection_set, execute_subscription_event
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.execution.errors import masked, request_errors, told
from schema.execution.results import Event, not_once, response
from schema.execution.subscribing import close_source
from schema.execution.variables import MAX_ERRORS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable

    from graphql import DocumentNode, GraphQLSchema
    from graphql.execution import Executor

    from schema.execution.results import Result


class ParleyExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's executor without the leak of graphql-core 3.3.2.

    The executors of a subscription's events are shallow copies that share the memory of collected sub-fields, keyed
    by lists made anew for each event: 1,514 bytes an event while the subscription lives, 5 with a memory of its own.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:  # noqa: ANN401 - graphql-core's signature
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - the leak is in there
        return executor


class Core:
    """Runs operations on graphql-core, with the promises of `Engine`."""

    def __init__(self, schema: GraphQLSchema, *, hide_suggestions: bool) -> None:
        self._schema = schema
        self._hide_suggestions = hide_suggestions

    def execute(
        self, document: DocumentNode, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> Result | Awaitable[Result]:
        """See `Engine.execute`."""
        executor = self._build(document, variables, operation_name, context)
        if isinstance(executor, dict):
            return executor
        if executor.operation.operation is OperationType.SUBSCRIPTION:
            return not_once()
        try:
            outcome = execute_root_selection_set(executor)
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, a client gets an answer
            return {"errors": [told(error)], "data": None}
        return _awaited(outcome) if isawaitable(outcome) else response(outcome.data, outcome.errors)

    async def subscribe(
        self, document: DocumentNode, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> AsyncGenerator[Event, None] | Result:
        """See `Engine.subscribe`."""
        executor = self._build(document, variables, operation_name, context)
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
        self, document: DocumentNode, variables: dict[str, Any] | None, operation_name: str | None, context: object
    ) -> Executor[Any] | Result:
        try:
            executor = ParleyExecutor.build(
                self._schema,
                document,
                None,
                context,
                variables,
                operation_name,
                max_coercion_errors=MAX_ERRORS,
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
            shown = await outcome if isawaitable(outcome) else outcome
            yield Event(response(shown.data, shown.errors), getattr(payload, "on_delivered", None))
    except Exception as error:  # noqa: BLE001 - the edge
        yield Event({"errors": [told(error)]})
    finally:
        await close_source(source)


async def _awaited(outcome: Awaitable[ExecutionResult]) -> Result:
    try:
        shown = await outcome
        return response(shown.data, shown.errors)
    except Exception as error:  # noqa: BLE001 - the edge
        return {"errors": [told(error)], "data": None}
