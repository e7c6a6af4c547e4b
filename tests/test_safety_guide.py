"""The guide for those who judge says what the code does: every default in its tables, and every operation in its examples."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from graphql import parse, print_ast, validate

from domain.figures import FIGURES_KEPT
from domain.franking import DISCLOSED_WITHIN
from domain.safety import judging, ladder, retention, rules
from domain.safety.acquaintance import REMEMBERED
from domain.safety.report import MOST_EVIDENCE
from domain.safety.rules import Charge, priority, reporter_weight
from domain.safety.suspension import ReportCategory
from schema.api import schema
from tests.acceptance.server import ROOT
from tests.world import START

GUIDE = (ROOT / "docs" / "SAFETY.md").read_text()


def spoken(time: timedelta) -> str:
    """A time as the guide writes it: in days from two on, in hours from one on."""
    if time >= timedelta(days=2):
        assert not time % timedelta(days=1)
        return f"{time.days} days"
    hours, minutes = time // timedelta(hours=1), time // timedelta(minutes=1)
    if hours:
        return f"{hours} hour" + "s" * (hours > 1)
    return f"{minutes} minutes"


def listed(categories: frozenset[ReportCategory]) -> str:
    """Categories as the guide lists them: in the order of the API where they are grave."""
    return ", ".join(category for category in ReportCategory if category in categories)


_LADDER = ", ".join(("warning", *map(spoken, ladder.DURATIONS), "for good"))
_WEIGHT = "(upheld + 2) / (upheld + dismissed + 4)"
DEFAULTS = {
    "whom one may block or report": f"met within {spoken(REMEMBERED)}",
    "messages disclosed with a report": f"{MOST_EVIDENCE} at most, {spoken(DISCLOSED_WITHIN)} old at most",
    "weight of a reporter": f"{_WEIGHT}, {rules.LEAST_WEIGHT:g} to 1; halved in the account's first hour",
    "hold by weight": (
        f"{spoken(rules.HELD_BY_WEIGHT)}, when {rules.ENOUGH_REPORTERS} different reporters of the last "
        f"{spoken(rules.COUNTED_FOR)} weigh {rules.ENOUGH_WEIGHT:g} together; accounts in their first hour weigh "
        f"{rules.NEWCOMERS:g} together at most"
    ),
    "hold by evidence": (
        f"until reviewed, {spoken(rules.HELD_BY_EVIDENCE)} at most, for one verified message in: {listed(rules.MOST_URGENT)}"
    ),
    "a claim holds for": f"{spoken(judging.LEASE)}; claiming again renews it",
    "the ladder": _LADDER,
    "a step counts for": f"{spoken(ladder.COUNTS_FOR)}; what was overturned or lifted counts for nothing",
    "a suspension tells its category": (
        f"when {judging.ENOUGH_REPORTERS} different reporters named it: else it would tell who reported"
    ),
    "evidence, comments, statements and reasons of a dismissed case": (
        f"{spoken(retention.WORDS_OF_DISMISSED_KEPT)} from the decision"
    ),
    "the same of any other case": f"{spoken(retention.WORDS_KEPT)} from the last decision, an appeal's included",
    "the same where a report of CHILD_SAFETY, MINOR_WITH_ADULT or SEXTORTION was upheld": (
        f"{spoken(retention.GRAVEST_WORDS_KEPT)} from the last decision"
    ),
    "reports, cases, warnings and appeals without their words; suspensions from their end": spoken(
        retention.RECORDS_KEPT
    ),
    "which device a deleted account had": (
        f"{spoken(retention.DEVICE_OF_DELETED_KEPT)}, longer only while a case about it is undecided"
    ),
    "accounts that nobody can sign in to any more": spoken(retention.ACCOUNTS_KEPT),
    "the figures of each minute, which name nobody": spoken(FIGURES_KEPT),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_guide_tells_every_default(name: str) -> None:
    """Who answers for a service tells others what it does: an old number would be a false statement of theirs."""
    assert f"| {name} | {DEFAULTS[name]} |" in GUIDE


def test_the_guide_tells_the_gravest_categories() -> None:
    """Those of the rules and those of retention are the same, and the text names them."""
    assert rules.MOST_URGENT == retention.PRESERVED == {"CHILD_SAFETY", "MINOR_WITH_ADULT", "SEXTORTION"}
    assert timedelta(hours=1) == rules.FIRST_HOUR
    assert reporter_weight(0, 0, rules.FIRST_HOUR) * 5 == rules.ENOUGH_WEIGHT


def test_the_guide_tells_the_order_of_cases() -> None:
    """An alarm on priorities must ring for what it is meant for."""
    ranks: dict[int, list[str]] = {}
    for category in ReportCategory:
        said = Charge(
            reporter=UUID(int=1), account_age=timedelta(days=1), category=category, weight=0.5, verified=True, at=START
        )
        ranks.setdefault(priority([said]), []).append(category)
    rows = [f"| {rank}–{rank + 2} | {', '.join(sorted(ranks[rank]))} |" for rank in sorted(ranks)]  # noqa: RUF001
    told = [line for line in GUIDE.splitlines() if re.match(r"\| \d+–\d+ \|", line)]  # noqa: RUF001
    assert sorted(told) == sorted(rows)


def test_the_guide_s_operations_are_those_of_the_api() -> None:
    """What an operator copies in a hurry works."""
    blocks = re.findall(r"```graphql\n(.*?)```", GUIDE, re.DOTALL)
    operations = [definition for block in blocks for definition in parse(block).definitions]
    assert len(operations) >= 5
    for operation in operations:
        assert validate(schema._schema, parse(print_ast(operation))) == []


def test_every_link_leads_somewhere() -> None:
    """Within the guides: a heading that was renamed leaves nobody at the top of a page."""
    for file, anchor in re.findall(r"\]\(([A-Z]+\.md)(?:#([a-z-]+))?\)", GUIDE):
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / file).read_text(), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}
    for guide in ("README.md", "docs/ARCHITECTURE.md", "docs/OPERATIONS.md"):
        assert "SAFETY.md" in (ROOT / guide).read_text()
