"""GraphQL over HTTP: what is answered, with which status, and always in JSON; never 500 on bad input."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from api import uvicorn_http
from api.connections.buffers import RESET
from api.graphql_http.negotiation import accepted
from api.uvicorn_http import ParleyHTTPProtocol
from tests.stream_client import EVENTS, PARTS, PAYLOADS, raw_request, request
from tests.toy_server import Toy, caller, toy_server
from tests.waiting import until

MODERN = {"accept": "application/graphql-response+json"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy() -> AsyncIterator[Toy]:
    """A server as production has it."""
    async with toy_server(allowed=("https://talk.example",)) as toy:
        yield toy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(toy: Toy) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{toy.port}", headers={"accept": "application/json"}
    ) as client:
        yield client


def code(response: httpx.Response) -> str:
    """The first error's code, from an answer that must be JSON."""
    assert response.headers["content-type"] in {
        "application/json; charset=utf-8",
        "application/graphql-response+json; charset=utf-8",
    }
    return str(response.json()["errors"][0]["extensions"]["code"])


async def test_a_query_is_answered(http: httpx.AsyncClient) -> None:
    """The plainest request of all, by each client's way of asking."""
    answer = await http.post("/graphql", json={"query": "query A { hello } query B { userId }", "operationName": "A"})
    assert (answer.status_code, answer.json()) == (200, {"data": {"hello": "world"}})
    by_url = await http.get(
        "/graphql", params={"query": "query($n: Int!) { double(number: $n) }", "variables": '{"n": 4}'}
    )
    assert by_url.json() == {"data": {"double": 8}}
    nulls = {"query": "{ hello }", "variables": None, "operationName": None, "extensions": None}
    assert (await http.post("/graphql", json=nulls)).json() == {"data": {"hello": "world"}}
    apollo = {"query": "{ hello }", "extensions": {"clientLibrary": {"name": "@apollo/client", "version": "4"}}}
    assert (await http.post("/graphql", json=apollo)).json() == {"data": {"hello": "world"}}


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/graphql-response+json, application/json;q=0.9", "application/graphql-response+json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/json, application/graphql-response+json;q=0.5", "application/json"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; q=1", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream;q=0.9, application/json", "application/json"),
        ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0, application/json", "application/json"),
        ("text/*, application/json;q=0.1", "application/json"),
        ("application/jsonx", None),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
        ("application/json;q=nan", None),
        ("application/json;q=2", None),
        ("multipart/mixed;deferSpec=20220824", None),
        ("multipart/mixed;subscriptionSpec=2.0", None),
        (";;;,,=,q=1,\t,/", None),
    ],
)
async def test_the_media_type_is_the_clients_choice(http: httpx.AsyncClient, accept: str, chosen: str | None) -> None:
    """Urql and Apollo accept several and mean different ones: the wrong choice loses errors on the way."""
    answer = await http.post("/graphql", json={"query": "{ hello }"}, headers={"accept": accept})
    if chosen is None:
        assert (answer.status_code, code(answer)) == (406, "BAD_USER_INPUT")
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{chosen}; charset=utf-8")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"query": "{ hello"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "query($n: Int!) { double(number: $n) }", "variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ({"query": "{ hello }", "operationName": "Nobody"}, "BAD_USER_INPUT"),
        ({"query": "subscription { hang }"}, "BAD_USER_INPUT"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)
async def test_what_cannot_run_is_400_for_who_understands_and_200_for_others(
    http: httpx.AsyncClient, request_: dict[str, Any], expected: str
) -> None:
    """Apollo drops the errors of a 400 in application/json: its users would see "network error" instead of the reason."""
    classic = await http.post("/graphql", json=request_)
    modern = await http.post("/graphql", json=request_, headers=MODERN)
    assert (classic.status_code, code(classic)) == (200, expected)
    assert (modern.status_code, code(modern)) == (400, expected)
    assert "data" not in modern.json()


async def test_errors_of_fields_are_200_with_data(http: httpx.AsyncClient) -> None:
    """The request succeeded; a part of it did not."""
    answer = await http.post("/graphql", json={"query": '{ hello fail(kind: "missing") }'}, headers=MODERN)
    assert (answer.status_code, code(answer)) == (200, "NOT_FOUND")
    assert answer.json()["data"] == {"hello": "world", "fail": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"x"',
        b"5",
        b"{",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ["{ hello }"]}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": "{}"}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "extensions": []}',
        b"[" * 9_000,
        b'{"query": "{ hello }", "variables": {"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b'[{"query": "{ hello }"}]',
        b"[]",
    ],
)
async def test_a_malformed_body_is_400_in_json(http: httpx.AsyncClient, body: bytes) -> None:
    """Stock Strawberry answers 500 to several of these: an alarm for us, a riddle for the developer."""
    for headers in ({}, MODERN):
        answer = await http.post("/graphql", content=body, headers={"content-type": "application/json", **headers})
        assert (answer.status_code, code(answer)) == (400, "BAD_USER_INPUT")


async def test_values_nested_deeply_are_bad_user_input(http: httpx.AsyncClient) -> None:
    """What JSON can hold and a variable cannot."""
    body = b'{"query": "query($n: Int!) { double(number: $n) }", "variables": {"n": %s}}' % (b"[" * 900 + b"]" * 900)
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, code(answer)) == (200, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=utf-16", 415),
        ("application/jsonx", 415),
        ("text/plain; a=application/json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/graphql", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_only_json_bodies_are_taken(http: httpx.AsyncClient, content_type: str | None, status: int) -> None:
    """A form on a foreign page can send text/plain without asking; JSON it cannot."""
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await http.post("/graphql", content=b'{"query": "{ hello }"}', headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert code(answer) == "BAD_USER_INPUT"


async def test_a_body_over_one_mebibyte_is_413_before_it_has_arrived(toy: Toy, http: httpx.AsyncClient) -> None:
    """Twenty megabytes per request from a few hundred clients would be the end of the process."""
    large = orjson.dumps({"query": "{ hello }", "variables": {"a": "x" * 1024 * 1024}})
    answer = await http.post("/graphql", content=large, headers={"content-type": "application/json"})
    assert (answer.status_code, code(answer)) == (413, "BAD_USER_INPUT")
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for _ in range(17):
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    async with asyncio.timeout(5):
        assert b"413" in await reader.readline()
    writer.close()
    assert toy.live.refusals["body"] == 2


async def test_a_body_that_spells_too_much_is_413(toy: Toy, http: httpx.AsyncClient) -> None:
    """A mebibyte of little things is 25 of objects, and half a second until each was found not to fit."""
    asked, refused = {"query": "{ hello }", "variables": {"a": [[]] * 5_100}}, toy.live.refusals["values"]
    answer = await http.post("/graphql", json=asked)
    assert (answer.status_code, code(answer)) == (413, "BAD_USER_INPUT")
    answer = await http.get("/graphql?query=%7Bhello%7D&variables=%7B%22a%22:[" + "0," * 10_100 + "0]%7D")
    assert (answer.status_code, code(answer)) == (413, "BAD_USER_INPUT")
    assert toy.live.refusals["values"] == refused + 2


@pytest.mark.parametrize("size", [1, 7, 500])
async def test_a_body_in_small_chunks_is_read_while_others_get_their_turn(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """One read of the network may hold 40,000 chunks of a byte, and took 0.6 s."""
    monkeypatch.setattr(uvicorn_http, "BYTES_AT_ONCE", 128)
    loop, turns, turning = asyncio.get_running_loop(), 0, True

    def turn() -> None:
        nonlocal turns
        turns += 1
        if turning:
            loop.call_soon(turn)

    body = orjson.dumps({"query": "{ hello } #" + "x" * 2_000})
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + wire)
    turn()
    async with asyncio.timeout(20):
        assert b'{"data":{"hello":"world"}}' in await reader.readuntil(b"}}")
    turning = False
    assert turns >= len(wire) // 128
    writer.write(b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(20):
        assert b'{"data":{"hello":"world"}}' in await reader.readuntil(b"}}")
    writer.close()


async def test_a_body_that_does_not_arrive_is_408(toy: Toy) -> None:
    """Connections that hold a request open for ever would use up the server one by one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b"408" in await reader.readline()
    writer.close()


async def test_an_answer_that_nobody_takes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of memory for each request of a client that does not read would be cheap to fill us with."""
    monkeypatch.setattr(uvicorn_http, "SEND_SECONDS", 0.3)
    async with toy_server() as toy:
        notes = " ".join(f"{alias}: note(name: $name)" for alias in "abcd")
        mutation = f"mutation($name: String!) {{ {notes} }}"
        variables = {"name": "x" * 900_000}
        async with request(toy.port, mutation, None, receive_buffer=4096, limit=1024, variables=variables):
            await until(lambda: not toy.server.server_state.connections)


@pytest.mark.parametrize("size", [40_000, 300_000])
@pytest.mark.parametrize("last", ["keep-alive", "close"])
async def test_the_rest_of_an_answer_that_nobody_takes_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, last: str, size: int
) -> None:
    """Uvicorn closes a connection politely: it waits for what the client has not taken, and a client can ask for less than what
    makes us look, or take all but the end. Each such connection would hold a file descriptor, and megabytes, for ever.
    """
    monkeypatch.setattr(uvicorn_http, "SEND_SECONDS", 0.5)
    async with toy_server() as toy:
        toy.server.config.timeout_keep_alive = 1
        async with request(toy.port, "{ hello }", None, receive_buffer=4096, limit=1024) as answer:
            await answer.rest()
            (connection,) = toy.server.server_state.connections
            assert isinstance(connection, ParleyHTTPProtocol)
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            note = {"query": "mutation($name: String!) { note(name: $name) }", "variables": {"name": "x" * size}}
            body = orjson.dumps(note)
            head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: {last}"
            answer.writer.write(f"POST /graphql HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
            owed = connection.transport.get_write_buffer_size
            await until(lambda: owed() > 0)
            while owed() > 50_000:
                await answer.reader.read(1024)
            while size > 64 * 1024 and owed() > 12_000:
                await answer.reader.read(1024)
            assert owed() > 0
            await until(lambda: not toy.server.server_state.connections)


async def test_a_connection_that_is_reset_while_it_idles_leaves_no_timer() -> None:
    """Phones do it all day: what would be done when the time of idle connections is over finds nothing to do it to."""
    async with toy_server() as toy:
        async with request(toy.port, "{ hello }", None) as answer:
            await answer.rest()
            (connection,) = toy.server.server_state.connections
            assert isinstance(connection, ParleyHTTPProtocol)
            await until(lambda: connection.timeout_keep_alive_task is not None)
            answer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await until(lambda: not toy.server.server_state.connections)
        assert connection.timeout_keep_alive_task is None


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", EVENTS, PAYLOADS, PARTS])
@pytest.mark.parametrize("query", ["{ userId }", "{ nothing }", "{"])
async def test_no_answer_may_be_kept_by_a_cache(http: httpx.AsyncClient, accept: str, query: str) -> None:
    """What one user was told by GET must not be shown to the next, nor to the same one tomorrow."""
    answer = await http.get("/graphql", params={"query": query}, headers={"accept": accept})
    assert answer.headers["cache-control"] == "no-store"


async def test_of_a_long_list_of_types_only_the_beginning_is_read() -> None:
    """Nobody is counted yet when it is: 60 KB of commas would be 30 ms of everybody's time."""
    assert accepted(["application/json;q=0.1", "a," * 29_000 + EVENTS]) == accepted(["application/json;q=0.1"])


@pytest.mark.parametrize("sent", [b"", b"GET /gra", b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_connection_that_asks_for_nothing_is_dropped(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """One stranger could otherwise take every file descriptor of the server, a byte each, and keep everybody out for good."""
    monkeypatch.setattr(uvicorn_http, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            for byte in sent:  # Dripped: what comes late must not move the deadline.
                writer.write(bytes([byte]))
                await writer.drain()
            assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_was_served_is_dropped_when_it_begins_again_and_stops(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same trick works after an honest request, when the time for idle connections no longer counts."""
    monkeypatch.setattr(uvicorn_http, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    request = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\n\r\n"
    async with asyncio.timeout(5):
        for _ in range(2):
            writer.write(request)
            assert b"200" in await reader.readuntil(b"}}")
        writer.write(request[:9])
        with suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_get_is_for_queries_only(toy: Toy, http: httpx.AsyncClient) -> None:
    """A link or an image on a foreign page must not change anything."""
    params = {"query": 'mutation { note(name: "x") }'}
    answer = await http.get("/graphql", params=params)
    assert (answer.status_code, answer.headers["allow"], code(answer)) == (405, "POST", "BAD_USER_INPUT")
    assert toy.state.started == []
    assert (await http.post("/graphql", json=params)).json() == {"data": {"note": "x"}}
    for bad in ({}, {"query": "{ hello }", "variables": "{"}, {"query": "{ hello }", "variables": "5"}):
        assert (await http.get("/graphql", params=bad)).status_code == 400
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        answer = await http.request(method, "/graphql")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("token", ["Bearer forged:x", "Bearer expired", "Basic dTpw", "Bearer", "", "Bearer \xff"])
async def test_a_bad_token_is_401_in_json(http: httpx.AsyncClient, token: str) -> None:
    """Clients refresh on UNAUTHENTICATED; answering as if nobody had signed in would show them an empty page."""
    for headers in ({}, MODERN):
        raw = {name.encode(): value.encode("latin-1") for name, value in {"authorization": token, **headers}.items()}
        answer = await http.post("/graphql", json={"query": "{ userId }"}, headers=raw)
        assert (answer.status_code, code(answer)) == (401, "UNAUTHENTICATED")
        assert ("expired" in answer.text) == ("expired" in token)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ hello again: hello }", 200),
        ("query A { hello } query B { userId }", 200),
        ("{ hello userId }", 401),
        ("{ ... { hello } }", 401),
        ("{ ...F } fragment F on Query { userId }", 401),
    ],
)
async def test_an_expired_token_does_not_forbid_what_is_open_to_everybody(
    http: httpx.AsyncClient, query: str, status: int
) -> None:
    """A client that puts its token on every request puts the expired one on `refreshSession`: refused, it could never refresh."""
    request = {"query": query, "operationName": "A" if "query A" in query else None}
    answer = await http.post("/graphql", json=request, headers={"authorization": "Bearer expired", **MODERN})
    assert answer.status_code == status
    if status == 401:
        assert code(answer) == "UNAUTHENTICATED"
    forged = await http.post("/graphql", json=request, headers={"authorization": "Bearer forged:x", **MODERN})
    assert forged.status_code == 401


async def test_a_good_token_is_known_and_never_from_the_url(http: httpx.AsyncClient) -> None:
    """Addresses end up in logs and histories: a token there is a token lost."""
    query = {"query": "{ userId }"}
    signed_in = await http.post("/graphql", json=query, headers={"authorization": "Bearer ok:ada"})
    assert signed_in.json() == {"data": {"userId": str(caller("ada").user_id)}}
    in_url = await http.get("/graphql", params={**query, "authorization": "Bearer ok:ada", "access_token": "ok:ada"})
    assert in_url.json() == {"data": {"userId": None}}


async def test_a_gate_that_fails_is_no_answer_about_the_token(http: httpx.AsyncClient) -> None:
    """The database restarts: logging everybody out would be the wrong answer."""
    answer = await http.post("/graphql", json={"query": "{ hello }"}, headers={"authorization": "Bearer down"})
    assert (answer.status_code, code(answer)) == (500, "INTERNAL_SERVER_ERROR")


async def test_a_client_that_leaves_is_no_error(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    """Closed tabs are daily life, not tracebacks."""
    _, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await until(lambda: toy.server.server_state.tasks)
    writer.transport.abort()
    await until(lambda: not toy.server.server_state.tasks)
    assert [record for record in caplog.records if record.exc_info] == []


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", EVENTS, PAYLOADS, PARTS])
@pytest.mark.parametrize(
    ("by", "headers", "content"),
    [
        ("POST", {"content-type": "application/json"}, b"null"),
        ("POST", {"content-type": "application/json"}, b'{"query": "{ hello }", "extensions": %s}' % DEEP.encode()),
        ("POST", {"content-type": "application/json"}, b'{"query": "{ hello }", "operationName": "\\ud800"}'),
        ("POST", {"content-type": "application/json"}, b'{"query": "\\u0000\\ufeff\\u202e{ hello"}'),
        ("POST", {"content-type": "application/json"}, b'{"query": "{ hello }", "query": 1}'),
        ("POST", {"content-type": "application/json", "content-encoding": "gzip"}, b"\x1f\x8b\x08"),
        ("POST", {"content-type": "application/json; charset"}, b"\xef\xbb\xbf{"),
        ("POST", {"content-type": "application/json, application/json"}, b"{}"),
        ("POST", {"content-type": "application/json", "content-length": "20000000"}, b""),
        (
            "POST",
            {"content-type": "application/json", "authorization": "Bearer " + "x" * 30_000},
            b'{"query": "{ hello }"}',
        ),
        ("GET", {}, b"query=%ff%fe"),
        ("GET", {}, b"query=%7Bhello%7D&query=%7B"),
        ("GET", {}, b"query=%7Bhello%7D&variables=" + DEEP.encode()),
        ("GET", {}, b"query=%7Bhello%7D&extensions=%7B%22persistedQuery%22%3A1%7D"),
        ("GET", {}, b"query=%7Bhello%7D&extensions=[1"),
        ("GET", {}, b"&&&===%%%"),
    ],
)
async def test_awkward_requests_are_answered_for_what_they_are(
    toy: Toy, accept: str, by: str, headers: dict[str, str], content: bytes
) -> None:
    """Whatever comes and whoever asks: an answer with a code, never a fault of ours."""
    target = "/graphql?" + content.decode() if by == "GET" else "/graphql"
    length = {} if by == "GET" or "content-length" in headers else {"content-length": str(len(content))}
    async with raw_request(toy.port, by, target, {"accept": accept, **headers, **length}, content) as answer:
        await answer.rest()
        assert 200 <= answer.status < 500
        assert b'"extensions":{"code":"' in answer.body
        assert b"INTERNAL_SERVER_ERROR" not in answer.body


# --- origins ----------------------------------------------------------------------------------------------------------------


async def test_cors_and_the_socket_share_one_list(http: httpx.AsyncClient) -> None:
    """A page that may open a socket may also ask by HTTP, and no other."""
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    good = await http.request("OPTIONS", "/graphql", headers={"origin": "https://talk.example", **ask})
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://talk.example")
    assert "authorization" in good.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in good.headers
    evil = await http.request("OPTIONS", "/graphql", headers={"origin": "https://evil.example", **ask})
    assert (evil.status_code, "access-control-allow-origin" in evil.headers) == (400, False)
    answer = await http.post("/graphql", json={"query": "{ nothing }"}, headers={"origin": "https://talk.example"})
    assert answer.headers["access-control-allow-origin"] == "https://talk.example"
    assert "origin" in answer.headers["vary"].lower()
