"""GraphQL over HTTP, as the draft has it (https://graphql.github.io/graphql-over-http/draft/).

POST of JSON for all but subscriptions, GET for queries. Every answer is JSON with `errors[].extensions.code`. Clients
that accept `application/graphql-response+json` get status codes that mean something; others get 200 for whatever was
well-formed.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.gate import TokenExpired, TokenRefused
from api.turns import Turns
from schema.execution.documents import Rejected
from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from api.gate import Gate, MakeContext
    from schema.execution.execute import Engine, Result

MODERN = "application/graphql-response+json"
CLASSIC = "application/json"

MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""

BODY_SECONDS = 10.0
"""How long a request's body may take to arrive."""

MUTATIONS_AT_ONCE = 2
"""Of one user, who else takes all connections of the pool while they wait for their own inbox. With one on each of five sockets,
that is seven of the ten."""
MUTATIONS_WAITING = 32


@dataclass(frozen=True, slots=True)
class _Operation:
    query: str
    variables: dict[str, Any] | None
    name: str | None


class _Refused(Exception):
    """An answer that needs no execution. `well_formed` requests get 200 from a classic client's point of view."""

    def __init__(
        self, status: int, result: Result, *, well_formed: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.status = status
        self.result = result
        self.well_formed = well_formed
        self.headers = headers or {}


def _refuse(status: int, message: str, code: str = "BAD_USER_INPUT", **headers: str) -> _Refused:
    return _Refused(
        status,
        {"errors": [failure(code, message)]},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclass(frozen=True, slots=True)
class GraphQLHTTP:
    """The ASGI application for `Route(path, endpoint)`: it takes every method and answers 405 itself, in JSON."""

    engine: Engine
    gate: Gate
    make_context: MakeContext
    open_fields: frozenset[str] = frozenset()
    """Root fields that need nobody signed in: with an expired token they are answered as without one."""
    max_body: int = MAX_BODY
    body_seconds: float = BODY_SECONDS
    turns: Turns = field(default_factory=lambda: Turns(MUTATIONS_AT_ONCE, MUTATIONS_WAITING))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        media_type = _preferred(request.headers.getlist("accept"))
        status, headers = 200, dict[str, str]()
        try:
            body = orjson.dumps(await self._answer(request, media_type))
        except _Refused as refused:
            classic = media_type == CLASSIC and refused.well_formed
            status, headers = 200 if classic else refused.status, refused.headers
            body = orjson.dumps(refused.result)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge
            entry = told(error)
            status = 503 if "retryAfter" in entry["extensions"] else 500
            body = orjson.dumps({"errors": [entry]})
        headers = {**headers, "content-type": f"{media_type or CLASSIC}; charset=utf-8"}
        await Response(body, status, headers)(scope, receive, send)

    async def _answer(self, request: Request, media_type: str | None) -> Result:
        if request.method not in {"GET", "POST"}:
            raise _refuse(405, "Send GraphQL by POST, or a query by GET.", allow="GET, POST")
        if media_type is None:
            raise _refuse(406, f"The answer is {MODERN} or {CLASSIC}: accept one of them.")
        operation = _from_url(request) if request.method == "GET" else await self._from_body(request)
        caller, expired = None, False
        try:
            caller = await self.gate.admit(request.headers.get("authorization"))
        except TokenExpired:
            expired = True
        except TokenRefused:
            raise _unauthenticated("The access token is not valid.") from None
        prepared = self.engine.documents.prepare(operation.query)
        if isinstance(prepared, Rejected):
            raise _Refused(400, {"errors": prepared.errors}, well_formed=True)
        # A client that puts its token on everything puts the expired one on `refreshSession`.
        if expired and not prepared.asks_only(operation.name, self.open_fields):
            raise _unauthenticated("The access token has expired: refresh it.")
        kind = prepared.kind(operation.name)
        if kind is OperationType.MUTATION and request.method == "GET":
            raise _refuse(405, "Mutations are sent by POST.", allow="POST")
        if kind is OperationType.SUBSCRIPTION:
            message = "Subscriptions are served over WebSocket, by the subprotocol graphql-transport-ws."
            raise _Refused(400, {"errors": [failure("BAD_USER_INPUT", message)]}, well_formed=True)
        context = self.make_context(caller, request, None)
        turn = self.turns.turn(caller.user_id) if caller and kind is OperationType.MUTATION else nullcontext()
        async with turn:
            result = await self.engine.execute(prepared, operation.variables, operation.name, context)
        if "data" not in result:
            internal = result["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            raise _Refused(500 if internal else 400, result, well_formed=True)
        return result

    async def _from_body(self, request: Request) -> _Operation:
        values = request.headers.getlist("content-type")
        media_type, parameters = _media_type(values[0]) if len(values) == 1 else ("", {})
        if media_type != CLASSIC or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise _refuse(415, "The body must be application/json in UTF-8.", accept_post=CLASSIC)
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await self._body(request)
        except TimeoutError:
            raise _refuse(408, "The body took too long to arrive.", connection="close") from None
        return _operation(_json(body, "The body"))

    async def _body(self, request: Request) -> bytes:
        """The body, read only as far as it is allowed to be long."""
        # The connection stays open: Uvicorn throws away what still comes. Closing it with unread data would reset it, and
        # the client would see that instead of the answer.
        too_long = _refuse(413, f"The body is longer than {self.max_body} bytes.")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self.max_body:
            raise too_long
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.max_body:
                raise too_long
        return bytes(body)


def _from_url(request: Request) -> _Operation:
    fields: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in fields:
            fields[name] = _json(fields[name], name)
    return _operation(
        {name: fields[name] for name in ("query", "operationName", "variables", "extensions") if name in fields}
    )


def _json(text: bytes | str, what: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _refuse(400, f"{what} is not JSON in UTF-8.") from None


def _operation(request: object) -> _Operation:
    """A request of the draft's shape, or the refusal that says where it is not."""
    if isinstance(request, list):
        raise _refuse(400, "Batching is off: send one operation in a request.")
    if not isinstance(request, dict):
        raise _refuse(400, "The request must be a JSON object.")
    query, name = request.get("query"), request.get("operationName")
    variables, extensions = request.get("variables"), request.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise _refuse(400, "extensions must be an object.")
    if query is None and extensions and "persistedQuery" in extensions:
        # The client then sends the document itself; Apollo knows this message, urql the code.
        missing = failure("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
        raise _Refused(400, {"errors": [missing]}, well_formed=True)
    if not isinstance(query, str):
        raise _refuse(400, "query must be a string.")
    if name is not None and not isinstance(name, str):
        raise _refuse(400, "operationName must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise _refuse(400, "variables must be an object.")
    return _Operation(query, variables, name)


def _unauthenticated(message: str) -> _Refused:
    return _Refused(
        401,
        {"errors": [failure("UNAUTHENTICATED", message)]},
        headers={"www-authenticate": 'Bearer error="invalid_token"'},
    )


def _media_type(value: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters, in lower case (RFC 9110, section 8.3.1); quoted values may not hold a
    semicolon.
    """
    media_type, *rest = value.split(";")
    parameters = {}
    for parameter in rest:
        name, _, text = parameter.partition("=")
        parameters[name.strip().lower()] = text.strip().strip('"')
    return media_type.strip().lower(), parameters


def _preferred(accept: list[str]) -> str | None:
    """The media type to answer with; None if the client takes neither.

    The modern one must be named: a client that takes just anything may not know that its status codes mean something.
    """
    if not any(accept):
        return CLASSIC
    qualities: dict[str, float] = {}
    for entry in ",".join(accept).split(","):
        media_range, parameters = _media_type(entry)
        try:
            qualities[media_range] = float(parameters.get("q", "1"))
        except ValueError:
            qualities[media_range] = 0.0
    modern = qualities.get(MODERN, 0.0)
    classic = next((qualities[named] for named in (CLASSIC, "application/*", "*/*") if named in qualities), 0.0)
    if modern <= 0 and classic <= 0:
        return None
    return MODERN if modern >= classic else CLASSIC
