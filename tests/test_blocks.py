"""Blocks: who can be blocked, that the two never meet again whatever happens at the same moment, and what one sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from domain.errors import BadInput, Forbidden, NotFound, PageTooLarge, RateLimited, Unauthenticated
from domain.events import MatchEnded, MemberLeft
from domain.identity import Caller, SessionScope, update_profile
from domain.matchmaking.commit import NewMatch, Refusal, Refused
from domain.paging import Place
from domain.rooms.holding import persistently
from domain.rooms.room import MatchEndReason, MemberLeaveReason, Room
from domain.safety.block import Block
from domain.safety.blocking import BLOCKS_OF_USER, BLOCKS_PERIOD, block_user, unblock_user
from persistence.limits import PostgresRateLimits
from schema.cursors import AUDIT, place_cursor
from tests.locks import held_up
from tests.waiting import until
from tests.world import World, open_world, seat

BLOCK = """mutation($id: ID!) { blockUser(input: {memberId: $id}) {
  __typename ... on BlockUserSuccess { block { id displayName createdAt } } ... on NotFoundError { message } } }"""
UNBLOCK = """mutation($id: ID!) { unblockUser(input: {blockId: $id}) {
  __typename ... on UnblockUserSuccess { blockId } ... on NotFoundError { message } } }"""
BLOCKS = """query($first: Int, $after: Cursor) { me { blocks(first: $first, after: $after) {
  edges { cursor node { id displayName } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
NOBODY_KNOWS = ["", "\x00", "\ud800", "9" * 100_000, "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"]
LEFT = MemberLeaveReason.LEFT


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def blocked(world: World, who: Caller, member_id: UUID) -> Block:
    """What the use case does, as the mutation runs it."""
    return await persistently(
        world.database.transact,
        lambda uow: block_user(uow, who.user_id, member_id, new_id=uuid4, clock=world.clock),
    )


async def unblocked(world: World, who: Caller, block: Block) -> None:
    """Lifts it."""
    await world.database.transact(lambda uow: unblock_user(uow, who.user_id, block.id, clock=world.clock))


async def meeting(world: World, one: Caller, other: Caller) -> NewMatch | Refused:
    """What a matcher that believes in the two achieves."""
    for who in (one, other):
        await world.attach(who)
    (result,) = await world.commit((await world.join(one), await world.join(other)))
    return result


async def listed(world: World, who: Caller, first: int = 50, after: str | None = None) -> Any:  # noqa: ANN401  # JSON
    """A page of `me.blocks`."""
    return (await world.answer(BLOCKS, who, first=first, after=after))["blocks"]


# --- what it does -----------------------------------------------------------------------------------------------------------


async def test_a_block_ends_the_match_as_leaving_does(world: World) -> None:
    """The partner is told what everybody is told whose partner went, so that nobody is blamed for a block."""
    ada, bob, room = await world.pair()
    payload = await world.answer(BLOCK, ada, id=str(seat(room, bob).id))
    assert payload["block"]["displayName"] == "Bob"
    assert await world.told(ada) == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert await world.told(bob) == [
        MemberLeft(room.id, seat(room, ada).id, LEFT),
        MatchEnded(room.id, MatchEndReason.PARTNER_LEFT),
    ]
    assert not (await world.room(room.id)).open


@pytest.mark.parametrize("blocker", [0, 1])
async def test_the_two_never_meet_again_in_either_direction(world: World, blocker: int) -> None:
    """Neither finds the other, whichever of them it was, and however long ago."""
    ada, bob, room = await world.pair()
    await world.end(room)
    sides = sorted((ada, bob), key=lambda who: who.user_id)
    await blocked(world, sides[blocker], seat(room, sides[1 - blocker]).id)
    world.clock.forward(days=400)
    assert await meeting(world, ada, bob) == Refused(Refusal.BARRED, None)
    assert await meeting(world, bob, ada) == Refused(Refusal.BARRED, None)


async def test_a_match_ends_also_when_they_met_elsewhere(world: World) -> None:
    """They sat together with friends, and are matched now: the match is what has to end, the room of friends is everybody's."""
    (ada, bob, _), friends = await world.friends("Ada", "Bob", "Cid")
    match = await world.match(ada, bob)
    await blocked(world, ada, seat(friends, bob).id)
    assert not (await world.room(match.id)).open
    assert [member.user_id for member in (await world.room(friends.id)).inside][:2] == [ada.user_id, bob.user_id]
    assert (await world.told(bob))[-1] == MatchEnded(match.id, MatchEndReason.PARTNER_LEFT)


async def test_matches_with_others_go_on(world: World) -> None:
    """Whoever blocks somebody of yesterday keeps today's partner."""
    ada, bob, room = await world.pair()
    await world.end(room)
    cid, dan = await world.user("Cid"), await world.user("Dan")
    matches = await world.match(ada, cid), await world.match(bob, dan)
    await blocked(world, ada, seat(room, bob).id)
    assert [(await world.room(match.id)).open for match in matches] == [True, True]


# --- whom -------------------------------------------------------------------------------------------------------------------


async def test_who_was_not_met_cannot_be_blocked(world: World) -> None:
    """Strangers are not to be found out by guessing, and nobody blocks themselves."""
    ada, bob, room = await world.pair()
    stranger = await world.user("Eve")
    for who, member_id in (
        (stranger, seat(room, bob).id),
        (ada, seat(room, ada).id),
        (ada, ada.user_id),
        (ada, bob.user_id),
        *((ada, guess) for guess in NOBODY_KNOWS),
    ):
        assert (await world.answer(BLOCK, who, id=str(member_id)))["__typename"] == "NotFoundError"
    with pytest.raises(Unauthenticated):
        await world.answer(BLOCK, None, id=str(seat(room, bob).id))
    with pytest.raises(Forbidden):
        await world.answer(BLOCK, replace(ada, scope=SessionScope.APPEAL_ONLY), id=str(seat(room, bob).id))
    assert (await world.room(room.id)).open


@pytest.mark.parametrize("leaver", [0, 1])
async def test_a_day_after_parting_nobody_is_blocked_any_more(world: World, leaver: int) -> None:
    """Until then somebody may look back, whoever of the two left, and also when they were put out of the room."""
    people, room = await world.friends("Ada", "Bob", "Cid")
    ada, bob, cid = people
    await world.put_out(room, people[leaver])
    await world.put_out(room, cid, kicked=True)
    world.clock.forward(hours=24)
    assert (await blocked(world, ada, seat(room, bob).id)).display_name == "Bob"
    assert (await blocked(world, cid, seat(room, ada).id)).display_name == "Ada"
    world.clock.forward(seconds=1)
    with pytest.raises(NotFound):
        await blocked(world, bob, seat(room, ada).id)


async def test_a_repeat_returns_the_first_block(world: World) -> None:
    """A lost answer is asked for again, also at the same time and through another room, and nobody is told twice."""
    ada, bob, room = await world.pair()
    first = await world.answer(BLOCK, ada, id=str(seat(room, bob).id))
    told = len(world.inbox.told)
    await world.database.transact(lambda uow: update_profile(uow, bob.user_id, name="Robert", now=world.clock()))
    friends = await world.open_room(ada, bob)
    world.clock.forward(hours=1)
    answers = await asyncio.gather(
        *(world.answer(BLOCK, ada, id=str(seat(place, bob).id)) for place in (room, friends, room, friends))
    )
    assert answers == [first] * 4
    assert [edge["node"]["displayName"] for edge in (await listed(world, ada))["edges"]] == ["Bob"]
    assert len(world.inbox.told) == told


async def test_the_first_block_is_one_whoever_asks_at_the_same_time(world: World) -> None:
    """Two tabs, one click each."""
    ada, bob, room = await world.pair()
    made = await asyncio.gather(*(blocked(world, ada, seat(room, bob).id) for _ in range(4)))
    assert len({block.id for block in made}) == 1
    assert len(await world.told(ada)) == 1


async def test_blocks_have_a_rate_across_workers(world: World) -> None:
    """A script does not fill the table of pairs."""
    world.limits = PostgresRateLimits(world.database.reading)
    ada, bob, room = await world.pair()
    for _ in range(BLOCKS_OF_USER):
        await world.limits.take(f"blocks:{ada.user_id}", burst=BLOCKS_OF_USER, period=BLOCKS_PERIOD)
    with pytest.raises(RateLimited):
        await world.answer(BLOCK, ada, id=str(seat(room, bob).id))
    assert (await world.answer(BLOCK, bob, id=str(seat(room, ada).id)))["__typename"] == "BlockUserSuccess"


# --- lifting ----------------------------------------------------------------------------------------------------------------


async def test_unblocking_lets_them_meet_at_once(world: World) -> None:
    """Two who wait are matched without anybody else coming or going."""
    ada, bob, room = await world.pair()
    block = await world.answer(BLOCK, ada, id=str(seat(room, bob).id))
    for who in (ada, bob):
        await world.join(who)
    world.clock.goes = True
    await world.matcher.start()
    await until(lambda: world.matcher.pool.available == 2)
    assert (await world.open_match(ada), world.matcher.pool.refusals.total()) == (None, 0)
    block_id = block["block"]["id"]
    assert (await world.answer(UNBLOCK, ada, id=block_id)) == {"__typename": "UnblockUserSuccess", "blockId": block_id}

    async def met() -> bool:
        return await world.open_match(ada) is not None

    await until(met)
    assert (await listed(world, ada))["edges"] == []


async def test_unblocking_lifts_this_side_only(world: World) -> None:
    """What the other wants, and a cooldown, hold the two apart as before; blocking again is a block like the first."""
    ada, bob, room = await world.pair()
    mine, theirs = await asyncio.gather(
        blocked(world, ada, seat(room, bob).id), blocked(world, bob, seat(room, ada).id)
    )
    assert len([event for _, event in world.inbox.told if isinstance(event, MatchEnded)]) == 2
    since, _, _ = await world.database.read(lambda uow: uow.tickets.changed_since(None))
    await unblocked(world, ada, mine)
    ((*pair, until_when),) = await world.database.read(lambda uow: uow.bars.changed_since(since, ()))
    assert (set(pair), until_when) == (
        {ada.user_id, bob.user_id},
        None,
    )  # The other's is in force, and a change was told.
    assert await meeting(world, ada, bob) == Refused(Refusal.BARRED, None)
    cooldown = world.clock() + timedelta(minutes=5)
    await world.bar(ada.user_id, bob.user_id, "COOLDOWN", cooldown)
    await unblocked(world, bob, theirs)
    assert await meeting(world, ada, bob) == Refused(Refusal.BARRED, cooldown)
    again = await blocked(world, ada, seat(room, bob).id)
    assert again.id != mine.id
    world.clock.forward(hours=1)
    assert await meeting(world, ada, bob) == Refused(Refusal.BARRED, None)


async def test_blocks_of_others_are_not_lifted(world: World) -> None:
    """Least of all by whom they are about; and what was lifted is gone."""
    ada, bob, room = await world.pair()
    block = await blocked(world, ada, seat(room, bob).id)
    for who, block_id in ((bob, block.id), *((ada, guess) for guess in NOBODY_KNOWS), (ada, bob.user_id)):
        assert (await world.answer(UNBLOCK, who, id=str(block_id)))["__typename"] == "NotFoundError"
    with pytest.raises(Unauthenticated):
        await world.answer(UNBLOCK, None, id=str(block.id))
    with pytest.raises(Forbidden):
        await world.answer(UNBLOCK, replace(ada, scope=SessionScope.APPEAL_ONLY), id=str(block.id))
    assert await meeting(world, ada, bob) == Refused(Refusal.BARRED, None)
    answers = await asyncio.gather(*(world.answer(UNBLOCK, ada, id=str(block.id)) for _ in range(3)))
    assert sorted(answer["__typename"] for answer in answers) == [
        "NotFoundError",
        "NotFoundError",
        "UnblockUserSuccess",
    ]


# --- at the same time -------------------------------------------------------------------------------------------------------


async def test_a_match_that_waited_for_the_block_is_refused(world: World, database_url: str) -> None:
    """The matcher proposed the two before, and commits behind the block: it sees it."""
    async with open_world(database_url, world.clock, one_of_several=True) as other:
        (ada, bob), friends = await world.friends("Ada", "Bob")
        for who in (ada, bob):
            await world.attach(who)
        tickets = await world.join(ada), await world.join(bob)
        async with held_up(database_url, ada.user_id, bob.user_id):
            block = asyncio.create_task(blocked(world, ada, seat(friends, bob).id))
            await world.until_blocked()
            commit = asyncio.create_task(other.commit(tickets))
            await world.until_blocked(2)
        await block
        assert await commit == [Refused(Refusal.BARRED, None)]
        assert await world.open_match(ada) is None


async def test_a_match_that_was_committed_before_the_block_ends(world: World, database_url: str) -> None:
    """The block looked for a match and found none, and while it waited for the locks there was one: it looks again."""
    async with open_world(database_url, world.clock, one_of_several=True) as other:
        (ada, bob), friends = await world.friends("Ada", "Bob")
        for who in (ada, bob):
            await world.attach(who)
        tickets = await world.join(ada), await world.join(bob)
        async with held_up(database_url, ada.user_id, bob.user_id):
            commit = asyncio.create_task(other.commit(tickets))
            await world.until_blocked()
            block = asyncio.create_task(blocked(world, ada, seat(friends, bob).id))
            await world.until_blocked(2)
        (match,) = await commit
        assert isinstance(match, NewMatch)
        await block
        assert not (await world.room(match.room_id)).open
        assert [await world.open_match(who) for who in (ada, bob)] == [None, None]


async def test_blocks_and_matches_of_many_at_once_leave_nobody_together(world: World, database_url: str) -> None:
    """Whatever order they come in: afterwards no two sit together of whom one blocks the other."""
    async with open_world(database_url, world.clock, one_of_several=True) as other:
        people = [await world.user(f"Person {number}") for number in range(16)]
        room = await world.open_room(*people)
        for who in people:
            await world.attach(who)
        tickets = [await world.join(who) for who in people]
        pairs = list(zip(people[::2], people[1::2], strict=True))
        matching = asyncio.create_task(other.commit(*zip(tickets[::2], tickets[1::2], strict=True)))
        await asyncio.gather(
            *(blocked(world, one, seat(room, two).id) for one, two in pairs[::2]),
            *(blocked(other, two, seat(room, one).id) for one, two in pairs[1::2]),
            *(blocked(other, two, seat(room, one).id) for one, two in pairs[::4]),
        )
        assert len(await matching) == 8
        assert [await world.open_match(who) for who in people] == [None] * 16


async def test_a_late_unblock_does_not_lift_the_next_block(world: World, database_url: str) -> None:
    """Two tabs lift one block, and in between it is made again: the second looks anew once it has the locks."""
    async with open_world(database_url, world.clock, one_of_several=True) as other:
        ada, bob, room = await world.pair()
        await world.end(room)
        block = await blocked(world, ada, seat(room, bob).id)
        async with held_up(database_url, ada.user_id, bob.user_id):
            attempts = [asyncio.create_task(unblocked(world, ada, block))]
            await world.until_blocked()
            attempts.append(asyncio.create_task(unblocked(other, ada, block)))
            await world.until_blocked(2)
        assert [type(result) for result in await asyncio.gather(*attempts, return_exceptions=True)] == [
            type(None),
            NotFound,
        ]


async def test_nobody_is_blocked_who_is_gone(world: World) -> None:
    """An account that was deleted does not come back, and keeps nothing of others' lists."""
    ada, bob, room = await world.pair()
    async with world.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE account SET deleted_at = :now WHERE id = :id"), {"now": world.clock(), "id": bob.user_id}
        )
    with pytest.raises(NotFound):
        await blocked(world, ada, seat(room, bob).id)
    with pytest.raises(Unauthenticated):
        await blocked(world, bob, seat(room, ada).id)


# --- invite rooms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocker", [0, 1])
async def test_an_invite_leads_nobody_to_whom_they_are_kept_apart_from(world: World, blocker: int) -> None:
    """The code answers as an unknown one, whoever of the two blocked, for as long as the other is inside."""
    people, old = await world.friends("Ada", "Bob")
    ada, bob = people
    block = await blocked(world, people[blocker], seat(old, people[1 - blocker]).id)
    cid = await world.user("Cid")
    room = await world.open_room(cid, ada)
    code = world.invite_code(room)
    assert await world.look(bob, code) is None
    with pytest.raises(NotFound) as refused:
        await world.enter(bob, code)
    with pytest.raises(NotFound) as unknown:
        await world.enter(bob, "no code")
    assert str(refused.value) == str(unknown.value)
    await world.leave(ada, room)
    assert (await world.enter(bob, code)).holds(bob.user_id)
    assert await world.look(ada, code) is None
    await unblocked(world, people[blocker], block)
    assert (await world.enter(ada, code)).holds(ada.user_id)


async def test_rooms_that_both_are_in_stay_as_they_are(world: World) -> None:
    """The room is everybody's: nobody is put out of it by one of them. Who leaves does not come back."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await blocked(world, ada, seat(room, bob).id)
    code = world.invite_code(room)
    assert len((await world.enter(bob, code)).inside) == 2
    assert await world.look(bob, code) is not None
    await world.leave(bob, room)
    with pytest.raises(NotFound):
        await world.enter(bob, code)


async def test_who_was_blocked_while_joining_does_not_get_in(world: World, database_url: str) -> None:
    """The look at the blocks before the locks was too early."""
    async with open_world(database_url, world.clock, one_of_several=True) as other:
        (ada, bob), old = await world.friends("Ada", "Bob")
        room: Room = await world.open_room(ada)
        async with held_up(database_url, ada.user_id, bob.user_id):
            block = asyncio.create_task(blocked(world, ada, seat(old, bob).id))
            await world.until_blocked()
            joining = asyncio.create_task(other.enter(bob, world.invite_code(room)))
            await world.until_blocked(2)
        await block
        with pytest.raises(NotFound):
            await joining
        assert not (await world.room(room.id)).holds(bob.user_id)


# --- looking ----------------------------------------------------------------------------------------------------------------


async def test_one_s_blocks_are_listed_with_the_newest_first(world: World) -> None:
    """Page by page, also when one is lifted in between, and also from an account that may only appeal."""
    (ada, *others), room = await world.friends("Ada", *(f"Person {number}" for number in range(5)))
    made = []
    for who in others:
        world.clock.forward(seconds=1)
        made.append(await blocked(world, ada, seat(room, who).id))
    await blocked(world, others[0], seat(room, others[1]).id)
    page = await listed(world, replace(ada, scope=SessionScope.APPEAL_ONLY), first=2)
    assert [edge["node"]["displayName"] for edge in page["edges"]] == ["Person 4", "Person 3"]
    info = page["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    assert (info["startCursor"], info["endCursor"]) == tuple(edge["cursor"] for edge in page["edges"])
    await unblocked(world, ada, made[3])
    rest = await listed(world, ada, first=100, after=info["endCursor"])
    assert [edge["node"]["id"] for edge in rest["edges"]] == [str(block.id) for block in reversed(made[:3])]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    empty = await listed(world, ada, after=rest["pageInfo"]["endCursor"])
    assert (empty["edges"], empty["pageInfo"]["endCursor"]) == ([], None)
    assert (await listed(world, others[1]))["edges"] == []


async def test_pages_of_blocks_have_a_size_and_cursors_a_kind(world: World) -> None:
    """What a client got wrong is told, as everywhere."""
    ada = await world.user()
    for first in (0, -1, 101):
        with pytest.raises(PageTooLarge):
            await listed(world, ada, first=first)
    foreign = place_cursor(AUDIT, Place(0, world.clock(), uuid4()))
    for cursor in (foreign, "", "x", "é"):
        with pytest.raises(BadInput):
            await listed(world, ada, after=cursor)
    assert (await world.ask(BLOCKS, ada, after="A" * 10_000)).errors
