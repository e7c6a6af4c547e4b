"""Claiming keys: each one-time key to one claimer, whoever asks at once, and the same again for the same request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.errors import BadInput, NoKeys, NotFound, RateLimited
from domain.events import Event, KeysPublished, PreKeysLow
from domain.keys.bundle import (
    ClaimedBundle,
    KeyCounts,
    OneTimeKeyKind,
    PreKey,
)
from domain.keys.claiming import CLAIMS_PER_PAIR, check_request_id
from domain.ports import UnitOfWork
from domain.rooms.authority import kick
from persistence.limits import PostgresRateLimits
from persistence.retention import purge
from tests.keyring import Keyring
from tests.waiting import DEADLINE
from tests.world import World, open_world, seat
from tests.world.keys import key_events

RING = Keyring()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def test_sixteen_claimers_of_ten_keys_get_ten_different_ones(world: World) -> None:
    """A one-time key that two have is none: whoever loses the race must fall back, not share."""
    owner, *claimers = await world.people(17)
    rooms = [await world.open_room(owner, claimer) for claimer in claimers]
    offered = RING.pqxdh(10, 10)
    await world.publish(owner, offered)
    given = await asyncio.gather(
        *(world.claim(claimer, seat(room, owner).id) for claimer, room in zip(claimers, rooms, strict=True))
    )
    pre_keys = [one.one_time_pre_key for one in given if one.one_time_pre_key is not None]
    kem_keys = [one.one_time_kem_key for one in given if one.one_time_kem_key is not None]
    assert sorted(pre_keys, key=lambda key: key.key_id) == list(offered.one_time.pre_keys)
    assert sorted(kem_keys, key=lambda key: key.key_id) == list(offered.one_time.kem_keys)
    assert {one.bundle.last_resort_kem_key for one in given} == {offered.last_resort_kem_key}
    assert await world.key_counts(owner) == KeyCounts(0, 0)


async def test_a_key_that_is_being_taken_is_passed_over(world: World) -> None:
    """Nobody gets the same key and nobody waits for it, even if the owner's head were not locked."""
    owner = await world.person()
    await world.publish(owner, RING.x3dh(6))
    inside, everybody = [0], asyncio.Event()

    async def take(uow: UnitOfWork) -> PreKey | None:
        key = await uow.keys.take_pre_key(owner)
        inside[0] += 1
        if inside[0] == 8:
            everybody.set()
        async with asyncio.timeout(DEADLINE):
            await everybody.wait()  # All eight have theirs, and none has committed.
        return key

    taken = await asyncio.gather(*(world.database.transact(take) for _ in range(8)))
    assert sorted(key.key_id for key in taken if key is not None) == [0, 1, 2, 3, 4, 5]


async def test_the_same_request_gets_the_same_bundle(world: World) -> None:
    """A client whose answer was lost does not use up the owner's keys, and does not end up with two sessions."""
    world.limits = PostgresRateLimits(world.database.reading)
    owner, (friend, other), room = await world.among_friends(2)
    await world.publish(owner, RING.pqxdh(5, 5))
    owner_seat = seat(room, owner).id
    first = await asyncio.gather(*(world.claim(friend, owner_seat, "once") for _ in range(20)))
    assert first.count(first[0]) == 20
    assert await world.key_counts(owner) == KeyCounts(4, 4)
    assert len(world.one_by_one) == 0
    # It was counted once: all but one are still allowed.
    others = [await world.claim(friend, owner_seat) for _ in range(CLAIMS_PER_PAIR - 1)]
    with pytest.raises(RateLimited):
        await world.claim(friend, owner_seat)
    assert await world.claim(friend, owner_seat, "once") == first[0]
    assert first[0] not in others
    # It is the claimer's own: the same ID means nothing from somebody else, or for another member.
    assert await world.claim(other, owner_seat, "once") != first[0]
    await world.publish(owner, Keyring().x3dh(3))
    assert await world.claim(friend, owner_seat, "once") == first[0]


class Meanwhile(PostgresRateLimits):
    """Never refuses, and lets something happen between the two looks of a claim."""

    def __init__(self, world: World, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(world.database.reading)
        self._happens = happens

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        await self._happens()


async def test_the_same_request_at_two_servers_gets_the_same_bundle(world: World, database_url: str) -> None:
    """A client that reconnects elsewhere and asks again, while the first is under way."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.pqxdh(5, 5))
    given: list[ClaimedBundle] = []
    async with open_world(database_url, one_of_several=True) as second:

        async def elsewhere() -> None:
            given.append(await second.claim(friend, seat(room, owner).id, "once"))

        world.limits = Meanwhile(world, elsewhere)
        assert [await world.claim(friend, seat(room, owner).id, "once")] == given
    assert await world.key_counts(owner) == KeyCounts(4, 4)


async def test_a_claim_is_kept_for_a_day(world: World) -> None:
    """A retry is soon; what is kept for ever is a list of who talked to whom."""
    owner, (friend,), room = await world.among_friends()
    offered = RING.x3dh(3)
    await world.publish(owner, offered)
    first = await world.claim(friend, seat(room, owner).id, "once")
    world.clock.forward(hours=24)
    assert (await purge(world.database.reading, world.clock()))["key_claim"] == 0
    assert await world.claim(friend, seat(room, owner).id, "once") == first
    world.clock.forward(seconds=1)
    assert (await purge(world.database.reading, world.clock()))["key_claim"] == 1
    assert (await world.claim(friend, seat(room, owner).id, "once")).one_time_pre_key == offered.one_time.pre_keys[1]


async def test_claims_are_limited_for_each_pair(world: World) -> None:
    """Nobody can use up alone what was meant for everybody, and nobody's limit is used up by others."""
    world.limits = PostgresRateLimits(world.database.reading)
    owner, (friend, other), room = await world.among_friends(2)
    owner_seat = seat(room, owner).id
    for _ in range(CLAIMS_PER_PAIR + 2):
        with pytest.raises(NoKeys):
            await world.claim(friend, owner_seat)
        with pytest.raises(NotFound):
            await world.claim(friend, uuid4())
    await world.publish(owner, RING.x3dh(50))
    results = await asyncio.gather(
        *(world.claim(friend, owner_seat) for _ in range(CLAIMS_PER_PAIR + 5)), return_exceptions=True
    )
    assert sum(isinstance(result, ClaimedBundle) for result in results) == CLAIMS_PER_PAIR
    assert sum(isinstance(result, RateLimited) for result in results) == 5
    assert await world.key_counts(owner) == KeyCounts(50 - CLAIMS_PER_PAIR, 0)
    elsewhere = await world.open_room(friend, owner)
    with pytest.raises(RateLimited):  # People are limited, not seats.
        await world.claim(friend, seat(elsewhere, owner).id)
    assert (await world.claim(other, owner_seat)).one_time_pre_key is not None


async def test_only_members_of_one_open_room_claim_from_each_other(world: World) -> None:
    """A stranger learns neither a key nor whether there is one."""
    owner, friend, stranger, gone = await world.people(4)
    room = await world.open_room(owner, friend, gone)
    await world.publish(owner, RING.x3dh(9))
    await world.publish(gone, Keyring().x3dh(9))
    await world.leave(gone, room)
    owner_seat, gone_seat = seat(room, owner).id, seat(room, gone).id
    for claimer, member_id in ((stranger, owner_seat), (gone, owner_seat), (friend, gone_seat), (owner, owner_seat)):
        with pytest.raises(NotFound):
            await world.claim(claimer, member_id)
    await world.claim(friend, owner_seat, "once")
    await world.end(room)
    for request_id in ("once", "twice"):
        with pytest.raises(NotFound):
            await world.claim(friend, owner_seat, request_id)
    assert await world.key_counts(owner) == KeyCounts(8, 0)


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a\0b", "\ud800", "\udfffx"])
def test_a_request_id_is_a_short_text(request_id: str) -> None:
    """What PostgreSQL cannot hold is a mistake of the client, not a failure of the server."""
    with pytest.raises(BadInput):
        check_request_id(request_id)


async def test_any_short_text_is_a_request_id(world: World) -> None:
    """Clients name requests as they like."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.x3dh(9))
    for request_id in ("x", "é" * 64, "\U0001f600" * 64, "' OR 1=1"):
        given = [await world.claim(friend, seat(room, owner).id, request_id) for _ in range(2)]
        assert given[0] == given[1]
    assert await world.key_counts(owner) == KeyCounts(5, 0)


async def test_the_owner_is_told_once_when_keys_run_low_and_again_after_a_refill(world: World) -> None:
    """One hint is enough to refill; one for each claim would be a storm, and none an empty store."""
    owner, (friend,), room = await world.among_friends()
    owner_seat = seat(room, owner).id
    await world.publish(owner, RING.pqxdh(12, 11))
    low = [PreKeysLow(kind, 9) for kind in (OneTimeKeyKind.KEM, OneTimeKeyKind.CURVE25519)]

    async def told() -> list[Event]:
        return [event for event in await world.told(owner) if isinstance(event, PreKeysLow)]

    await world.claim(friend, owner_seat)
    assert await told() == []
    await world.claim(friend, owner_seat, "crossing")
    assert await told() == low[:1]
    for _ in range(2):
        await world.claim(friend, owner_seat, "crossing")
        await world.claim(friend, owner_seat)
    assert await told() == low
    await world.add_keys(owner, RING.one_time(2, first=50))
    await world.claim(friend, owner_seat)
    assert await told() == [*low, low[1]]
    assert key_events(await world.told(friend)) == [
        KeysPublished(room.id, owner_seat, identity_changed=False)
    ]  # It is nobody else's business.


async def test_a_store_that_was_small_from_the_beginning_crosses_no_mark(world: World) -> None:
    """Once means on the way down: a storm of claims that empties the store tells nothing more."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.x3dh(9))
    for _ in range(10):
        await world.claim(friend, seat(room, owner).id)
    assert not [event for event in await world.told(owner) if isinstance(event, PreKeysLow)]


# ------------------------------------------------------------------------------------------ races


async def test_a_claim_gets_one_bundle_or_the_other_whole(world: World) -> None:
    """A key of one bundle beside the identity of another would make a session that nobody can read."""
    for _ in range(5):
        owner, *claimers = await world.people(7)
        rooms = [await world.open_room(owner, claimer) for claimer in claimers]
        offers = [Keyring().pqxdh(20, 20) for _ in range(3)]
        await world.publish(owner, offers[0])
        given, *_ = await asyncio.gather(
            asyncio.gather(
                *(world.claim(claimer, seat(room, owner).id) for claimer, room in zip(claimers, rooms, strict=True))
            ),
            asyncio.gather(*(world.publish(owner, offer) for offer in offers[1:])),
        )
        by_identity = {offer.identity_key: offer for offer in offers}
        for one in given:
            offer = by_identity[one.bundle.identity_key]
            assert one.bundle.signed_pre_key == offer.signed_pre_key
            assert one.one_time_pre_key in offer.one_time.pre_keys
            assert one.one_time_kem_key in offer.one_time.kem_keys
        assert len({one.one_time_pre_key for one in given}) == len(given)


async def test_a_claim_and_a_leaving_follow_each_other(world: World) -> None:
    """Whoever is out, by leaving or by a kick, takes nothing: what was taken was taken before."""
    for attempt in range(6):
        owner, (friend,), room = await world.among_friends()
        await world.publish(owner, RING.x3dh(5))
        seat_of_friend = seat(room, friend).id
        claimed, gone = await asyncio.gather(
            world.claim(friend, seat(room, owner).id),
            world.leave(friend, room)
            if attempt % 2
            else kick(world.directory, world.database.transact, owner, seat_of_friend, now=world.clock()),
            return_exceptions=True,
        )
        assert not isinstance(gone, BaseException)
        taken = isinstance(claimed, ClaimedBundle)
        assert taken or isinstance(claimed, NotFound)
        assert await world.key_counts(owner) == KeyCounts(4 if taken else 5, 0)


async def test_who_was_made_to_leave_before_the_locks_takes_nothing(world: World) -> None:
    """The seat is looked at again under the locks: the first look is only to spare the database strangers."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.x3dh(5))

    world.limits = Meanwhile(world, lambda: world.leave(friend, room))
    with pytest.raises(NotFound):
        await world.claim(friend, seat(room, owner).id)
    assert await world.key_counts(owner) == KeyCounts(5, 0)
