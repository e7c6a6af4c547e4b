"""Public figures: right, fresh, and cheap however many look at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from domain.errors import Unavailable
from domain.stats import Stats
from persistence.stats import LOCK_KEY, READ, DatabaseStats
from schema.api import schema
from tests.waiting import until
from tests.world import Clock, World, open_world

STATS = "{ online waiting inCall openRooms matchesLastHour medianWaitSeconds }"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


class Counted:
    """A database that counts how often it is asked, and answers as slowly as the test wants."""

    def __init__(self) -> None:
        self.asked = 0
        self.online = 0
        self.down = False
        self.now = 100.0
        self.free = asyncio.Event()
        self.free.set()
        self.stats = DatabaseStats(self.reading, Clock(), monotonic=lambda: self.now, sleep=self.sleep)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Passes the time at once."""
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        """A connection."""
        if self.down:
            raise Unavailable
        yield self

    async def execute(self, statement: object, *_: object) -> Any:  # noqa: ANN401  # a result of SQLAlchemy's
        """The figures, which nobody else has counted."""
        if statement is READ:
            return SimpleNamespace(one_or_none=lambda: None)
        self.asked += 1
        await self.free.wait()
        row = SimpleNamespace(
            online=self.online, waiting=0, in_call=0, open_rooms=0, matches_last_hour=0, median_wait_seconds=None
        )
        return SimpleNamespace(one_or_none=lambda: row)


async def counted_anew(world: World) -> Stats:
    """The figures as they are counted a second later."""
    await age(world)
    return await DatabaseStats(world.database.reading, world.clock).now()


async def age(world: World) -> None:
    """Makes the figures due."""
    async with world.database.reading() as connection:
        await connection.execute(text("UPDATE figures SET counted_at = clock_timestamp() - interval '1 second'"))


async def test_figures_count_what_is_there(world: World) -> None:
    """A newcomer decides by them whether it is worth to wait."""
    assert (await world.ask(f"{{ stats {STATS} }}")).data["stats"] == {
        "online": 0, "waiting": 0, "inCall": 0, "openRooms": 0, "matchesLastHour": 0, "medianWaitSeconds": None,
    }  # fmt: skip
    ada, _, over = await world.pair()
    await world.connect(ada)  # A second tab is the same user.
    await world.pair()
    await world.end(over)
    await world.queue(await world.user("Eve"))
    world.clock.forward(seconds=1)
    slow = (over.id, (await world.match(ada, await world.user())).id)
    async with world.database.engine.begin() as connection:
        for room_id in slow:
            times = {"matched": world.clock(), "enqueued": world.clock() - timedelta(seconds=4), "room": room_id}
            await connection.execute(
                text("UPDATE ticket SET enqueued_at = :enqueued, matched_at = :matched WHERE room_id = :room"), times
            )
    figures = await counted_anew(world)
    assert replace(figures, median_wait_seconds=None) == Stats(4, 1, 4, 2, 3, None)
    assert figures.median_wait_seconds == 4.0


async def test_somebody_in_two_rooms_is_one_in_a_call(world: World) -> None:
    """Figures that count seats would show more people talking than there are."""
    ada, bob, _ = await world.pair()
    await world.open_room(ada, bob, await world.user("Cid"))
    figures = await counted_anew(world)
    assert (figures.in_call, figures.open_rooms) == (3, 2)


async def test_matches_count_for_an_hour(world: World) -> None:
    """Figures of yesterday would promise a crowd that went to bed."""
    await world.pair()
    async with world.database.engine.begin() as connection:
        await connection.execute(text("UPDATE ticket SET matched_at = :at"), {"at": world.clock() - timedelta(hours=1)})
    figures = await counted_anew(world)
    assert (figures.matches_last_hour, figures.median_wait_seconds, figures.in_call) == (0, None, 2)


async def test_however_many_ask_the_database_counts_once_a_second() -> None:
    """A landing page with ten thousand readers must not cost ten thousand counts."""
    counted = Counted()
    counted.free.clear()
    asking = [asyncio.create_task(counted.stats.now()) for _ in range(100)]
    await until(lambda: counted.asked == 1)
    asking[0].cancel()  # Who began the count may go.
    await asyncio.sleep(0)
    counted.free.set()
    answers = await asyncio.gather(*asking[1:])
    assert counted.asked == 1
    assert len(set(answers)) == 1
    counted.now += 0.9
    await counted.stats.now()
    assert counted.asked == 1
    counted.now += 0.1
    await counted.stats.now()
    assert counted.asked == 2


async def test_a_count_that_takes_long_is_made_less_often(world: World) -> None:
    """With hundreds of thousands of matches an hour the figures get older, and the queue stays fast: on all workers together."""
    await world.pair()
    async with world.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE ticket RENAME TO quick"))
        await connection.execute(text("CREATE VIEW ticket AS SELECT quick.* FROM quick, pg_sleep(0.2)"))
    assert (await counted_anew(world)).online == 2
    async with world.database.reading() as connection:
        due = await connection.scalar(text("SELECT counted_at - clock_timestamp() FROM figures"))
    assert timedelta(seconds=0.5) < due < timedelta(seconds=60)
    async with world.database.reading() as connection:
        await connection.execute(text("DELETE FROM connection"))
    assert (await DatabaseStats(world.database.reading, world.clock).now()).online == 2


@asynccontextmanager
async def somebody_counts(world: World) -> AsyncIterator[None]:
    """Another worker is at it while the context is open."""
    async with world.database.engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})"))
        yield


async def test_while_one_worker_counts_the_others_show_what_is_there(world: World) -> None:
    """A landing page does not wait for a count that somebody else makes."""
    await counted_anew(world)
    await world.pair()
    async with somebody_counts(world):
        assert (await counted_anew(world)).online == 0
    assert (await counted_anew(world)).online == 2


async def test_the_first_figures_are_waited_for(world: World) -> None:
    """Nothing was ever counted: whoever asks while another worker makes the first count gets an answer, and a true one."""
    await world.pair()
    async with somebody_counts(world):
        asking = asyncio.create_task(DatabaseStats(world.database.reading, world.clock).now())
        await asyncio.wait((asking,), timeout=0.3)
        assert not asking.done()
    assert (await asking).online == 2


async def test_all_workers_share_one_count_and_see_each_others_people(database_url: str) -> None:
    """Sums of what each worker knows would count somebody with two tabs twice; forty counts a second would be a load."""
    async with open_world(database_url) as world, open_world(database_url, one_of_several=True) as other:
        ada, *_ = await world.pair()
        await other.connect(ada)  # A second tab, on another worker.
        await other.connect(await other.user("Cid"))
        answers = await asyncio.gather(
            *(DatabaseStats(each.database.reading, each.clock).now() for each in (world, other) for _ in range(5))
        )
        assert {(figures.online, figures.in_call) for figures in answers} == {(3, 2)}
        async with world.database.reading() as connection:
            counted_at = await connection.scalar(text("SELECT counted_at FROM figures"))
            await DatabaseStats(other.database.reading, other.clock).now()
            assert await connection.scalar(text("SELECT counted_at FROM figures")) == counted_at


async def test_the_people_of_a_dead_worker_count_no_more(database_url: str) -> None:
    """A worker that was killed leaves its connections behind until it is reaped; nobody is there."""
    async with open_world(database_url) as world, open_world(database_url, one_of_several=True) as killed:
        await world.connect(await world.user())
        await killed.pair()
        assert (await counted_anew(world)).online == 3
        await killed.lease.release()
        assert (await counted_anew(world)).online == 1


async def test_the_stream_tells_what_changed_and_outlasts_an_outage() -> None:
    """A front end shows them without asking, and does not have to reconnect when the database restarts."""
    counted = Counted()
    seen = await counted.stats.now()
    waiting = asyncio.create_task(counted.stats.next(seen))
    await until(lambda: counted.asked > 3)
    assert not waiting.done()
    counted.down = True
    before = len(counted.slept)
    await until(lambda: len(counted.slept) > before + 3)
    counted.online, counted.down = 7, False
    assert (await waiting).online == 7
    assert min(counted.slept) >= 1.0


async def test_however_many_wait_one_of_them_looks() -> None:
    """Ten thousand landing pages are one timer and one question a second, and see the same object: it is encoded once."""
    counted = Counted()
    seen = await counted.stats.now()
    waiting = [asyncio.create_task(counted.stats.next(seen)) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # Who began to wait may go.
    counted.online = 7
    told = await asyncio.gather(*waiting[1:])
    assert counted.asked == 2
    assert len(counted.slept) == 1
    assert len({id(figures) for figures in told}) == 1
    assert told[0].online == 7


async def test_an_outage_is_told_to_those_who_ask() -> None:
    """Figures of an unknown age are no figures; and the next one to ask is served when the database is back."""
    counted = Counted()
    counted.down = True
    with pytest.raises(Unavailable):
        await counted.stats.now()
    counted.down = False
    assert (await counted.stats.now()).online == 0


async def test_the_subscription_is_open_to_everybody(world: World) -> None:
    """Whoever looks at the landing page has not signed in yet."""
    world.stats = Counted().stats
    stream: Any = await schema.subscribe(f"subscription {{ stats {STATS} }}", context_value=world.context(None))
    first = await anext(stream)
    assert first.errors is None
    assert first.data["stats"]["online"] == 0
    await stream.aclose()
