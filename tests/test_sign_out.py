"""Signing out: the session, the place in the queue, the match and all rooms end at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.errors import NotAllowed
from domain.events import MatchEnded, MemberJoined, MemberLeft, MemberUpdated, QueueLeft
from domain.identity import Grant, RefreshToken, Session, SessionScope, refresh_session, sign_out
from domain.matchmaking.ticket import QueueLeaveReason, TicketStatus
from domain.ports import UnitOfWork
from domain.rooms.room import MatchEndReason, MemberLeaveReason, MemberRole
from tests.inboxes import a_bus, a_worker
from tests.waiting import until
from tests.world import START, World, open_world, seat

T = TypeVar("T")

SIGN_OUT = "mutation { signOut { ... on SignOutSuccess { user { id } } } }"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Everything that identity needs."""
    async with open_world(database_url) as parts:
        yield parts


async def test_signing_out_ends_the_session_at_once_and_twice_is_fine(world: World) -> None:
    """On a shared computer, gone means gone."""
    grant = (await world.sign_in()).grant
    caller, bearer = world.caller(grant), world.bearer(grant)
    assert await world.admission.admit(bearer) == caller
    for _ in range(2):
        answer = await world.ask(SIGN_OUT, caller)
        assert answer.data["signOut"]["user"]["id"] == str(grant.user.id)
    assert await world.revoked(grant, grant.refresh_token)
    assert (await world.ask(SIGN_OUT)).failures[0].code == "UNAUTHENTICATED"


async def test_a_suspended_user_may_sign_out(world: World) -> None:
    """Being suspended is no reason to be kept."""
    grant = (await world.sign_in()).grant
    await world.suspend(grant.user.id)
    caller = world.caller(await world.refresh(grant.refresh_token))
    assert caller.scope is SessionScope.APPEAL_ONLY
    assert (await world.ask(SIGN_OUT, caller)).data["signOut"]["user"]["id"] == str(grant.user.id)


async def test_signing_out_and_a_renewal_that_fails_do_not_wait_in_a_circle(database_url: str, world: World) -> None:
    """PostgreSQL would see the circle after a second, in which everybody in the user's rooms waits with them."""
    first = (await world.sign_in()).grant
    await world.refresh(first.refresh_token)
    world.clock.forward(minutes=1)
    attempts, decided, go_on = 0, asyncio.Event(), asyncio.Event()
    async with a_bus() as bus, a_worker(database_url, bus) as worker:

        async def counted(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
            async def one(uow: UnitOfWork) -> T:
                nonlocal attempts
                attempts += 1
                return await work(uow)

            return await worker.database.transact(one)

        async def held_up(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
            async def one(uow: UnitOfWork) -> T:
                result = await work(uow)
                decided.set()
                await go_on.wait()
                return result

            return await counted(one)

        async def somebody_waits() -> bool:
            async with world.database.reading() as connection:
                return bool(await connection.scalar(text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")))

        renewal = refresh_session(
            held_up, world.throttle, world.secrets, refresh_token=first.refresh_token, network="n", now=world.clock()
        )
        renewing = asyncio.create_task(renewal)
        await decided.wait()
        leaving = asyncio.create_task(sign_out(counted, world.caller(first), now=world.clock()))
        await until(somebody_waits)
        go_on.set()
        await leaving
        with pytest.raises(NotAllowed):
            await renewing
    assert attempts == 2


async def test_signing_out_leaves_the_queue(world: World) -> None:
    """Nobody is matched with somebody who has gone."""
    grant = (await world.sign_in()).grant
    ticket = await world.queue(grant.user.id)
    await sign_out(world.database.transact, world.caller(grant), now=world.clock())
    (event,) = await world.told(grant.user.id)
    assert isinstance(event, QueueLeft)
    assert (event.reason, event.ticket.id) == (QueueLeaveReason.LEFT, ticket.id)
    assert event.ticket.status is TicketStatus.CANCELLED
    assert await world.database.read(lambda uow: uow.tickets.waiting(grant.user.id)) is None


async def match_of_two(world: World) -> tuple[Grant, Grant, UUID]:
    """Two people in a match, and its room."""
    one, other = (await world.sign_in("Ada")).grant, (await world.sign_in("Grace")).grant
    return one, other, (await world.match(one.user.id, other.user.id)).id


async def ended(world: World, one: Grant, other: Grant, room_id: UUID) -> bool:
    """Whether the match is over, and both sides were told what is theirs to know."""
    room = await world.database.read(lambda uow: uow.rooms.get(room_id))
    assert room is not None
    seat = room.seat_of(one.user.id)
    assert seat is not None
    assert await world.told(one.user.id) == [MatchEnded(room_id, MatchEndReason.YOU_LEFT)]
    assert await world.told(other.user.id) == [
        MemberLeft(room_id, seat.id, MemberLeaveReason.LEFT),
        MatchEnded(room_id, MatchEndReason.PARTNER_LEFT),
    ]
    return not room.open and not room.inside


async def test_signing_out_ends_the_match(world: World) -> None:
    """The partner is not left talking to an empty seat."""
    one, other, room_id = await match_of_two(world)
    await sign_out(world.database.transact, world.caller(one), now=world.clock())
    assert await ended(world, one, other, room_id)
    await sign_out(world.database.transact, world.caller(one), now=world.clock())
    assert len(await world.told(other.user.id)) == 2


async def test_a_match_that_opens_while_its_user_signs_out_ends_too(world: World) -> None:
    """The matcher was a millisecond faster: the partner still is not left with nobody."""
    one, other = (await world.sign_in("Ada")).grant, (await world.sign_in("Grace")).grant
    for side in (one, other):
        await world.queue(side.user.id)
    opened: list[UUID] = []

    async def meanwhile() -> None:
        opened.append((await world.match(one.user.id, other.user.id)).id)

    await sign_out(world.too_early(meanwhile), world.caller(one), now=world.clock())
    assert await ended(world, one, other, opened[0])
    assert await world.revoked(one, one.refresh_token)


async def test_signing_out_leaves_all_rooms_and_the_match(world: World) -> None:
    """On a shared computer the next person must not sit in the rooms of the last; and friends see at once who is gone."""
    one, other, match_id = await match_of_two(world)
    me, friend = one.user.id, other.user.id
    mine, theirs, alone = (
        await world.open_room(me, friend),
        await world.open_room(friend, me),
        await world.open_room(me),
    )
    await sign_out(world.database.transact, world.caller(one), now=world.clock())
    left = {room.id: MemberLeft(room.id, seat(room, me).id, MemberLeaveReason.LEFT) for room in (mine, theirs, alone)}
    told = [event for event in await world.told(me) if isinstance(event, MemberLeft)]
    assert {event.room_id: event for event in told} == left
    assert len(told) == 3
    assert [event for event in await world.told(friend) if getattr(event, "room_id", None) == mine.id] == [
        left[mine.id],
        MemberUpdated(mine.id, seat(mine, friend).id),
    ]
    for room_id, open_ in ((match_id, False), (mine.id, True), (theirs.id, True), (alone.id, False)):
        room = await world.room(room_id)
        assert room.open is open_
        assert not room.holds(me)
    assert seat(await world.room(mine.id), friend).role is MemberRole.OWNER


async def test_a_room_that_is_entered_while_its_user_signs_out_is_left_too(world: World) -> None:
    """Two tabs: one signs out, one opens the invite. Nobody stays inside whom no session belongs to."""
    for _ in range(8):
        one, other = (await world.sign_in("Ada")).grant, (await world.sign_in("Grace")).grant
        room = await world.open_room(other.user.id)
        join = world.enter(one.user.id, world.invite_code(room))
        leaving = sign_out(world.database.transact, world.caller(one), now=world.clock())
        joined, _ = await asyncio.gather(join, leaving)
        # Who came in before is out again; who came in after is held for a minute, as every seat without a connection.
        seats = [event for event in await world.told(one.user.id) if isinstance(event, (MemberJoined, MemberLeft))]
        inside = (await world.room(joined.id)).holds(one.user.id)
        assert [type(event) for event in seats] == ([MemberJoined] if inside else [MemberJoined, MemberLeft])


async def test_both_sides_sign_out_at_once(world: World) -> None:
    """Both close their laptops: nothing hangs, nothing fails, the match ends once."""
    for _ in range(10):
        one, other, room_id = await match_of_two(world)
        await asyncio.gather(
            *(sign_out(world.database.transact, world.caller(side), now=world.clock()) for side in (one, other))
        )
        told = await world.told(one.user.id), await world.told(other.user.id)
        assert sorted(len(events) for events in told) == [1, 2]
        assert {events[-1] for events in told} == {
            MatchEnded(room_id, MatchEndReason.YOU_LEFT),
            MatchEnded(room_id, MatchEndReason.PARTNER_LEFT),
        }


async def test_another_session_keeps_place_and_match(world: World) -> None:
    """Signing out on one device does not hang up the call on the other."""
    one, _, room_id = await match_of_two(world)
    second = Session(UUID(int=1), one.user.id, SessionScope.FULL, START, None)
    token = RefreshToken(b"second", second.id, None, START, START + timedelta(days=1), None)

    async def sign_in_again(uow: UnitOfWork) -> None:
        await uow.sessions.add(second)
        await uow.sessions.add_token(token)

    await world.database.transact(sign_in_again)
    await sign_out(world.database.transact, world.caller(one), now=world.clock())
    room = await world.database.read(lambda uow: uow.rooms.get(room_id))
    assert room is not None
    assert room.open
    assert await world.told(one.user.id) == []


@pytest.mark.parametrize(
    "taking",
    [
        "joinQueue(input: {mode: TEXT}) { __typename }",
        'createRoom(input: {name: "x", capacity: 2}) { __typename }',
        'joinRoom(input: {inviteCode: "CODE"}) { __typename }',
        'skip(input: {roomId: "ROOM"}) { __typename }',
    ],
)
async def test_who_signed_out_is_given_nothing_by_a_worker_that_believes_the_session_still(
    world: World, taking: str
) -> None:
    """A session is believed for a second: they would wait in the queue, or sit in a room, with nobody there."""
    create = 'mutation { createRoom(input: {name: "x"}) { ... on CreateRoomSuccess { room { inviteCode } } } }'
    code = (await world.answer(create, await world.user()))["room"]["inviteCode"]
    ada, _, room = await world.pair()
    caller = ada if "ROOM" in taking else await world.user()
    await world.database.transact(lambda uow: uow.sessions.revoke(caller.session_id, START))
    answer = await world.ask(f"mutation {{ {taking.replace('CODE', code).replace('ROOM', str(room.id))} }}", caller)
    assert [failure.code for failure in answer.failures] == ["UNAUTHENTICATED"]
