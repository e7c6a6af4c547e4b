"""GraphQL over HTTP, as the draft has it (https://graphql.github.io/graphql-over-http/draft/), and its streams.

POST for everything, GET for all but mutations. Clients that accept `application/graphql-response+json` get status codes that mean
something; others get 200 for whatever was well-formed. Every failure has `errors[].extensions.code`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.gate import TokenExpired, TokenRefused
from api.graphql_http.media_types import CLASSIC, MODERN
from api.graphql_http.multipart import MULTIPART
from api.graphql_http.negotiation import accepted
from api.graphql_http.parsing import BodyLimits, from_body, from_url
from api.graphql_http.refusals import Refused, refuse, too_many, unauthenticated
from api.graphql_http.sse import EVENT_STREAM
from api.graphql_http.stream import HEADERS, Stream
from api.networks import network_of
from api.operation_rates import NoRates, Requester
from api.turns import Turns
from domain.errors import RateLimited
from schema.execution.documents import Rejected, Unknown
from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from api.gate import Gate, MakeContext
    from api.graphql_http.negotiation import Accepted
    from api.graphql_http.parsing import Operation
    from api.graphql_http.streams import Streams
    from api.operation_rates import Rates
    from domain.identity import Caller
    from schema.execution.documents import Prepared
    from schema.execution.execute import Engine, Result

MUTATIONS_AT_ONCE = 2
"""Of one user, who else takes all connections of the pool while they wait for their own inbox. With one on each of five sockets,
that is seven of the ten."""
MUTATIONS_WAITING = 32
"""Of one user, beside those under way."""


class UserTurns(Turns):
    """Mutations of each user, `at_once`, while `waiting` more wait."""

    def __init__(self, waiting: int = MUTATIONS_WAITING, at_once: int = MUTATIONS_AT_ONCE) -> None:
        super().__init__(at_once, waiting)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often since the start, by limit."""
        return {"mutations_of_user": self.refused}


@dataclass(frozen=True, slots=True)
class GraphQLHTTP:
    """The ASGI application for `Route(path, endpoint)`: it takes every method and answers 405 itself, in JSON.

    It must be served with `uvicorn_settings()`.
    """

    engine: Engine
    gate: Gate
    make_context: MakeContext
    streams: Streams
    open_fields: frozenset[str] = frozenset()
    """Root fields that need nobody signed in: with an expired token they are answered as without one."""
    body: BodyLimits = field(default_factory=BodyLimits)
    turns: UserTurns = field(default_factory=UserTurns)
    rates: Rates = field(default_factory=NoRates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        accept = accepted(request.headers.getlist("accept"))
        try:
            response = await self._respond(request, accept, send)
        except Refused as refused:
            if refused.limit is not None:
                self.streams.live.refusals[refused.limit] += 1
            response = _refusal(refused, accept)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the edge
            entry = told(error)
            response = _json(503 if "retryAfter" in entry["extensions"] else 500, {"errors": [entry]}, accept)
        if response is not None:
            await response(scope, receive, send)

    async def _respond(self, request: Request, accept: Accepted, send: Send) -> Response | None:
        """The answer, or None when it was a stream, which has ended."""
        if request.method not in {"GET", "POST"}:
            raise refuse(405, "Send GraphQL by POST, or a query by GET.", allow="GET, POST")
        if accept.single is None:  # Whatever may carry a stream may carry one result.
            raise refuse(406, f"The answer is {MODERN}, {CLASSIC}, {EVENT_STREAM} or {MULTIPART}: accept one of them.")
        operation = from_url(request, self.body) if request.method == "GET" else await from_body(request, self.body)
        caller, expired = await self._admit(request)
        prepared = await self._prepare(
            Requester(self.rates, caller.user_id if caller else None, network_of(request)), operation
        )
        # A client that puts its token on everything puts the expired one on `refreshSession`.
        if expired and not prepared.asks_only(operation.name, self.open_fields):
            raise unauthenticated("The access token has expired: refresh it.")
        kind = prepared.kind(operation.name)
        if kind is OperationType.MUTATION and request.method == "GET":
            raise refuse(405, "Mutations are sent by POST.", allow="POST")
        if kind is not OperationType.SUBSCRIPTION:
            return _once(await self._execute(request, operation, prepared, caller, kind), accept)
        if accept.stream is None:
            message = (
                f"Subscriptions are served over WebSocket (graphql-transport-ws), or here: accept {EVENT_STREAM} "
                f"or {MULTIPART}."
            )
            raise Refused(400, {"errors": [failure("BAD_USER_INPUT", message)]}, well_formed=True)
        self.streams.admit(request)
        context = self.make_context(caller, request, self.streams.cursor(request))
        stream = Stream(self.streams, accept.stream, caller, request, send)
        await stream.run(lambda: self.engine.subscribe(prepared, operation.take_variables(), operation.name, context))
        return None

    async def _admit(self, request: Request) -> tuple[Caller | None, bool]:
        """Who asks, and whether they came with a token that has expired."""
        try:
            return await self.gate.admit(request.headers.get("authorization")), False
        except TokenExpired:
            return None, True
        except TokenRefused:
            raise unauthenticated("The access token is not valid.") from None

    async def _prepare(self, requester: Requester, operation: Operation) -> Prepared:
        name, variables = operation.name, operation.variables
        try:
            prepared = requester.find(self.engine, operation.query, operation.extensions, name, variables)
            if isinstance(prepared, Unknown):
                prepared = await requester.learn(self.engine, prepared, name, variables, held=operation.size)
        except RateLimited as limited:
            raise too_many(limited) from None
        if isinstance(prepared, Rejected):
            raise Refused(400, {"errors": prepared.errors}, well_formed=True)
        return prepared

    async def _execute(
        self,
        request: Request,
        operation: Operation,
        prepared: Prepared,
        caller: Caller | None,
        kind: OperationType | None,
    ) -> Result:
        context = self.make_context(caller, request, None)
        turn = self.turns.turn(caller.user_id) if caller and kind is OperationType.MUTATION else nullcontext()
        async with turn:
            outcome = self.engine.execute(prepared, operation.variables, operation.name, context)
            result = outcome if isinstance(outcome, dict) else await outcome
        if "data" not in result:
            internal = result["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            raise Refused(500 if internal else 400, result, well_formed=True)
        return result


def _once(result: Result, accept: Accepted) -> Response:
    """One result, as the client likes it best."""
    framing = accept.single
    if framing is None or isinstance(framing, str):
        return _json(200, result, accept)
    return Response(framing.only(orjson.dumps(result)), 200, {**HEADERS, "content-type": framing.media_type})


def _refusal(refused: Refused, accept: Accepted) -> Response:
    if refused.well_formed and accept.json == CLASSIC:
        return _once(refused.result, accept)
    return _json(refused.status, refused.result, accept, refused.headers)


def _json(status: int, result: Result, accept: Accepted, headers: dict[str, str] | None = None) -> Response:
    sent = {**(headers or {}), "cache-control": "no-store", "content-type": f"{accept.json}; charset=utf-8"}
    return Response(orjson.dumps(result), status, sent)
