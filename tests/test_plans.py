"""Plans answer what graphql-core answers: the same data, errors, paths, places and order, whatever happens.

`tests/differential/` does it with generated operations over the contract; here are those that were thought of, over a schema
that has what the contract lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_introspection_query

from schema.api import schema as contract
from schema.execution.blueprint import Blueprint
from schema.execution.documents import Prepared
from schema.execution.execute import PLANNED, Engine, Event
from schema.execution.plan import TREES, Plan
from tests.kitchen import Shared, schema

PLANS, CORE = Engine(schema), Engine(schema, plans=False)


def told(result: dict[str, Any]) -> dict[str, Any]:
    """The result without what differs from one execution to the next."""
    for error in result.get("errors", ()):
        error["extensions"].pop("correlationId", None)
    return result


def prepared(engine: Engine, query: str) -> Prepared:
    """The document, which is valid."""
    document = engine.documents.prepare(query)
    assert isinstance(document, Prepared), document
    return document


async def settled(outcome: dict[str, Any] | Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The result, whether it had to wait or not."""
    return outcome if isinstance(outcome, dict) else await outcome


async def answer(
    engine: Engine, query: str, variables: dict[str, Any] | None = None, name: str | None = None, **context: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an engine answers, and what resolvers left in the context."""
    known = {"log": [], "who": "us", **context}
    result = await settled(engine.execute(prepared(engine, query), variables, name, known))
    await asyncio.sleep(0)
    return told(result), known


async def same(query: str, variables: dict[str, Any] | None = None, name: str | None = None, **context: object) -> None:
    """Both answer the same, to the order of names, twice."""
    expected = await answer(CORE, query, variables, name, **context)
    for _ in range(2):
        found = await answer(PLANS, query, variables, name, **context)
        assert found == expected, query
        assert repr(found[0]) == repr(expected[0]), query


FIELDS = [
    "deep",
    "maybe",
    "late",
    "lateMaybe",
    "null",
    "badNull",
    "fail",
    "badFail",
    "lateFail",
    "badLateFail",
    "slow",
    "located",
    "returned",
    "numbers",
    "evens",
    "badEvens",
    "awaitables",
    "badAwaitables",
    "generated",
    "streamed",
    "brokenStream",
    "breaking",
    "noList",
    "wrongNumber",
    "numberOfText",
    "textOfNumber",
    "truthOfNumber",
    "fraction",
    "identity",
    "size",
    "valueOfSize",
    "wrongSize",
    "when",
    "guarded",
    "guardedLate",
    "told",
    "waiting",
    "echo",
]
NESTING = {"deep", "maybe", "late", "lateMaybe"}
ALL_THINGS = """
    { __typename ...on Cat { name lives enemy { barks name } size greeting } ...on Named { hi: greeting(greeting: "hi") }
      ...on Dog { friends { name __typename } bestFriend { name } name } ...on Stone { weight } }
"""


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("around", ["node", "nodeMaybe", "node { maybe", "node { late", "node { deep { lateMaybe"])
async def test_every_value_and_failure_is_completed_alike(field: str, around: str) -> None:
    """Null goes up to where it is allowed, errors say where they happened, whoever stands beside them goes on."""
    selected = f"{field} {{ null fail }}" if field in NESTING else field
    await same(f"{{ {around} {{ first: size {selected} last: numbers }} {'}' * (around.count('{') + 1)}")


PAIRS = ["badFail", "badLateFail", "lateFail", "fail", "badNull", "slow", "awaitables", "badAwaitables", "guardedLate"]


@pytest.mark.parametrize("first", PAIRS)
@pytest.mark.parametrize("second", PAIRS)
async def test_siblings_fail_in_the_same_order(first: str, second: str) -> None:
    """Which error is told, and which is nobody's because what it was about is null already, depends on what came first."""
    await same(f"{{ node {{ maybe {{ a: {first} b: {second} }} lateMaybe {{ b: {second} a: {first} slow }} }} }}")
    await same(f"{{ node {{ a: {first} b: {second} }} other: nodeMaybe {{ {second} }} }}")


@pytest.mark.parametrize(
    "query",
    [
        f"{{ node {{ things {ALL_THINGS} }} }}",
        f"{{ node {{ nested {ALL_THINGS} }} }}",
        "{ node { named { name __typename } } }",
        "{ node { misplaced { __typename } cast { __typename ...on Stone { weight } } typed { name } } }",
        "{ plain { text strange child { text strange } children { text strange child { text } } } }",
        "{ lacking { text } }",
        """
        { node { a: deep { ...F } b: deep { ...F } ...F } }
        fragment F on Node { size ...G } fragment G on Node { null ...H } fragment H on Node { fraction maybe { fail } }
        """,
        "{ node { deep { size } ...on Node { deep { null size } } deep { fraction } } node { deep { identity } } }",
        "{ __typename node { __typename } ...on Query { __typename n: node { t: __typename } } }",
        '{ __type(name: "Cat") { fields { name args(includeDeprecated: true) { defaultValue } } } __schema { types { name } } }',
        get_introspection_query(),
    ],
)
async def test_shapes_of_selections_are_answered_alike(query: str) -> None:
    """Fragments of every kind, merged fields, interfaces and unions, lists of lists, and what the schema tells of itself."""
    await same(query)


LITERALS = [
    "{ node { echo } }",
    '{ node { echo(text: "a", number: 1, fraction: 2, flag: true, id: 5, numbers: 3, table: [[1, null], 4]) } }',
    "{ node { echo(text: null, size: HUGE, numbers: [], any: {a: [1, {b: null}]}) } }",
    "{ node { echo(shape: {points: [{x: 1}, {x: 2, y: 3, label: null, tags: []}], even: 4}) } }",
    '{ node { echo(shape: {points: {x: 1}, size: SMALL}, points: {x: 4, tags: "t"}) echo2: echo(even: 2) } }',
    "{ node { a: defaulted b: defaulted c: defaulted(point: {x: 5}) } }",
    '{ node { pick(pick: {byName: "a"}) b: pick(pick: {byPoint: {x: 1}}) } }',
    "{ node { strict(strict: {number: 3}) strictLate(strict: {number: 300}) b: strict(strict: {number: 101}) } }",
    '{ node { patch(patch: {value: "v"}) b: patch(patch: {}) } }',
    '{ node { loud(text: "quiet") guarded guardedLate(number: 5) } }',
]
EVERYTHING = """
query(
  $t: String, $n: Int, $f: Float, $b: Boolean, $i: ID, $l: [Int!], $m: [[Int]!], $s: Size, $h: Shape, $e: Even, $a: Anything
) {
  node {
    echo(text: $t, number: $n, fraction: $f, flag: $b, id: $i, numbers: $l, table: $m, size: $s, shape: $h, even: $e, any: $a)
    numbers
  }
}
"""
WITHIN = """
query($x: Int = 1, $y: Int, $l: String, $t: String!) {
  node {
    echo(
      shape: {points: [{x: 1, y: 2, label: $l}, {x: 3, tags: [$t]}]}
      table: [[$y, 1], [$x]]
      points: [{x: 1, label: $l}]
    )
    required(text: $t, point: {x: 2, label: $l})
  }
}
"""
DEFAULTS = """
query($n: Int = 5, $t: String = null, $l: [Int!] = [1, 2], $s: Size! = HUGE) {
  node { echo(text: $t, numbers: $l, size: $s, number: $n) told(number: 1) deep { told } }
}
"""


def each(name: str, values: list[object]) -> list[dict[str, Any] | None]:
    """One variable with each of the values."""
    return [{name: value} for value in values]


VARIABLES: dict[str, list[dict[str, Any] | None]] = {
    EVERYTHING: [
        None,
        {},
        {"t": "x", "n": 1, "f": 1.5, "b": True, "i": "id", "l": [1], "m": [[1, None]], "s": "HUGE", "e": 2},
        {"f": 3, "i": 7, "l": 4, "m": 4, "a": {"deep": [1, {"x": None}]}, "unknown": 1},
        {"t": None, "h": None, "a": None, "e": None},
        {"h": {"points": [{"x": 1}, {"x": 2, "tags": ["a"], "label": None}], "size": "SMALL", "even": 2}},
        {"h": {"points": {"x": 1, "y": 2}}},
        *each("n", ["1", 2**31, True, 1.0, None]),
        *each("f", ["1", True, 2**60 + 1]),
        *each("b", [1, "true"]),
        *each("l", [[None], "a", [1, "b"], {}]),
        *each("s", ["LARGE", 1, None]),
        *each("e", [3, "2"]),
        {"t": 1},
        {"i": 1.5},
        {"m": [[[1]]]},
        *each("h", [{}, [], {"points": None}, {"points": [], "even": 1}, {"points": [], "size": None}]),
        *each("h", [{"points": [{"x": 1, "z": 2}]}, {"points": [None]}, {"points": [{"x": None}]}, {"points": [{}]}]),
        {"h": "x", "n": "y", "f": [], "l": {}, "s": [], "b": {}},
    ],
    WITHIN: [{"t": "t"}, {"t": "t", "y": 4, "l": "l"}, {"t": "t", "y": None, "l": None}, {}, {"t": "t", "x": None}],
    DEFAULTS: [None, {"n": None}, {"t": "t", "l": None}, {"l": [3], "s": "SMALL"}, {"s": None}],
    'query($n: Int!, $p: Point!) { node { required(text: "a", point: $p) echo(number: $n) } }': [
        {"n": 1, "p": {"x": 1}},
        {"n": 1},
        {"n": None, "p": {}},
        {"n": 1, "p": None},
        None,
    ],
    "query($p: Pick!) { node { pick(pick: $p) } }": [
        {"p": {"byName": "a"}},
        {"p": {"byPoint": {"x": 1}}},
        {"p": {}},
        {"p": {"byName": None}},
        {"p": {"byName": "a", "byPoint": None}},
    ],
    "query($n: String) { node { pick(pick: {byName: $n}) } }": [{"n": "a"}, {"n": None}, {}],
    "query($s: Strict!, $m: Patch!) { node { strict(strict: $s) strictLate(strict: $s) patch(patch: $m) } }": [
        {"s": {"number": 1}, "m": {}},
        {"s": {"number": 101}, "m": {"value": "x"}},
        {"s": {"number": 1}, "m": {"value": None}},
    ],
    "query($t: String!, $n: Int!) { node { loud(text: $t) guardedLate(number: $n) } }": [
        {"t": "a", "n": 1},
        {"t": None, "n": 1},
    ],
}


@pytest.mark.parametrize("query", LITERALS)
async def test_literals_reach_resolvers_alike(query: str) -> None:
    """What is coerced when a plan is made is what graphql-core coerces each time, and no resolver can spoil it for the next."""
    await same(query)
    await same(query, allowed=True)


@pytest.mark.parametrize("query", VARIABLES)
async def test_variables_reach_resolvers_alike(query: str) -> None:
    """Plain and within literals, with defaults at every level, and everything that does not fit, with the same words."""
    for given in VARIABLES[query]:
        await same(query, given)
        await same(query, given, allowed=True)


CONDITIONAL = """
query($a: Boolean!, $b: Boolean = true) {
  node {
    size @include(if: $a)
    ...F @skip(if: $b)
    ... @include(if: $b) { null fraction @skip(if: $a) }
    deep @skip(if: $a) { identity }
    deep { size @include(if: $b) null @skip(if: true) fraction @include(if: false) }
    size
    ...on Node @include(if: $a) @skip(if: $b) { numbers }
    deep { again: size }
  }
  node @include(if: $b) { maybe { size } }
}
fragment F on Node { fraction size ...F2 @include(if: $a) }
fragment F2 on Node { maybe { fail @skip(if: $b) } }
"""


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False, None, 1, "missing"])
async def test_conditions_decide_alike_what_is_there_and_in_which_order(a: object, b: object) -> None:
    """The order of a response is that of the fields that are in it."""
    await same(CONDITIONAL, {"a": a} if b == "missing" else {"a": a, "b": b})


async def test_a_condition_that_is_null_is_left_to_graphql_core_and_counted() -> None:
    """It is an error whose place depends on where the condition stands; nobody needs it to be fast."""
    engine = Engine(schema)
    document = prepared(engine, "query($i: Boolean = true) { node { size @include(if: $i) } }")
    result = await settled(engine.execute(document, {"i": None}, None, {}))
    assert result["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert engine.executed == {"condition": 1}
    await settled(engine.execute(document, {"i": True}, None, {}))
    assert engine.executed == {"condition": 1, PLANNED: 1}


@pytest.mark.parametrize(
    "query",
    [
        'mutation { a: add(text: "a", ticks: 3) b: now(text: "b") { numbers } c: add(text: "c") d: failMaybe e: add(text: "e") }',
        'mutation { a: now(text: "a") { numbers fail } b: now(text: "b") { slow lateFail } c: add(text: "c") }',
        'mutation { a: add(text: "a") fail b: add(text: "b") }',
        'mutation { failMaybe fail a: add(text: "a") }',
        'mutation { ...M @skip(if: false) now(text: "n") { badFail } add(text: "x") } fragment M on Mutation { add(text: "x") }',
    ],
)
async def test_mutations_run_one_after_the_other_alike(query: str) -> None:
    """What one does the next one sees, and behind one that must not fail and did nothing runs."""
    await same(query)


async def test_a_document_of_many_operations_runs_the_one_that_is_named() -> None:
    """And says which names are wrong in the same words."""
    query = (
        "query A { node { size } } query B { nodeMaybe { ...F } } fragment F on Node { null } mutation C { failMaybe }"
    )
    for name in ("A", "B", "C", "D", "", None):
        await same(query, None, name)
    await same("query Only { node { size } }", None, "Only")
    await same("query Only { node { size } }", None, "Other")
    await same("{ node { size } }", None, "Other")
    await same("subscription { count }")
    await same("subscription($n: Int!) { count(to: $n) }")


async def begin(context: object, query: str) -> AsyncGenerator[Event, None]:
    """A subscription that begins."""
    outcome = await PLANS.subscribe(prepared(PLANS, query), None, None, context)
    assert not isinstance(outcome, dict), outcome
    return outcome


async def events(engine: Engine, query: str, variables: dict[str, Any] | None) -> AsyncIterator[dict[str, Any]]:
    """All that a subscription tells, or why it does not begin."""
    outcome = await engine.subscribe(prepared(engine, query), variables, None, {"log": [], "who": "us"})
    if isinstance(outcome, dict):
        yield {"refused": told(outcome)}
        return
    async for event in outcome:
        yield told(event.result)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("subscription { count }", None),
        ("subscription($n: Int!) { c: count(to: $n) }", {"n": 2}),
        ("subscription($n: Int!) { count(to: $n) }", {"n": "x"}),
        (
            "subscription($n: Int! = 1) { nodes(to: $n) { numbers told echo(number: $n) maybe { badFail } lateFail } }",
            None,
        ),
        ("subscription { nodes { numbers badFail } }", None),
        ("subscription { nodes { slow badLateFail guarded } }", None),
        (f"subscription {{ things {ALL_THINGS} }}", None),
        ("subscription { plains { text children { text } child { text } } }", None),
        ("subscription { returned }", None),
        ("subscription { returned(refuse: true) }", None),
        ("subscription { breaks }", None),
        ("subscription { unsound }", None),
        ("subscription S { ...F } fragment F on Subscription { count(to: 1) }", None),
    ],
)
async def test_subscriptions_tell_the_same(query: str, variables: dict[str, Any] | None) -> None:
    """From refusals to begin to streams that break."""
    expected = [event async for event in events(CORE, query, variables)]
    for _ in range(2):
        assert [event async for event in events(PLANS, query, variables)] == expected


async def test_all_of_this_ran_by_plans() -> None:
    """A comparison of graphql-core with itself would prove nothing."""
    engine = Engine(schema)
    for query in (f'{{ node {{ things {ALL_THINGS} told loud(text: "a") guarded }} }}', get_introspection_query()):
        await settled(engine.execute(prepared(engine, query), None, None, {}))
    assert engine.executed == {PLANNED: 2}


async def test_a_response_that_is_the_same_for_all_is_made_and_encoded_once() -> None:
    """`stats` goes to everybody: what a thousand sockets are sent is one text."""
    source = Shared()
    first = await begin(source, "subscription { plain { text } }")
    second = await begin(source, "subscription { plain { text } }")
    other = await begin(source, "subscription { plain { text aliased: text } }")
    one, two, three = [(await anext(stream)) for stream in (first, second, other)]
    assert one is two
    assert one.encoded is two.encoded
    assert one.encoded == b'{"data":{"plain":{"text":"text"}}}'
    assert three.encoded != one.encoded
    source.shown.text = "changed"
    assert (await anext(first)).result == {"data": {"plain": {"text": "changed"}}}
    assert (await anext(second)).result == {"data": {"plain": {"text": "changed"}}}
    for stream in (first, second, other):
        await stream.aclose()


@pytest.mark.parametrize("selected", ["node { told }", "thing { ...on Stone { weight } }"])
async def test_a_response_that_depends_on_who_asks_is_nobody_elses(selected: str) -> None:
    """A resolver sees the context: what it says to one must never be told to another."""
    source = Shared()
    streams = [await begin(source, f"subscription {{ {selected} }}") for _ in range(2)]
    one, two = [await anext(stream) for stream in streams]
    assert one is not two
    for stream in streams:
        await stream.aclose()


async def test_trees_for_conditions_are_bounded() -> None:
    """Fifty conditions have more answers than there is memory."""
    fields = " ".join(f"a{number}: size @include(if: $v{number})" for number in range(8))
    declared = ", ".join(f"$v{number}: Boolean!" for number in range(8))
    document = prepared(PLANS, f"query({declared}) {{ node {{ {fields} }} }}")
    for answers in range(64):
        given = {f"v{number}": bool(answers >> number & 1) for number in range(8)}
        result = await settled(PLANS.execute(document, given, None, {}))
        assert result["data"]["node"] == {f"a{number}": "HUGE" for number in range(8) if given[f"v{number}"]}
    plan = document.plans.plan(None, PLANS._blueprint, hide_suggestions=False)  # type: ignore[arg-type]  # it has one
    assert len(plan._trees) <= TREES


async def test_fragments_on_many_types_are_compiled_no_further_than_there_is_room() -> None:
    """A short text can stand for a large plan: what it holds stays in proportion to the text, and answers stay right."""
    inner = "deep { size }"
    for _ in range(11):
        inner = f"deep {{ ...F {inner} }}"
    fragment = "fragment F on Node { size null numbers fraction identity textOfNumber echo told generated waiting }"
    document = prepared(PLANS, f"{{ node {{ {inner} }} }} {fragment}")
    expected = await settled(CORE.execute(document, None, None, {}))
    for _ in range(3):
        assert await settled(PLANS.execute(document, None, None, {})) == expected
        kept = [plan for plan in document.plans._made.values() if isinstance(plan, Plan)]
        steps = sum(len(steps) for plan in kept for tree in plan._trees.values() for steps in tree._compiled.values())
        assert steps <= document.plans._room < 12 * 11


def test_every_field_of_the_contract_takes_the_short_way() -> None:
    """Attributes are read and resolvers called directly: an extension or a permission class on a hot field would show here."""
    blueprint = Blueprint(contract)
    types = [type_ for type_ in blueprint.schema.type_map.values() if isinstance(type_, GraphQLObjectType)]
    shapes = [blueprint.shape(type_, name) for type_ in types if type_.name[:2] != "__" for name in type_.fields]
    assert len(shapes) > 200
    assert [f"{it.parent}.{it.name}" for it in shapes if it.read is None and it.resolver is None] == []


async def test_what_is_not_covered_is_left_to_graphql_core_and_counted_by_reason() -> None:
    """Nothing goes wrong and nothing goes unnoticed: the metric says how often, and why."""
    engine = Engine(schema)
    document = prepared(engine, "{ node { size } }")
    document.plans._made[None] = "reason"
    assert await settled(engine.execute(document, None, None, {})) == {"data": {"node": {"size": "HUGE"}}}
    stream = prepared(engine, "subscription { count(to: 1) }")
    stream.plans._made[None] = "reason"
    events = await engine.subscribe(stream, None, None, {})
    assert not isinstance(events, dict)
    assert [event.encoded async for event in events] == [b'{"data":{"count":0}}']
    assert engine.executed == {"reason": 2}
