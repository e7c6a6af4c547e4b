"""Automatic persisted queries, over every transport: a hash is enough once the text was seen, and only once it was valid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from schema.execution.documents import Documents, Prepared, Rejected, Unknown
from schema.execution.execute import Engine
from schema.execution.persisted import PersistedQueries
from tests.stream_client import request
from tests.toy_server import Toy, schema, toy_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODERN = {"accept": "application/graphql-response+json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy() -> AsyncIterator[Toy]:
    """A server as production has it."""
    async with toy_server() as toy:
        yield toy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(toy: Toy) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{toy.port}", headers=MODERN) as client:
        yield client


def hashed(text: str, version: object = 1) -> dict[str, Any]:
    """The extensions of a request for that text."""
    return {"persistedQuery": {"version": version, "sha256Hash": sha256(text.encode()).hexdigest()}}


def error(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message."""
    (entry,) = answer.json()["errors"]
    return answer.status_code, entry["extensions"]["code"], entry["message"]


MISS = "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"


# --- over HTTP --------------------------------------------------------------------------------------------------------------


async def test_a_hash_is_enough_once_the_text_was_seen(http: httpx.AsyncClient) -> None:
    """Apollo asks with the hash, is told to send the text, and never sends it again; also by GET, which caches can keep."""
    text = "query First { hello }"
    asked = {"extensions": hashed(text), "operationName": "First"}
    assert error(await http.post("/graphql", json=asked)) == (400, *MISS)
    classic = await http.post("/graphql", json=asked, headers={"accept": "application/json"})
    assert error(classic) == (200, *MISS)
    assert (await http.post("/graphql", json={**asked, "query": text})).json() == {"data": {"hello": "world"}}
    assert (await http.post("/graphql", json=asked)).json() == {"data": {"hello": "world"}}
    by_url = await http.get("/graphql", params={"extensions": orjson.dumps(hashed(text)).decode()})
    assert by_url.json() == {"data": {"hello": "world"}}


async def test_a_text_is_learnt_by_get_too(http: httpx.AsyncClient) -> None:
    """The persisted exchange of urql asks by GET, for what is missing as well."""
    text = "query Second { hello }"
    extensions = orjson.dumps(hashed(text)).decode()
    assert error(await http.get("/graphql", params={"extensions": extensions})) == (400, *MISS)
    learnt = await http.get("/graphql", params={"extensions": extensions, "query": text})
    assert learnt.json() == {"data": {"hello": "world"}}
    known = await http.get("/graphql", params={"extensions": extensions})
    assert known.json() == {"data": {"hello": "world"}}


async def test_a_mutation_by_its_hash_is_still_a_mutation(toy: Toy, http: httpx.AsyncClient) -> None:
    """A link on a foreign page must not change anything, however it spells what it asks for."""
    text = 'mutation { note(name: "by hash") }'
    asked = {"query": text, "extensions": hashed(text)}
    assert (await http.post("/graphql", json=asked)).json() == {"data": {"note": "by hash"}}
    by_url = await http.get("/graphql", params={"extensions": orjson.dumps(hashed(text)).decode()})
    assert (by_url.status_code, by_url.headers["allow"]) == (405, "POST")
    assert toy.state.started.count("by hash") == 1


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (hashed("{ hello }", 2), (400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")),
        (hashed("{ hello }", "1"), (400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")),
        (hashed("{ hello }", True), (400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")),  # noqa: FBT003
        ({"persistedQuery": {}}, (400, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")),
        (hashed("{ another }"), (400, "BAD_USER_INPUT", "provided sha does not match query")),
        ({"persistedQuery": {"version": 1, "sha256Hash": 5}}, (400, "BAD_USER_INPUT", "sha256Hash must be a string.")),
        ({"persistedQuery": {"version": 1}}, (400, "BAD_USER_INPUT", "sha256Hash must be a string.")),
        ({"persistedQuery": []}, (400, "BAD_USER_INPUT", "persistedQuery must be an object.")),
        ({"persistedQuery": "x"}, (400, "BAD_USER_INPUT", "persistedQuery must be an object.")),
    ],
)
async def test_what_is_wrong_with_the_hash_is_told(
    http: httpx.AsyncClient, extensions: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    """A hash that stood for a text of somebody else's choice would run theirs in everybody's name."""
    answer = await http.post("/graphql", json={"query": "{ hello }", "extensions": extensions})
    assert error(answer) == expected
    without = await http.post("/graphql", json={"extensions": extensions})
    assert without.status_code == 400


async def test_a_request_without_either_is_malformed(http: httpx.AsyncClient) -> None:
    """There is nothing to look for."""
    for extensions in ({"persistedQuery": None}, {}, None):
        answer = await http.post("/graphql", json={"extensions": extensions})
        assert error(answer) == (400, "BAD_USER_INPUT", "query must be a string.")
    null = await http.post("/graphql", json={"query": "{ hello }", "extensions": {"persistedQuery": None}})
    assert null.json() == {"data": {"hello": "world"}}


# --- over streams and sockets -----------------------------------------------------------------------------------------------


async def test_a_stream_is_found_by_its_hash(toy: Toy) -> None:
    """Subscriptions are the longest texts of all, and sent again with every reconnection."""
    text = "subscription Streamed { count(to: 1) { number } }"
    async with request(toy.port, None, extensions=hashed(text)) as answer:
        kind, result = await answer.event()
        assert (kind, result["errors"][0]["extensions"]["code"]) == ("next", MISS[0])
        assert await answer.event() == ("complete", None)
    for query in (text, None):
        async with request(toy.port, query, extensions=hashed(text)) as answer:
            assert await answer.event() == ("next", {"data": {"count": {"number": 0}}})


async def test_a_socket_knows_what_was_learnt_over_http_and_the_other_way_round(
    toy: Toy, http: httpx.AsyncClient
) -> None:
    """One store for all ways to ask."""
    text, other = "query Learnt { hello }", "query Other { hello }"
    await http.post("/graphql", json={"query": text, "extensions": hashed(text)})
    async with toy.client() as client:
        await client.send(id="1", type="subscribe", payload={"extensions": hashed(text)})
        assert await client.receive() == {"id": "1", "type": "next", "payload": {"data": {"hello": "world"}}}
        assert await client.receive() == {"id": "1", "type": "complete"}
        await client.send(id="2", type="subscribe", payload={"extensions": hashed(other)})
        missing = await client.receive()
        assert (missing["type"], missing["payload"][0]["message"]) == ("error", MISS[1])
        await client.send(id="2", type="subscribe", payload={"query": other, "extensions": hashed(other)})
        assert (await client.receive())["type"] == "next"
        assert (await client.receive())["type"] == "complete"
        await client.send(id="3", type="subscribe", payload={"query": text, "extensions": hashed(other)})
        assert (await client.receive())["payload"][0]["message"] == "provided sha does not match query"
        await client.send(id="4", type="subscribe", payload={"extensions": {"persistedQuery": None}})
        assert (await client.closed())[0] == 4400
    assert (await http.post("/graphql", json={"extensions": hashed(other)})).json() == {"data": {"hello": "world"}}


# --- the store --------------------------------------------------------------------------------------------------------------


def text_of(number: int) -> str:
    """One of many valid documents, all of the same length."""
    return f"query Q{number:06} {{ hello }}"


def prepared(queries: PersistedQueries, text: str | None, extensions: dict[str, Any] | None) -> Prepared | Rejected:
    """As a transport asks, but at once."""
    found = queries.find(text, extensions)
    return queries.learned(found, queries._documents.prepare(found.text)) if isinstance(found, Unknown) else found


@pytest.fixture
def documents() -> Documents:
    """Those of the toy schema."""
    return Engine(schema).documents


async def test_only_what_was_valid_is_kept(documents: Documents) -> None:
    """Anything else would be a store for everybody's waste."""
    queries = PersistedQueries(documents)
    for text in ("{ nothing }", "{ hello", "x" * 100_000):
        assert isinstance(prepared(queries, text, hashed(text)), Rejected)
    assert (queries.entries, queries.registered) == (0, 0)
    assert isinstance(prepared(queries, "{ hello }", None), Prepared)
    assert queries.entries == 0


async def test_the_store_is_bounded_and_a_flood_does_not_empty_it(documents: Documents) -> None:
    """A stranger with many texts must not cost everybody else theirs."""
    queries = PersistedQueries(documents, entries=50, characters=1_000_000)
    kept = text_of(0)
    prepared(queries, kept, hashed(kept))
    assert isinstance(prepared(queries, None, hashed(kept)), Prepared)
    for number in range(1, 500):
        prepared(queries, text_of(number), hashed(text_of(number)))
    assert queries.entries <= 50
    assert isinstance(prepared(queries, None, hashed(kept)), Prepared)
    assert isinstance(prepared(queries, None, hashed(text_of(1))), Rejected)
    assert (queries.registered, queries.hits, queries.misses) == (500, 2, 1)


async def test_the_store_is_bounded_in_characters(documents: Documents) -> None:
    """A thousand texts of 64 KiB are a thousand times 64 KiB."""
    queries = PersistedQueries(documents, entries=1_000, characters=2_000)
    for number in range(200):
        prepared(queries, text_of(number), hashed(text_of(number)))
    assert 0 < queries.entries * len(text_of(0)) <= 2_000
