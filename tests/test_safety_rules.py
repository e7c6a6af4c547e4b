"""The rules over reports: whose word counts how much, what is judged first, and when nobody waits for a judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.safety.rules import (
    COUNTED_FOR,
    ENOUGH_WEIGHT,
    FIRST_HOUR,
    HELD_BY_EVIDENCE,
    HELD_BY_WEIGHT,
    LEAST_WEIGHT,
    MOST_URGENT,
    Charge,
    Hold,
    Rule,
    hold_due,
    priority,
    reporter_weight,
)
from domain.safety.suspension import ReportCategory, SuspensionScope

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
DAY, HOUR, MINUTE, MILLISECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(milliseconds=1)
BEST = reporter_weight(1_000_000, 0, DAY)
PEOPLE = [UUID(int=number) for number in range(40)]


def charge(reporter: UUID | None = None, weight: float = 0.9, **changes: object) -> Charge:
    """A report of just now by somebody whose account is a day old, but for the changes."""
    made = Charge(reporter or uuid4(), DAY, ReportCategory.HARASSMENT, weight, verified=False, at=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]  # any field of a dataclass


def newcomer(**changes: object) -> Charge:
    """One by an account that was made a minute ago."""
    age = MINUTE
    return charge(**{"weight": reporter_weight(0, 0, age), "account_age": age} | changes)  # type: ignore[arg-type]  # the same


ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))
counts = st.integers(min_value=0, max_value=10_000)
charges = st.lists(
    st.builds(
        Charge,
        reporter=st.sampled_from(PEOPLE),
        account_age=ages,
        category=st.sampled_from(ReportCategory),
        weight=st.floats(LEAST_WEIGHT, 1),
        verified=st.booleans(),
        at=st.timedeltas(timedelta(0), timedelta(hours=30)).map(lambda ago: NOW - ago),
        spent=st.booleans(),
    ),
    max_size=40,
)


# ------------------------------------------------------------------------------------------ weight


@pytest.mark.parametrize(
    ("upheld", "dismissed", "age", "weight"),
    [
        (0, 0, DAY, 0.5),
        (0, 0, FIRST_HOUR, 0.5),
        (0, 0, FIRST_HOUR - MILLISECOND, 0.25),
        (0, 0, -MINUTE, 0.25),
        (1, 0, DAY, 0.6),
        (6, 0, DAY, 0.8),
        (0, 1, DAY, 0.4),
        (0, 4, DAY, 0.25),
        (5, 5, DAY, 0.5),
        (0, 16, DAY, 0.1),
        (0, 17, DAY, 0.1),
        (0, 1_000, DAY, 0.1),
        (0, 7, MINUTE, 0.1),
        (6, 0, MINUTE, 0.4),
    ],
)
def test_a_word_counts_by_what_came_of_those_before(upheld: int, dismissed: int, age: timedelta, weight: float) -> None:
    """Who cries wolf is heard less, who is right is heard more, and who came a minute ago half as much."""
    assert reporter_weight(upheld, dismissed, age) == pytest.approx(weight)


@given(counts, counts, ages)
def test_a_weight_is_from_a_tenth_to_one_whoever_reports(upheld: int, dismissed: int, age: timedelta) -> None:
    """Nobody is silenced for good, in the first hour neither, and nobody is worth two."""
    assert LEAST_WEIGHT <= reporter_weight(upheld, dismissed, age) <= 1


@given(counts, counts, ages)
def test_being_right_never_costs_weight_and_being_wrong_never_earns_any(
    upheld: int, dismissed: int, age: timedelta
) -> None:
    """Or it would pay to report at random."""
    weight = reporter_weight(upheld, dismissed, age)
    assert reporter_weight(upheld + 1, dismissed, age) >= weight
    assert reporter_weight(upheld, dismissed + 1, age) <= weight


@given(counts, ages)
def test_an_account_without_an_upheld_report_counts_a_quarter_at_most_in_its_first_hour(
    dismissed: int, age: timedelta
) -> None:
    """That is what an account costs which was made to report somebody."""
    weight = reporter_weight(0, dismissed, age)
    assert weight <= (0.25 if age < FIRST_HOUR else 0.5)


# ------------------------------------------------------------------------------------------ priority


@pytest.mark.parametrize("category", ReportCategory)
def test_every_category_has_its_place(category: ReportCategory) -> None:
    """A category that is added and forgotten here would fail the first report of it."""
    proved, alone = (priority([charge(category=category, verified=proof)]) for proof in (True, False))
    several = priority([charge(category=category) for _ in range(3)])
    assert 0 <= proved < several < alone


def test_the_most_urgent_of_all_is_proved_harm_to_a_child() -> None:
    """The contract: 0 is the most urgent."""
    assert priority([charge(category=ReportCategory.CHILD_SAFETY, verified=True)]) == 0


def test_child_safety_comes_before_all_else_and_what_must_not_wait_before_the_rest() -> None:
    """However well the others are proved."""
    unproved = {category: priority([charge(category=category)]) for category in ReportCategory}
    proved = {category: priority([charge(category=category, verified=True)]) for category in ReportCategory}
    rest = set(ReportCategory) - MOST_URGENT
    assert all(
        unproved[ReportCategory.CHILD_SAFETY] < proved[category]
        for category in set(ReportCategory)
        if category != "CHILD_SAFETY"
    )
    assert all(unproved[urgent] < proved[other] for urgent in MOST_URGENT for other in rest)


def test_the_proof_of_something_else_does_not_make_an_accusation_more_urgent() -> None:
    """A proved insult beside a grave claim would jump the queue of grave claims."""
    grave = charge(category=ReportCategory.CHILD_SAFETY)
    insult = charge(category=ReportCategory.HARASSMENT, verified=True)
    assert priority([grave, insult]) == priority([grave]) != 0


def test_one_person_who_reports_again_and_again_does_not_count_as_several() -> None:
    """Nor does one with many accounts on one device."""
    again = [charge(PEOPLE[0]) for _ in range(9)]
    assert priority(again) == priority(again[:1]) > priority([*again, charge(PEOPLE[1]), charge(PEOPLE[2])])


@given(charges.filter(bool), charges)
def test_more_reports_never_make_a_case_less_urgent(before: list[Charge], more: list[Charge]) -> None:
    """Flooding a case must not bury it."""
    assert 0 <= priority([*before, *more]) <= priority(before)


# ------------------------------------------------------------------------------------------ holds

BY_WEIGHT, BY_EVIDENCE = Hold(Rule.WEIGHT, NOW + HELD_BY_WEIGHT), Hold(Rule.EVIDENCE, NOW + HELD_BY_EVIDENCE)
PROOF = charge(PEOPLE[0], LEAST_WEIGHT, category=ReportCategory.SEXTORTION, verified=True)
THREE = [charge(PEOPLE[0], 0.9), charge(PEOPLE[1], 0.9), charge(PEOPLE[2], 0.7)]
TABLE: dict[str, tuple[Sequence[Charge], Hold | None]] = {
    "nothing": ([], None),
    "three people whose words weigh enough": (THREE, BY_WEIGHT),
    "a hair too little weight": ([*THREE[:2], replace(THREE[2], weight=0.699)], None),
    "two people, whatever they weigh": ([charge(weight=1), charge(weight=1)], None),
    "many who weigh little": ([charge(weight=0.1) for _ in range(24)], None),
    "so many that it is enough": ([charge(weight=0.1) for _ in range(26)], BY_WEIGHT),
    "five with no record": ([charge(weight=0.5) for _ in range(5)], BY_WEIGHT),
    "four with no record": ([charge(weight=0.5) for _ in range(4)], None),
    "one person from ten rooms": ([charge(PEOPLE[0], 1) for _ in range(10)], None),
    "one person from ten rooms, and another": ([charge(PEOPLE[0], 1) for _ in range(10)] + [charge(weight=1)], None),
    "one of the three a day ago": ([*THREE[:2], replace(THREE[2], at=NOW - COUNTED_FOR)], None),
    "one of the three almost a day ago": (
        [*THREE[:2], replace(THREE[2], at=NOW - COUNTED_FOR + MILLISECOND)],
        BY_WEIGHT,
    ),
    "forty accounts made a minute ago": ([newcomer() for _ in range(40)], None),
    "new accounts beside two people": (
        [charge(weight=0.7), charge(weight=0.8), *(newcomer() for _ in range(40))],
        BY_WEIGHT,
    ),
    "new accounts beside one person": ([charge(weight=1), *(newcomer() for _ in range(40))], None),
    "a proof in a most urgent category": ([PROOF], BY_EVIDENCE),
    "a proof by a new account": ([replace(PROOF, account_age=MINUTE)], BY_EVIDENCE),
    "the same without proof": ([replace(PROOF, verified=False)], None),
    "a proof of something that can wait": ([replace(PROOF, category=ReportCategory.VIOLENCE_OR_THREAT)], None),
    "both": ([PROOF, *(replace(each, reporter=uuid4()) for each in THREE)], BY_EVIDENCE),
    "a proof of an hour ago": ([replace(PROOF, at=NOW - HOUR)], Hold(Rule.EVIDENCE, BY_EVIDENCE.ends_at - HOUR)),
    "a proof of a day ago": ([replace(PROOF, at=NOW - DAY)], None),
    "those who held already": ([replace(each, spent=True) for each in THREE], None),
    "those who held already, again": ([*(replace(each, spent=True) for each in THREE), *THREE], None),
    "two of those who held, and a third": ([*(replace(each, spent=True) for each in THREE[:2]), THREE[2]], None),
    "three others after a hold": (
        [*(replace(each, spent=True, reporter=uuid4()) for each in THREE), *THREE],
        BY_WEIGHT,
    ),
    "a proof that held already": ([replace(PROOF, spent=True)], None),
    "another proof by whom it held already": ([replace(PROOF, spent=True), PROOF], None),
    "a proof by somebody else": ([replace(PROOF, spent=True), replace(PROOF, reporter=PEOPLE[1])], BY_EVIDENCE),
    "a proof by one of those who held by weight": (
        [*(replace(each, spent=True) for each in THREE), PROOF],
        BY_EVIDENCE,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_hold_is_due_by_the_table(name: str) -> None:
    """2.5 of weight by three people in 24 hours hold for 30 minutes; a proof in a most urgent category until reviewed, or a day."""
    reports, due = TABLE[name]
    assert hold_due(reports, NOW) == due


@given(charges)
def test_no_rule_suspends_for_good_nor_takes_more_than_matching(reports: list[Charge]) -> None:
    """What a machine does by itself ends by itself, within a day: anything else is for people to decide."""
    hold = hold_due(reports, NOW)
    if hold is not None:
        suspension = hold.suspension(uuid4(), user_id=uuid4(), case_id=uuid4(), now=NOW)
        assert suspension.scope is SuspensionScope.MATCHING
        assert suspension.automated
        assert suspension.ends_at is not None
        assert timedelta(0) < suspension.ends_at - suspension.starts_at <= HELD_BY_EVIDENCE
        assert suspension.active(NOW)
        assert not suspension.active(NOW + HELD_BY_EVIDENCE)
        assert suspension.category is None, "it may tell whose report it was"


@given(charges)
def test_one_persons_reports_never_suffice_for_the_rule_of_weight(reports: list[Charge]) -> None:
    """Nor two's: however often, from however many rooms, and from however many accounts of their devices."""
    for most in (1, 2):
        theirs = [replace(each, reporter=PEOPLE[each.reporter.int % most], verified=False) for each in reports]
        assert hold_due(theirs, NOW) is None


@given(st.integers(0, 10_000), charges)
def test_accounts_in_their_first_hour_hold_nobody_however_many(count: int, reports: list[Charge]) -> None:
    """Brigading: an account costs a request. Without anybody whose account is older they come to nothing."""
    brigade = [newcomer(reporter=UUID(int=number)) for number in range(count % 300)]
    others = [replace(each, account_age=each.account_age % FIRST_HOUR, verified=False, weight=1.0) for each in reports]
    assert hold_due([*brigade, *others], NOW) is None


@given(charges)
def test_what_is_not_proved_never_holds_by_evidence(reports: list[Charge]) -> None:
    """A forged screenshot is what everybody can make."""
    hold = hold_due([replace(each, verified=False) for each in reports], NOW)
    assert hold is None or hold.rule is Rule.WEIGHT


@given(charges)
def test_proof_adds_nothing_to_the_rule_of_weight(reports: list[Charge]) -> None:
    """Nor does its lack take anything: the rule counts people."""
    waits = [replace(each, category=ReportCategory.SPAM_OR_SCAM) for each in reports]
    unproved = [replace(each, verified=False) for each in waits]
    assert hold_due(waits, NOW) == hold_due(unproved, NOW)


@given(charges, st.lists(st.sampled_from(PEOPLE)))
def test_a_hold_is_not_repeated_by_who_brought_it(reports: list[Charge], again: list[UUID]) -> None:
    """Or the same three would keep somebody out for as long as they like."""
    spent = [replace(each, spent=True) for each in reports]
    assert hold_due(spent, NOW) is None
    heard = {each.reporter for each in spent if NOW - each.at < COUNTED_FOR}
    more = [charge(reporter, 1) for reporter in again if reporter in heard]
    assert hold_due([*spent, *more], NOW) is None


@given(charges)
def test_no_hold_by_weight_weighs_less_than_it_must(reports: list[Charge]) -> None:
    """The promise to whoever is held: so many, and so much, within a day."""
    hold = hold_due(reports, NOW)
    if hold is not None and hold.rule is Rule.WEIGHT:
        counted = [each for each in reports if NOW - each.at < COUNTED_FOR]
        heaviest = {p: max((c.weight for c in counted if c.reporter == p), default=0) for p in PEOPLE}
        assert sum(heaviest.values()) >= ENOUGH_WEIGHT - 1e-9
        assert sum(weight > 0 for weight in heaviest.values()) >= 3


def test_ten_new_devices_would_have_been_enough_by_weight_alone() -> None:
    """Why new accounts count as one person together: a quarter each, ten of them were 2.5, and they cost ten requests."""
    assert 10 * newcomer().weight == ENOUGH_WEIGHT
    assert hold_due([newcomer() for _ in range(10)], NOW) is None
    assert 3 * BEST > ENOUGH_WEIGHT


@pytest.mark.parametrize(
    ("ends_at", "lifted_at", "outlasted"),
    [
        (None, None, True),
        (NOW + HELD_BY_WEIGHT, None, True),
        (NOW + HELD_BY_WEIGHT - MILLISECOND, None, False),
        (None, NOW, False),
        (NOW - HOUR, None, False),
    ],
)
def test_nobody_is_held_who_is_kept_out_as_long_anyhow(
    *, ends_at: datetime | None, lifted_at: datetime | None, outlasted: bool
) -> None:
    """They would be told of a second suspension that takes nothing."""
    held = BY_WEIGHT.suspension(uuid4(), user_id=uuid4(), case_id=uuid4(), now=NOW - DAY)
    there = replace(held, ends_at=ends_at, lifted_at=lifted_at)
    assert BY_WEIGHT.outlasted([there], NOW) is outlasted
    assert not BY_WEIGHT.outlasted([], NOW)


def test_the_statements_of_reasons_do_not_tell_who_reported_or_what_was_proved() -> None:
    """Whoever disclosed a message is the one who received it: to say that there is one is to name them."""
    for hold in (BY_WEIGHT, BY_EVIDENCE):
        reason = hold.suspension(uuid4(), user_id=uuid4(), case_id=uuid4(), now=NOW).reason.lower()
        assert reason
        assert not any(word in reason for word in ("message", "evidence", "proof", "prove", "partner", "room"))
