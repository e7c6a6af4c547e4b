"""The thirteen invariants of matching, after a storm and in races that are laid out by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from domain import presence
from domain.errors import Suspended, Unavailable
from domain.events import Matched
from domain.matchmaking.commit import NewMatch, Refusal, Refused
from domain.matchmaking.queue import join_queue, leave_queue
from domain.matchmaking.ticket import ChatMode, Preferences, TicketStatus
from domain.ports import UnitOfWork
from domain.safety.suspension import Suspension, SuspensionScope
from persistence.embedded import EmbeddedPostgres
from persistence.suspensions import SuspensionRepository
from tests.locks import held_up
from tests.storm import ENOUGH_MATCHES, Storm, moment, storm
from tests.waiting import until
from tests.world import ANYONE, Clock, World, open_world

ENDED = {"MATCHED", "CANCELLED", "EXPIRED"}
Pair = tuple[str, str]


@pytest.fixture(scope="module")
def stormy(postgres: EmbeddedPostgres) -> Storm:
    """One storm, looked at from all sides."""

    async def run() -> Storm:
        admin = await asyncpg.connect(postgres.dsn("postgres"))
        try:
            await admin.execute("CREATE DATABASE parley_storm TEMPLATE parley_template")
            try:
                return await storm(postgres.dsn("parley_storm"), seed=2026)
            finally:
                await admin.execute("DROP DATABASE parley_storm WITH (FORCE)")
        finally:
            await admin.close()

    return asyncio.run(run())


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """One server."""
    async with open_world(database_url, Clock(goes=True)) as world:
        yield world


def test_the_storm_was_one(stormy: Storm) -> None:
    """A calm in which nothing met and nothing raced would prove nothing."""
    assert len(stormy.matches()) > ENOUGH_MATCHES
    assert min(stormy.by_matcher) > 0, "invariant 11: every one of several leaders matched"
    assert stormy.refusals > 0
    assert stormy.killed > 0


def test_1_a_ticket_is_in_at_most_one_match(stormy: Storm) -> None:
    """Nobody is promised to two strangers at once."""
    tickets = Counter(ticket["id"] for ticket in stormy.tickets_matched())
    assert max(tickets.values()) == 1
    assert set(Counter(ticket["room_id"] for ticket in stormy.tickets_matched()).values()) == {2}
    assert max(Counter(event.ticket.id for _, event in stormy.told).values()) == 1


def test_2_a_match_has_two_distinct_users(stormy: Storm) -> None:
    """Nobody meets themselves."""
    assert all(one["user_id"] != other["user_id"] for one, other in stormy.matches())


def test_3_no_pair_that_is_barred_meets(stormy: Storm) -> None:
    """Whoever was blocked or skipped does not come back while that holds, from whichever side it came."""
    met = {frozenset((one["user_id"], other["user_id"])) for one, other in stormy.matches()}
    bars: dict[frozenset[str], dict[str, Any]] = {}
    checked = 0
    for pair, at, change in _replay(stormy):
        if change is not None and change["kind"] == "pair_bar":
            row = change["new"]
            bars.setdefault(frozenset((row["low_id"], row["high_id"])), {})[row["kind"]] = row["until"]
        elif pair is not None:
            checked += 1
            for until in bars.get(pair, {}).values():
                end = moment(until)
                assert end is not None, "a blocked pair met"
                assert end <= at, "a pair met within its cooldown"
    assert checked == len(stormy.matches())
    assert any(pair in met for pair in bars), "no pair met before or after its bar: nothing was tried"


def test_4_both_sides_accept_each_other_at_commit(stormy: Storm) -> None:
    """What somebody asked for a moment ago is what they get, also when they changed it while they were being matched."""
    for one, other in stormy.matches():
        assert one["mode"] == other["mode"]
        at = moment(one["matched_at"])
        assert at is not None
        for wishes in ("interests", "languages"):
            for side, partner in ((one, other), (other, one)):
                widens = moment(side["widens_at"])
                assert widens is not None
                assert not side[wishes] or widens <= at or set(side[wishes]) & set(partner[wishes])


def test_5_both_sides_are_attached_at_commit(stormy: Storm) -> None:
    """Nobody is matched with a closed laptop."""
    sockets: dict[str, set[str]] = {}
    for pair, _, change in _replay(stormy):
        if change is not None and change["kind"] == "connection":
            row = change["new"] or change["old"]
            held = sockets.setdefault(row["user_id"], set())
            (held.add if change["new"] else held.discard)(row["id"])
        elif pair is not None:
            assert all(sockets.get(user_id) for user_id in pair)


def test_5_nobody_who_is_suspended_meets_anyone(stormy: Storm) -> None:
    """A suspension that was committed before a match prevents it."""
    suspended: set[str] = set()
    for pair, _, change in _replay(stormy):
        if change is not None and change["kind"] == "suspension":
            suspended.add(change["new"]["user_id"])
        elif pair is not None:
            assert not suspended & pair


def test_6_a_cancelled_ticket_never_matches(stormy: Storm) -> None:
    """Leaving the queue is final."""
    for change in stormy.history:
        if change.kind == "ticket" and change.old is not None:
            assert change.new is not None
            assert change.old["status"] == "WAITING", "an ended ticket was written again"


def test_7_every_ticket_ends_and_none_vanishes(stormy: Storm) -> None:
    """Nobody looks at a spinner that means nothing."""
    last = {
        change.new["id"]: change.new["status"] for change in stormy.history if change.kind == "ticket" and change.new
    }
    assert set(last.values()) <= ENDED
    assert {str(ticket_id) for ticket_id in stormy.joined} <= last.keys()


def test_8_a_user_has_one_waiting_ticket(stormy: Storm) -> None:
    """Two tabs do not make two of a person."""
    waiting: dict[str, str] = {}
    for change in stormy.history:
        if change.kind == "ticket" and change.new is not None:
            user_id, ticket_id = change.new["user_id"], change.new["id"]
            if change.new["status"] == "WAITING":
                assert waiting.setdefault(user_id, ticket_id) == ticket_id
            else:
                assert waiting.pop(user_id) == ticket_id


def test_9_room_members_and_both_events_are_one(stormy: Storm) -> None:
    """Nobody sits in a room of which the partner knows nothing, also when connections break."""
    seats = Counter(
        change.new["room_id"] for change in stormy.history if change.kind == "member" and not change.old and change.new
    )
    rooms = {change.new["id"] for change in stormy.history if change.kind == "room" and change.new}
    matches = {one["room_id"]: {one["user_id"], other["user_id"]} for one, other in stormy.matches()}
    assert rooms == seats.keys() == matches.keys()
    assert set(seats.values()) == {2}
    told: dict[str, set[str]] = {}
    for user_id, event in stormy.told:
        told.setdefault(str(event.room_id), set()).add(str(user_id))
    assert told.keys() <= rooms
    renewed = {str(user_id) for user_id in stormy.renewed}
    for room_id, users in matches.items():
        # A commit of unknown outcome tells nobody: the inboxes of those users begin anew, and they ask where they stand.
        assert told.get(room_id) == users or (room_id not in told and users <= renewed)


def test_13_a_user_sits_in_one_open_match(stormy: Storm) -> None:
    """Nobody hears two strangers at once."""
    seated: dict[str, str] = {}
    for change in stormy.history:
        if change.kind == "member" and change.new is not None:
            user_id, seat = change.new["user_id"], change.new["id"]
            if change.new["left_at"] is None:
                assert seated.setdefault(user_id, seat) == seat
            elif change.old is not None and change.old["left_at"] is None:
                assert seated.pop(user_id) == seat


def _replay(stormy: Storm) -> Iterator[tuple[frozenset[str] | None, Any, dict[str, Any] | None]]:
    """The history in order: matches as (pair, time, None), every other change as (None, None, change)."""
    partner: dict[str, dict[str, Any]] = {}
    for change in stormy.history:
        if change.kind == "ticket" and change.new is not None and change.new["status"] == "MATCHED":
            other = partner.pop(change.new["room_id"], None)
            if other is None:
                partner[change.new["room_id"]] = change.new
            else:
                yield frozenset((change.new["user_id"], other["user_id"])), moment(other["matched_at"]), None
        else:
            yield None, None, {"kind": change.kind, "old": change.old, "new": change.new}


# ------------------------------------------------------------------------------------------ races laid out by hand


async def cancels(uow: UnitOfWork, world: World, ada: UUID, bob: UUID) -> None:
    """Ada leaves the queue."""
    await leave_queue(uow, ada)


async def blocks(uow: UnitOfWork, world: World, ada: UUID, bob: UUID) -> None:
    """Ada blocks Bob, or Bob Ada."""
    await uow.lock_users((ada, bob))
    await uow.bars.raise_bar(bob, ada, "BLOCK_BY_HIGH", None)


async def suspends(uow: UnitOfWork, world: World, ada: UUID, bob: UUID) -> None:
    """Ada is suspended."""
    await uow.lock_users((ada,))
    assert isinstance(uow.suspensions, SuspensionRepository)
    await uow.suspensions.add(
        Suspension(uuid4(), ada, SuspensionScope.MATCHING, "Be kind.", None, False, world.clock(), None, None),  # noqa: FBT003  # a column
        None,
    )


async def detaches(uow: UnitOfWork, world: World, ada: UUID, bob: UUID) -> None:
    """Bob's socket closes."""
    await presence.detach(uow, world.connections[bob], bob, resume=presence.AWAY_AFTER, now=world.clock())


async def changes(uow: UnitOfWork, world: World, ada: UUID, bob: UUID) -> None:
    """Bob wants to see people."""
    await join_queue(uow, bob, Preferences(ChatMode.VIDEO, (), (), 0), new_id=uuid4, clock=world.clock)


Race = Callable[[UnitOfWork, World, UUID, UUID], Awaitable[None]]


@pytest.mark.parametrize(
    ("race", "about", "reason"),
    [
        (cancels, ("ada",), Refusal.GONE),
        (blocks, ("ada", "bob"), Refusal.BARRED),
        (suspends, ("ada",), Refusal.SUSPENDED),
        (detaches, ("bob",), Refusal.DETACHED),
        (changes, ("bob",), Refusal.CHANGED),
    ],
)
async def test_the_commit_sees_what_was_committed_while_it_waited(
    world: World, database_url: str, race: Race, about: tuple[str, ...], reason: Refusal
) -> None:
    """A check in the locking statement sees an old snapshot, and a time read before the lock is an old time: a block, or a
    suspension, that was committed meanwhile was ignored, and the two met.
    """
    async with open_world(database_url, Clock(goes=True), one_of_several=True) as other:
        ada, bob = await world.people(2)
        tickets = await world.join(ada), await world.join(bob)
        async with held_up(database_url, *({"ada": ada, "bob": bob}[name] for name in about)):
            first = asyncio.create_task(world.database.transact(lambda uow: race(uow, world, ada, bob)))
            await world.until_blocked()
            second = asyncio.create_task(other.commit(tickets))
            await world.until_blocked(2)
        await first
        assert [result.reason for result in await second if isinstance(result, Refused)] == [reason]
        assert await world.open_match(ada) is None


async def test_the_queue_sees_a_suspension_that_was_committed_while_it_waited(world: World, database_url: str) -> None:
    """Who is suspended in the moment of joining does not slip in."""
    async with open_world(database_url, Clock(goes=True), one_of_several=True) as other:
        ada, bob = await world.people(2)
        async with held_up(database_url, ada):
            first = asyncio.create_task(world.database.transact(lambda uow: suspends(uow, world, ada, bob)))
            await world.until_blocked()
            second = asyncio.create_task(other.join(ada))
            await world.until_blocked(2)
        await first
        with pytest.raises(Suspended):
            await second


async def test_several_leaders_match_a_pair_once(world: World, database_url: str) -> None:
    """Invariant 11, at its sharpest: five leaders commit the same pairs in the same moment."""
    async with open_world(database_url, Clock(goes=True), one_of_several=True) as other:
        people = await world.people(20)
        tickets = [await world.join(user_id) for user_id in people]
        pairs = list(zip(tickets[::2], tickets[1::2], strict=True))
        results = await asyncio.gather(*(place.commit(*pairs) for place in (world, other, world, other, other)))
        matched = [[isinstance(result, NewMatch) for result in batch] for batch in results]
        assert sorted(map(sum, matched)) == [0, 0, 0, 0, 10]
        reasons = {result.reason for batch in results for result in batch if isinstance(result, Refused)}
        assert reasons == {Refusal.GONE}


async def test_a_batch_matches_a_user_once(world: World) -> None:
    """A pool that went wrong and proposes somebody twice still gives them one partner."""
    ada, bob, eve = [await world.join(user_id) for user_id in await world.people(3)]
    first, second, third = await world.commit((ada, bob), (bob, eve), (eve, eve))
    assert isinstance(first, NewMatch)
    assert second == third == Refused(Refusal.GONE)


async def test_one_refused_pair_does_not_hinder_the_batch(world: World) -> None:
    """A pool that is out of date about one person costs the others nothing."""
    tickets = [await world.join(user_id) for user_id in await world.people(6)]
    await world.bar(tickets[2].user_id, tickets[3].user_id)
    first, second, third = await world.commit(*zip(tickets[::2], tickets[1::2], strict=True))
    assert isinstance(first, NewMatch)
    assert isinstance(third, NewMatch)
    assert second == Refused(Refusal.BARRED, None)


async def test_a_seat_in_an_open_match_refuses_the_next(world: World) -> None:
    """Invariant 13, should a ticket ever wait while its user talks."""
    ada, bob, eve = await world.people(3)
    waiting = await world.join(ada)
    await world.meet(bob, eve)
    async with world.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE member SET user_id = :ada WHERE user_id = :bob"), {"ada": ada, "bob": bob}
        )
    assert await world.commit((waiting, await world.join(bob))) == [Refused(Refusal.SEATED)]


async def test_a_commit_that_dies_leaves_nothing_behind(world: World) -> None:
    """Invariant 9 when the connection is killed between the writes and the commit: both still wait, and match the next time."""
    ada, bob = [await world.join(user_id) for user_id in await world.people(2)]

    async def dies(uow: UnitOfWork) -> None:
        await uow.lock_users((ada.user_id, bob.user_id))
        await uow.matching.open([NewMatch(uuid4(), ada, bob, uuid4(), uuid4(), ())], world.clock())
        async with world.database.reading() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE state = 'idle in transaction' AND datname = current_database()"
                )
            )

    with pytest.raises(Unavailable):
        await world.database.transact(dies)
    for ticket in (ada, bob):
        assert await world.waiting(ticket.user_id) == ticket
        assert await world.open_match(ticket.user_id) is None
    (result,) = await world.commit((ada, bob))
    assert isinstance(result, NewMatch)


async def test_a_commit_goes_on_when_its_caller_is_cancelled(world: World) -> None:
    """A matcher that is stopped in the middle leaves no pair that is matched and was not told."""
    ada, bob = [await world.join(user_id) for user_id in await world.people(2)]
    commit = asyncio.create_task(world.commit((ada, bob)))
    await asyncio.sleep(0)
    commit.cancel()
    await asyncio.wait((commit,))
    assert commit.cancelled()

    async def told() -> bool:
        return all([isinstance((await world.told(ticket.user_id))[-1], Matched) for ticket in (ada, bob)])

    await until(told)
    room = await world.open_match(ada.user_id)
    assert room is not None
    assert room.holds(bob.user_id)


async def test_a_ticket_that_is_not_there_is_gone(world: World) -> None:
    """A pool that remembers a ticket which was deleted long ago does no harm."""
    ada, bob = await world.people(2)
    ghost = await world.join(ada, ANYONE)
    async with world.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM ticket"))
    assert await world.commit((ghost, await world.join(bob))) == [Refused(Refusal.GONE)]
    waiting = await world.waiting(bob)
    assert waiting is not None
    assert waiting.status is TicketStatus.WAITING
