"""Runs one operation both ways and compares all that a client, a resolver and a log can see."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final
from unittest.mock import patch

import strawberry
from graphql import GraphQLSchema, OperationType
from structlog.testing import capture_logs

from domain.errors import Failure
from schema.execution import errors
from schema.execution.documents import Prepared
from schema.execution.execute import Engine
from schema.execution.measure import DOCUMENT_LIMITS, DocumentLimits
from tests.differential import reference
from tests.differential.documents import Operation
from tests.differential.world import World

UNLIMITED: Final = DocumentLimits(**dict.fromkeys(DOCUMENT_LIMITS, 10**9))
"""What is generated is not what limits are for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one client sends, into a world of `seed` with so much `trouble`."""

    operation: Operation
    variables: dict[str, Any] | None
    seed: int
    trouble: int


class Pair:
    """Our executor and graphql-core over one schema. `context` makes what resolvers find as `info.context`."""

    def __init__(self, schema: strawberry.Schema, context: Callable[[World], object]) -> None:
        self.schema: GraphQLSchema = schema._schema
        self.engine = Engine(schema, UNLIMITED)
        self._context = context

    async def ours(self, request: Request, world: World) -> list[Any]:
        """What our executor answers: one result, or those of a stream."""
        operation = request.operation
        prepared = self.engine.documents.prepare(operation.text)
        assert isinstance(prepared, Prepared), (operation.text, prepared)
        asked = (prepared, request.variables, operation.name, self._context(world))
        if operation.kind is not OperationType.SUBSCRIPTION:
            result = self.engine.execute(*asked)
            return [await result if isawaitable(result) else result]
        stream = await self.engine.subscribe(*asked)
        return [stream] if isinstance(stream, dict) else [event.result async for event in stream]

    async def theirs(self, request: Request, world: World) -> list[Any]:
        """What graphql-core answers."""
        operation = request.operation
        asked = (self.schema, operation.text, request.variables, operation.name, self._context(world))
        if operation.kind is not OperationType.SUBSCRIPTION:
            return [await reference.execute(*asked)]
        stream = await reference.subscribe(*asked)
        return [stream] if isinstance(stream, dict) else [result async for result in stream]

    def compare(self, runner: asyncio.Runner, request: Request) -> None:
        """Raises `AssertionError` unless both answer the same and ask resolvers the same, in the same order."""
        # A second subscriber finds the same events and is another in all else.
        seeds = (
            [request.seed]
            if request.operation.kind is not OperationType.SUBSCRIPTION
            else [request.seed, request.seed + 1]
        )
        seen = []
        for run in (self.theirs, self.ours):
            worlds: list[World] = []
            for seed in seeds:
                worlds.append(World(self.schema, seed, request.trouble, beside=worlds[0] if worlds else None))
            with unmasked(), capture_logs() as logs:
                results = [result for world in worlds for result in runner.run(world.turns.run(run(request, world)))]
            seen.append((results, [call for world in worlds for call in world.log], logs))
        (expected, expected_calls, expected_logs), (actual, calls, logs) = seen
        assert [shown(result) for result in actual] == [shown(result) for result in expected], "answers"
        assert calls == expected_calls, "calls of resolvers"
        assert [_logged(entry) for entry in logs] == [_logged(entry) for entry in expected_logs], "logs"


@contextmanager
def unmasked() -> Iterator[None]:
    """What clients are not told is compared too: the class and message of what was raised, before it is masked."""
    told = errors.told

    def telling(error: BaseException, *, path: list[str | int] | None = None) -> dict[str, Any]:
        entry = told(error, path=path)
        if not isinstance(error, Failure):
            assert entry["extensions"].pop("correlationId")
            entry["extensions"]["raised"] = (type(error).__name__, str(error))
        return entry

    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            # Others may have taken it by name.
            if name.startswith("schema.execution") and getattr(module, "told", None) is told:
                stack.enter_context(patch.object(module, "told", telling))
        yield


def shown(result: dict[str, Any]) -> list[str]:
    """A result as text, which tells the order of keys and 1 from `True`, and in which NaN equals NaN."""
    return [
        f"keys: {sorted(result)}",
        f"data: {result.get('data')!r}",
        *(f"error: {sorted(error.items())!r}" for error in result.get("errors", [])),
    ]


def _logged(entry: Any) -> tuple[Any, ...]:  # noqa: ANN401 - structlog's
    raised = entry.get("raised") or [{}]
    return entry["event"], entry.get("path"), raised[0].get("error")
