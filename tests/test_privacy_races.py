"""Deleting an account beside everything else that can happen to it at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import pytest

from domain.errors import NotAllowed, NotFound, Unauthenticated
from domain.events import MatchEnded
from domain.identity import Caller, Grant, while_signed_in
from domain.matchmaking.queue import join_queue
from domain.matchmaking.ticket import Ticket
from domain.privacy.deleting import delete_account
from domain.rooms.room import Room
from tests.keyring import Keyring
from tests.traces import traces
from tests.world import ANYONE, World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


def deleting(world: World, caller: Caller) -> Awaitable[datetime]:
    """Deleting the account, at the database alone."""
    return delete_account(world.database.transact, caller, new_id=uuid4, clock=world.clock)


async def test_twenty_deletions_at_once_delete_once(world: World) -> None:
    """An impatient finger: nothing hangs, and one of them is answered."""
    caller = world.caller((await world.sign_in()).grant)
    results = await asyncio.gather(*(deleting(world, caller) for _ in range(20)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Unauthenticated"] * 19 + ["datetime"]


@dataclass
class Scene:
    """Somebody who is about to delete their account, and whom they are with."""

    grant: Grant
    caller: Caller
    other: Caller
    room: Room
    match: Room | None
    waiting: Sequence[Ticket]


def joining(world: World, scene: Scene) -> Awaitable[object]:
    """Joining the queue, as the API does it."""
    return while_signed_in(world.database.transact, scene.caller)(
        lambda uow: join_queue(uow, scene.caller.user_id, ANYONE, new_id=uuid4, clock=world.clock)
    )


ACTS: Mapping[str, Callable[[World, Scene], Awaitable[object]]] = {
    "join": joining,
    "send": lambda world, scene: world.send(scene.caller, scene.room, "said"),
    "refresh": lambda world, scene: world.refresh(scene.grant.refresh_token),
    "report": lambda world, scene: world.report(scene.caller, scene.match or scene.room, scene.other, comment="mine"),
    "reported": lambda world, scene: world.report(scene.other, scene.match or scene.room, scene.caller),
    "commit": lambda world, scene: world.commit((scene.waiting[0], scene.waiting[1])),
    "enter": lambda world, scene: world.enter(scene.caller, world.invite_code(scene.room)),
    "publish": lambda world, scene: world.publish(scene.caller, Keyring().x3dh(1)),
}


@pytest.mark.parametrize("what", ACTS)
async def test_a_deletion_beside_anything_else_comes_before_it_or_after_it(world: World, what: str) -> None:
    """Whoever of the two is faster, nothing of a deleted account is left behind, and nobody gets an error of ours."""
    for _ in range(2):
        grant = (await world.sign_in()).grant
        caller, other = world.caller(grant), await world.user()
        waiting = [await world.queue(each) for each in (caller, other)] if what == "commit" else []
        room = await world.open_room(other, *(() if what == "enter" else (caller,)))
        match = None if what in {"join", "commit"} else await world.match(caller, other)
        act = ACTS[what](world, Scene(grant, caller, other, room, match, waiting))
        acted, deleted = await asyncio.gather(act, deleting(world, caller), return_exceptions=True)
        assert not isinstance(deleted, BaseException), deleted
        assert not isinstance(acted, BaseException) or isinstance(acted, (Unauthenticated, NotAllowed, NotFound)), acted
        expected = {"account.id", "head.user_id", "member.user_id", "ticket.user_id"}
        if what == "reported":
            expected |= {"report.subject_id", "moderation_case.subject_id", "pair_bar.low_id", "pair_bar.high_id"}
        found = await traces(world.database, caller.user_id, "said")
        assert {*found} == {str(caller.user_id)}
        assert found[str(caller.user_id)] <= expected
        assert await world.waiting(caller) is None
        assert await world.open_match(caller) is None


async def test_a_seat_that_is_taken_while_its_user_deletes_the_account_is_given_up_too(world: World) -> None:
    """The matcher was a millisecond faster: the partner is not left with nobody."""
    caller, other = world.caller((await world.sign_in()).grant), await world.user()

    async def meanwhile() -> None:
        await world.match(caller, other)

    await delete_account(world.too_early(meanwhile), caller, new_id=uuid4, clock=world.clock)
    assert await world.open_match(caller) is None
    assert isinstance((await world.told(other))[-1], MatchEnded)
