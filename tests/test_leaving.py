"""The ways out of a room: leaving it, closing it, losing the connection; who owns it then, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import UUID

import pytest

from api.buckets import ROOM_CHANGES_BURST
from domain.errors import NotAllowed, NotFound, RateLimited, Unauthenticated
from domain.events import Event, MatchEnded, MemberJoined, MemberLeft, MemberUpdated
from domain.identity import Caller
from domain.ports import UnitOfWork
from domain.presence import PresenceChange, update_presence
from domain.rooms.authority import mute, promote
from domain.rooms.leaving import leave_room
from domain.rooms.room import MatchEndReason, MediaState, Member, MemberLeaveReason, MemberRole, MemberStatus, Room
from persistence.rooms import RoomRepository
from tests.waiting import DEADLINE
from tests.world import World, open_world, seat

OWNER, MODERATOR, MEMBER = MemberRole.OWNER, MemberRole.MODERATOR, MemberRole.MEMBER
LEFT, CLOSED = MemberLeaveReason.LEFT, MemberLeaveReason.ROOM_CLOSED
TOMBSTONE = "room { id name closedAt inviteCode me { id } members { id } }"
LEAVE = f"""mutation($input: LeaveRoomInput!) {{ leaveRoom(input: $input) {{
  __typename ... on LeaveRoomSuccess {{ {TOMBSTONE} }} ... on NotFoundError {{ message }} }} }}"""
CLOSE = f"""mutation($input: CloseRoomInput!) {{ closeRoom(input: $input) {{
  __typename ... on CloseRoomSuccess {{ {TOMBSTONE} }} ... on UserError {{ message }} }} }}"""
NOBODY_KNOWS = ["", "\x00", "\ud800", "9" * 100_000, "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def asked(world: World, operation: str, who: Caller | None, room_id: object) -> Any:  # noqa: ANN401  # JSON
    """What `leaveRoom` or `closeRoom` answered."""
    return await world.answer(operation, who, input={"roomId": str(room_id)})


async def owner_of(world: World, room: Room) -> UUID:
    """The user who owns the open room."""
    (owner,) = [m.user_id for m in (await world.room(room.id)).inside if m.role is OWNER]
    return owner


def gone(room: Room, who: Caller, reason: MemberLeaveReason = LEFT) -> MemberLeft:
    """What is told of a leaving."""
    return MemberLeft(room.id, seat(room, who).id, reason)


# --- leaving ----------------------------------------------------------------------------------------------------------------


async def test_leaving_takes_the_seat_at_once_and_is_told_to_everybody(world: World) -> None:
    """Those who stay see the seat empty, the leaver's other tabs see that they are out, and nobody learns more afterwards."""
    (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
    busy = PresenceChange(typing=True, camera=True, microphone=True, screen=True)
    await world.database.transact(lambda uow: update_presence(uow, bob.user_id, room.id, busy, now=world.clock()))
    world.inbox.told.clear()
    for _ in range(2):  # A lost answer is asked for again.
        payload = await asked(world, LEAVE, bob, room.id)
        assert payload["room"] == {
            "id": str(room.id), "name": "Friends", "closedAt": None, "inviteCode": None, "me": None, "members": [],
        }  # fmt: skip
    assert world.inbox.told == [(who.user_id, gone(room, bob)) for who in (ann, cid, bob)]
    left = seat(await world.room(room.id), bob)
    assert (left.status, left.left_at, left.kicked) == (MemberStatus.LEFT, world.clock(), False)
    assert (left.media, left.typing_until) == (MediaState(), None)
    assert (await world.ask("{ rooms { id } }", bob)).data == {"rooms": []}
    await world.leave(cid, room)
    assert [event for user, event in world.inbox.told if user == bob.user_id] == [gone(room, bob)]


async def test_a_room_of_others_cannot_be_left(world: World) -> None:
    """Who guesses learns nothing, and who was kicked is a stranger."""
    (ann, bob, _), room = await world.friends("Ann", "Bob", "Cid")
    await world.kick(ann, seat(room, bob).id)
    stranger = await world.user("Eve")
    told = len(world.inbox.told)
    for operation in (LEAVE, CLOSE):
        for who, room_id in ((stranger, room.id), (bob, room.id), *((ann, guess) for guess in NOBODY_KNOWS)):
            assert (await asked(world, operation, who, room_id))["__typename"] == "NotFoundError"
        assert (await asked(world, operation, ann, str(room.id).upper()))["__typename"] == "NotFoundError"
        with pytest.raises(Unauthenticated):
            await asked(world, operation, None, room.id)
    assert len(world.inbox.told) == told
    await world.close(ann, room)
    assert (await asked(world, LEAVE, bob, room.id))["__typename"] == "NotFoundError"


@pytest.mark.parametrize("operation", [LEAVE, CLOSE])
async def test_leaving_and_closing_have_a_rate(world: World, operation: str) -> None:
    """Each takes the locks of sixteen people: nobody takes them without end."""
    ann = await world.user()
    for _ in range(ROOM_CHANGES_BURST):
        await asked(world, operation, ann, "")
    with pytest.raises(RateLimited):
        await asked(world, operation, ann, "")


async def test_the_longest_standing_moderator_owns_the_room_after_its_owner(world: World) -> None:
    """A room of friends goes on when whoever made it goes to bed, in the hands of whom they trusted."""
    (ann, bob, cid, dan), room = await world.friends("Ann", "Bob", "Cid", "Dan")
    for who in (dan, cid):
        await world.rank(room, who, MODERATOR)
    heir = seat(room, cid).id
    await world.leave(ann, room)
    assert await owner_of(world, room) == cid.user_id
    for who in (bob, cid, dan):
        assert await world.told(who) == [gone(room, ann), MemberUpdated(room.id, heir)]
    assert await world.told(ann) == [gone(room, ann)]
    assert seat(await world.room(room.id), ann).role is MEMBER


async def test_without_moderators_the_longest_standing_member_owns_it_and_can_speak(world: World) -> None:
    """Nobody could unmute an owner. Standing is counted from the last coming in."""
    (ann, bob, cid, dan), room = await world.friends("Ann", "Bob", "Cid", "Dan")
    await world.leave(bob, room)
    await world.enter(bob, world.invite_code(room))
    await mute(world.directory, world.database.transact, ann.user_id, seat(room, cid).id)
    await world.leave(ann, room)
    assert await owner_of(world, room) == cid.user_id
    assert not seat(await world.room(room.id), cid).muted
    for heir in (dan, bob):
        await world.leave(cid if heir is dan else dan, room)
        assert await owner_of(world, room) == heir.user_id


async def test_an_owner_who_comes_back_is_a_member_and_a_muted_member_still_muted(world: World) -> None:
    """The room is somebody else's now; and a way around a mute that leads through the door is none."""
    (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
    await mute(world.directory, world.database.transact, ann.user_id, seat(room, cid).id)
    for who in (ann, cid):
        await world.leave(who, room)
        await world.enter(who, world.invite_code(room))
    now = await world.room(room.id)
    assert [(m.user_id, m.role, m.muted) for m in now.inside] == [
        (bob.user_id, OWNER, False),
        (ann.user_id, MEMBER, False),
        (cid.user_id, MEMBER, True),
    ]


async def test_the_last_to_leave_closes_the_room_and_its_messages_go(world: World) -> None:
    """A room in which nobody is keeps nothing, and its invite leads nowhere."""
    (ann, bob), room = await world.friends("Ann", "Bob")
    await world.say(ann, room.id)
    await world.leave(ann, room)
    assert len(await world.stored(room)) == 1
    after = await world.leave(bob, room)
    assert (after.closed_at, after.inside) == (world.clock(), ())
    assert len(await world.stored(room)) == 0
    assert (await world.told(bob))[-1] == gone(room, bob)
    with pytest.raises(NotFound):
        await world.enter(ann, world.invite_code(room))
    for who in (ann, bob):
        assert (await asked(world, LEAVE, who, room.id))["room"]["closedAt"] == "2026-11-21T09:30:00.000Z"


async def test_leaving_a_match_ends_it_without_a_cooldown(world: World) -> None:
    """To leave is not to skip: the two may meet again, and the partner is told of an end like any other."""
    ada, bob, room = await world.pair()
    payload = await asked(world, LEAVE, ada, room.id)
    assert payload["room"]["closedAt"] == "2026-11-21T09:30:00.000Z"
    assert await world.told(ada) == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert await world.told(bob) == [gone(room, ada), MatchEnded(room.id, MatchEndReason.PARTNER_LEFT)]
    assert await world.database.read(lambda uow: uow.bars.changed_since(None, [ada.user_id])) == []
    assert [await world.waiting(who) for who in (ada, bob)] == [None, None]
    for who in (ada, bob):  # Both may leave at once.
        assert (await asked(world, LEAVE, who, room.id))["__typename"] == "LeaveRoomSuccess"
    assert len(world.inbox.told) == 3


async def test_passing_a_room_on_and_noting_who_was_reached_do_not_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner came later than the heir: were rows locked in the order of rank, a deadlock would hold both up for a second."""
    (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
    for who in (ann, bob):
        await world.leave(who, room)
        await world.enter(who, world.invite_code(room))
    await world.rank(room, cid, MEMBER)
    await world.rank(room, bob, OWNER)
    save_member, noting, attempts = RoomRepository.save_member, list[asyncio.Future[None]](), list[str]()
    members = [seat(room, who).id for who in (cid, ann, bob)]

    async def note(uow: UnitOfWork) -> None:
        attempts.append("note")
        await uow.rooms.mark_reached(members, world.clock())

    async def slowly(self: RoomRepository, member: Member) -> None:
        await save_member(self, member)
        if not noting:
            noting.append(asyncio.ensure_future(world.database.transact(note)))
            await world.until_blocked()

    async def leaving(uow: UnitOfWork) -> None:
        attempts.append("leave")
        await leave_room(uow, bob.user_id, room.id, now=world.clock())

    monkeypatch.setattr(RoomRepository, "save_member", slowly)
    await world.database.transact(leaving)
    await noting[0]
    assert attempts == ["leave", "note"]
    assert await owner_of(world, room) == cid.user_id


# --- closing ----------------------------------------------------------------------------------------------------------------


async def test_closing_is_told_to_everybody_about_everybody_their_own_leaving_last(world: World) -> None:
    """A list of people empties one by one, and the stream of the room ends with one's own name."""
    (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
    await world.say(ann, room.id)
    world.inbox.told.clear()
    for _ in range(2):
        payload = await asked(world, CLOSE, ann, room.id)
        assert payload["room"] == {
            "id": str(room.id), "name": "Friends", "closedAt": "2026-11-21T09:30:00.000Z", "inviteCode": None,
            "me": None, "members": [],
        }  # fmt: skip
    for who, order in ((ann, (bob, cid, ann)), (bob, (ann, cid, bob)), (cid, (ann, bob, cid))):
        told = [event for user_id, event in world.inbox.told if user_id == who.user_id]
        assert told == [gone(room, leaver, CLOSED) for leaver in order]
    closed = await world.room(room.id)
    assert {member.status for member in closed.members} == {MemberStatus.LEFT}
    assert len(await world.stored(room)) == 0
    assert (await asked(world, LEAVE, cid, room.id))["__typename"] == "LeaveRoomSuccess"
    with pytest.raises(NotFound):
        await world.enter(bob, world.invite_code(room))


async def test_only_the_owner_closes_and_nobody_closes_a_match(world: World) -> None:
    """A moderator keeps order in a room that is not theirs to end."""
    (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
    await world.rank(room, bob, MODERATOR)
    ada, partner, match = await world.pair()
    for who, where in ((bob, room), (cid, room), (ada, match), (partner, match)):
        assert (await asked(world, CLOSE, who, where.id))["__typename"] == "NotAllowedError"
    assert world.inbox.told == []
    await world.leave(ann, room)
    assert (await asked(world, CLOSE, ann, room.id))["__typename"] == "NotFoundError"
    await world.close(bob, room)
    for who in (ann, cid):  # Owners of earlier days, and those for whom it was closed.
        assert (await asked(world, CLOSE, who, room.id))["__typename"] == "NotFoundError"
    assert (await asked(world, CLOSE, bob, room.id))["__typename"] == "CloseRoomSuccess"


# --- two at once ------------------------------------------------------------------------------------------------------------


async def all_at_once(*ways: Awaitable[object]) -> list[object]:
    """What each gave; a refusal counts as an answer, and anything else fails."""
    async with asyncio.timeout(DEADLINE):
        results = await asyncio.gather(*ways, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (NotFound, NotAllowed)):
            raise result
    return results


def leavings(events: list[Event], room: Room, who: Caller) -> list[MemberLeft]:
    """What was told of the person's leaving."""
    member = seat(room, who).id
    return [event for event in events if isinstance(event, MemberLeft) and event.member_id == member]


@pytest.mark.parametrize("count", [2, 3, 16])
async def test_when_all_leave_at_once_the_room_closes_once(world: World, count: int) -> None:
    """The end of an evening: ownership runs through everybody, and nobody is told twice."""
    people, room = await world.friends(*(f"Person {number}" for number in range(count)))
    rooms = await all_at_once(*(world.leave(who, room) for who in people), world.leave(people[0], room))
    assert not (await world.room(room.id)).open
    assert sum(isinstance(after, Room) and not after.open for after in rooms) >= 1
    for who in people:
        assert leavings(await world.told(who), room, who) == [gone(room, who)]


async def test_the_owner_and_the_heir_leave_at_once_and_the_third_owns_the_room(world: World) -> None:
    """Two owners-to-be: a room that passed to somebody who is gone would be nobody's."""
    for _ in range(5):
        (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
        await all_at_once(world.leave(ann, room), world.leave(bob, room))
        assert await owner_of(world, room) == cid.user_id


async def test_two_owners_to_be_one_promoted_at_the_moment_the_owner_leaves(world: World) -> None:
    """Either the new moderator inherits, or the promotion came too late; there is one owner in both cases."""
    for _ in range(5):
        (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
        promotion, _ = await all_at_once(
            promote(world.directory, world.database.transact, ann.user_id, seat(room, cid).id), world.leave(ann, room)
        )
        heir = bob if isinstance(promotion, NotFound) else cid
        assert await owner_of(world, room) == heir.user_id


async def test_an_owner_who_kicks_while_they_leave_leaves_a_room_with_an_owner(world: World) -> None:
    """The heir may be the one who is being kicked."""
    for _ in range(5):
        (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
        kick_, left = await all_at_once(world.kick(ann, seat(room, bob).id), world.leave(ann, room))
        assert isinstance(left, Room)
        out = isinstance(kick_, Room)
        assert await owner_of(world, room) == (cid if out else bob).user_id
        assert seat(await world.room(room.id), bob).kicked is out


async def test_leaving_and_closing_at_once_tell_each_leaving_once(world: World) -> None:
    """Whoever is faster: everybody is out, and told so once."""
    for _ in range(5):
        (ann, bob, cid), room = await world.friends("Ann", "Bob", "Cid")
        await all_at_once(world.leave(bob, room), world.close(ann, room), world.leave(cid, room))
        assert not (await world.room(room.id)).open
        for who in (ann, bob, cid):
            assert len(leavings(await world.told(who), room, who)) == 1
        assert leavings(await world.told(ann), room, ann) == [gone(room, ann, CLOSED)]


async def test_leaving_and_closing_by_the_owner_at_once_is_one_or_the_other(world: World) -> None:
    """Two tabs of one owner: the room is closed, or it passed on and is open."""
    for _ in range(5):
        (ann, bob), room = await world.friends("Ann", "Bob")
        closed, left = await all_at_once(world.close(ann, room), world.leave(ann, room))
        assert isinstance(left, Room)
        now = await world.room(room.id)
        assert now.open is isinstance(closed, NotFound)
        if now.open:
            assert await owner_of(world, room) == bob.user_id


async def test_the_last_leaves_while_somebody_comes_in(world: World) -> None:
    """The newcomer finds an open room that they own, or no room: never one that nobody owns."""
    for _ in range(8):
        (ann,), room = await world.friends("Ann")
        eve = await world.user("Eve")
        joined, _ = await all_at_once(world.enter(eve, world.invite_code(room)), world.leave(ann, room))
        now = await world.room(room.id)
        assert now.open is isinstance(joined, Room)
        if now.open:
            assert await owner_of(world, room) == eve.user_id
            assert any(isinstance(event, MemberJoined) for event in await world.told(eve))


async def test_leaving_and_coming_back_at_once_end_inside_or_outside(world: World) -> None:
    """Two tabs of one person: the seat is the same one, and held or not."""
    for _ in range(5):
        (ann, bob), room = await world.friends("Ann", "Bob")
        results = await all_at_once(world.leave(bob, room), world.enter(bob, world.invite_code(room)))
        assert all(isinstance(result, Room) for result in results)
        now = seat(await world.room(room.id), bob)
        assert now.id == seat(room, bob).id
        # Joining first changes nothing, so leaving wins; else the person is back.
        assert now.inside is any(isinstance(event, MemberJoined) for event in await world.told(ann))


async def test_a_seat_that_was_lost_is_not_left_again(world: World) -> None:
    """Whoever comes back a minute later and asks to leave is out, and nobody is told anything twice."""
    (_, bob, _), room = await world.friends("Ann", "Bob", "Cid")
    await world.put_out(room, bob)
    assert (await asked(world, LEAVE, bob, room.id))["__typename"] == "LeaveRoomSuccess"
    assert world.inbox.told == []
