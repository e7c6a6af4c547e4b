"""The figures over time as operators plot them: who may, how minutes are summed up, and how much at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from graphql import parse
from sqlalchemy import text

from domain.errors import BadInput, Forbidden, Unauthenticated
from domain.figures import MOST_POINTS, FigureResolution
from domain.identity import Caller, OperatorRole, SessionScope
from domain.safety.operators import remove_operator
from schema.api import schema
from schema.execution.cost import costs
from schema.execution.documents import Prepared
from schema.execution.execute import PLANNED
from schema.scalars import format_time
from tests.streams import ENGINE
from tests.world import START, World, open_world

SAMPLED = "online waiting inCall openRooms peakOnline peakWaiting peakInCall peakOpenRooms"
COUNTED = "matches reports dismissals warnings suspensions holds appeals"
FIGURES = f"""query($since: DateTime!, $until: DateTime, $resolution: FigureResolution! = MINUTE) {{
  figures(since: $since, until: $until, resolution: $resolution) {{ at minutes {SAMPLED} {COUNTED} typicalWaitSeconds }} }}"""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ROW = text("""
    INSERT INTO minute_figures VALUES (:minute, CAST(:online AS integer), :online, :online, :online, :matches, :median,
                                       :count, :count + 1, :count + 2, :count + 3, :count + 4, :count + 5)
""")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def write(
    world: World,
    minute: datetime,
    *,
    online: int | None = 1,
    matches: int = 0,
    median: float | None = None,
    count: int = 0,
) -> None:
    """Puts a minute there."""
    values = {"minute": minute, "online": online, "matches": matches, "median": median, "count": count}
    async with world.database.reading() as connection:
        await connection.execute(ROW, values)


async def asked(
    world: World, who: Caller | None, since: datetime, until: datetime | None = None, **more: object
) -> list[dict[str, Any]]:
    """The points."""
    end = {} if until is None else {"until": format_time(until)}
    found: list[dict[str, Any]] = await world.answer(FIGURES, who, since=format_time(since), **end, **more)
    return found


async def test_figures_are_for_operators(world: World) -> None:
    """How many people are reported is nobody else's business; whoever lost the role a moment ago is somebody else."""
    olive = await world.operator()
    admin = await world.operator(OperatorRole.ADMIN)
    since = START - HOUR
    for who in (olive, admin):
        assert await asked(world, who, since) == []
    with pytest.raises(Unauthenticated):
        await asked(world, None, since)
    await remove_operator(world.database.transact, uuid4, olive.user_id, now=world.clock())
    for other in (await world.user(), replace(admin, scope=SessionScope.APPEAL_ONLY), olive):
        for wrong in (since, START + HOUR):  # Input is looked at behind authority.
            with pytest.raises(Forbidden):
                await asked(world, other, wrong)


async def test_a_minute_is_shown_as_it_was_recorded(world: World) -> None:
    """What was not sampled is null and what was not recorded is missing: neither is a zero in a plot."""
    olive = await world.operator()
    await write(world, START - 3 * MINUTE, online=5, matches=2, median=3.5, count=1)
    await write(world, START - MINUTE, online=None)
    sampled, counted = SAMPLED.split(), COUNTED.split()
    assert await asked(world, olive, START - HOUR) == [
        {"at": "2026-11-21T09:27:00.000Z", "minutes": 1, "typicalWaitSeconds": 3.5}
        | dict.fromkeys(sampled, 5)
        | dict(zip(counted, (2, 1, 2, 3, 4, 5, 6), strict=True)),
        {"at": "2026-11-21T09:29:00.000Z", "minutes": 1, "typicalWaitSeconds": None}
        | dict.fromkeys(sampled)
        | dict(zip(counted, (0, 0, 1, 2, 3, 4, 5), strict=True)),
    ]


async def test_a_longer_time_sums_up_its_minutes(world: World) -> None:
    """Counts are added, samples averaged over those that there are, and the highest is kept."""
    olive = await world.operator()
    ten = START - 10 * MINUTE
    for minute, online in enumerate((4, None, 7)):
        await write(world, ten + minute * MINUTE, online=online, matches=minute, count=minute)
    await write(world, ten - MINUTE, online=None)
    before, point = await asked(world, olive, ten - MINUTE, resolution="TEN_MINUTES")
    assert (before["at"], before["minutes"], before["online"], before["peakOnline"]) == (
        "2026-11-21T09:10:00.000Z", 1, None, None,
    )  # fmt: skip
    assert (point["at"], point["minutes"]) == ("2026-11-21T09:20:00.000Z", 3)
    assert [point[name] for name in SAMPLED.split()] == [5.5] * 4 + [7] * 4
    assert [point[name] for name in COUNTED.split()] == [3, 3, 6, 9, 12, 15, 18]


async def test_a_typical_wait_is_that_of_most(world: World) -> None:
    """A quiet minute in which two waited long does not make a busy hour look slow."""
    olive = await world.operator()
    hours: list[tuple[list[tuple[int, float | None]], float | None]] = [
        ([(1, 8.0)], 8.0),
        ([(1, 8.0), (9, 2.0)], 2.0),
        ([(9, 8.0), (1, 2.0)], 8.0),
        ([(1, 30.0), (0, None), (1, 1.0), (1, 5.0)], 5.0),
        ([(2, 2.0), (2, 4.0)], 2.0),
        ([(0, None), (0, None)], None),
    ]
    first = START.replace(minute=0) - len(hours) * HOUR
    for hour, (minutes, _) in enumerate(hours):
        for nth, (matches, median) in enumerate(minutes):
            await write(world, first + hour * HOUR + nth * MINUTE, matches=matches, median=median)
    points = await asked(world, olive, first, resolution="HOUR")
    assert [point["typicalWaitSeconds"] for point in points] == [typical for _, typical in hours]


@pytest.mark.parametrize("resolution", FigureResolution)
async def test_points_begin_where_everybody_s_do(world: World, resolution: FigureResolution) -> None:
    """Plots of two people, and of yesterday and today, are of the same hours: the first one is whole."""
    olive = await world.operator()
    midnight = START.replace(hour=0, minute=0)
    border = midnight if resolution is FigureResolution.DAY else START.replace(minute=0)
    before, first, last = border - MINUTE, border, border + resolution.length - MINUTE
    for minute in {before, first, last, border + resolution.length}:
        await write(world, minute)
    since = border + resolution.length - timedelta(milliseconds=1)
    (point,) = await asked(world, olive, since, border + resolution.length, resolution=resolution.value)
    assert (point["at"], point["minutes"]) == (format_time(border), len({first, last}))
    found = await asked(world, olive, before, border + 2 * resolution.length, resolution=resolution.value)
    assert [each["at"] for each in found] == [format_time(border + nth * resolution.length) for nth in (-1, 0, 1)]


async def test_without_an_end_it_is_now(world: World) -> None:
    """The plot of the last hour is asked for by its beginning."""
    olive = await world.operator()
    await write(world, START - MINUTE)
    await write(world, START)
    assert len(await asked(world, olive, START - HOUR)) == 1
    world.clock.forward(seconds=1)
    assert len(await asked(world, olive, START - HOUR)) == 2


async def test_an_answer_has_an_end(world: World) -> None:
    """As many points as a plot has pixels, and not one more; and no time that ends before it begins."""
    olive = await world.operator()
    most = MOST_POINTS * MINUTE
    assert await asked(world, olive, START - most) == []
    for since, until, resolution in (
        (START - most - timedelta(milliseconds=1), START, "MINUTE"),
        (START - most, START + timedelta(milliseconds=1), "MINUTE"),
        (START - (MOST_POINTS + 1) * DAY, START, "DAY"),
        (datetime.fromisoformat("0001-01-01T00:00:00Z"), datetime.fromisoformat("9999-12-31T23:59:59Z"), "DAY"),
        (START, START, "HOUR"),
        (START + HOUR, START, "HOUR"),
        (START, None, "HOUR"),
    ):
        with pytest.raises(BadInput):
            await asked(world, olive, since, until, resolution=resolution)


async def test_what_is_no_time_is_refused(world: World) -> None:
    """A plot of another time than was meant would be believed."""
    olive = await world.operator()
    for wrong in (
        {"since": "yesterday"},
        {"since": "2026-11-21T09:30:00"},
        {"since": "2" * 100_000},
        {"since": 5},
        {"since": None},
        {},
        {"since": format_time(START), "until": "\x00"},
        {"since": format_time(START), "resolution": "SECOND"},
        {"since": format_time(START), "resolution": None},
    ):
        answer = await world.ask(FIGURES, olive, **wrong)
        assert (answer.data, len(answer.errors)) == (None, 1), wrong


async def test_figures_run_by_a_plan_and_cost_as_many_as_there_may_be(world: World) -> None:
    """A day of minutes is the largest list of the API, and what an operation may ask for counts it whole."""
    (cost,) = costs(schema._schema, parse(FIGURES)).values()
    assert cost.of({}) == MOST_POINTS
    olive = await world.operator()
    await write(world, START - MINUTE, online=3)
    prepared = ENGINE.documents.prepare(FIGURES)
    assert isinstance(prepared, Prepared)
    before = ENGINE.executed.copy()
    found = await cast(
        "Any", ENGINE.execute(prepared, {"since": format_time(START - HOUR)}, None, world.context(olive))
    )
    assert found == {"data": {"figures": await asked(world, olive, START - HOUR)}}
    assert {name for name, count in ENGINE.executed.items() if count > before.get(name, 0)} == {PLANNED}
