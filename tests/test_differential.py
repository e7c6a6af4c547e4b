"""Our executor answers as graphql-core does, whatever is asked and whatever resolvers do.

`PARLEY_DIFFERENTIAL_EXAMPLES=20000` looks for longer, each time elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from schema.execution.execute import PLANNED
from tests.differential import everything, hard, whole
from tests.differential.comparing import Pair, Request
from tests.differential.contract import Context, contract
from tests.differential.requests import requests

pytestmark = pytest.mark.filterwarnings(
    # graphql-core cancels the siblings of a failure, and what such a sibling was going to await is then never awaited.
    "ignore:coroutine .* was never awaited:RuntimeWarning",
)

LONG: Final = os.environ.get("PARLEY_DIFFERENTIAL_EXAMPLES")

PAIRS: Final = {
    "contract": Pair(contract(waits=True), Context),
    "contract without coroutines": Pair(contract(waits=False), Context),
    "everything": Pair(everything.everything(), everything.Context),
}
EXAMPLES: Final = {"contract": 120, "contract without coroutines": 30, "everything": 150}
"""Documents for each, about 25 ms each."""

DEPTH: Final = {"contract": 4, "everything": 2}
"""Of the operations that select everything."""
DEEPER: Final = {"case": 6}
"""Root fields below which there is something that the others do not reach."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("name", PAIRS)
def test_both_executors_answer_the_same(runner: asyncio.Runner, name: str) -> None:
    """A plan is fast because it leaves things out; a front end must not be able to tell which."""
    pair = PAIRS[name]

    @settings(
        max_examples=int(LONG or EXAMPLES[name]),
        derandomize=LONG is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(requests(pair.schema))
    def answer_the_same(asked: list[Request]) -> None:
        for request in asked:
            pair.compare(runner, request)

    answer_the_same()
    # A condition that a client answers with null is neither true nor false: graphql-core says so.
    assert set(pair.engine.executed) <= {PLANNED, "condition"}


def test_what_waits_and_fails_in_hard_places_answers_the_same(runner: asyncio.Runner) -> None:
    """Siblings of a failure go on while it takes away what is around them: what is told of them must not depend on the executor."""
    for request in hard.requests():
        PAIRS["everything"].compare(runner, request)


@pytest.mark.parametrize("name", DEPTH)
def test_every_field_and_argument_of_a_schema_is_compared_and_planned(runner: asyncio.Runner, name: str) -> None:
    """What chance would leave out: every field, argument, input and type, in worlds with no trouble and with much.

    Whatever of them a front end asks for is fast: graphql-core runs none of it.
    """
    pair = PAIRS[name]
    before = pair.engine.executed.copy()
    coverage = whole.Coverage(pair.schema)
    for number, operation in enumerate(whole.operations(pair.schema, DEPTH[name], DEEPER)):
        coverage.add(operation.text)
        pair.compare(runner, Request(operation, None, seed=number, trouble=number % 4))
    assert not coverage.missing()
    assert set(pair.engine.executed - before) == {PLANNED}
