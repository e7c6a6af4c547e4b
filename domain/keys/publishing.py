"""Publishing keys, adding one-time keys to them, and looking at those of a room."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from domain.errors import Conflict, InvalidInput, NoKeys, Unauthenticated
from domain.events import KeysPublished, tell
from domain.keys.bundle import KeyBundle, KeyCounts, OneTimeKeys, PreKey, SignedPreKey
from domain.keys.checking import (
    KEM_KEYS,
    MOST_ONE_TIME_KEYS,
    PRE_KEYS,
    check_kem_allowed,
    check_once,
    check_one_time_keys,
    check_publication,
    lasting_keys,
    verify_one_time_keys,
    verify_publication,
)
from domain.rooms.holding import lock_held, persistently, refuse_overtaken

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.keys.checking import Publication
    from domain.ports import Clock, KeyVerifier, Throttle, Transact, UnitOfWork
    from domain.rooms.room import Member, Room

TICK: Final = timedelta(milliseconds=1)

K = TypeVar("K", PreKey, SignedPreKey)


async def publish_keys(
    transact: Transact, verifier: KeyVerifier, throttle: Throttle, *, user_id: UUID, offered: Publication, clock: Clock
) -> KeyCounts:
    """Replaces the user's bundle and all one-time keys, tells everybody in the rooms where the user holds a seat, and returns
    how many one-time keys are held.

    A one-time key that somebody was given within `CLAIMS_KEPT` is left out: it may be a retry, and no key is handed out twice.
    Raises `InvalidInput`, `RateLimited`, or `Conflict` when seats were taken all the while.
    """
    check_publication(offered)
    throttle.keys(user_id, offered.signatures)
    await verify_publication(verifier, offered)
    throttle.publication(user_id)  # Not earlier: what is refused is told to nobody.
    return await persistently(transact, lambda uow: _publish(uow, user_id, offered, clock()))


async def _publish(uow: UnitOfWork, user_id: UUID, offered: Publication, now: datetime) -> KeyCounts:
    rooms = await lock_held(uow, user_id)
    await refuse_overtaken(uow, user_id, rooms)  # Those in a room that is missing would not be warned.
    if await uow.users.get(user_id) is None:  # Deleted by another tab meanwhile: nothing of theirs begins anew.
        raise Unauthenticated
    before = (await uow.keys.of((user_id,))).get(user_id)
    gone = await uow.keys.handed_out(user_id, _bytes_of(offered.one_time))
    keys = OneTimeKeys(
        tuple(key for key in offered.one_time.pre_keys if key.key not in gone),
        tuple(key for key in offered.one_time.kem_keys if key.key not in gone),
    )
    bundle = KeyBundle(
        user_id,
        offered.suite,
        offered.identity_key,
        offered.signed_pre_key,
        offered.last_resort_kem_key,
        now if before is None else max(now, before.updated_at + TICK),
    )
    await uow.keys.replace(bundle, keys)
    changed = before is not None and before.identity_key != bundle.identity_key
    for room in rooms:
        seat = room.held_seat_of(user_id)
        if seat is not None:
            tell(uow, room.inside, KeysPublished(room.id, seat.id, changed))
    return KeyCounts(len(keys.pre_keys), len(keys.kem_keys))


async def add_one_time_keys(
    transact: Transact,
    read: Transact,
    verifier: KeyVerifier,
    throttle: Throttle,
    *,
    user_id: UUID,
    offered: OneTimeKeys,
) -> KeyCounts:
    """Adds one-time keys to the user's bundle, and returns how many are held.

    Keys that are held under the same ID, or were handed out within `CLAIMS_KEPT`, are left out: it may be a retry. Raises `NoKeys`
    without a bundle, `InvalidInput`, `RateLimited`, or `Conflict` when another bundle was published meanwhile.
    """
    check_one_time_keys(offered)
    throttle.keys(user_id, len(offered.kem_keys))
    bundle = _published(await read(lambda uow: uow.keys.of((user_id,))), user_id)
    _check_against(bundle, offered)
    await verify_one_time_keys(verifier, bundle.identity_key, offered)

    async def add(uow: UnitOfWork) -> KeyCounts:
        await uow.lock_users((user_id,))
        current = _published(await uow.keys.of((user_id,)), user_id)
        if current.updated_at != bundle.updated_at:
            raise Conflict("Another bundle was published meanwhile: look at what it needs.")
        held = await uow.keys.held(user_id)
        gone = await uow.keys.handed_out(user_id, _bytes_of(offered))
        spent_pre_keys, spent_kem_keys = await uow.keys.spent_ids(current)
        new = OneTimeKeys(
            _new(PRE_KEYS, offered.pre_keys, held.pre_keys, gone, spent_pre_keys),
            _new(KEM_KEYS, offered.kem_keys, held.kem_keys, gone, spent_kem_keys),
        )
        await uow.keys.add(user_id, new)
        return KeyCounts(len(held.pre_keys) + len(new.pre_keys), len(held.kem_keys) + len(new.kem_keys))

    return await transact(add)


async def key_bundles(uow: UnitOfWork, room: Room) -> list[tuple[Member, KeyBundle]]:
    """Those inside the room who published a bundle, with it, in the order of joining."""
    found = await uow.keys.of([member.user_id for member in room.inside])
    return [(member, found[member.user_id]) for member in room.inside if member.user_id in found]


def _published(found: Mapping[UUID, KeyBundle], user_id: UUID) -> KeyBundle:
    bundle = found.get(user_id)
    if bundle is None:
        raise NoKeys("Publish a bundle first.")
    return bundle


def _check_against(bundle: KeyBundle, offered: OneTimeKeys) -> None:
    check_kem_allowed(bundle.suite, offered.kem_keys)
    check_once(offered, lasting_keys(bundle.identity_key, bundle.signed_pre_key, bundle.last_resort_kem_key))


def _bytes_of(keys: OneTimeKeys) -> list[bytes]:
    return [key.key for key in (*keys.pre_keys, *keys.kem_keys)]


def _new(
    field: str, offered: Sequence[K], held: Sequence[K], gone: Collection[bytes], spent_ids: Collection[int]
) -> tuple[K, ...]:
    """Those of the offered keys that have to be stored. Raises `InvalidInput` for what is no retry and cannot be stored."""
    by_id = {key.key_id: key.key for key in held}
    stored = set(by_id.values())
    new: list[K] = []
    for number, key in enumerate(offered):
        if key.key in gone or by_id.get(key.key_id) == key.key:
            continue
        if key.key_id in by_id or key.key_id in spent_ids:
            raise InvalidInput(f"{field}.{number}.keyId", "Another key of the bundle has, or had, this ID.")
        if key.key in stored:
            raise InvalidInput(f"{field}.{number}.key", "The bundle holds it under another ID.")
        new.append(key)
    if len(held) + len(new) > MOST_ONE_TIME_KEYS:
        raise InvalidInput(field, f"With the {len(held)} that are left, more than {MOST_ONE_TIME_KEYS}.")
    return tuple(new)
