"""What an operation answers with: one result, or a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from schema.execution.errors import failure, masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from graphql import GraphQLError

Result = dict[str, Any]
"""A GraphQL response: `data` unless the request never ran, `errors` if there are any. Ready for JSON."""


class Event:
    """One response of a subscription. A result without `data` is the last: the stream has failed.

    `delivered`, if the source event brought one as its attribute `on_delivered`, is to be called once the response
    was written. Nobody changes `result`: others may be shown the same.
    """

    __slots__ = ("_encoded", "delivered", "result")

    def __init__(self, result: Result, delivered: Callable[[], None] | None = None) -> None:
        self.result = result
        self.delivered = delivered
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The JSON of `result`, made once. Raises TypeError if it holds what JSON cannot."""
        if self._encoded is None:
            self._encoded = orjson.dumps(self.result)
        return self._encoded


def response(data: dict[str, Any] | None, errors: Iterable[GraphQLError] | None) -> Result:
    """The result of an operation that ran."""
    if errors:
        return {"errors": [masked(error) for error in errors], "data": data}
    return {"data": data}


def not_once() -> Result:
    """What a subscription is answered that was asked for one result."""
    return {"errors": [failure("BAD_USER_INPUT", "This is a subscription: it answers with a stream, not once.")]}
