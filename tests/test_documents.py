"""Documents are prepared once, hostile ones cheaply refused, and errors say what a client may know."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from graphql import get_introspection_query
from structlog.testing import capture_logs

from schema.execution.documents import Documents, Prepared, Rejected
from schema.execution.execute import Engine
from schema.execution.lru import SegmentedLru
from schema.execution.measure import DocumentLimits
from tests.counting import calls
from tests.toy_server import Desk, State, schema

if TYPE_CHECKING:
    from collections.abc import Awaitable


def documents(limits: DocumentLimits | None = None, *, introspection: bool = True) -> Documents:
    """A store over the toy schema."""
    return Documents(schema._schema, limits, introspection=introspection)


async def run(query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Prepare and execute."""
    engine = Engine(schema)
    prepared = engine.documents.prepare(query)
    assert isinstance(prepared, Prepared), prepared
    return await settled(engine.execute(prepared, variables, None, Desk(None, None, State())))


async def settled(outcome: dict[str, Any] | Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The result, whether it had to wait or not."""
    return outcome if isinstance(outcome, dict) else await outcome


def test_a_document_is_parsed_and_validated_once() -> None:
    """Every signal of a call is the same document: preparing it anew would cost ten times the work."""
    store = documents()
    first = store.prepare("{ hello }")
    assert store.prepare("{ hello }") is first
    assert (store.hits, store.misses, store.entries) == (1, 1, 1)


def test_syntax_and_validation_errors_have_their_codes() -> None:
    """A front end's developer must see which of the two it is, and where."""
    store = documents()
    syntax, unknown = store.prepare("{ hello"), store.prepare("{ nothing }")
    assert isinstance(syntax, Rejected)
    assert isinstance(unknown, Rejected)
    assert syntax.errors[0]["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}
    assert unknown.errors[0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert unknown.errors[0]["locations"] == [{"line": 1, "column": 3}]


HOSTILE = {
    "10,000 aliases": "{" + " ".join(f"a{i}: hello" for i in range(10_000)) + "}",
    "17 fields of the query": "{...A}  fragment A on Query {" + " ".join(f"a{i}: hello" for i in range(17)) + "}",
    "60 aliases": "{" + " ".join(f"a{i}: hello" for i in range(60)) + "}",
    "the same field over and over": "{" + "hello " * 900 + "}",
    "the same object over and over": "{" + "me { hello } " * 390 + "}",
    "one field with many arguments": "{" + " ".join(f"double(number: {i})" for i in range(270)) + "}",
    "fields nested 3,000 deep": "{" + "me {" * 3_000,
    "fields nested 100 deep": "{" + "me {" * 100 + "hello" + "}" * 101,
    "lists nested 3,000 deep": "{ double(number: " + "[" * 3_000,
    "a fragment cycle": "{...A} fragment A on Query {...B} fragment B on Query {...A}",
    "a fragment within itself": "{...A} fragment A on Query {...A}",
    "a cycle that nothing reaches": "{hello} fragment A on Query {...B} fragment B on Query {...A}",
    "a fragment bomb": "{...F0}"
    + "".join(f"fragment F{i} on Query {{ a: me {{ ...F{i + 1} }} b: me {{ ...F{i + 1} }} }}" for i in range(40))
    + "fragment F40 on Query { hello }",
    "a fragment bomb without fields": "{...F0}"
    + "".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(40))
    + "fragment F40 on Query { }  { hello }",
    "hundreds of fragments": "{...F0}" + "".join(f"fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(250)),
    "1,000 directives": "{ hello " + "@include(if: true) " * 330 + "}",
    "900 unknown fields": "{" + " ".join(f"helo{i}" for i in range(900)) + "}",
    "a megabyte of commas": "{ hello }" + "," * 1_000_000,
    "100,000 comments": "{ hello }" + "#\n" * 100_000,
    "a type definition": "type Query { hello: String }",
    "two fragments of one name": "{...A} fragment A on Query { hello } fragment A on Query { me { hello } }",
    "nothing": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_before_it_costs_anything(name: str) -> None:
    """One person's document must not stall everybody's calls; 38,000 calls in 10 ms were the worst seen."""
    store = documents()
    store.prepare("{ hello }")
    work = calls(lambda: store.prepare(HOSTILE[name]))
    outcome = store.prepare(HOSTILE[name])
    assert isinstance(outcome, Rejected)
    assert 1 <= len(outcome.errors) <= 5
    assert all(len(str(error["message"])) < 500 for error in outcome.errors)
    assert work < 100_000


def test_ordinary_documents_pass_the_limits() -> None:
    """Code generators and GraphiQL write long documents; limits must not stand in their way."""
    store = documents()
    assert isinstance(
        store.prepare("{" + "me { hello } " * 100 + " ".join(f"a{i}: hello" for i in range(9)) + "}"), Prepared
    )
    assert isinstance(store.prepare(get_introspection_query(input_value_deprecation=True)), Prepared)
    fragments = " ".join(f"fragment F{i} on Query {{ hello userId me {{ ...F{i + 1} }} }}" for i in range(8))
    assert isinstance(store.prepare("query A { ...F0 } " + fragments + " fragment F8 on Query { hello }"), Prepared)


def test_a_flood_of_new_documents_leaves_the_hot_ones() -> None:
    """Whoever sends a million different documents must not slow down everybody else's."""
    store = documents(limits=DocumentLimits(cache_entries=50))
    hot = [f"{{ hello }} # {i}" for i in range(20)]
    kept = [store.prepare(text) for text in hot for _ in range(2)][::2]
    for i in range(500):
        store.prepare(f"{{ a{i}: hello }}")
        store.prepare(f"{{ nothing{i} }}")
    assert [store.prepare(text) for text in hot] == kept
    assert store.entries <= 50


def test_the_store_is_bounded_in_bytes() -> None:
    """Memory is what a flood would take next."""
    lru: SegmentedLru[int] = SegmentedLru(1_000, 10_000)
    for i in range(500):
        for _ in range(2):
            if lru.get(str(i)) is None:
                lru.put(str(i), i, 100)
    assert lru.weight <= 10_000
    lru.put("too large", 1, 9_000)
    assert lru.get("too large") is None
    assert len(lru) <= 100


LETTERS = "abcdefghijklmnopqrstuvwxy"


@pytest.mark.parametrize(
    "text",
    [
        "{hello}",
        "{me{" + "hello " * 140 + "}}",
        "query($x:Boolean!){" + "".join(f"{letter}:me{{hello@skip(if:$x)}}" for letter in LETTERS[:16]) + "}",
        " ".join(f"query {letter}{{me{{me{{hello}}hello}}}}" for letter in LETTERS),
        " ".join(
            f"query {letter}($x:Boolean!$y:Boolean!){{me{{hello@skip(if:$x)}}b:me{{hello@skip(if:$y)}}}}"
            for letter in LETTERS
        ),
    ],
    ids=["tiny", "fields", "condition", "operations", "conditions"],
)
async def test_a_document_holds_no_more_memory_than_it_is_counted_with(text: str) -> None:
    """The store is bounded by an estimate: were it too low, a flood of such documents would take more than was said."""
    engine, desk = Engine(schema), Desk(None, None, State())
    answers = [{"x": x, "y": y} for x in (True, False) for y in (True, False)]

    async def use(copy: int) -> None:
        prepared = engine.documents.prepare(f"{text}#{copy}")
        assert isinstance(prepared, Prepared), prepared
        for name in prepared.operations:
            for variables in answers:
                assert "errors" not in await settled(engine.execute(prepared, variables, name, desk))

    await use(0)
    gc.collect()
    counted, kept = engine.documents.bytes, engine.documents.entries
    tracemalloc.start()
    try:
        for copy in range(1, 9):
            await use(copy)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert engine.documents.entries == kept + 8
    assert held <= engine.documents.bytes - counted


def test_without_introspection_nothing_of_the_schema_is_told() -> None:
    """Production hides the schema; suggestions of near names would give it away one by one."""
    store = documents(introspection=False)
    for query in ("{ __schema { queryType { name } } }", "{ helo }", "{ me { helo } }", "{ double(numbr: 1) }"):
        outcome = store.prepare(query)
        assert isinstance(outcome, Rejected)
        assert not any("Did you mean" in str(error["message"]) for error in outcome.errors)
    assert isinstance(store.prepare("{ __typename }"), Prepared)


async def test_resolvers_unions_and_one_of_inputs_work_below_strawberry() -> None:
    """The schema is written with Strawberry and run without its pipeline: nothing may be lost in between."""
    assert await run('{ hello pet(pick: {cat: "Tom"}) { ... on Cat { name } } }') == {
        "data": {"hello": "world", "pet": {"name": "Tom"}}
    }
    by_variable = await run(
        "query($p: Pick!) { pet(pick: $p) { __typename ... on Dog { name } } }", {"p": {"dog": "Rex"}}
    )
    assert by_variable == {"data": {"pet": {"__typename": "Dog", "name": "Rex"}}}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query($n: Int!) { double(number: $n) }", {"n": "two"}),
        ("query($n: Int!) { double(number: $n) }", None),
        ("query($n: Int!) { double(number: $n) }", {"n": [[[]]]}),
        ("query($n: Int! = 1) { double(number: $n) }", {"n": None}),
        ("query($n: Int = 1) { double(number: $n) }", {"n": None}),
        ("query($at: DateTime!) { since(at: $at) }", {"at": "yesterday"}),
        ("query($p: Pick!) { pet(pick: $p) { __typename } }", {"p": {"cat": "a", "dog": "b"}}),
        ("query($p: Pick!) { pet(pick: $p) { __typename } }", {"p": {}}),
        ("{ pet(pick: {cat: null}) { __typename } }", None),
        ("query($c: String) { pet(pick: {cat: $c}) { __typename } }", None),
        ("query($i: Boolean = true) { hello @include(if: $i) }", {"i": None}),
        ('{ since(at: "yesterday") }', None),
    ],
)
async def test_values_that_do_not_fit_are_bad_user_input(query: str, variables: dict[str, Any] | None) -> None:
    """The developer made a mistake and must be told which, instead of "internal server error"."""
    engine = Engine(schema)
    prepared = engine.documents.prepare(query)
    if isinstance(prepared, Rejected):
        assert prepared.errors[0]["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
        return
    with capture_logs() as logs:
        result = await settled(engine.execute(prepared, variables, None, Desk(None, None, State())))
    assert result["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", result
    assert logs == []


@pytest.mark.parametrize(
    ("kind", "extensions"),
    [
        ("unauthenticated", {"code": "UNAUTHENTICATED"}),
        ("forbidden", {"code": "FORBIDDEN"}),
        ("missing", {"code": "NOT_FOUND"}),
        ("limited", {"code": "RATE_LIMITED", "retryAfter": 2.5}),
        ("conflict", {"code": "CONFLICT"}),
        ("unavailable", {"code": "INTERNAL_SERVER_ERROR", "retryAfter": 3.0}),
    ],
)
async def test_failures_of_the_domain_keep_their_code(kind: str, extensions: dict[str, Any]) -> None:
    """Front ends decide by the code: sign in, wait, or give up."""
    with capture_logs() as logs:
        result = await run("query($k: String!) { fail(kind: $k) hello }", {"k": kind})
    assert result["data"] == {"fail": None, "hello": "world"}
    assert result["errors"][0]["extensions"] == extensions
    assert result["errors"][0]["path"] == ["fail"]
    assert logs == []


@pytest.mark.parametrize("query", ['{ fail(kind: "bug") }', "{ broken }"])
async def test_a_bug_is_masked_and_found_again_by_its_correlation_id(query: str) -> None:
    """A client learns nothing of our insides; the operator finds the place, and no user's value, in the log."""
    with capture_logs() as logs:
        result = await run(query)
    (error,) = result["errors"]
    assert error["message"] == "Internal server error"
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    (entry,) = logs
    assert entry["correlation_id"] == error["extensions"]["correlationId"]
    assert "secret" not in repr(entry)
    assert entry["raised"][0]["stack"]


async def test_an_unknown_operation_name_is_the_requests_fault() -> None:
    """A typing error in a name, answered as such."""
    engine = Engine(schema)
    prepared = engine.documents.prepare("query A { hello } query B { hello }")
    assert isinstance(prepared, Prepared)
    for name in (None, "C"):
        result = await settled(engine.execute(prepared, None, name, None))
        assert "data" not in result
        assert result["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await settled(engine.execute(prepared, None, "B", None)))["data"] == {"hello": "world"}


async def test_a_long_subscription_does_not_grow() -> None:
    """graphql-core keeps 1.5 KB per event while a subscription lives: a busy user's tab would eat the server in a day."""
    engine = Engine(schema)
    prepared = engine.documents.prepare("subscription { count(to: 3000) { number filler } }")
    assert isinstance(prepared, Prepared)
    state = State()
    events = await engine.subscribe(prepared, None, None, Desk(None, None, state))
    assert not isinstance(events, dict)
    for _ in range(500):
        await anext(events)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2_000):
        await anext(events)
    gc.collect()
    grown = (tracemalloc.get_traced_memory()[0] - before) / 2_000
    tracemalloc.stop()
    await events.aclose()
    assert state.open_streams == 0
    assert grown < 50


async def test_a_subscription_that_is_cancelled_closes_its_source() -> None:
    """Whatever a stream holds (an inbox reader, presence) is given back when its client goes."""
    engine = Engine(schema)
    prepared = engine.documents.prepare("subscription { hang }")
    assert isinstance(prepared, Prepared)
    state = State()
    events = await engine.subscribe(prepared, None, None, Desk(None, None, state))
    assert not isinstance(events, dict)
    await anext(events)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert state.open_streams == 0
