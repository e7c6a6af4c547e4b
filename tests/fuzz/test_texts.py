"""No text and no variables break the engine, and none of them makes it work for long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import OperationType
from hypothesis import given, target
from structlog.testing import capture_logs

from domain.errors import Unavailable
from domain.identity import Caller, SessionScope
from schema.api import schema
from schema.context import Context
from schema.execution.documents import Documents, Prepared, Rejected
from schema.execution.execute import Engine
from schema.execution.measure import DocumentLimits
from tests.counting import calls
from tests.fuzz import TIMES, examples, texts

MOST_CALLS = 300_000
"""For one text: twice the 148,000, and 28 ms, of the worst that was found by hand."""
CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "RATE_LIMITED",
    "CONFLICT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "INTERNAL_SERVER_ERROR",
}


class Away:
    """Every port, while the database does not answer."""

    def __getattr__(self, name: str) -> object:
        raise Unavailable


ADA = Caller(UUID(int=1), UUID(int=2), SessionScope.FULL, datetime.now(UTC) + timedelta(hours=1))
ENGINE = Engine(schema)
NOBODYS = Context(Away(), None, "127.0.0.1")  # type: ignore[arg-type]  # no port is there
ADAS = Context(Away(), ADA, "127.0.0.1")  # type: ignore[arg-type]  # no port is there


def well_told(errors: list[dict[str, Any]]) -> None:
    """Every error has a message and a code, none is a fault of ours, and JSON can hold them."""
    assert 1 <= len(errors) <= 1_000
    for error in errors:
        assert 1 <= len(error["message"]) <= 500
        assert error["extensions"]["code"] in CODES
        assert "correlationId" not in error["extensions"], error
    orjson.dumps(errors)


async def settled(outcome: dict[str, Any] | Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The result, whether it had to wait or not."""
    return await outcome if isawaitable(outcome) else outcome


async def run(engine: Engine, prepared: Prepared, name: str | None, variables: Any, context: Context) -> None:  # noqa: ANN401 - JSON
    """Execute, or subscribe, and look at the answer."""
    if prepared.kind(name) is OperationType.SUBSCRIPTION:
        outcome = await engine.subscribe(prepared, variables, name, context)
        if isinstance(outcome, dict):
            well_told(outcome["errors"])
            return
        async for event in outcome:
            orjson.dumps(event.result)
            if "errors" in event.result:
                well_told(event.result["errors"])
        return
    result = await settled(engine.execute(prepared, variables, name, context))
    orjson.dumps(result)
    assert "data" in result or "errors" in result
    if "errors" in result:
        well_told(result["errors"])


@examples(200)
@given(text=texts.texts, variables=texts.values)
def test_no_text_breaks_the_engine_or_makes_it_work_for_long(text: str, variables: Any) -> None:  # noqa: ANN401 - JSON
    """A stranger's text is refused with a code, or runs; either is over soon, and leaves no traceback."""
    engine = ENGINE
    with capture_logs() as logs:
        work = calls(lambda: engine.documents._prepare(text))
        if TIMES > 1:
            target(float(work), label="calls")  # Hypothesis then looks for the worst: `make soak` has the time
        assert work <= MOST_CALLS, f"{work} calls for {text[:200]!r}"
        prepared = engine.documents.prepare(text)
        if isinstance(prepared, Rejected):
            well_told(prepared.errors)
            assert len(prepared.errors) <= 5
        else:
            for name in prepared.operations:
                refused = engine.documents.affordable(prepared, name, variables)
                if refused is not None:
                    well_told(refused.errors)
                for context in (NOBODYS, ADAS):
                    asyncio.run(run(engine, prepared, name, variables, context))
    assert logs == [], text
    assert engine.documents.entries <= 1_000


@pytest.mark.parametrize("depth", [1, 10, 100, 190, 900])
def test_variables_nested_deeply_are_answered(depth: int) -> None:
    """What JSON can hold, coercion refuses before it recurses to the end of the stack."""
    prepared = ENGINE.documents.prepare(
        "mutation($input: SendSignalInput!) { sendSignal(input: $input) { __typename } }"
    )
    assert isinstance(prepared, Prepared)
    for value in (texts.nested(depth), {"roomId": texts.nested(depth)}, [texts.nested(depth)]):
        with capture_logs() as logs:
            asyncio.run(run(ENGINE, prepared, None, {"input": value}, ADAS))
        assert logs == []


@pytest.mark.parametrize(
    "value", ["x" * 1_000_000, {"x" * 1_000_000: 1}, {"mode": "x" * 1_000_000}, ["x" * 1_000] * 1_000]
)
def test_an_error_does_not_say_all_that_was_sent(value: object) -> None:
    """A megabyte that is quoted five times is five megabytes, held for as long as the client takes to read them."""
    prepared = ENGINE.documents.prepare("mutation($input: JoinQueueInput!) { joinQueue(input: $input) { __typename } }")
    assert isinstance(prepared, Prepared)
    asyncio.run(run(ENGINE, prepared, None, {"input": value}, ADAS))
    refused = ENGINE.documents.prepare("{ " + "x" * 60_000 + " }")
    assert isinstance(refused, Rejected)
    well_told(refused.errors)


def test_work_is_counted_so_that_a_quadratic_text_shows() -> None:
    """The bound of this file means something: without the walk before the rules, the text that it keeps away is far above it."""
    text = "{ me {" + "id " * 1_990 + "} }"
    documents = Documents(schema._schema)
    assert calls(lambda: documents._prepare(text)) < MOST_CALLS
    unguarded = Documents(schema._schema, DocumentLimits(tokens=10_000, fields=10_000, merges=10**9))
    assert calls(lambda: unguarded._prepare(text)) > MOST_CALLS
