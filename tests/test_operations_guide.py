"""The guides name what there is: every metric, every limit with its default, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.buckets import ThrottleRates
from api.connections.live import LiveSockets
from api.graphql_http.endpoint import UserTurns
from api.limit_settings import LimitSettings
from api.operation_rates import OperationRates
from api.rate import Rate
from api.settings import Settings
from api.shared_rates import SharedRates
from schema.execution.measure import DOCUMENT_LIMITS
from tests.acceptance.server import ROOT

GUIDE = (ROOT / "docs" / "OPERATIONS.md").read_text()
OF_DEVELOPERS = {"PARLEY_NO_SKIP", "PARLEY_DIFFERENTIAL_EXAMPLES", "PARLEY_FUZZ_TIMES"}
"""What tests read from the environment, and no server."""


def exposed() -> Iterator[str]:
    """The names of all metrics as Prometheus sees them, read off the source: some exist only beside Redis or PostgreSQL."""
    for call in ast.walk(ast.parse((ROOT / "api" / "metrics.py").read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
            name, kind = call.args[0], call.func.id
            if isinstance(name, ast.Constant) and kind in {"_gauge", "GaugeMetricFamily"}:
                yield f"parley_{str(name.value).removeprefix('parley_')}"
            elif isinstance(name, ast.Constant) and kind in {"_counter", "_labelled", "CounterMetricFamily"}:
                yield f"parley_{str(name.value).removeprefix('parley_')}_total"


def test_every_metric_is_explained_and_no_other() -> None:
    """An alarm on a metric that was renamed never rings."""
    told = set(re.findall(r"\bparley_[a-z_]+[a-z]\b", GUIDE))
    assert told == set(exposed())


def row(name: str) -> list[str]:
    """The cells of the limit's row, the setting's name first."""
    found = [line for line in GUIDE.splitlines() if line.startswith("| `") and f"`{name}`" in line.split("|")[1]]
    assert len(found) == 1, name
    return [cell.strip() for cell in found[0].strip("| ").split(" | ")]


def written(value: Any) -> str:  # noqa: ANN401 - a number or a rate
    """A default as it is set."""
    if not isinstance(value, Rate):
        return str(value)
    count = int(value.count) if value.count == int(value.count) else value.count
    period = {"0:00:01": "s", "0:10:00": "10m", "1:00:00": "h"}[str(value.period)]
    return f"{value.burst}+{count}/{period}"


@pytest.mark.parametrize("name", LimitSettings.model_fields)
def test_every_limit_is_in_the_table_with_its_default(name: str) -> None:
    """An operator who is refused looks there for what to raise, and from what."""
    names, defaults = row(name.upper())[:2]
    place = re.findall(r"`([A-Z_]+)`", names).index(name.upper())
    values = defaults.split(", ")
    told = values[place] if len(values) > 1 else defaults.removesuffix(" each")
    assert told == written(LimitSettings.model_fields[name].default)


def test_every_limit_by_which_refusals_are_counted_is_in_the_table() -> None:
    """The metric says which limit it was: the table says what that is."""
    counted = {*DOCUMENT_LIMITS, *LiveSockets().refusals, *OperationRates().refusals, *UserTurns().refusals}
    counted |= {*ThrottleRates._fields, *SharedRates._fields}
    table = GUIDE.partition("## Limits")[2].partition("\n## ")[0]
    told = {name for line in table.splitlines() for name in re.findall(r"`([a-z_]+)`", "|".join(line.split("|")[4:5]))}
    assert told == {*counted, "limit"}


@pytest.mark.parametrize(
    "guide",
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/OPERATIONS.md", "docs/CLIENTS.md", "docs/ARCHITECTURE.md"],
)
def test_no_guide_names_a_setting_that_is_none(guide: str) -> None:
    """A setting that was renamed is ignored where its old name is set: nobody learns of it."""
    named = set(re.findall(r"\bPARLEY_[A-Z_]+[A-Z]\b", (ROOT / guide).read_text()))
    assert named <= {f"PARLEY_{name.upper()}" for name in Settings.model_fields} | OF_DEVELOPERS
