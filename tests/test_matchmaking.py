"""Joining, leaving and skipping, and what becomes of people who are not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.errors import AlreadyInMatch, NotFound, Suspended
from domain.events import Matched, MatchEnded, MemberLeft, QueueJoined, QueueLeft
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.losses import end_unreached, expire_ticket
from domain.matchmaking.queue import leave_queue
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason, MemberRole, MemberStatus, Room
from domain.safety.suspension import SuspensionScope
from tests.world import ANYONE, COOLDOWN, Clock, World, open_world

CHESS = Preferences(ChatMode.VIDEO, ("chess",), ("en",), 30)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until the test moves it."""
    return Clock()


@pytest.fixture
async def world(database_url: str, clock: Clock) -> AsyncIterator[World]:
    """A server on a clock that the test moves."""
    async with open_world(database_url, clock) as world:
        yield world


async def left(world: World, user_id: UUID) -> TicketStatus | None:
    """How leaving the queue ends the user's ticket."""
    ticket = await world.database.transact(lambda uow: leave_queue(uow, user_id))
    return ticket.status if ticket else None


async def unreached(world: World, room: Room) -> bool:
    """Whether the sweep ends the match because of somebody who was not reached."""
    return await world.database.transact(lambda uow: end_unreached(uow, room.id, new_id=uuid4, clock=world.clock))


async def expired(world: World, user_id: UUID) -> QueueLeaveReason | None:
    """Why the sweep ends the user's ticket, and that the sweep sees it by itself."""
    seen = await world.database.read(lambda uow: uow.tickets.unattended(world.clock()))
    ticket = await world.database.transact(lambda uow: expire_ticket(uow, user_id, now=world.clock()))
    assert (user_id in seen) == (ticket is not None)
    if ticket is None:
        return None
    assert ticket.status is TicketStatus.EXPIRED
    event = (await world.told(user_id))[-1]
    assert isinstance(event, QueueLeft)
    assert event.ticket == ticket
    return event.reason


# ------------------------------------------------------------------------------------------ joining and leaving


async def test_joining_again_changes_preferences_and_keeps_the_place(world: World, clock: Clock) -> None:
    """Whoever widens what they ask for does not lose the minutes that they waited already."""
    ada = await world.person()
    first = await world.join(ada)
    clock.forward(seconds=7)
    again = await world.join(ada, CHESS)
    assert (again.id, again.enqueued_at) == (first.id, first.enqueued_at)
    assert again.widens_at == first.enqueued_at + timedelta(seconds=30)
    assert await world.waiting(ada) == again
    assert await world.told(ada) == [QueueJoined(first), QueueJoined(again)]


async def test_joining_again_with_the_same_wishes_tells_nothing(world: World, clock: Clock) -> None:
    """A client that asks twice because an answer was lost does not see events that mean nothing."""
    ada = await world.person()
    first = await world.join(ada, CHESS)
    clock.forward(seconds=7)
    assert await world.join(ada, CHESS) == first
    assert await world.told(ada) == [QueueJoined(first)]


async def test_two_joins_at_once_make_one_ticket(world: World, database_url: str, clock: Clock) -> None:
    """A double click, or two tabs on two workers, does not put a person into the queue twice."""
    async with open_world(database_url, clock, one_of_several=True) as other:
        for ada in await world.people(5):
            tickets = await asyncio.gather(*(one.join(ada) for one in (world, other, world, other)))
            assert len({ticket.id for ticket in tickets}) == 1
            assert len(await world.told(ada)) + len(await other.told(ada)) == 1


async def test_joining_in_a_match_names_the_room(world: World) -> None:
    """A client that forgot its match is shown the way back into it."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    with pytest.raises(AlreadyInMatch) as refused:
        await world.join(ada)
    assert refused.value.room == room
    assert await world.waiting(ada) is None


@pytest.mark.parametrize("scope", SuspensionScope)
async def test_the_suspended_do_not_join(world: World, scope: SuspensionScope) -> None:
    """Who was suspended from meeting strangers meets none."""
    ada = await world.person()
    suspension = await world.suspend(ada, scope)
    with pytest.raises(Suspended) as refused:
        await world.join(ada)
    assert refused.value.suspension == suspension
    assert await world.told(ada) == []


async def test_leaving_cancels_the_ticket(world: World) -> None:
    """Who leaves is told so in every tab, and leaving twice is no mistake."""
    ada = await world.person()
    ticket = await world.join(ada)
    assert await left(world, ada) is TicketStatus.CANCELLED
    event = (await world.told(ada))[-1]
    assert isinstance(event, QueueLeft)
    assert (event.ticket.id, event.reason) == (ticket.id, QueueLeaveReason.LEFT)
    assert await world.waiting(ada) is None
    assert await left(world, ada) is None
    assert len(await world.told(ada)) == 2


# ------------------------------------------------------------------------------------------ the match


async def test_a_match_opens_a_room_for_two(world: World, clock: Clock) -> None:
    """Both sides find the same room, under the names they chose, and exactly one of them is to offer."""
    ada, bob = await world.person("Ada"), await world.person("Bob")
    older = await world.join(ada, Preferences(ChatMode.AUDIO, ("go", "chess", "tea"), ("en",), 0))
    clock.forward(seconds=1)
    newer = await world.join(bob, Preferences(ChatMode.AUDIO, ("tea", "go"), ("en",), 5))
    (result,) = await world.commit((newer, older))
    assert isinstance(result, NewMatch)
    room = await world.room(result.room_id)
    assert (room.mode, room.capacity, room.name, room.created_at) == (ChatMode.AUDIO, 2, None, clock())
    assert room.shared_interests == ("go", "tea")
    assert [(m.user_id, m.display_name, m.position) for m in room.members] == [(ada, "Ada", 0), (bob, "Bob", 1)]
    assert {(m.role, m.status, m.muted) for m in room.members} == {(MemberRole.MEMBER, MemberStatus.ONLINE, False)}
    first, second = room.members
    assert first.polite_toward(second)
    for user_id, ticket, partner in ((ada, older, second), (bob, newer, first)):
        event = (await world.told(user_id))[-1]
        assert isinstance(event, Matched)
        assert (event.room_id, event.partner_id) == (room.id, partner.id)
        assert (event.ticket.id, event.ticket.status, event.ticket.room_id) == (
            ticket.id,
            TicketStatus.MATCHED,
            room.id,
        )


# ------------------------------------------------------------------------------------------ skipping


async def test_skip_ends_the_match_for_both_and_queues_the_skipper(world: World, clock: Clock) -> None:
    """The main move of the product: on to the next person, with the wishes one had, and not back to the same one."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob, CHESS)
    seat = room.seat_of(ada)
    assert seat is not None
    clock.forward(seconds=9)
    ticket = await world.skip(ada, room.id)
    assert ticket is not None
    assert (ticket.status, ticket.preferences, ticket.enqueued_at) == (TicketStatus.WAITING, CHESS, clock())
    assert ticket.widens_at == clock() + timedelta(seconds=30)
    assert (await world.told(ada))[2:] == [MatchEnded(room.id, MatchEndReason.YOU_SKIPPED), QueueJoined(ticket)]
    assert (await world.told(bob))[2:] == [
        MemberLeft(room.id, seat.id, MemberLeaveReason.LEFT),
        MatchEnded(room.id, MatchEndReason.PARTNER_LEFT),
    ]
    assert (await world.room(room.id)).closed_at == clock()
    assert await world.waiting(bob) is None
    (refused,) = await world.commit((ticket, await world.join(bob, CHESS)))
    assert not isinstance(refused, NewMatch)
    assert (refused.reason, refused.until) == ("BARRED", clock() + COOLDOWN)
    clock.forward(minutes=5)
    waits = await world.waiting(bob)
    assert waits is not None
    (again,) = await world.commit((ticket, waits))
    assert isinstance(again, NewMatch)


async def test_skip_without_a_new_ticket(world: World) -> None:
    """Who has had enough leaves the match and the queue in one step."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    assert await world.skip(ada, room.id, requeue=False) is None
    assert await world.waiting(ada) is None
    assert await world.open_match(bob) is None


async def test_a_cooldown_of_zero_bars_nobody(world: World) -> None:
    """An operator with ten users may let them meet again at once."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    await world.skip(ada, room.id, cooldown=timedelta(0))
    await world.meet(ada, bob)


async def test_both_may_skip_at_once(world: World, database_url: str, clock: Clock) -> None:
    """Two people tire of each other in the same second: neither gets an error, and both wait for somebody else."""
    async with open_world(database_url, clock, one_of_several=True) as other:
        for _ in range(10):
            ada, bob = await world.people(2)
            room = await world.meet(ada, bob)
            one, two = await asyncio.gather(world.skip(ada, room.id), other.skip(bob, room.id))
            assert one is not None
            assert two is not None
            assert (await world.waiting(ada), await world.waiting(bob)) == (one, two)
            (refused,) = await world.commit((one, two))
            assert getattr(refused, "reason", None) == "BARRED"
            told = await world.told(ada) + await other.told(ada) + await world.told(bob) + await other.told(bob)
            assert sum(isinstance(event, MatchEnded) for event in told) == 2


async def test_skip_asked_again_gives_the_same_ticket(world: World, clock: Clock) -> None:
    """The answer was lost on a bad network: the retry does not end in an error or at the end of the queue."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    ticket = await world.skip(ada, room.id)
    told = len(world.inbox.told)
    clock.forward(seconds=60)
    assert await world.skip(ada, room.id) == ticket
    assert await world.skip(ada, room.id, requeue=False) is None
    assert await world.waiting(ada) == ticket
    assert len(world.inbox.told) == told
    bars = await world.database.read(lambda uow: uow.bars.changed_since(None, [ada]))
    assert [until for *_, until in bars] == [room.created_at + COOLDOWN]


async def test_skip_of_a_match_that_the_partner_left_moves_on(world: World, clock: Clock) -> None:
    """The partner was a moment faster: the skip still does what was meant."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob, CHESS)
    await world.skip(bob, room.id, requeue=False)
    clock.forward(seconds=59)
    ticket = await world.skip(ada, room.id)
    assert ticket is not None
    assert ticket.preferences == CHESS


async def test_skip_of_anything_else_is_not_found_and_changes_nothing(world: World, clock: Clock) -> None:
    """A stale tab or a guessing stranger cannot end a match that is not theirs to end."""
    ada, bob, eve = await world.people(3)
    old = await world.meet(ada, bob)
    await world.skip(ada, old.id, requeue=False)
    clock.forward(seconds=1)
    new = await world.meet(ada, eve)
    host, guest = await world.people(2)
    invited = await world.open_room(host, guest)
    told = len(world.inbox.told)
    for user_id, room_id in (
        (ada, old.id),  # in a newer match
        (bob, new.id),  # never in it
        (eve, old.id),
        (ada, uuid4()),
        (host, invited.id),
    ):
        with pytest.raises(NotFound):
            await world.skip(user_id, room_id)
    clock.forward(seconds=60)
    with pytest.raises(NotFound):
        await world.skip(bob, old.id)  # ended 61 seconds ago
    assert len(world.inbox.told) == told
    assert await world.open_match(ada) == new
    assert await world.waiting(bob) is None


async def test_the_suspended_leave_a_match_but_do_not_queue(world: World) -> None:
    """A suspension must not lock somebody into a call that they want to end."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    await world.suspend(ada, SuspensionScope.MATCHING)
    told = len(world.inbox.told)
    with pytest.raises(Suspended):
        await world.skip(ada, room.id)
    assert len(world.inbox.told) == told
    assert await world.open_match(ada) == room
    assert await world.skip(ada, room.id, requeue=False) is None
    assert await world.open_match(bob) is None


# ------------------------------------------------------------------------------------------ people who are not there


async def test_who_joins_and_never_attaches_expires(world: World, clock: Clock) -> None:
    """A ghost does not stay in the queue, and somebody whose socket opens a little later is no ghost."""
    ghost, late = await world.person(attached=False), await world.person(attached=False)
    await world.join(ghost)
    await world.join(late)
    clock.forward(seconds=29)
    assert await expired(world, ghost) is None
    await world.attach(late)
    clock.forward(seconds=1)
    assert await expired(world, ghost) is QueueLeaveReason.EXPIRED
    assert await expired(world, late) is None


async def test_who_was_away_long_before_joining_has_its_30_seconds(world: World, clock: Clock) -> None:
    """Somebody who comes back after a day may join first and open the socket second."""
    ada = await world.person()
    await world.detach(ada)
    clock.forward(days=1)
    await world.join(ada)
    clock.forward(seconds=29)
    assert await expired(world, ada) is None
    clock.forward(seconds=1)
    assert await expired(world, ada) is QueueLeaveReason.EXPIRED


async def test_a_lost_connection_keeps_the_place_for_the_resume_window(world: World, clock: Clock) -> None:
    """A tunnel on the train costs nobody their place; who does not come back is taken out."""
    ada, bob = await world.people(2)
    ticket = await world.join(ada)
    await world.join(bob)
    await world.detach(ada)
    await world.detach(bob)
    clock.forward(seconds=19)
    assert await expired(world, ada) is None
    await world.attach(ada)
    clock.forward(seconds=1)
    assert await expired(world, ada) is None
    assert await world.waiting(ada) == ticket
    assert await expired(world, bob) is QueueLeaveReason.CONNECTION_LOST


async def test_a_partner_who_was_not_reached_costs_nobody_the_place(world: World, clock: Clock) -> None:
    """Invariant 12: the side that was there is queued again where it stood, in front of those who came after."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob, CHESS)
    original = next(event for event in await world.told(ada) if isinstance(event, Matched)).ticket
    here, gone = room.seat_of(ada), room.seat_of(bob)
    assert here is not None
    assert gone is not None
    await world.reach(here.id)
    clock.forward(seconds=4)
    assert not await unreached(world, room)
    clock.forward(seconds=1)
    assert await unreached(world, room)
    ticket = await world.waiting(ada)
    assert ticket is not None
    assert ticket.id != original.id
    assert (ticket.enqueued_at, ticket.widens_at) == (original.enqueued_at, original.widens_at)
    assert (await world.told(ada))[2:] == [
        MemberLeft(room.id, gone.id, MemberLeaveReason.CONNECTION_LOST),
        MatchEnded(room.id, MatchEndReason.PARTNER_LOST),
        QueueJoined(ticket),
    ]
    assert (await world.told(bob))[2:] == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert await world.waiting(bob) is None
    assert not await unreached(world, room)
    (refused,) = await world.commit((ticket, await world.join(bob, CHESS)))
    assert (getattr(refused, "reason", None), getattr(refused, "until", None)) == (
        "BARRED",
        clock() + timedelta(seconds=60),
    )
    assert await world.skip(ada, room.id) == ticket


async def test_a_match_that_reached_nobody_queues_nobody(world: World, clock: Clock) -> None:
    """Two people who both went away are not matched into the next empty room."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    clock.forward(seconds=5)
    assert await unreached(world, room)
    for user_id in (ada, bob):
        assert (await world.told(user_id))[-1] == MatchEnded(room.id, MatchEndReason.YOU_LEFT)
        assert await world.waiting(user_id) is None
        assert await world.open_match(user_id) is None


async def test_a_match_that_reached_both_goes_on(world: World, clock: Clock) -> None:
    """The sweep never ends a conversation: it looks again under the locks."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    await world.reach(*(member.id for member in room.members))
    clock.forward(minutes=5)
    assert not await unreached(world, room)
    assert await world.open_match(ada) == room


async def test_a_suspended_survivor_is_not_queued(world: World, clock: Clock) -> None:
    """The way round a suspension does not lead through a lost partner."""
    ada, bob = await world.people(2)
    room = await world.meet(ada, bob)
    seat = room.seat_of(ada)
    assert seat is not None
    await world.reach(seat.id)
    await world.suspend(ada, SuspensionScope.MATCHING)
    clock.forward(seconds=5)
    assert await unreached(world, room)
    assert await world.waiting(ada) is None


async def test_a_skip_while_detached_waits_for_the_socket(world: World, clock: Clock) -> None:
    """A skip by plain HTTP puts nobody into a match whose events nobody reads."""
    ada, bob, eve = await world.people(3)
    room = await world.meet(ada, bob)
    await world.detach(ada)
    ticket = await world.skip(ada, room.id)
    assert ticket is not None
    (refused,) = await world.commit((ticket, await world.join(eve)))
    assert getattr(refused, "reason", None) == "DETACHED"
    assert ticket.preferences == ANYONE
