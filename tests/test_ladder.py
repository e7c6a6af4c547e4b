"""The ladder: what a suspension lasts by what went before, with the examples that operators were promised and what always holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.safety.case import AccountWarning
from domain.safety.ladder import (
    COUNTS_FOR,
    DURATIONS,
    PERMANENT,
    WARNING,
    Rung,
    height,
    next_height,
    next_suspension,
    rungs,
)
from domain.safety.suspension import Suspension, SuspensionScope

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY = UUID(int=0)

heights = st.integers(WARNING, PERMANENT)
ages = st.timedeltas(timedelta(), timedelta(days=400))
pasts = st.lists(st.builds(lambda h, age: Rung(h, NOW - age), heights, ages), max_size=8)
durations = st.none() | st.timedeltas(HOUR, timedelta(days=3650))


def warned(*, days_ago: float) -> AccountWarning:
    """A warning."""
    return AccountWarning(uuid4(), NOBODY, NOBODY, "Be kind.", NOW - timedelta(days=days_ago))


def suspended(
    duration: timedelta | None, *, days_ago: float, automated: bool = False, lifted: bool = False
) -> Suspension:
    """A suspension."""
    start = NOW - timedelta(days=days_ago)
    return Suspension(
        id=uuid4(),
        user_id=NOBODY,
        scope=SuspensionScope.ALL,
        reason="Be kind.",
        category=None,
        automated=automated,
        starts_at=start,
        ends_at=None if duration is None else start + duration,
        lifted_at=start if lifted else None,
    )


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], HOUR),
        ([warned(days_ago=1)], HOUR),
        ([warned(days_ago=1), warned(days_ago=2)], HOUR),
        ([suspended(HOUR, days_ago=1)], DAY),
        ([warned(days_ago=30), suspended(HOUR, days_ago=20), suspended(DAY, days_ago=10)], timedelta(days=7)),
        ([suspended(timedelta(days=7), days_ago=10)], timedelta(days=30)),
        ([suspended(timedelta(days=30), days_ago=31)], None),
        ([suspended(timedelta(days=365), days_ago=31)], None),
        ([suspended(None, days_ago=31)], None),
        ([suspended(timedelta(hours=30), days_ago=1)], timedelta(days=7)),
        ([suspended(DAY, days_ago=89.99)], timedelta(days=7)),
        ([suspended(DAY, days_ago=90)], HOUR),
        ([suspended(timedelta(days=7), days_ago=91), suspended(HOUR, days_ago=5)], DAY),
        ([suspended(timedelta(days=7), days_ago=1, lifted=True)], HOUR),
        ([suspended(timedelta(minutes=30), days_ago=1, automated=True)], HOUR),
        ([suspended(HOUR, days_ago=9), suspended(DAY, days_ago=1, automated=True)], DAY),
    ],
    ids=[
        "nothing",
        "a warning",
        "two warnings",
        "1 h",
        "up to 24 h",
        "7 d",
        "30 d",
        "a year",
        "for good",
        "between two rungs",
        "hardly in time",
        "run out",
        "the high one ran out",
        "a mistake",
        "a hold",
        "a hold above a decision",
    ],
)
def test_a_suspension_lasts_one_step_longer_than_the_worst_of_the_last_90_days(
    before: list[AccountWarning | Suspension], expected: timedelta | None
) -> None:
    """The table that `docs/SAFETY.md` promises; a person who behaved for 90 days begins anew."""
    warnings = [each for each in before if isinstance(each, AccountWarning)]
    suspensions = [each for each in before if isinstance(each, Suspension)]
    assert next_suspension(rungs(warnings, suspensions), NOW) == expected


def test_the_steps_are_those_of_the_design() -> None:
    """A warning, 1 h, 24 h, 7 d, 30 d, for good: deciding by the ladder climbs them one by one, and stays on the highest."""
    past: list[Rung] = []
    for expected in (WARNING, 1, 2, 3, 4, PERMANENT, PERMANENT):
        assert next_height(past, NOW) == expected
        past.append(Rung(expected, NOW))
    assert (HOUR, DAY, timedelta(days=7), timedelta(days=30)) == DURATIONS


@given(pasts)
def test_the_next_step_is_on_the_ladder_and_at_most_one_above_what_counts(past: list[Rung]) -> None:
    """Nobody is suspended for good who was not suspended for a month in the last 90 days, by the ladder alone."""
    due = next_height(past, NOW)
    counting = [rung.height for rung in past if NOW - rung.at < COUNTS_FOR]
    assert WARNING <= due <= PERMANENT
    assert due == min(PERMANENT, max(counting, default=-1) + 1)
    assert (next_suspension(past, NOW) is None) == (max(counting, default=WARNING) >= PERMANENT - 1)


@given(pasts, heights, ages)
def test_one_more_decision_never_makes_the_next_one_milder(past: list[Rung], more: int, age: timedelta) -> None:
    """Whoever goes on does not do better by it."""
    assert next_height([*past, Rung(more, NOW - age)], NOW) >= next_height(past, NOW)


@given(pasts, st.timedeltas(timedelta(), timedelta(days=400)))
def test_time_alone_only_makes_the_next_one_milder_and_90_quiet_days_forget_everything(
    past: list[Rung], later: timedelta
) -> None:
    """Steps decay; the order in which they are told does not matter."""
    assert next_height(past, NOW + later) <= next_height(past, NOW)
    assert next_height(past, NOW + COUNTS_FOR) == WARNING
    assert next_height(list(reversed(past)), NOW) == next_height(past, NOW)


@given(durations, durations)
def test_a_longer_suspension_is_never_on_a_lower_step(one: timedelta | None, other: timedelta | None) -> None:
    """An operator who gave more than the ladder asked for has climbed further, too."""
    longer = {True: one, False: other}[one is None or (other is not None and one >= other)]
    assert height(longer) == max(height(one), height(other))
    assert 1 <= height(one) <= PERMANENT
    assert (height(one) == PERMANENT) == (one is None)


@given(st.lists(st.booleans(), max_size=6), st.timedeltas(timedelta(), timedelta(days=100)))
def test_what_a_rule_did_or_what_was_lifted_is_no_step(kinds: list[bool], age: timedelta) -> None:
    """A hold is no judgement, and a mistake is not held against anybody."""
    mistakes = [suspended(None, days_ago=age / DAY, automated=automated, lifted=not automated) for automated in kinds]
    assert rungs((), mistakes) == []
