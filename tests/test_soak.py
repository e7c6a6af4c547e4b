"""Memory stays where it is, whatever passes: the small soak. `make soak` has more of it, and looks at what the system sees too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.run import connections_pass, events_pass
from tests.soak.weighing import Round, Traced, leaks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import LivedIn

import pytest

EVENTS = 1_800
CONNECTIONS = 60


@pytest.fixture(scope="module")
def server(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """A server whose allocations are told apart."""
    folder: Path = tmp_path_factory.mktemp("soak")
    with Traced(lived_in(folder / "parley"), rate_limits="off") as server:
        yield server


async def test_events_leave_nothing_behind(server: Traced) -> None:
    """A tab that stays open for a day must not cost a server that gets slower by the hour: graphql-core leaks 1.5 KB an event."""
    rounds = await events_pass(server, EVENTS, print)
    assert not leaks(rounds), rounds


async def test_connections_leave_nothing_behind(server: Traced) -> None:
    """Phones come and go by the million between two releases, and most of them do not say goodbye."""
    rounds = await connections_pass(server, CONNECTIONS, print)
    assert not leaks(rounds), rounds


def test_what_grows_in_every_round_is_a_leak_and_what_fills_once_is_not() -> None:
    """A test that takes a cache for a leak gets switched off; one that takes a leak for a cache is worth nothing."""
    assert leaks([Round(1_000, 900, 0), Round(1_000, 1_000, 0), Round(1_000, 50_000, 0)])
    assert leaks([Round(1_000, 0, 600_000), Round(1_000, 0, 9_000_000)])
    assert not leaks([Round(1_000, 90_000, 9_000_000), Round(1_000, 400, 5_000), Round(1_000, -70, -2_000)])


def test_what_a_server_does_by_itself_is_no_leak_of_few_items() -> None:
    """Twenty connections that leave four objects each are told from a server that has learnt a statement meanwhile."""
    assert leaks([Round(20, 80, 0), Round(20, 81, 0), Round(20, 95, 0)])
    assert not leaks([Round(20, 62, 17_404), Round(20, 30, -5_125), Round(20, 78, 6_887)])
