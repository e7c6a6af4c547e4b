"""The guides name what there is: every metric, every limit with its default, and nothing else."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.buckets import USUAL, ThrottleRates
from api.connections import preparing
from api.connections.limits import SocketLimits
from api.connections.live import LiveSockets
from api.graphql_http.endpoint import MUTATIONS_AT_ONCE, MUTATIONS_WAITING, UserTurns
from api.graphql_http.parsing import MAX_BODY
from api.json_values import MAX_VALUES
from api.limit_settings import LimitSettings
from api.operation_rates import OF_NETWORK, OF_USER, OperationRates
from api.pages import PageRefusals
from api.rate import Rate
from api.settings import Settings
from api.shared_rates import SHARED, SharedRates
from api.uvicorn_http import HEAD_BYTES
from api.uvicorn_protocol import MAX_FRAME
from domain.chat import BYTES_AT_ONCE
from domain.rooms.invites import MEMBERS_EVER, SEATS_AT_ONCE
from schema.execution.cost import LISTED, MUTATION
from schema.execution.measure import DOCUMENT_LIMITS, DocumentLimits
from tests.acceptance.server import ROOT

GUIDE = (ROOT / "docs" / "OPERATIONS.md").read_text()
OF_DEVELOPERS = {"PARLEY_NO_SKIP", "PARLEY_DIFFERENTIAL_EXAMPLES", "PARLEY_FUZZ_TIMES"}
"""What tests read from the environment, and no server."""


def exposed() -> Iterator[str]:
    """The names of all metrics as Prometheus sees them, read off the source: some exist only beside Redis or PostgreSQL."""
    for call in ast.walk(ast.parse((ROOT / "api" / "metrics.py").read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
            name, kind = call.args[0], call.func.id
            if isinstance(name, ast.Constant) and kind in {"_gauge", "_gauges", "GaugeMetricFamily"}:
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
    period = {"0:00:01": "s", "0:10:00": "10m", "1:00:00": "h", "1 day, 0:00:00": "24h"}[str(value.period)]
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
    counted |= {*PageRefusals().refusals, *ThrottleRates._fields, *SharedRates._fields, preparing.LIMIT}
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


# --- what clients are told ----------------------------------------------------------------------------------------------------


def spoken(rate: Rate, unit: str = "") -> str:
    """A rate as clients are told it; of bytes in KiB and MiB, of what is given back whole in one breath."""
    size = (lambda value: f"{value:,.0f}") if unit != "bytes" else _bytes
    each = {"0:00:01": "a second", "0:10:00": "in 10 minutes", "1:00:00": "an hour", "1 day, 0:00:00": "a day"}[
        str(rate.period)
    ]
    if rate.count < 1:
        return f"{size(rate.burst)} at once, then one in {1 / rate.count:g} s"
    count = "one" if rate.count == 1 else size(rate.count)
    return f"{size(rate.burst)}{'' if unit == 'bytes' else ' at once'}, then {count} {each}"


def _bytes(value: float) -> str:
    return f"{value / 1024**2:g} MiB" if value >= 1024**2 else f"{value / 1024:g} KiB"


DOCUMENTS, ON_SOCKET = DocumentLimits(), SocketLimits()
REPEATED = next(count for count in itertools.count(1) if (count + 1) * count // 2 > DOCUMENTS.merges)
"""How often one field may stand in one place: every pair of them is a merge."""
TOLD = {
    "sign-ins": f"{spoken(SHARED.accounts)}, per network",
    "`signInOperator` that fails": f"{spoken(SHARED.operator_sign_ins)}, per network",
    "`refreshSession`": f"{spoken(USUAL.renewals)}, per session; {spoken(USUAL.refreshes)}, per network",
    "`joinQueue`, `leaveQueue`, `skip` together": f"{spoken(USUAL.queue)}, per user",
    "`sendSignal`": f"{spoken(USUAL.signals)}, and {spoken(USUAL.signal_bytes, 'bytes')}, per member",
    "`createRoom`, `joinRoom`, `leaveRoom`, `rotateInvite`, `closeRoom` and what is done to members, together": (
        f"{spoken(USUAL.rooms)}, per user; {SEATS_AT_ONCE} rooms at once; {MEMBERS_EVER} different people ever in one room"
    ),
    "`rooms`": f"{spoken(USUAL.rooms_listed).replace(' at once', ' rooms shown at once')}, per user",
    "invite codes that lead nowhere": (
        f"{SHARED.invites.burst} in 10 minutes per user, {SHARED.invites_of_network.burst} in 10 minutes per network"
    ),
    "`sendMessage`": f"{spoken(USUAL.messages)}, and {spoken(USUAL.message_bytes, 'bytes')}, per user",
    "`publishKeys`, `addOneTimePreKeys`": (
        f"{spoken(USUAL.signatures).replace(' at once', ' signatures at once')}, per user (at least one a call); "
        f"of `publishKeys` also {spoken(USUAL.publications)}"
    ),
    "`messages` (the query)": (
        f"{spoken(USUAL.history_bytes, 'bytes').replace(',', ' of ciphertext at once,')}, per user; "
        f"while it is read each page counts {_bytes(BYTES_AT_ONCE)}"
    ),
    "`claimKeyBundle`": f"{spoken(SHARED.claims)}, per pair of users; a repeated `requestId` is free",
    "`blockUser`": f"{spoken(SHARED.blocks)}, per user",
    "`reportUser`": f"{spoken(SHARED.reports)}, per user; {spoken(SHARED.reports_of_network)}, per network; a repeat is free",
    "`exportMyData`": f"{spoken(SHARED.exports)}, per user",
    "`updatePresence`": f"{spoken(USUAL.presence)}, per user",
    "mutations over HTTP": f"{MUTATIONS_AT_ONCE} under way and {MUTATIONS_WAITING} waiting, per user",
    "operations on one socket": (
        f"{ON_SOCKET.operations} queries and subscriptions under way, {ON_SOCKET.mutations} mutations waiting, "
        f"of {_bytes(ON_SOCKET.mutation_bytes)} together"
    ),
    "operations begun: queries, mutations, subscriptions; each field of its own counts as one": (
        f"{spoken(OF_USER)}, per user; {spoken(OF_NETWORK)}, per network"
    ),
    "requests with a document that the worker has yet to prepare": (
        f"{_bytes(preparing.OF_USER)} waiting per user, {_bytes(preparing.OF_NETWORK)} per network, "
        f"{_bytes(preparing.MOST)} of all; such a document counts {_bytes(preparing.OF_EACH)} more"
    ),
    "sockets and streams": f"{ON_SOCKET.sockets_per_user} per user",
    "new sockets and streams": f"{spoken(USUAL.sockets)}, per user",
    "sockets and streams on which nobody is signed in": f"{ON_SOCKET.strangers:,} per network",
    "a request, a frame": _bytes(MAX_BODY),
    "values in the JSON of either": f"{MAX_VALUES:,}",
    "a request's line and headers": _bytes(HEAD_BYTES),
    f"what an operation costs: objects, of a list {LISTED}, of a page as many as it has, and {MUTATION} more for a mutation": (
        f"{DOCUMENTS.cost:,}"
    ),
    "a document": (
        f"{DOCUMENTS.length:,} characters, {DOCUMENTS.tokens:,} tokens, {DOCUMENTS.depth} levels, {DOCUMENTS.fields:,} fields, "
        f"{DOCUMENTS.roots} of them of the operation itself, {DOCUMENTS.aliases} aliases, {DOCUMENTS.directives} directives, "
        f"{DOCUMENTS.definitions} operations and fragments; one field {REPEATED} times in one place"
    ),
}


def test_clients_are_told_the_limits_that_there_are_and_no_others() -> None:
    """Whoever writes a client goes by the table: how fast it may be, and what to be ready for."""
    table = (ROOT / "docs" / "CLIENTS.md").read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert {what: how_much for what, how_much, _ in rows[1:]} == TOLD
    assert MAX_FRAME == MAX_BODY, "they have one row"
