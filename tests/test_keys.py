"""The pre-key server: what is published and added, who is told, and what is never stored twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from api.buckets import PUBLICATIONS_A_SECOND, PUBLICATIONS_BURST
from domain.errors import DomainError, InvalidInput, NoKeys, RateLimited
from domain.events import KeysPublished
from domain.keys.bundle import (
    ClaimedBundle,
    KeyBundle,
    KeyCounts,
    KeySuite,
    OneTimeKeys,
    PreKey,
    SignedPreKey,
)
from domain.keys.publishing import add_one_time_keys
from domain.rooms.room import Room
from tests.keyring import Keyring, curve_key, kem_key
from tests.world import START, World, open_world, seat
from tests.world.keys import key_events

RING = Keyring()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def test_a_bundle_that_is_in_order_is_given_as_it_was_published(world: World) -> None:
    """Byte for byte: a signature is over bytes."""
    for offered in (RING.x3dh(2), RING.pqxdh(2, 3), RING.x3dh(), RING.pqxdh(), RING.x3dh(100), RING.pqxdh(100, 100)):
        owner, (friend,), room = await world.among_friends()
        pre_keys, kem_keys = offered.one_time.pre_keys, offered.one_time.kem_keys
        assert await world.publish(owner, offered) == KeyCounts(len(pre_keys), len(kem_keys))
        assert await world.claim(friend, seat(room, owner).id) == ClaimedBundle(
            KeyBundle(
                owner, offered.suite, offered.identity_key, offered.signed_pre_key, offered.last_resort_kem_key, START
            ),
            pre_keys[0] if pre_keys else None,
            kem_keys[0] if kem_keys else None,
        )


async def test_the_highest_and_the_lowest_id_are_good(world: World) -> None:
    """The range is that of the contract, ends included."""
    owner = await world.person()
    keys = OneTimeKeys((PreKey(0, curve_key()), PreKey(2**31 - 1, curve_key())))
    assert await world.publish(owner, replace(RING.x3dh(), one_time=keys)) == KeyCounts(2, 0)


async def test_a_signature_in_libsignals_form_is_good(world: World) -> None:
    """The users of libsignal are most of those who have such keys."""
    owner, ring = await world.person(), Keyring()
    key = curve_key()
    signed = SignedPreKey(1, key, ring.sign_as_libsignal(key))
    await world.publish(owner, replace(ring.x3dh(), signed_pre_key=signed))
    assert (await world.bundle_of(owner)).signed_pre_key == signed


async def test_publishing_again_replaces_everything(world: World) -> None:
    """A client that lost its private keys must not be written to with them."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.pqxdh(100, 100))
    later = Keyring().x3dh(1)
    assert await world.publish(owner, later) == await world.key_counts(owner) == KeyCounts(1, 0)
    claimed = await world.claim(friend, seat(room, owner).id)
    assert claimed.bundle.suite is KeySuite.X3DH_25519
    assert claimed.bundle.last_resort_kem_key is None
    assert claimed.one_time_pre_key == later.one_time.pre_keys[0]


async def test_two_bundles_never_have_the_same_time(world: World) -> None:
    """Clients tell by it whether they have the present one, and the server which keys were handed out of which."""
    owner = await world.person()
    times = []
    for _ in range(3):
        await world.publish(owner, RING.x3dh())
        times.append((await world.bundle_of(owner)).updated_at)
    assert times == sorted(set(times))


# ------------------------------------------------------------------------------------------ who is told


async def test_a_publication_is_told_in_every_room_held_and_nowhere_else(world: World) -> None:
    """Everybody who may write to the owner is warned, the owner's own tabs know too, and strangers learn nothing."""
    owner, one, two, three, four = await world.people(5)
    shared, alone = await world.open_room(owner, one, two), await world.open_room(owner)
    match = await world.match(owner, three)
    left, elsewhere = await world.open_room(two, owner, four), await world.open_room(one, four)
    await world.leave(owner, left)
    ring = Keyring()
    published = {
        (room.id, changed): KeysPublished(room.id, seat(room, owner).id, changed)
        for room in (shared, alone, match, left, elsewhere)
        for changed in (False, True)
        if room.seat_of(owner)
    }
    for offered, changed in ((ring.x3dh(), False), (ring.pqxdh(), False), (Keyring().x3dh(), True)):
        world.inbox.told.clear()
        await world.publish(owner, offered)
        told = {who: [e for user, e in world.inbox.told if user == who] for who in (owner, one, two, three, four)}
        assert told[one] == told[two] == [published[shared.id, changed]]
        assert told[three] == [published[match.id, changed]]
        assert told[four] == []
        assert sorted(map(repr, told[owner])) == sorted(
            repr(published[room.id, changed]) for room in (shared, alone, match)
        )


async def test_a_room_that_was_entered_meanwhile_is_told_too(world: World) -> None:
    """Whoever meets the owner in this very moment would otherwise trust keys that are no longer the owner's."""
    owner, stranger = await world.people(2)
    await world.publish(owner, RING.x3dh())
    rooms: list[Room] = []

    async def meanwhile() -> None:
        rooms.append(await world.match(owner, stranger))

    await world.publish(owner, Keyring().x3dh(), world.too_early(meanwhile))
    (room,) = rooms
    assert key_events(await world.told(stranger)) == [
        KeysPublished(room.id, seat(room, owner).id, identity_changed=True)
    ]


async def test_publications_are_limited(world: World) -> None:
    """Each is told to everybody in up to a hundred rooms: 1,600 inboxes, and a third of a second of the server's time."""
    owner = await world.person()
    for _ in range(PUBLICATIONS_BURST):
        await world.publish(owner, RING.x3dh())
    with pytest.raises(RateLimited):
        await world.publish(owner, RING.x3dh())
    world.clock.forward(seconds=1 / PUBLICATIONS_A_SECOND)
    await world.publish(owner, RING.x3dh())


# ------------------------------------------------------------------------------------------ adding


async def test_added_keys_are_handed_out_in_the_order_of_their_ids(world: World) -> None:
    """Refilling is what keeps first messages forward secret."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.pqxdh())
    more = RING.one_time(2, 2, first=5)
    assert await world.add_keys(owner, more) == await world.key_counts(owner) == KeyCounts(2, 2)
    given = [await world.claim(friend, seat(room, owner).id) for _ in range(3)]
    assert [one.one_time_pre_key for one in given] == [*more.pre_keys, None]
    assert [one.one_time_kem_key for one in given] == [*more.kem_keys, None]
    assert all(one.bundle.last_resort_kem_key is not None for one in given)


async def test_nothing_can_be_added_to_no_bundle(world: World) -> None:
    """The signatures would be nobody's."""
    with pytest.raises(NoKeys):
        await world.add_keys(await world.person(), RING.one_time(1))


async def test_an_addition_may_be_repeated(world: World) -> None:
    """An answer that was lost costs nothing: neither an error nor a second copy of a key, also after a claim took one."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.pqxdh())
    more = RING.one_time(3, 3)
    for _ in range(2):
        assert await world.add_keys(owner, more) == KeyCounts(3, 3)
    await world.claim(friend, seat(room, owner).id)
    assert await world.add_keys(owner, more) == KeyCounts(2, 2)
    renamed = OneTimeKeys((replace(more.pre_keys[0], key_id=50),), (replace(more.kem_keys[0], key_id=50),))
    assert await world.add_keys(owner, renamed) == KeyCounts(2, 2)


async def test_a_publication_may_be_repeated(world: World) -> None:
    """As above: a key that somebody has is not published again, under whatever ID."""
    owner, (friend,), room = await world.among_friends()
    offered = RING.pqxdh(3, 3)
    await world.publish(owner, offered)
    first = await world.claim(friend, seat(room, owner).id)
    assert await world.publish(owner, offered) == KeyCounts(2, 2)
    second = await world.claim(friend, seat(room, owner).id)
    assert (first.one_time_pre_key, second.one_time_pre_key) == offered.one_time.pre_keys[:2]
    assert (first.one_time_kem_key, second.one_time_kem_key) == offered.one_time.kem_keys[:2]
    moved = tuple(replace(key, key_id=key.key_id + 7) for key in offered.one_time.pre_keys)
    assert await world.publish(owner, replace(offered, one_time=OneTimeKeys(moved))) == KeyCounts(1, 0)


async def test_another_key_under_an_id_of_the_bundle_is_refused(world: World) -> None:
    """The owner finds the private key by the ID: two keys of one ID, and a first message cannot be read."""
    owner, (friend,), room = await world.among_friends()
    await world.publish(owner, RING.pqxdh(2, 2))
    await world.claim(friend, seat(room, owner).id)
    for key_id in (0, 1):  # One that was handed out, and one that is held.
        with pytest.raises(InvalidInput) as refused:
            await world.add_keys(owner, RING.one_time(1, first=key_id))
        assert refused.value.field == "oneTimePreKeys.0.keyId"
        with pytest.raises(InvalidInput) as refused:
            await world.add_keys(owner, RING.one_time(0, 1, first=key_id))
        assert refused.value.field == "oneTimeKemKeys.0.keyId"
    # A new bundle counts from the beginning.
    await world.publish(owner, Keyring().x3dh())
    assert await world.add_keys(owner, RING.one_time(1)) == KeyCounts(1, 0)


async def test_a_key_that_is_held_is_not_added_under_another_id(world: World) -> None:
    """It would be handed out twice."""
    owner = await world.person()
    offered = RING.pqxdh(1, 1)
    await world.publish(owner, offered)
    (pre_key,), (kem,) = offered.one_time.pre_keys, offered.one_time.kem_keys
    for keys, field in (
        (OneTimeKeys((replace(pre_key, key_id=7),)), "oneTimePreKeys.0.key"),
        (OneTimeKeys((), (replace(kem, key_id=7),)), "oneTimeKemKeys.0.key"),
        (OneTimeKeys((PreKey(7, offered.signed_pre_key.key),)), "oneTimePreKeys.0.key"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await world.add_keys(owner, keys)
        assert refused.value.field == field


async def test_a_hundred_of_each_kind_are_held_at_most(world: World) -> None:
    """Whoever refills without counting is told, and keeps what there was."""
    owner = await world.person()
    await world.publish(owner, RING.pqxdh(99, 99))
    for keys, field in (
        (RING.one_time(2, first=200), "oneTimePreKeys"),
        (RING.one_time(0, 2, first=200), "oneTimeKemKeys"),
        (RING.one_time(101), "oneTimePreKeys"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await world.add_keys(owner, keys)
        assert refused.value.field == field
    assert await world.add_keys(owner, RING.one_time(1, 1, first=200)) == KeyCounts(100, 100)


async def test_an_addition_is_checked_against_its_bundle(world: World) -> None:
    """No KEM keys in X3DH, and none that another identity signed."""
    owner = await world.person()
    await world.publish(owner, RING.x3dh())
    with pytest.raises(InvalidInput) as refused:
        await world.add_keys(owner, RING.one_time(0, 1))
    assert refused.value.field == "oneTimeKemKeys"
    await world.publish(owner, RING.pqxdh())
    with pytest.raises(InvalidInput) as refused:
        await world.add_keys(owner, OneTimeKeys((), (RING.signed(0, kem_key()), Keyring().signed(1, kem_key()))))
    assert refused.value.field == "oneTimeKemKeys.1.signature"
    assert await world.key_counts(owner) == KeyCounts(0, 0)


async def test_additions_and_claims_at_once_lose_and_double_nothing(world: World) -> None:
    """What was handed out, and what is left, are all the keys that there were; a repeated addition adds no ghost of a taken one."""
    for _ in range(5):
        owner, *claimers = await world.people(5)
        rooms = [await world.open_room(owner, claimer) for claimer in claimers]
        offered, more = RING.x3dh(3), RING.one_time(6, first=10)
        await world.publish(owner, offered)
        given, *_ = await asyncio.gather(
            asyncio.gather(
                *(
                    world.claim(claimer, seat(room, owner).id)
                    for claimer, room in zip(claimers, rooms, strict=True)
                    for _ in range(2)
                )
            ),
            asyncio.gather(*(world.add_keys(owner, more) for _ in range(3))),
        )
        await world.add_keys(owner, more)
        taken = [one.one_time_pre_key for one in given if one.one_time_pre_key is not None]
        left = (await world.held_keys(owner)).pre_keys
        everything = sorted([*taken, *left], key=lambda key: key.key_id)
        assert everything == [*offered.one_time.pre_keys, *more.pre_keys]


async def test_an_addition_for_a_bundle_that_was_replaced_meanwhile_is_refused(world: World) -> None:
    """Keys that the old identity signed must not be handed out with the new one."""
    owner = await world.person()
    await world.publish(owner, RING.pqxdh())
    more = RING.one_time(1, 1, first=7)

    class Late:
        """Another bundle is published while the signatures are verified."""

        async def unsigned(self, identity_key: bytes, keys: object) -> None:
            assert identity_key == RING.identity
            await world.publish(owner, Keyring().pqxdh())

    with pytest.raises(DomainError, match="meanwhile"):
        await add_one_time_keys(
            world.database.transact, world.database.read, Late(), world.throttle, user_id=owner, offered=more
        )
    assert await world.key_counts(owner) == KeyCounts(0, 0)
