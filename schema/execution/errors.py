"""The edge where exceptions become the contract's errors: what a client may know goes out with a code, the rest only
as an ID.

What is logged names classes and lines of code. It never holds a message of an exception, because those quote values:
SQLAlchemy's hold the parameters of the statement.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from graphql import GraphQLError
from graphql.execution.values import get_argument_values, get_directive_values
from strawberry.exceptions import StrawberryInputCoercionError

from domain.errors import Failure, RateLimited, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = structlog.get_logger(__name__)

_COERCING = {get_argument_values.__code__, get_directive_values.__code__}


MOST_SAID = 500
"""Characters of a message: graphql-core quotes what a client sent, which may be a megabyte."""


def said(message: str) -> str:
    """The message, or its beginning."""
    return message if len(message) <= MOST_SAID else f"{message[: MOST_SAID - 1]}…"


def failure(code: str, message: str, **extensions: object) -> dict[str, Any]:
    """One error as the contract has it."""
    return {"message": said(message), "extensions": {"code": code, **extensions}}


def request_errors(errors: Iterable[GraphQLError]) -> list[dict[str, Any]]:
    """What is wrong with a request that never ran: an unknown operation, variables that cannot be coerced."""
    return [_located(error, failure("BAD_USER_INPUT", error.message)) for error in errors]


def masked(error: GraphQLError) -> dict[str, Any]:
    """What a client is told of an error of execution. Logs what it is not told."""
    original: BaseException = error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, StrawberryInputCoercionError) or (isinstance(original, GraphQLError) and _coercing(error)):
        return _located(error, failure("BAD_USER_INPUT", error.message))
    return _located(error, told(original, path=error.path))


def told(error: BaseException, *, path: list[str | int] | None = None) -> dict[str, Any]:
    """What a client is told of an exception, without a place in its document. Logs what it is not told."""
    match error:
        case RateLimited() | Unavailable():
            return failure(error.code, str(error), retryAfter=error.retry_after)
        case Failure():
            return failure(error.code, str(error))
    correlation_id = uuid4().hex
    log.error(
        "operation_failed",
        correlation_id=correlation_id,
        path=[step for step in path or () if isinstance(step, str)],
        raised=[
            {"error": f"{type(link).__module__}.{type(link).__qualname__}", "stack": _frames(link)}
            for link in _chain(error)
        ],
    )
    return failure("INTERNAL_SERVER_ERROR", "Internal server error", correlationId=correlation_id)


def _located(error: GraphQLError, entry: dict[str, Any]) -> dict[str, Any]:
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        entry["path"] = error.path
    return entry


def _coercing(error: GraphQLError) -> bool:
    """Whether graphql-core raised it on meeting the client's arguments, and not on meeting a value of ours."""
    link: BaseException | None = error
    while isinstance(link, GraphQLError):
        if any(frame.f_code in _COERCING for frame, _ in traceback.walk_tb(link.__traceback__)):
            return True
        link = link.original_error
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(5):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(error: BaseException) -> list[str]:
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-20:]
    ]
