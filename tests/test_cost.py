"""What an operation may ask for at most, found before it runs."""

from __future__ import annotations

import dataclasses

import pytest
from graphql import build_schema, parse
from strawberry import Schema

from schema.api import schema
from schema.execution.cost import LARGEST_PAGE, LISTED, MUTATION, USUAL_PAGE, costs
from schema.execution.documents import Documents, Prepared, Rejected
from schema.execution.measure import DocumentLimits

PEOPLE = build_schema(
    """
    type Query { me: Person  all: [Person!]!  page(first: Int! = 20, last: Int): People!  usual(first: Int): People }
    type Mutation { rename(name: String): Person  touch: Boolean }
    type Subscription { met: Person }
    interface Named { name: String }
    type Person implements Named { name: String  friend: Person  friends(first: Int): [Person!]!  pets: [[Pet]]  any: Named }
    type Pet implements Named { name: String }
    type People { edges: [Edge!]!  total: Int }
    type Edge { node: Person! }
    """
)


def cost(text: str, **variables: object) -> int:
    """Of a document with one operation."""
    (found,) = costs(PEOPLE, parse(text)).values()
    return found.of(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        ("{ me { name } }", 1),
        ("{ me { friend { name } } }", 2),
        ("{ a: me { name } b: me { name } }", 2),
        ("{ all { name } }", LISTED),
        ("{ all { friend { name } } }", 2 * LISTED),
        ("{ me { pets { name } } }", 1 + LISTED),
        ("{ page { edges { node { name } } } }", 1 + 20 * 2),
        ("{ page { total } }", 1),
        ("{ usual { edges { node { name } } } }", 1 + USUAL_PAGE * 2),
        ("{ page(first: 3) { edges { node { name } } } }", 1 + 3 * 2),
        ("{ page(first: 3, last: 4) { edges { node { name } } } }", 1 + 7 * 2),
        ("{ page(first: -3) { edges { node { name } } } }", 1),
        ("{ page(first: 2000000000) { edges { node { name } } } }", 1 + LARGEST_PAGE * 2),
        ("{ page(first: 5) { edges { node { friends(first: 7) { name } } } } }", 1 + 5 * (2 + 7)),
        ("{ me { friends(first: 3) { pets { name } } } }", 1 + 3 * (1 + LISTED)),
        ("{ me { any { name ... on Person { friend { name } } ... on Pet { name } } } }", 3),
        ("{ ...A } fragment A on Query { me { ...B } } fragment B on Person { friend { name } }", 2),
        ("{ me @include(if: false) { name } }", 1),
        ("mutation { touch }", MUTATION),
        ("mutation { rename { friend { name } } b: touch }", 2 * MUTATION + 2),
        ("subscription { met { friend { name } } }", 2),
        ("{ __schema { types { fields { args { name } } } } }", 1),
    ],
)
def test_objects_are_counted_and_lists_multiply(text: str, expected: int) -> None:
    """A person can say by hand what an operation costs, from one docstring."""
    assert cost(text) == expected


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({"n": 3}, 3),
        ({"n": 101}, LARGEST_PAGE),
        ({"n": -1}, 0),
        ({"n": 2.0}, LARGEST_PAGE),
        ({}, 4),
        ({"n": None}, 4),
        ({"n": "all"}, 4),
        ({"n": [1]}, 4),
    ],
)
def test_a_page_is_as_large_as_its_variable_says(variables: dict[str, object], size: int) -> None:
    """One document is cheap or expensive by its variables, which are the client's own."""
    text = "query($n: Int! = 4) { page(first: $n) { edges { node { name } } } }"
    assert cost(text, **variables) == 1 + 2 * size


def test_pages_within_pages_multiply_by_both_variables() -> None:
    """The classic of all floods: a hundred friends of a hundred friends."""
    text = "query($n: Int!, $m: Int) { page(first: $n) { edges { node { friends(first: $m) { name } } } } }"
    assert cost(text, n=100, m=100) == 1 + 100 * (2 + 100)
    assert cost(text, n=2, m=3) == 1 + 2 * (2 + 3)


def documents(most: int) -> Documents:
    """Over the toy of this file, which Strawberry did not make."""
    return Documents(PEOPLE, DocumentLimits(cost=most))


def test_an_operation_that_always_costs_too_much_is_no_valid_document() -> None:
    """It never runs, so it is refused once, and kept as refused."""
    store = documents(100)
    assert isinstance(store.prepare("{ page(first: 49) { edges { node { name } } } }"), Prepared)
    refused = store.prepare("{ page(first: 50) { edges { node { name } } } }")
    assert isinstance(refused, Rejected)
    assert refused.errors == [
        {
            "message": "The operation costs 101, and 100 is the most.",
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED", "limit": "cost", "maximum": 100, "cost": 101},
        }
    ]
    assert store.refusals["cost"] == 1


def test_one_whose_variables_make_it_too_much_is_refused_with_these_variables() -> None:
    """A document that is fine for small pages stays prepared, and says what it costs with large ones."""
    store = documents(100)
    prepared = store.prepare(
        "query A($n: Int!) { page(first: $n) { edges { node { name } } } } query B { me { name } }"
    )
    assert isinstance(prepared, Prepared)
    assert store.affordable(prepared, "A", {"n": 49}) is None
    assert store.affordable(prepared, "B", {"n": 50}) is None
    assert store.affordable(prepared, "C", {"n": 50}) is None
    refused = store.affordable(prepared, "A", {"n": 50})
    assert refused is not None
    assert refused.errors[0]["extensions"] == {"code": "BAD_USER_INPUT", "limit": "cost", "maximum": 100, "cost": 101}
    assert store.refusals["cost"] == 1


def test_the_heaviest_thing_that_a_front_end_asks_for_passes() -> None:
    """Limits are for floods: a hundred messages and all rooms with everybody in them are one screen of a front end."""
    assert isinstance(schema, Schema)
    store = Documents(schema._schema)
    prepared = store.prepare(
        """query Screen($room: ID!) {
          me { id displayName: user { displayName } suspensions { reason } }
          rooms { id me { id } members { id displayName media { camera } } }
          keys(roomId: $room) { member { id } signedPreKey { key } lastResortKemKey { key } }
          messages(roomId: $room, last: 100) { pageInfo { endCursor } edges { cursor node { sender { id } frankingTag { tag } } } }
        }"""
    )
    assert isinstance(prepared, Prepared), prepared
    assert (
        sum(found.of({}) for found in costs(schema._schema, prepared.document).values()) < 0.25 * DocumentLimits().cost
    )


LIMITED = {
    "length": "{ me { name } }" + " " * 1_000,
    "tokens": "{ me { name name name name name name } } " * 8,
    "depth": "{ me { friend { friend { friend { name } } } } }",
    "roots": "{ a: me { name } b: me { name } c: me { name } }",
    "fields": "{ me { name name name name name name name name } }",
    "aliases": "{ me { a: name b: name c: name d: name } }",
    "directives": "{ me @skip(if: false) @include(if: true) @skip(if: false) { name } }",
    "definitions": "query A { me { name } } query B { me { name } } query C { me { name } }",
    "merges": "{ me { name name name name } }",
    "cost": "{ all { name } }",
}


@pytest.mark.parametrize("limit", LIMITED)
def test_each_limit_is_told_and_counted_by_its_name(limit: str) -> None:
    """Whoever is refused learns how much is allowed, and whoever runs the service sees which limit is hit."""
    tight = DocumentLimits(
        length=1_000, tokens=50, depth=4, roots=2, fields=8, aliases=3, directives=2, definitions=2, merges=5, cost=15
    )
    assert set(LIMITED) == {field.name for field in dataclasses.fields(tight)} - {"cache_entries", "cache_bytes"}
    store = Documents(PEOPLE, tight)
    refused = store.prepare(LIMITED[limit])
    assert isinstance(refused, Rejected)
    extensions = refused.errors[0]["extensions"]
    assert isinstance(extensions, dict)
    assert (extensions["limit"], extensions["maximum"]) == (limit, getattr(tight, limit))
    store.prepare(LIMITED[limit])
    assert +store.refusals == {limit: 2}
