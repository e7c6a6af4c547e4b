"""The matcher's loop: whoever may meet meets within a second, whatever happens around it."""

from __future__ import annotations

import asyncio
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
from domain.rooms import MatchEndReason
from tests.identity_world import Clock
from tests.matching_world import ANYONE, Backend, backend, eventually

T = TypeVar("T")
Work = Callable[[UnitOfWork], Awaitable[T]]

PROMISED = 1.0
"""Seconds: invariant 10, on a machine that has time for it."""
WITHIN = 10.0
"""Seconds after which what should happen within `PROMISED` is taken for lost, on a machine that runs everybody's tests."""


@pytest.fixture
async def parley(database_url: str) -> AsyncIterator[Backend]:
    """A backend whose matcher runs; nothing pokes it but the tests."""
    async with backend(database_url) as parts:
        await parts.matcher.start()
        yield parts


async def met(parley: Backend, one: UUID, other: UUID, seconds: float = WITHIN) -> UUID:
    """Waits until the two sit in one match, and returns its room."""

    async def together() -> bool:
        room = await parley.open_match(one)
        return room is not None and room.holds(other)

    await eventually(together, seconds)
    room = await parley.open_match(one)
    assert room is not None
    return room.id


async def looked(parley: Backend, times: int = 2) -> None:
    """Waits until the matcher has looked again, so that what it did not do by then it does not do."""
    ticks = {parley.matcher.last_tick}

    async def ticked() -> bool:
        ticks.add(parley.matcher.last_tick)
        return len(ticks) > times

    await eventually(ticked)


async def test_10_a_legal_pair_that_waits_is_matched_within_a_second(parley: Backend) -> None:
    """The product's promise; and no poke is needed for it, for a poke may be lost."""
    took = []
    for _ in range(7):
        ada, bob = await parley.people(2)
        await parley.join(ada)
        last = await parley.join(bob)
        room = await parley.room(await met(parley, ada, bob))
        took.append((room.created_at - last.enqueued_at).total_seconds())
        assert isinstance(parley.inbox.of(ada)[-1], Matched)
    assert sorted(took)[3] < PROMISED
    await eventually(lambda: _true(parley.matcher.matches == 7 and len(parley.matcher.pool) == 0))


async def test_a_poke_is_heeded_at_once(parley: Backend) -> None:
    """With two people in the queue nobody waits for a tick."""
    ada, bob = await parley.people(2)
    await parley.join(ada)
    took = []
    for _ in range(7):
        ticket = await parley.join(bob)
        parley.matcher.poke()
        room = await parley.room(await met(parley, ada, bob))
        took.append((room.created_at - ticket.enqueued_at).total_seconds())
        await parley.skip(ada, room.id, cooldown=timedelta(0))
    assert sorted(took)[3] < TICK_SECONDS / 2


async def test_widening_matches_by_time_alone(parley: Backend) -> None:
    """Two picky people of different tastes meet when their patience is over; nothing else has to happen."""
    ada, bob = await parley.people(2)
    await parley.join(ada, Preferences(ChatMode.TEXT, ("go",), (), 1))
    await parley.join(bob, Preferences(ChatMode.TEXT, ("tea",), (), 1))
    await looked(parley)
    assert await parley.open_match(ada) is None
    await met(parley, ada, bob)


async def test_the_end_of_a_cooldown_matches_by_time_alone(parley: Backend) -> None:
    """The last two people of the night are not kept apart for ever."""
    ada, bob = await parley.people(2)
    await parley.join(ada)
    await parley.join(bob)
    room_id = await met(parley, ada, bob)
    await asyncio.gather(*(parley.skip(user_id, room_id, cooldown=timedelta(seconds=1)) for user_id in (ada, bob)))
    await looked(parley)
    assert await parley.open_match(ada) is None
    assert await met(parley, ada, bob) != room_id


async def test_an_unblock_matches(parley: Backend) -> None:
    """Who unblocks somebody while both wait does not have to join again."""
    ada, bob = await parley.people(2)
    await parley.bar(ada, bob)
    await parley.join(ada)
    await parley.join(bob)
    await looked(parley, 3)
    assert await parley.open_match(ada) is None
    async with parley.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE pair_bar SET until = :now, changed_at = clock_timestamp()"), {"now": parley.clock()}
        )
    await met(parley, ada, bob)


async def test_a_block_that_the_pool_knows_is_not_proposed(parley: Backend) -> None:
    """Blocked pairs at the head of the queue do not keep the matcher busy with refusals."""
    ada, bob, eve = await parley.people(3)
    await parley.bar(ada, bob)
    await parley.join(ada)
    await parley.join(bob)
    await looked(parley, 3)
    assert parley.matcher.pool.refusals.total() == 0
    await parley.join(eve)
    await met(parley, ada, eve)


async def test_who_comes_back_keeps_the_place(parley: Backend) -> None:
    """A detached user is passed over, and goes first again once attached."""
    ada, bob, eve = await parley.people(3)
    await parley.join(ada)
    await parley.detach(ada)
    await parley.join(bob)
    await looked(parley)
    assert await parley.open_match(bob) is None
    await parley.attach(ada)
    await met(parley, ada, bob)
    await parley.join(eve)
    await looked(parley)
    assert await parley.open_match(eve) is None


async def test_who_joins_before_the_socket_opens_is_matched(parley: Backend) -> None:
    """A client may call `joinQueue` first and connect second."""
    ada, bob = await parley.person(attached=False), await parley.person()
    await parley.join(ada)
    await parley.join(bob)
    await looked(parley)
    assert await parley.open_match(bob) is None
    await parley.attach(ada)
    await met(parley, ada, bob)


async def test_neither_the_partner_of_a_leaver_nor_the_next_in_line_is_dropped(parley: Backend) -> None:
    """Seen elsewhere: one cancels at the wrong moment, and two others wait for ever."""
    for _ in range(5):
        ada, bob, eve = await parley.people(3)
        await asyncio.gather(parley.join(ada), parley.join(bob))
        parley.matcher.poke()
        await asyncio.gather(
            parley.transact(lambda uow, ada=ada: leave_queue(uow, ada, now=parley.clock())),  # type: ignore[misc]
            parley.join(eve),
        )
        room = await parley.open_match(ada)  # made before she left, with one of the two, or not at all
        rest = [user_id for user_id in (bob, eve) if room is None or not room.holds(user_id)]
        if len(rest) == 2:
            await met(parley, bob, eve)
        else:
            assert await parley.waiting(rest[0]) is not None
            await parley.transact(lambda uow, last=rest[0]: leave_queue(uow, last, now=parley.clock()))  # type: ignore[misc]


async def test_the_barred_at_the_head_do_not_hide_the_legal_one_behind(parley: Backend) -> None:
    """The head of the queue in cooldown with everyone does not block those behind it."""
    people = await parley.people(12)
    ada, last = people[0], people[-1]
    for other in people[1:-1]:
        await parley.bar(ada, other)
    for user_id in people[1:-1]:
        for other in people[1:-1]:
            if user_id < other:
                await parley.bar(user_id, other)
    for user_id in people:
        await parley.join(user_id)
    await met(parley, ada, last)


async def test_people_on_two_backends_meet(parley: Backend, database_url: str) -> None:
    """Seen elsewhere: a queue in each worker's memory, so that users wait for ever on different ones."""
    async with backend(database_url) as other:
        await other.matcher.start()
        ada, bob = await parley.person(), await other.person()
        await parley.join(ada)
        await other.join(bob)
        await met(parley, ada, bob)


async def test_a_commit_that_takes_long_is_not_overlooked(parley: Backend) -> None:
    """A disk that stands still for seconds: a change is stamped when it is written and seen when it is committed, and the matcher
    has looked past the stamp by then.
    """
    ada, bob = await parley.people(2)
    await parley.join(ada)

    async def slowly(uow: UnitOfWork) -> None:
        await join_queue(uow, bob, ANYONE, new_id=uuid4, clock=parley.clock)
        await asyncio.sleep(3)

    await parley.transact(slowly)
    await met(parley, ada, bob)
    time, _, _ = await parley.database.read(lambda uow: uow.tickets.changed_since(None))
    assert abs(time - utc_now()) < timedelta(seconds=5), (
        "with nothing under way a look goes back no further than it must"
    )


async def test_a_partner_who_was_not_reached_is_replaced(parley: Backend) -> None:
    """The sweep by itself: the side that is there is queued again and meets the next in line."""
    ada, bob = await parley.people(2)
    await parley.join(ada)
    await parley.join(bob)
    room_id = await met(parley, ada, bob)
    room = await parley.room(room_id)
    await parley.reach(*(member.id for member in room.members if member.user_id == ada))
    eve = await parley.person()
    async with parley.database.engine.begin() as connection:
        for column, table in (("joined_at", "member"), ("created_at", "room")):
            older = f"UPDATE {table} SET {column} = {column} - interval '5 seconds'"  # noqa: S608  # names of ours
            await connection.execute(text(older))
    await parley.join(eve)
    await met(parley, ada, eve, 3 * WITHIN)
    assert MatchEnded(room_id, MatchEndReason.YOU_LEFT) in parley.inbox.of(bob)
    await eventually(lambda: _true(parley.matcher.lost == 1))
    assert parley.matcher.sweep_errors == 0


async def test_a_match_whose_notes_are_late_is_not_ended(database_url: str) -> None:
    """The server stood still, or the database was away, for the first seconds of a match: both were told and talk, and the note
    of that is written a moment after the sweep looked.
    """
    clock = Clock()
    async with backend(database_url, clock) as parley:
        ada, bob = await parley.people(2)
        room = await parley.match(ada, bob)
        clock.forward(seconds=30)
        await parley.matcher.sweep()
        assert (await parley.room(room.id)).open
        await parley.reach(*(member.id for member in room.members))
        clock.forward(seconds=1)
        await parley.matcher.sweep()
        assert (await parley.room(room.id)).open


async def test_a_ticket_of_somebody_who_returns_after_an_outage_is_kept(database_url: str) -> None:
    """Nobody could come back while the database was away: the place in the queue is held until presence has seen that."""
    clock = Clock()
    async with backend(database_url, clock) as parley:
        ada = await parley.person()
        ticket = await parley.join(ada)
        await parley.detach(ada)
        clock.forward(seconds=30)
        await parley.matcher.sweep()
        await parley.transact(lambda uow: uow.connections.prolong_holds(clock() + timedelta(seconds=20)))
        clock.forward(seconds=1)
        await parley.matcher.sweep()
        assert await parley.waiting(ada) == ticket
        clock.forward(seconds=20)
        await parley.matcher.sweep()
        await parley.matcher.sweep()
        assert await parley.waiting(ada) is None


async def test_ghosts_are_swept_out(parley: Backend) -> None:
    """The sweep by itself: who never came is taken out of the queue."""
    ghost = await parley.person(attached=False)
    await parley.join(ghost)
    async with parley.database.engine.begin() as connection:
        await connection.execute(text("UPDATE ticket SET joined_at = joined_at - interval '30 seconds'"))

    async def gone() -> bool:
        return parley.matcher.expired == 1

    await eventually(gone)
    assert await parley.waiting(ghost) is None


async def test_the_loop_survives_an_outage(parley: Backend) -> None:
    """The database is gone for a moment: matching goes on by itself, and the health check knew."""
    ada, bob = await parley.people(2)
    await looked(parley)
    read = parley.matcher._read

    async def broken(work: Work[T]) -> T:
        raise Unavailable

    parley.matcher._read = broken
    await eventually(lambda: _true(parley.matcher.tick_errors >= 2))
    assert not parley.matcher.healthy(parley.clock() + timedelta(seconds=5))
    await parley.join(ada)
    await parley.join(bob)
    parley.matcher._read = read
    await met(parley, ada, bob)
    assert parley.matcher.healthy(parley.clock())


async def test_a_fault_of_ours_does_not_end_the_loop(parley: Backend) -> None:
    """A bug in one tick is logged and counted; it is not the end of matching until somebody notices."""
    ada, bob = await parley.people(2)
    await looked(parley)
    propose = parley.matcher.pool.propose

    def fails(now: datetime, limit: int, effort: int | None = None) -> list[Pair]:
        raise ZeroDivisionError

    parley.matcher.pool.propose = fails  # type: ignore[method-assign]
    await eventually(lambda: _true(parley.matcher.tick_errors >= 1))
    parley.matcher.pool.propose = propose  # type: ignore[method-assign]
    await parley.join(ada)
    await parley.join(bob)
    await met(parley, ada, bob)


async def _true(condition: bool) -> bool:  # noqa: FBT001
    return condition


@pytest.mark.parametrize("fault", [Conflict(), ValueError("a name that nothing can encode")])
async def test_a_pair_that_cannot_be_committed_does_not_sink_the_batch(database_url: str, fault: Exception) -> None:
    """One poisonous pair is found by halving and set aside; everybody else meets."""
    async with backend(database_url) as parley:
        people = await parley.people(16)
        for user_id in people:
            await parley.join(user_id)
        bad = people[5]
        transact = parley.matcher._transact

        async def picky(work: partial[Awaitable[T]]) -> T:
            if any(bad in (pair.first.user_id, pair.second.user_id) for pair in work.keywords["pairs"]):
                raise fault
            return await transact(work)

        parley.matcher._transact = picky  # type: ignore[assignment]
        await parley.matcher.tick()
        assert parley.matcher.matches == 7
        assert parley.matcher.pool.refusals[Refusal.FAILED] == 1
        assert parley.matcher.pool.proposed == 0


async def test_an_unknown_outcome_gives_the_pairs_back(database_url: str) -> None:
    """The answer to a commit was lost: whether it happened is read, and nobody stays held out."""
    async with backend(database_url) as parley:
        ada, bob = await parley.people(2)
        await parley.join(ada)
        await parley.join(bob)
        transact = parley.matcher._transact

        async def lost(work: Work[T]) -> T:
            await transact(work)
            raise Unavailable

        parley.matcher._transact = lost
        with pytest.raises(Unavailable):
            await parley.matcher.tick()
        assert parley.matcher.pool.proposed == 0
        parley.matcher._transact = transact
        await parley.matcher.tick()
        assert len(parley.matcher.pool) == 0
        assert await parley.open_match(ada) is not None


async def test_a_change_that_was_committed_late_is_found(parley: Backend) -> None:
    """A transaction that waited between its stamp and its commit appears behind the last look, and is not missed."""
    ada, bob = await parley.people(2)
    await parley.join(ada)
    release = asyncio.Event()

    async def slow(uow: UnitOfWork) -> None:
        await uow.lock_users((bob,))
        ticket = new_ticket(bob, ANYONE, new_id=uuid4, now=parley.clock())
        await uow.tickets.add(ticket, parley.clock(), attached=True)
        await release.wait()

    joining = asyncio.create_task(parley.transact(slow))
    await looked(parley, 4)  # some 0.8 seconds
    release.set()
    await joining
    await met(parley, ada, bob)


async def test_stopping_leaves_nothing_running(parley: Backend) -> None:
    """A clean shutdown; and a matcher that was stopped does not match any more."""
    await looked(parley)
    await parley.matcher.stop()
    ada, bob = await parley.people(2)
    one, other = await parley.join(ada), await parley.join(bob)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("matcher")]
    (result,) = await parley.commit((one, other))
    assert isinstance(result, NewMatch)
