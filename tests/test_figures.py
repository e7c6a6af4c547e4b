"""The figures of each minute: nothing lost, nothing doubled, and nothing made up, whoever writes them down and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.databases import foreign
from api.figures import SAMPLED_WITHIN, Recorder
from api.parts import assembled
from api.settings import Settings
from domain.errors import Unavailable
from domain.figures import FIGURES_KEPT
from domain.safety import audit
from domain.safety.appeal import Appeal, AppealStatus
from domain.safety.audit import Action
from domain.safety.case import CaseDecision
from domain.stats import Stats
from persistence.figures import FILLED
from persistence.retention import purge
from tests.casework import judge
from tests.counting import statements
from tests.waiting import until
from tests.world import START, World, open_world
from tests.world.parts import ROOTS

MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
NOTHING = {
    "matches": 0, "median_wait_seconds": None, "reports": 0, "dismissals": 0, "warnings": 0, "suspensions": 0, "holds": 0,
    "appeals": 0,
}  # fmt: skip
UNKNOWN = dict.fromkeys(("online", "waiting", "in_call", "open_rooms"))


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


@dataclass
class Sampled:
    """Stands for the figures of now: so many are online, or the database is away."""

    online: int = 7
    down: bool = False

    async def now(self) -> Stats:
        """See `ports.StatsSource`."""
        if self.down:
            raise Unavailable
        return Stats(self.online, 3, 4, 2, 99, 5.0)

    async def next(self, seen: Stats) -> Stats:
        """Nobody asks."""
        raise NotImplementedError


SAMPLE = {"online": 7, "waiting": 3, "in_call": 4, "open_rooms": 2}


def recorder(world: World, sampled: Sampled | None = None) -> Recorder:
    """Somebody who leads."""
    return Recorder(world.database.reading, sampled or Sampled(), world.clock)


def go_to(world: World, at: datetime) -> None:
    """Sets the clock."""
    world.clock.moved = at - START


async def recorded(world: World) -> dict[datetime, dict[str, Any]]:
    """All that is written down, by minute."""
    async with world.database.reading() as connection:
        rows = (await connection.execute(text("SELECT * FROM minute_figures ORDER BY minute"))).mappings().all()
    return {row["minute"]: {name: value for name, value in row.items() if name != "minute"} for row in rows}


async def counts(world: World, at: datetime) -> dict[str, Any]:
    """What is written down of a minute, but for what is nothing."""
    found = (await recorded(world))[at]
    return {name: value for name, value in found.items() if value and name not in UNKNOWN}


async def everything(world: World) -> None:
    """One of each that is counted happens now, of decisions one of each kind; the match after 4 s of waiting."""
    now = world.clock()
    go_to(world, now - 4 * SECOND)
    one, other = await world.user(), await world.user()
    await world.queue(one)
    await world.queue(other)
    go_to(world, now)
    await world.match(one, other)
    olive = await world.operator()
    cases = [await world.case_about(await world.user()) for _ in CaseDecision]
    for case_id, decision in zip(cases, CaseDecision, strict=True):
        await judge(world, olive, case_id, decision.value)
    reported = await world.case_about(one, other)
    suspension = await world.suspend(one)
    appeal = Appeal(uuid4(), suspension.id, reported, one.user_id, "No.", AppealStatus.OPEN, now)
    await world.database.transact(lambda uow: uow.appeals.add(appeal))
    await world.database.transact(lambda uow: audit.record(uow, uuid4(), Action.USER_HELD, at=now))


ONE_OF_EACH = {
    "matches": 1, "median_wait_seconds": 4.0, "reports": 1, "dismissals": 1, "warnings": 1, "suspensions": 1, "holds": 1,
    "appeals": 1,
}  # fmt: skip


async def test_a_minute_is_what_was_there_at_its_end_and_what_happened_in_it(world: World) -> None:
    """With the real figures of now: who plots both sees them agree with what the landing page said."""
    await world.pair()
    await world.queue(await world.user())
    go_to(world, START + MINUTE + SECOND)
    await Recorder(world.database.reading, world.stats, world.clock).look()
    row = NOTHING | {"online": 2, "waiting": 1, "in_call": 2, "open_rooms": 1, "matches": 1, "median_wait_seconds": 0.0}
    assert await recorded(world) == {START: row}


@pytest.mark.parametrize("late", [timedelta(), 59_999 * MS])
async def test_what_happens_at_a_border_is_in_one_minute(world: World, late: timedelta) -> None:
    """The first moment is the minute's, and so is the last: all plots together show as much as there was."""
    go_to(world, START + late)
    await everything(world)
    writing = recorder(world)
    for minute in range(4):
        go_to(world, START + minute * MINUTE + SECOND)
        await writing.look()
    assert [row["matches"] for row in (await recorded(world)).values()] == [0, 1, 0, 0]
    assert await counts(world, START) == ONE_OF_EACH
    assert sum(row["reports"] for row in (await recorded(world)).values()) == 1


async def test_the_wait_is_the_median_of_a_minute(world: World) -> None:
    """Of everybody who was matched in it, and not of whoever waited longest."""
    for seconds in (1, 2, 90):
        go_to(world, START - seconds * SECOND)
        one, other = await world.user(), await world.user()
        await world.queue(one)
        await world.queue(other)
        go_to(world, START + SECOND)
        await world.match(one, other)
    go_to(world, START + MINUTE)
    await recorder(world).look()
    assert await counts(world, START) == {"matches": 3, "median_wait_seconds": 3.0}


async def test_a_minute_is_asked_for_once(world: World) -> None:
    """Who leads looks at the clock every second, and at the database once a minute."""
    writing = recorder(world)
    with statements(world.database.engine) as asked:
        for second in range(120):
            go_to(world, START + second * SECOND)
            await writing.look()
    assert len(asked) == 2
    assert list(await recorded(world)) == [START - MINUTE, START]


async def test_two_who_write_at_once_write_once(world: World) -> None:
    """A leader that was frozen writes beside the next one: what is there is neither doubled nor fought over."""
    for minute in range(3):
        await everything(world)
        go_to(world, START + (minute + 1) * MINUTE)
        await asyncio.gather(*(recorder(world, Sampled(online)).look() for online in range(1, 7)))
    found = await recorded(world)
    assert list(found) == [START + minute * MINUTE for minute in range(3)]
    assert all({name: row[name] for name in NOTHING} == ONE_OF_EACH for row in found.values())
    seen = [row["online"] for row in found.values()]
    assert all(online in range(1, 7) for online in seen)
    go_to(world, world.clock() + SECOND)
    await recorder(world, Sampled(99)).look()
    assert [row["online"] for row in (await recorded(world)).values()] == seen, "the first sample stays"


async def test_what_nobody_wrote_down_is_counted_later_and_its_samples_are_unknown(world: World) -> None:
    """Between two leaders nothing is lost; and nobody knows who was online then, so the plot has a gap and no zero."""
    go_to(world, START + SECOND)
    await recorder(world).look()
    for minute in range(5):
        go_to(world, START + minute * MINUTE + SECOND)
        await everything(world)
    go_to(world, START + 5 * MINUTE + SECOND)
    await recorder(world, Sampled(8)).look()
    found = await recorded(world)
    assert found.pop(START - MINUTE) == NOTHING | SAMPLE
    assert found.pop(START + 4 * MINUTE) == ONE_OF_EACH | SAMPLE | {"online": 8}
    assert found == {START + minute * MINUTE: ONE_OF_EACH | UNKNOWN for minute in range(4)}


async def test_after_a_long_absence_the_last_hour_is_counted(world: World) -> None:
    """A statement for each minute of a month that a database was switched off would keep everybody waiting."""
    await recorder(world).look()
    go_to(world, START + 10 * MINUTE)
    await everything(world)
    last = START + timedelta(hours=10)
    go_to(world, last - FILLED + MINUTE)
    await everything(world)
    go_to(world, last + MINUTE)
    await recorder(world).look()
    assert list(await recorded(world)) == [START - MINUTE, *(last - n * MINUTE for n in reversed(range(60)))]
    assert await counts(world, last - FILLED + MINUTE) == ONE_OF_EACH


async def test_before_the_first_minute_nothing_is_written(world: World) -> None:
    """A service that began now had no hour of silence before."""
    await recorder(world).look()
    assert await recorded(world) == {START - MINUTE: NOTHING | SAMPLE}


@pytest.mark.parametrize(
    ("late", "known"), [(SAMPLED_WITHIN - MS, True), (SAMPLED_WITHIN, False), (59 * SECOND, False)]
)
async def test_a_sample_that_comes_too_late_is_none(world: World, late: timedelta, *, known: bool) -> None:
    """Who leads from the middle of a minute on does not know how the last one ended."""
    go_to(world, START + late)
    await recorder(world).look()
    assert await recorded(world) == {START - MINUTE: NOTHING | (SAMPLE if known else UNKNOWN)}


async def test_what_is_committed_late_is_counted_in_its_minute(world: World) -> None:
    """A transaction that waited for a lock over the end of its minute is in neither a later one nor in none."""
    writing = recorder(world)
    for minutes in (1, 2):
        go_to(world, START + minutes * MINUTE)
        await writing.look()
    go_to(world, START + MINUTE - MS)
    await everything(world)
    go_to(world, START + 3 * MINUTE)
    await writing.look()
    assert await counts(world, START) == ONE_OF_EACH
    assert await counts(world, START + MINUTE) == await counts(world, START + 2 * MINUTE) == {}
    assert (await recorded(world))[START]["online"] == 7, "the sample is of then"


async def test_an_outage_costs_samples_and_no_counts(world: World) -> None:
    """A minute that could not be written is tried again until it is."""
    sampled = Sampled(down=True)
    writing = recorder(world, sampled)
    with pytest.raises(Unavailable):
        await writing.look()
    assert await recorded(world) == {}
    sampled.down = False
    go_to(world, START + SECOND)
    await writing.look()
    assert await recorded(world) == {START - MINUTE: NOTHING | SAMPLE}


async def test_figures_are_kept_for_a_month(world: World) -> None:
    """To the minute: the table does not grow for ever, and the last month can be compared with this one."""
    await recorder(world).look()
    go_to(world, START + MINUTE)
    await recorder(world).look()
    go_to(world, START + FIGURES_KEPT)
    assert (await purge(world.database.reading, world.clock()))["minute_figures"] == 1
    assert list(await recorded(world)) == [START]


async def test_a_server_writes_its_figures_down(database_url: str, tmp_path: Path, world: World) -> None:
    """Whoever leads, and with `memory://` the only one there is."""
    settings = Settings(database_url=database_url, data_dir=tmp_path)

    async def written() -> bool:
        return bool(await recorded(world))

    async with assembled(settings, foreign(settings, database_url), ROOTS):
        await until(written)
