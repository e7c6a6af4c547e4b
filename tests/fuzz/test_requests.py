"""No request breaks the HTTP side: bodies, headers and query strings that nobody should send, in every framing of the answer."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import examples, texts
from tests.fuzz.conftest import Victim
from tests.fuzz.wires import Client
from tests.waiting import DEADLINE

QUERIES = st.sampled_from((*texts.VALID, "{ __typename }", "subscription { stats { online } }", "{")) | texts.mutated()
BODIES: st.SearchStrategy[Any] = st.one_of(
    texts.json,
    st.builds(texts.nested, st.sampled_from((1, 100, 254, 1_100))),
    st.lists(texts.json, max_size=2),
    st.fixed_dictionaries(
        {"query": QUERIES | texts.json},
        optional={
            "variables": texts.values | texts.json,
            "operationName": texts.json,
            "extensions": texts.json
            | st.fixed_dictionaries(
                {
                    "persistedQuery": texts.json
                    | st.fixed_dictionaries({"version": st.just(1) | texts.json, "sha256Hash": texts.json})
                }
            ),
            "map": texts.json,
            "operations": texts.json,
        },
    ),
)
CONTENT = (
    BODIES.map(lambda body: json.dumps(body).encode())
    | st.binary(max_size=60)
    | st.sampled_from((b"", b"\xff\xfe{", b'{"query":"\xff"}', b"[" * 100_000, b"nul"))
)
ACCEPT = st.sampled_from(
    (
        "",
        "*/*",
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
        'multipart/mixed;subscriptionSpec="1.0", application/json',
        "multipart/mixed;deferSpec=20220824",
        "text/event-stream;q=0, */*;q=0.1",
        "application/json;q=x",
        ";;;,,,=",
        "a/b;" * 500,
        "text/html",
    )
)
TYPES = st.sampled_from(
    (
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=utf-16",
        'application/json; charset="',
        "application/graphql",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        ";",
    )
)
HEADERS = st.dictionaries(
    st.sampled_from(
        (
            "authorization",
            "origin",
            "last-event-id",
            "x-forwarded-for",
            "content-encoding",
            "range",
            "cookie",
            "x-graphql-event-stream-token",
        )
    ),
    st.sampled_from(
        (
            "",
            "Bearer",
            "Bearer x",
            "Bearer a.b.c",
            "Basic eDp4",
            "null",
            "https://evil.example",
            "gzip",
            "é".encode().decode("latin-1"),
            "x" * 5_000,
        )
    ),
    max_size=3,
)
FINE = {200, 202, 400, 401, 403, 404, 405, 406, 408, 411, 413, 415, 422, 429, 431}


def looked_at(victim: Victim, request: httpx.Request) -> None:
    """Sends, and looks at the answer's beginning, which is all that there ever is of a stream."""
    with httpx.Client(trust_env=False, timeout=DEADLINE) as http:
        response = http.send(request, stream=True)
        try:
            assert response.status_code in FINE, (response.status_code, response.read())
            kind = response.headers.get("content-type", "").partition(";")[0]
            if kind in {"application/json", "application/graphql-response+json"}:
                answer = json.loads(response.read())
                assert answer.keys() & {"data", "errors"}, answer
                for error in answer.get("errors", ()):
                    assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", answer
            else:
                assert kind in {"text/event-stream", "multipart/mixed"}, kind
                next(response.iter_raw())
        finally:
            response.close()
    victim.is_well()


@examples(40)
@given(
    content=CONTENT,
    accept=ACCEPT,
    kind=TYPES,
    headers=HEADERS,
    method=st.sampled_from(("POST", "POST", "POST", "PUT", "OPTIONS")),
)
def test_no_body_breaks_the_server(  # noqa: PLR0917 - Hypothesis draws them
    victim: Victim, content: bytes, accept: str, kind: str, headers: dict[str, str], method: str
) -> None:
    """What is not a request is told so in JSON, with a status of the client's own making."""
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    looked_at(
        victim,
        httpx.Request(
            method,
            f"{victim.server.url}/graphql",
            content=content,
            headers=encoded | {b"accept": accept.encode(), b"content-type": kind.encode()},
        ),
    )


PARTS = st.sampled_from(("query", "variables", "operationName", "extensions", "query", "x", ""))
VALUES = (
    QUERIES
    | texts.STRANGE
    | texts.json.map(json.dumps)
    | st.sampled_from(("%", "%zz", "%00", "%ff%fe", "&&", "[" * 3_000))
)


@examples(40)
@given(parts=st.lists(st.tuples(PARTS, VALUES), max_size=4), accept=ACCEPT, escaped=st.booleans())
def test_no_query_string_breaks_the_server(
    victim: Victim, parts: list[tuple[str, str]], accept: str, *, escaped: bool
) -> None:
    """Of a GET, escaped well or not at all."""
    if escaped:
        clean = httpx.QueryParams([(name, value.encode(errors="replace").decode()) for name, value in parts])
        looked_at(
            victim, httpx.Request("GET", f"{victim.server.url}/graphql", params=clean, headers={"accept": accept})
        )
        return
    raw = "&".join(f"{name}={value}" for name, value in parts).encode(errors="replace")
    line = bytes(byte for byte in raw if byte > 32)
    with Client(
        victim.server.port,
        b"GET /graphql?"
        + line
        + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: "
        + accept.encode()
        + b"\r\n\r\n",
    ) as client:
        victim.is_well()
        client.hang_up()
    assert not client.received.startswith(b"HTTP/1.1 5"), client.received
    victim.logged_nothing()


@pytest.mark.parametrize("honest", [True, False])
def test_a_body_of_twenty_megabytes_is_refused_by_its_size(victim: Victim, *, honest: bool) -> None:
    """Whether its length is told or comes in chunks, no more of it is held than is allowed."""
    body = b'{"query": "{ __typename }", "x": "' + b"x" * 20_000_000 + b'"}'
    content = body if honest else iter([body[start : start + 100_000] for start in range(0, len(body), 100_000)])
    with httpx.Client(trust_env=False, timeout=DEADLINE) as http:
        try:
            response = http.post(
                f"{victim.server.url}/graphql", content=content, headers={"content-type": "application/json"}
            )
        except httpx.WriteError:
            pass  # The server need not read what it has refused.
        else:
            assert response.status_code == 413
    victim.is_well()
