"""What is counted of reports and decisions: for `/metrics`, and for the transparency report of a month."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from api.cli import main
from api.metrics import of_safety
from api.oversight import Oversight
from api.transparency import Month, figures, told
from domain.identity import Caller
from domain.ports import UnitOfWork
from domain.safety.appeal import Appeal, AppealStatus
from domain.safety.case import Case, CaseDecision, CaseStatus
from domain.safety.report import Report, ReportStatus
from domain.safety.retention import RECORDS_KEPT
from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope
from persistence.oversight import during
from tests.world import START, World, open_world

HOUR = timedelta(hours=1)
NOVEMBER = Month.of("2026-11")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server, after a day of which all is known."""
    async with open_world(database_url) as world:
        await _a_day(world)
        yield world


async def _a_day(world: World) -> None:
    """Four cases: one dismissed with its hold, one suspended and upheld on appeal, one suspended and overturned, one that waits;
    and one of long ago.
    """
    ann, *subjects = [await world.user(f"Person {number}") for number in range(6)]
    olive = await world.operator()
    began = START - timedelta(hours=20)

    async def case(subject: Caller, status: CaseStatus, at: datetime, took: timedelta, said: CaseDecision) -> Case:
        opened = Case(uuid4(), subject.user_id, CaseStatus.OPEN, 7, at)
        decided = replace(opened, status=status, decision=said, decided_by=olive.user_id, decided_at=at + took)

        async def work(uow: UnitOfWork) -> None:
            await uow.cases.add(opened)
            await uow.cases.save(decided)

        await world.database.transact(work)
        return decided

    async def report(of: Case, category: ReportCategory, status: ReportStatus, *, verified: bool) -> None:
        about = Report(
            id=uuid4(),
            case_id=of.id,
            reporter_id=ann.user_id,
            subject_id=of.subject_id,
            room_id=uuid4(),
            category=category,
            comment=None,
            status=status,
            weight=0.5,
            verified=verified,
            created_at=of.opened_at,
        )
        await world.database.transact(lambda uow: uow.reports.add(about, ()))

    async def suspended(of: Case, lasts: timedelta | None, *, rule: bool = False, lifted: bool = False) -> Suspension:
        scope = SuspensionScope.MATCHING if rule else SuspensionScope.ALL
        until = None if lasts is None else of.opened_at + lasts
        by = Suspension(uuid4(), of.subject_id, scope, "Be kind.", None, rule, of.opened_at, until, None, of.id)

        async def work(uow: UnitOfWork) -> None:
            await uow.suspensions.add(by, None)
            if lifted:
                await uow.suspensions.lift(by.id, of.opened_at + HOUR)

        await world.database.transact(work)
        return by

    async def appeal(of: Case, against: Suspension, status: AppealStatus) -> None:
        made = Appeal(uuid4(), against.id, of.id, of.subject_id, "No.", AppealStatus.OPEN, of.opened_at + HOUR)
        decided = replace(
            made, status=status, reason="So.", decided_by=olive.user_id, decided_at=made.created_at + HOUR
        )

        async def work(uow: UnitOfWork) -> None:
            await uow.appeals.add(made)
            if status is not AppealStatus.OPEN:
                await uow.appeals.save(decided)

        await world.database.transact(work)

    dropped = await case(subjects[0], CaseStatus.DISMISSED, began, HOUR, CaseDecision.DISMISS)
    await report(dropped, ReportCategory.HATE, ReportStatus.DISMISSED, verified=False)
    await report(dropped, ReportCategory.HATE, ReportStatus.DISMISSED, verified=False)
    await suspended(dropped, timedelta(minutes=30), rule=True, lifted=True)
    upheld = await case(subjects[1], CaseStatus.UPHELD, began, 2 * HOUR, CaseDecision.SUSPEND)
    await report(upheld, ReportCategory.SEXTORTION, ReportStatus.UPHELD, verified=True)
    await suspended(upheld, timedelta(hours=24) - timedelta(milliseconds=3), rule=True)
    await appeal(upheld, await suspended(upheld, None), AppealStatus.UPHELD)
    mistaken = await case(subjects[2], CaseStatus.OVERTURNED, began, 12 * HOUR, CaseDecision.SUSPEND)
    await report(mistaken, ReportCategory.HATE, ReportStatus.DISMISSED, verified=True)
    await appeal(mistaken, await suspended(mistaken, timedelta(days=7), lifted=True), AppealStatus.OVERTURNED)
    ancient = await case(subjects[3], CaseStatus.ACTIONED, began - timedelta(days=40), HOUR, CaseDecision.WARN)
    await report(ancient, ReportCategory.OTHER, ReportStatus.UPHELD, verified=False)
    waits = Case(uuid4(), subjects[4].user_id, CaseStatus.OPEN, 3, START - 3 * HOUR)
    await world.database.transact(lambda uow: uow.cases.add(waits))
    await report(waits, ReportCategory.CHILD_SAFETY, ReportStatus.RECEIVED, verified=False)
    await appeal(ancient, await suspended(ancient, timedelta(days=50)), AppealStatus.OPEN)


def exposed(oversight: Oversight) -> dict[str, float]:
    """What a scrape shows, by name and labels."""

    class Given(Collector):
        """As metrics are collected."""

        def collect(self) -> list[Metric]:
            return [] if oversight.seen is None else list(of_safety(oversight.seen))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Given())
    return {
        " ".join((sample.name.removeprefix("parley_"), *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


async def test_operators_see_what_waits_and_what_the_last_day_brought(world: World) -> None:
    """An alarm on the queue of cases, and whether those who judge keep up."""
    oversight = Oversight(world.database.reading, world.clock)
    assert exposed(oversight) == {}
    await oversight.look()
    found = exposed(oversight)
    assert {name: value for name, value in found.items() if value and not name.startswith("reports_last_day")} == {
        "cases_undecided 3": 1,
        "case_oldest_seconds": 3 * 3600,
        "appeals_undecided": 1,
        "holds_last_day": 2,
        "decisions_last_day DISMISS": 1,
        "decisions_last_day SUSPEND": 2,
        "decision_seconds_last_day 0.5": 2 * 3600,
        "decision_seconds_last_day 0.9": 12 * 3600,
        "appeals_last_day": 2,
        "appeals_decided_last_day UPHELD": 1,
        "appeals_decided_last_day OVERTURNED": 1,
    }
    reports = {name: value for name, value in found.items() if name.startswith("reports_last_day")}
    assert len(reports) == 2 * len(ReportCategory)
    assert {name.removeprefix("reports_last_day "): value for name, value in reports.items() if value} == {
        "HATE false": 2,
        "HATE true": 1,
        "SEXTORTION true": 1,
        "CHILD_SAFETY false": 1,
    }
    assert (found["cases_undecided 0"], found["decisions_last_day WARN"]) == (0, 0)


async def test_nobody_but_the_leader_tells_of_safety(world: World) -> None:
    """Else the sum over the workers would count everything several times."""
    oversight = Oversight(world.database.reading, world.clock)
    async with oversight.running():
        async with asyncio.timeout(25):
            while oversight.seen is None:
                await asyncio.sleep(0.01)
    assert exposed(oversight) == {}


async def test_a_month_is_told_in_figures(world: World) -> None:
    """What a report to the public asks for, and of that month alone."""
    async with world.database.reading() as connection:
        period = await during(connection, NOVEMBER.since, NOVEMBER.until)
    found: dict[str, Any] = json.loads(json.dumps(figures(period, complete=False)))
    received = {category: of for category, of in found.pop("reports").items() if of["received"]}
    assert received == {
        "HATE": {"received": 3, "verified": 1, "undecided": 0, "upheld": 0, "dismissed": 3},
        "SEXTORTION": {"received": 1, "verified": 1, "undecided": 0, "upheld": 1, "dismissed": 0},
        "CHILD_SAFETY": {"received": 1, "verified": 0, "undecided": 1, "upheld": 0, "dismissed": 0},
    }
    assert found == {
        "since": "2026-11-01T00:00:00+00:00",
        "until": "2026-12-01T00:00:00+00:00",
        "complete": False,
        "cases": {
            "opened": 4,
            "decisions": {"DISMISS": 1, "WARN": 0, "SUSPEND": 2},
            "medianSeconds": 2 * 3600,
            "ninthDecileSeconds": 12 * 3600,
        },
        "suspensions": [
            {"scope": "ALL", "automated": False, "seconds": 7 * 86_400, "count": 1, "lifted": 1},
            {"scope": "ALL", "automated": False, "seconds": None, "count": 1, "lifted": 0},
            {"scope": "MATCHING", "automated": True, "seconds": 1800, "count": 1, "lifted": 1},
            {"scope": "MATCHING", "automated": True, "seconds": 86_400, "count": 1, "lifted": 0},
        ],
        "automated": {"holds": 2, "dropped": 1},
        "appeals": {
            "received": 2,
            "decisions": {"UPHELD": 1, "OVERTURNED": 1},
            "medianSeconds": 3600,
            "ninthDecileSeconds": 3600,
        },
    }


async def test_the_command_prints_a_month(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As tables for people, or as JSON for what they write their reports with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_DATABASE_URL", database_url)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    assert await asyncio.to_thread(_run, "--month", "2026-11", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["appeals"]["received"] == 2
    assert await asyncio.to_thread(_run, "--month", "2026-11") == 0
    text = capsys.readouterr().out
    assert text.rstrip("\n") == told(found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "reports received verified undecided upheld dismissed",
        "HATE 3 1 0 0 3",
        "all 5 2 1 1 3",
        "decided SUSPEND 2",
        "nine of ten within 12 h",
        "ALL person good 1 0",
        "MATCHING rule 30 min 1 1",
        "of these dropped 1",
    ):
        assert line in lines
    assert await asyncio.to_thread(_run, "--month", "2020-02") == 0
    assert "complete no" in [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def _run(*arguments: str) -> int:
    """The command, where a loop of its own is allowed, and without what it does to the whole process: signals and logs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.logs.configure", lambda _: None)
        patch.setattr("signal.signal", lambda *_: None)
        return main(["transparency", *arguments])


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "2026-11-01", "November", "9999-12", "0000-01"])
def test_what_is_no_month_is_refused(month: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a sentence, not with the figures of another one."""
    with pytest.raises(SystemExit) as refused:
        main(["transparency", "--month", month])
    assert refused.value.code == 2
    assert "a month is written like 2026-11" in capsys.readouterr().err


def test_a_month_is_complete_once_it_is_over_and_until_records_are_deleted() -> None:
    """Who publishes figures knows whether any are missing."""
    assert (NOVEMBER.since, NOVEMBER.until) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert not NOVEMBER.complete(NOVEMBER.until - timedelta(seconds=1))
    assert NOVEMBER.complete(NOVEMBER.until)
    assert NOVEMBER.complete(NOVEMBER.since + RECORDS_KEPT)
    assert not NOVEMBER.complete(NOVEMBER.since + RECORDS_KEPT + timedelta(seconds=1))
    assert Month.of("2026-12").until == datetime(2027, 1, 1, tzinfo=UTC)
