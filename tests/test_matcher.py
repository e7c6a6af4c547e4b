"""The matcher's loop: whoever may meet meets within a second, whatever happens around it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.clock import utc_now
from api.matcher import TICK_SECONDS
from domain.errors import Conflict, Unavailable
from domain.events import Matched, MatchEnded
from domain.matchmaking.commit import NewMatch, Refusal
from domain.matchmaking.pool import Pair
from domain.matchmaking.queue import join_queue, leave_queue, new_ticket
from domain.matchmaking.ticket import ChatMode, Preferences
from domain.ports import UnitOfWork
from domain.rooms.room import MatchEndReason
from tests.waiting import until
from tests.world import ANYONE, Clock, World, open_world

T = TypeVar("T")
Work = Callable[[UnitOfWork], Awaitable[T]]

PROMISED = 1.0
"""Seconds: invariant 10, on a machine that has time for it."""
WITHIN = 30.0
"""Seconds after which what should happen within `PROMISED` is taken for lost, on a machine that runs everybody's tests."""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server whose matcher runs; nothing pokes it but the tests."""
    async with open_world(database_url, Clock(goes=True)) as world:
        await world.matcher.start()
        yield world


async def met(world: World, one: UUID, other: UUID, seconds: float = WITHIN) -> UUID:
    """Waits until the two sit in one match, and returns its room."""

    async def together() -> bool:
        room = await world.open_match(one)
        return room is not None and room.holds(other)

    await until(together, seconds)
    room = await world.open_match(one)
    assert room is not None
    return room.id


async def looked(world: World, times: int = 2) -> None:
    """Waits until the matcher has looked again, so that what it did not do by then it does not do."""
    ticks = {world.matcher.last_tick}

    async def ticked() -> bool:
        ticks.add(world.matcher.last_tick)
        return len(ticks) > times

    await until(ticked)


async def test_10_a_legal_pair_that_waits_is_matched_within_a_second(world: World) -> None:
    """The product's promise; and no poke is needed for it, for a poke may be lost."""
    took = []
    for _ in range(7):
        ada, bob = await world.people(2)
        await world.join(ada)
        last = await world.join(bob)
        room = await world.room(await met(world, ada, bob))
        took.append((room.created_at - last.enqueued_at).total_seconds())
        assert isinstance((await world.told(ada))[-1], Matched)
    assert sorted(took)[3] < PROMISED
    await until(lambda: world.matcher.matches == 7 and len(world.matcher.pool) == 0)


async def test_a_poke_is_heeded_at_once(world: World) -> None:
    """With two people in the queue nobody waits for a tick."""
    ada, bob = await world.people(2)
    await world.join(ada)
    took = []
    for _ in range(7):
        ticket = await world.join(bob)
        world.matcher.poke()
        room = await world.room(await met(world, ada, bob))
        took.append((room.created_at - ticket.enqueued_at).total_seconds())
        await world.skip(ada, room.id, cooldown=timedelta(0))
    assert sorted(took)[3] < TICK_SECONDS / 2


async def test_widening_matches_by_time_alone(world: World) -> None:
    """Two picky people of different tastes meet when their patience is over; nothing else has to happen."""
    ada, bob = await world.people(2)
    await world.join(ada, Preferences(ChatMode.TEXT, ("go",), (), 1))
    await world.join(bob, Preferences(ChatMode.TEXT, ("tea",), (), 1))
    await looked(world)
    assert await world.open_match(ada) is None
    await met(world, ada, bob)


async def test_the_end_of_a_cooldown_matches_by_time_alone(world: World) -> None:
    """The last two people of the night are not kept apart for ever."""
    ada, bob = await world.people(2)
    await world.join(ada)
    await world.join(bob)
    room_id = await met(world, ada, bob)
    await asyncio.gather(*(world.skip(user_id, room_id, cooldown=timedelta(seconds=1)) for user_id in (ada, bob)))
    await looked(world)
    assert await world.open_match(ada) is None
    assert await met(world, ada, bob) != room_id


async def test_an_unblock_matches(world: World) -> None:
    """Who unblocks somebody while both wait does not have to join again."""
    ada, bob = await world.people(2)
    await world.bar(ada, bob)
    await world.join(ada)
    await world.join(bob)
    await looked(world, 3)
    assert await world.open_match(ada) is None
    async with world.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE pair_bar SET until = :now, changed_at = clock_timestamp()"), {"now": world.clock()}
        )
    await met(world, ada, bob)


async def test_a_block_that_the_pool_knows_is_not_proposed(world: World) -> None:
    """Blocked pairs at the head of the queue do not keep the matcher busy with refusals."""
    ada, bob, eve = await world.people(3)
    await world.bar(ada, bob)
    await world.join(ada)
    await world.join(bob)
    await looked(world, 3)
    assert world.matcher.pool.refusals.total() == 0
    await world.join(eve)
    await met(world, ada, eve)


async def test_who_comes_back_keeps_the_place(world: World) -> None:
    """A detached user is passed over, and goes first again once attached."""
    ada, bob, eve = await world.people(3)
    await world.join(ada)
    await world.detach(ada)
    await world.join(bob)
    await looked(world)
    assert await world.open_match(bob) is None
    await world.attach(ada)
    await met(world, ada, bob)
    await world.join(eve)
    await looked(world)
    assert await world.open_match(eve) is None


async def test_who_joins_before_the_socket_opens_is_matched(world: World) -> None:
    """A client may call `joinQueue` first and connect second."""
    ada, bob = await world.person(attached=False), await world.person()
    await world.join(ada)
    await world.join(bob)
    await looked(world)
    assert await world.open_match(bob) is None
    await world.attach(ada)
    await met(world, ada, bob)


async def test_neither_the_partner_of_a_leaver_nor_the_next_in_line_is_dropped(world: World) -> None:
    """Seen elsewhere: one cancels at the wrong moment, and two others wait for ever."""
    for _ in range(5):
        ada, bob, eve = await world.people(3)
        await asyncio.gather(world.join(ada), world.join(bob))
        world.matcher.poke()
        await asyncio.gather(
            world.database.transact(lambda uow, ada=ada: leave_queue(uow, ada)),  # type: ignore[misc]  # its type is not inferred
            world.join(eve),
        )
        room = await world.open_match(ada)  # made before she left, with one of the two, or not at all
        rest = [user_id for user_id in (bob, eve) if room is None or not room.holds(user_id)]
        if len(rest) == 2:
            await met(world, bob, eve)
        else:
            assert await world.waiting(rest[0]) is not None
            await world.database.transact(lambda uow, last=rest[0]: leave_queue(uow, last))  # type: ignore[misc]  # its type is not inferred


async def test_the_barred_at_the_head_do_not_hide_the_legal_one_behind(world: World) -> None:
    """The head of the queue in cooldown with everyone does not block those behind it."""
    people = await world.people(12)
    ada, last = people[0], people[-1]
    for one, other in itertools.combinations(people, 2):
        if (one, other) != (ada, last):
            await world.bar(one, other)
    for user_id in people:
        await world.join(user_id)
    await met(world, ada, last)


async def test_people_on_two_backends_meet(world: World, database_url: str) -> None:
    """Seen elsewhere: a queue in each worker's memory, so that users wait for ever on different ones."""
    async with open_world(database_url, Clock(goes=True), one_of_several=True) as other:
        await other.matcher.start()
        ada, bob = await world.person(), await other.person()
        await world.join(ada)
        await other.join(bob)
        await met(world, ada, bob)


async def test_a_commit_that_takes_long_is_not_overlooked(world: World) -> None:
    """A disk that stands still for seconds: a change is stamped when it is written and seen when it is committed, and the matcher
    has looked past the stamp by then.
    """
    ada, bob = await world.people(2)
    await world.join(ada)

    async def slowly(uow: UnitOfWork) -> None:
        await join_queue(uow, bob, ANYONE, new_id=uuid4, clock=world.clock)
        await asyncio.sleep(3)

    await world.database.transact(slowly)
    await met(world, ada, bob)
    time, _, _ = await world.database.read(lambda uow: uow.tickets.changed_since(None))
    assert abs(time - utc_now()) < timedelta(seconds=5), (
        "with nothing under way a look goes back no further than it must"
    )


async def test_a_partner_who_was_not_reached_is_replaced(world: World) -> None:
    """The sweep by itself: the side that is there is queued again and meets the next in line."""
    ada, bob = await world.people(2)
    await world.join(ada)
    await world.join(bob)
    room_id = await met(world, ada, bob)
    room = await world.room(room_id)
    await world.reach(*(member.id for member in room.members if member.user_id == ada))
    eve = await world.person()
    async with world.database.engine.begin() as connection:
        for column, table in (("joined_at", "member"), ("created_at", "room")):
            older = f"UPDATE {table} SET {column} = {column} - interval '5 seconds'"  # noqa: S608  # names of ours
            await connection.execute(text(older))
    await world.join(eve)
    await met(world, ada, eve, 3 * WITHIN)
    assert MatchEnded(room_id, MatchEndReason.YOU_LEFT) in await world.told(bob)
    await until(lambda: world.matcher.lost == 1)
    assert world.matcher.sweep_errors == 0


async def test_a_match_whose_notes_are_late_is_not_ended(database_url: str) -> None:
    """The server stood still, or the database was away, for the first seconds of a match: both were told and talk, and the note
    of that is written a moment after the sweep looked.
    """
    clock = Clock()
    async with open_world(database_url, clock) as world:
        ada, bob = await world.people(2)
        room = await world.meet(ada, bob)
        clock.forward(seconds=30)
        await world.matcher.sweep()
        assert (await world.room(room.id)).open
        await world.reach(*(member.id for member in room.members))
        clock.forward(seconds=1)
        await world.matcher.sweep()
        assert (await world.room(room.id)).open


async def test_a_match_that_only_a_dead_worker_knew_to_have_been_told_is_not_ended(database_url: str) -> None:
    """All servers were killed a moment after both were told, and nothing of that was written: those who come back go on talking."""
    clock = Clock()
    async with open_world(database_url, clock) as world:
        ada, bob = await world.people(2)
        room = await world.meet(ada, bob)
        clock.forward(seconds=30)
        async with world.matcher.running():
            for _ in range(2):
                await world.matcher.sweep()
            assert (await world.room(room.id)).open
            world.matcher._spared_until = 0.0
            await until(lambda: world.matcher.lost == 1)
        assert not (await world.room(room.id)).open


async def test_a_ticket_of_somebody_who_returns_after_an_outage_is_kept(database_url: str) -> None:
    """Nobody could come back while the database was away: the place in the queue is held until presence has seen that."""
    clock = Clock()
    async with open_world(database_url, clock) as world:
        ada = await world.person()
        ticket = await world.join(ada)
        await world.detach(ada)
        clock.forward(seconds=30)
        await world.matcher.sweep()
        await world.database.transact(lambda uow: uow.connections.prolong_holds(clock() + timedelta(seconds=20)))
        clock.forward(seconds=1)
        await world.matcher.sweep()
        assert await world.waiting(ada) == ticket
        clock.forward(seconds=20)
        await world.matcher.sweep()
        await world.matcher.sweep()
        assert await world.waiting(ada) is None


async def test_ghosts_are_swept_out(world: World) -> None:
    """The sweep by itself: who never came is taken out of the queue."""
    ghost = await world.person(attached=False)
    await world.join(ghost)
    async with world.database.engine.begin() as connection:
        await connection.execute(text("UPDATE ticket SET joined_at = joined_at - interval '30 seconds'"))

    async def gone() -> bool:
        return world.matcher.expired == 1

    await until(gone)
    assert await world.waiting(ghost) is None


async def test_the_loop_survives_an_outage(world: World) -> None:
    """The database is gone for a moment: matching goes on by itself, and the health check knew."""
    ada, bob = await world.people(2)
    await looked(world)
    read = world.matcher._read

    async def broken(work: Work[T]) -> T:
        raise Unavailable

    world.matcher._read = broken
    await until(lambda: world.matcher.tick_errors >= 2)
    assert not world.matcher.healthy(world.clock() + timedelta(seconds=5))
    await world.join(ada)
    await world.join(bob)
    world.matcher._read = read
    await met(world, ada, bob)
    assert world.matcher.healthy(world.clock())


async def test_a_fault_of_ours_does_not_end_the_loop(world: World) -> None:
    """A bug in one tick is logged and counted; it is not the end of matching until somebody notices."""
    ada, bob = await world.people(2)
    await looked(world)
    propose = world.matcher.pool.propose

    def fails(now: datetime, limit: int, effort: int | None = None) -> list[Pair]:
        raise ZeroDivisionError

    world.matcher.pool.propose = fails  # type: ignore[method-assign]  # breaks on purpose
    await until(lambda: world.matcher.tick_errors >= 1)
    world.matcher.pool.propose = propose  # type: ignore[method-assign]  # breaks on purpose
    await world.join(ada)
    await world.join(bob)
    await met(world, ada, bob)


@pytest.mark.parametrize("fault", [Conflict(), ValueError("a name that nothing can encode")])
async def test_a_pair_that_cannot_be_committed_does_not_sink_the_batch(database_url: str, fault: Exception) -> None:
    """One poisonous pair is found by halving and set aside; everybody else meets."""
    async with open_world(database_url, Clock(goes=True)) as world:
        people = await world.people(16)
        for user_id in people:
            await world.join(user_id)
        bad = people[5]
        transact = world.matcher._transact

        async def picky(work: partial[Awaitable[T]]) -> T:
            if any(bad in (pair.first.user_id, pair.second.user_id) for pair in work.keywords["pairs"]):
                raise fault
            return await transact(work)

        world.matcher._transact = picky  # type: ignore[assignment]  # narrower on purpose
        await world.matcher.tick()
        assert world.matcher.matches == 7
        assert world.matcher.pool.refusals[Refusal.FAILED] == 1
        assert world.matcher.pool.proposed == 0


async def test_an_unknown_outcome_gives_the_pairs_back(database_url: str) -> None:
    """The answer to a commit was lost: whether it happened is read, and nobody stays held out."""
    async with open_world(database_url, Clock(goes=True)) as world:
        ada, bob = await world.people(2)
        await world.join(ada)
        await world.join(bob)
        transact = world.matcher._transact

        async def lost(work: Work[T]) -> T:
            await transact(work)
            raise Unavailable

        world.matcher._transact = lost
        with pytest.raises(Unavailable):
            await world.matcher.tick()
        assert world.matcher.pool.proposed == 0
        world.matcher._transact = transact
        await world.matcher.tick()
        assert len(world.matcher.pool) == 0
        assert await world.open_match(ada) is not None


async def test_a_change_that_was_committed_late_is_found(world: World) -> None:
    """A transaction that waited between its stamp and its commit appears behind the last look, and is not missed."""
    ada, bob = await world.people(2)
    await world.join(ada)
    release = asyncio.Event()

    async def slow(uow: UnitOfWork) -> None:
        await uow.lock_users((bob,))
        ticket = new_ticket(bob, ANYONE, new_id=uuid4, now=world.clock())
        await uow.tickets.add(ticket, world.clock(), attached=True)
        await release.wait()

    joining = asyncio.create_task(world.database.transact(slow))
    await looked(world, 4)  # some 0.8 seconds
    release.set()
    await joining
    await met(world, ada, bob)


async def test_stopping_leaves_nothing_running(world: World) -> None:
    """A clean shutdown; and a matcher that was stopped does not match any more."""
    await looked(world)
    await world.matcher.stop()
    ada, bob = await world.people(2)
    one, other = await world.join(ada), await world.join(bob)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("matcher")]
    (result,) = await world.commit((one, other))
    assert isinstance(result, NewMatch)
