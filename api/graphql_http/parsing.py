"""What a request asks for, from its body or its address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from api.graphql_http.media_types import CLASSIC, media_type
from api.graphql_http.refusals import refuse, too_large
from api.json_values import MAX_VALUES, spells_more
from schema.execution.persisted import is_persisted

if TYPE_CHECKING:
    from starlette.requests import Request


MAX_BODY = 1024 * 1024


@dataclass(slots=True)
class Operation:
    """A request of the draft's shape. It has a query, unless its extensions have the hash of one."""

    query: str | None
    variables: dict[str, Any] | None
    name: str | None
    extensions: dict[str, Any] | None
    size: int
    """Bytes of what was sent."""

    def take_variables(self) -> dict[str, Any] | None:
        """The client's variables, once, and the end of all else that it sent: 1 MiB can spell several, and a stream lives for
        hours.
        """
        variables = self.variables
        self.query = self.variables = self.extensions = None
        return variables


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Of a request's body: its bytes, what they spell, and the seconds it may take to arrive."""

    size: int = MAX_BODY
    values: int = MAX_VALUES
    """Of its JSON."""
    seconds: float = 10.0


def from_url(request: Request, limits: BodyLimits) -> Operation:
    """A request by GET. Raises `Refused`."""
    fields: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in fields:
            fields[name] = _json(fields[name].encode(errors="surrogatepass"), name, limits.values)
    return _operation(fields, len(request.url.query))


async def from_body(request: Request, limits: BodyLimits) -> Operation:
    """A request by POST. Raises `Refused`, and `ClientDisconnect` when the client leaves before it has said all."""
    values = request.headers.getlist("content-type")
    name, parameters = media_type(values[0]) if len(values) == 1 else ("", {})
    if name != CLASSIC or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise refuse(415, "The body must be application/json in UTF-8.", accept_post=CLASSIC)
    try:
        async with asyncio.timeout(limits.seconds):
            body = await _body(request, limits.size)
    except TimeoutError:
        raise refuse(408, "The body took too long to arrive.", connection="close") from None
    return _operation(_json(body, "The body", limits.values), len(body))


async def _body(request: Request, most: int) -> bytes:
    """The body, read only as far as it is allowed to be long."""
    # The connection stays open: Uvicorn throws away what still comes. Closing it with unread data would reset it, and
    # the client would see that instead of the answer.
    too_long = too_large("body", f"The body is longer than {most} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise too_long
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_long
    return bytes(body)


def _json(text: bytes, what: str, most: int) -> object:
    if spells_more(text, most):
        raise too_large("values", f"{what} has more than {most} values.")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refuse(400, f"{what} is not JSON in UTF-8.") from None


def _operation(request: object, size: int) -> Operation:
    """A request of the draft's shape, or the refusal that says where it is not."""
    if isinstance(request, list):
        raise refuse(400, "Batching is off: send one operation in a request.")
    if not isinstance(request, dict):
        raise refuse(400, "The request must be a JSON object.")
    query, name = request.get("query"), request.get("operationName")
    variables, extensions = request.get("variables"), request.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise refuse(400, "extensions must be an object.")
    if not isinstance(query, str) and (query is not None or not is_persisted(extensions)):
        raise refuse(400, "query must be a string.")
    if name is not None and not isinstance(name, str):
        raise refuse(400, "operationName must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise refuse(400, "variables must be an object.")
    return Operation(query, variables, name, extensions, size)
