"""The same operations on graphql-core itself, with Strawberry's execution context and our masking of errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, OperationType, parse
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_root_selection_set,
    map_source_to_response_event,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema.execution import errors

Result = dict[str, Any]
_SUBSCRIPTION = "This is a subscription: it answers with a stream, not once."


async def execute(
    schema: GraphQLSchema, text: str, variables: dict[str, Any] | None, name: str | None, context: object
) -> Result:
    """A query or a mutation."""
    executor = _executor(schema, text, variables, name, context)
    if isinstance(executor, dict):
        return executor
    if executor.operation.operation is OperationType.SUBSCRIPTION:
        return {"errors": [errors.failure("BAD_USER_INPUT", _SUBSCRIPTION)]}
    outcome = execute_root_selection_set(executor)
    return _result(await outcome if isawaitable(outcome) else outcome)


async def subscribe(
    schema: GraphQLSchema, text: str, variables: dict[str, Any] | None, name: str | None, context: object
) -> AsyncGenerator[Result, None] | Result:
    """A subscription: a result for each event, or one for all when it cannot start."""
    executor = _executor(schema, text, variables, name, context)
    if isinstance(executor, dict):
        return executor
    source = create_source_event_stream(executor)
    if isawaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        return {"errors": [errors.masked(error) for error in source.errors or ()]}
    return _mapped(map_source_to_response_event(executor, source))


async def _mapped(results: AsyncGenerator[ExecutionResult, None]) -> AsyncGenerator[Result, None]:
    """A source that fails ends the stream with the failure, which graphql-core lets through."""
    try:
        async for result in results:
            yield _result(result)
    except Exception as error:  # noqa: BLE001 - whatever the source raises
        yield {"errors": [errors.told(error)]}
    finally:
        await results.aclose()


def _executor(
    schema: GraphQLSchema, text: str, variables: dict[str, Any] | None, name: str | None, context: object
) -> Executor[Any] | Result:
    try:
        built = StrawberryGraphQLCoreExecutionContext.build(
            schema,
            parse(text),
            None,
            context,
            variables,
            name,
            max_coercion_errors=5,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # a TypeGuard in all but name
            operation_extensions=None,
        )
    except Exception as error:  # noqa: BLE001 - what a scalar raises beside GraphQL's own errors
        return {"errors": [errors.told(error)]}
    return {"errors": errors.request_errors(built)} if isinstance(built, list) else built


def _result(outcome: ExecutionResult) -> Result:
    data = {"data": outcome.data}
    return {"errors": [errors.masked(error) for error in outcome.errors], **data} if outcome.errors else data
