"""The comparison with graphql-core finds what could be wrong with a plan: faults that are put in by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from unittest.mock import patch

import pytest

from schema.execution import arguments, completing, fields, plan, run, selecting, variables
from tests.differential import everything, hard
from tests.differential.comparing import Pair, Request

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

_list_of = completing.ListOf.__init__
_steps = plan.Tree._steps
_tree = plan.Plan.tree


def _first_tree(self: plan.Plan, running: run.Run) -> plan.Tree:
    return next(iter(self._trees.values()), None) or _tree(self, running)


def _unchecked(_self: object, _type: object, selection: Any, running: Any, value: object, place: Any) -> Any:  # noqa: ANN401
    return selection.run(running, value, place)


def _no_defaults(compiled: list[Any], given: dict[str, Any]) -> dict[str, Any]:
    return {name: coerce(given[name]) for name, coerce, _, _ in compiled if name in given}


FAULTS: Final[dict[str, tuple[Any, str, Callable[..., Any]]]] = {
    "an error without the end of its path": (fields, "steps_of", lambda place: run.steps_of(place)[:-1]),
    "fields in another order": (plan.Tree, "_steps", lambda *of: _steps(*of)[::-1]),
    "inputs that executions share": (arguments, "is_immutable", lambda _value: True),
    "an object of another type": (completing._Completion, "checked", _unchecked),
    "a null in a list that holds none": (
        completing.ListOf,
        "__init__",
        lambda self, *of, required: _list_of(self, *of, required=required and False),
    ),
    "errors of what is null already": (run.Run, "add", lambda self, error, _place: self.errors.append(error)),
    "mutations all at once": (
        selecting.Selection,
        "serially",
        lambda self, running, source: self.run(running, source, None),
    ),
    "conditions that are asked once": (plan.Plan, "tree", _first_tree),
    "variables without their defaults": (variables, "_coerce", _no_defaults),
    "events that depend on who asks, shared": (plan.Tree, "_is_impersonal", lambda *_: True),
}
"""What is patched, where, and with what."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_executor_is_told_from_graphql_core(fault: str) -> None:
    """A comparison that cannot fail would prove nothing."""
    pair = Pair(everything.everything(), everything.Context)
    with asyncio.Runner() as runner, patch.object(*FAULTS[fault]):
        assert any(_differs(pair, runner, request) for request in hard.requests())


def _differs(pair: Pair, runner: asyncio.Runner, request: Request) -> bool:
    try:
        pair.compare(runner, request)
    except AssertionError:
        return True
    return False
