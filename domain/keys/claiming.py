"""Claiming a bundle: one one-time key of a member for one claimer, and the same again for the same request."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.characters import check_client_id
from domain.errors import BadInput, InvalidInput, NoKeys, NotFound
from domain.events import PreKeysLow
from domain.keys.bundle import LOW_MARK, ClaimedBundle, KeySuite, OneTimeKeyKind
from domain.rooms.room import held_seat

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from domain.keys.bundle import KeyBundle
    from domain.ports import Clock, Directory, OneByOne, RateLimits, Transact, UnitOfWork
    from domain.rooms.room import Member, Room

CLAIMS_PER_PAIR: Final = 20
"""Bundles that one user may take of another at once, and in an hour from then on. One is enough for a session, and every further
one empties what was meant for others."""
CLAIMS_PERIOD: Final = timedelta(hours=1)


async def claim_key_bundle(
    transact: Transact,
    read: Transact,
    directory: Directory,
    limits: RateLimits,
    one_by_one: OneByOne,
    *,
    reached: Callable[[UUID], None],
    claimer_id: UUID,
    member_id: UUID,
    request_id: str,
    clock: Clock,
) -> tuple[Room, Member, ClaimedBundle]:
    """Takes a one-time key of each kind of the member's bundle for good, and returns the room, the member and the bundle with them.

    The same claimer gets the same for the same `request_id` and member within `CLAIMS_KEPT`, also when the bundle was replaced
    meanwhile or the request is still under way, and only the first counts for the limit. The owner is told when `LOW_MARK` is
    crossed. Raises `BadInput` for a request ID that is none, `NotFound` unless the two
    hold different seats in one open room, `NoKeys` when the member published none, and `RateLimited`.
    """
    check_request_id(request_id)
    room, seat, member = _seats(await directory.room_of_member(member_id, claimer_id), claimer_id, member_id)
    reached(seat.id)

    async def peek(uow: UnitOfWork) -> ClaimedBundle | None:
        """Whether it has to be counted: not if it was answered before, or cannot be."""
        given = await uow.keys.claimed(claimer_id, member_id, request_id)
        if given is None and member.user_id not in await uow.keys.of((member.user_id,)):
            raise _no_keys()
        return given

    async def claim(uow: UnitOfWork) -> tuple[Room, Member, ClaimedBundle]:
        # Seats change only under the heads of everybody inside: with both locked, the room that is read now stays so.
        await uow.lock_users((claimer_id, member.user_id))
        current, _, owner = _seats(await uow.rooms.get(room.id), claimer_id, member_id)
        given = await uow.keys.claimed(claimer_id, member_id, request_id)
        if given is None:
            bundle = (await uow.keys.of((owner.user_id,))).get(owner.user_id)
            if bundle is None:
                raise _no_keys()
            given = await _take(uow, bundle)
            await uow.keys.note_claim(claimer_id, member_id, request_id, given, clock())
        return current, owner, given

    # A twin of the request waits for its outcome before it could be counted as well: the limit stands outside of the unit.
    async with one_by_one.turn((claimer_id, member_id, request_id)):
        given = await read(peek)
        if given is not None:
            return room, member, given
        await limits.take(f"claims:{claimer_id}:{member.user_id}", burst=CLAIMS_PER_PAIR, period=CLAIMS_PERIOD)
        return await transact(claim)


def check_request_id(request_id: str) -> None:
    """Raises `BadInput` for what is no ID: no payload of claims has a place for `InvalidInput`."""
    try:
        check_client_id("requestId", request_id)
    except InvalidInput as error:
        raise BadInput(f"`{error.field}`: {error}") from None


async def _take(uow: UnitOfWork, bundle: KeyBundle) -> ClaimedBundle:
    owner_id = bundle.user_id
    pre_key = await uow.keys.take_pre_key(owner_id)
    kem_key = await uow.keys.take_kem_key(owner_id) if bundle.suite is not KeySuite.X3DH_25519 else None
    left = await uow.keys.counts(owner_id)
    for kind, taken, remaining in (
        (OneTimeKeyKind.CURVE25519, pre_key, left.pre_keys),
        (OneTimeKeyKind.KEM, kem_key, left.kem_keys),
    ):
        # Each claim takes one, so this one crossed the mark: no other will until keys were added.
        if taken is not None and remaining == LOW_MARK - 1:
            uow.append(owner_id, PreKeysLow(kind, remaining))
    return ClaimedBundle(bundle, pre_key, kem_key)


def _seats(room: Room | None, claimer_id: UUID, member_id: UUID) -> tuple[Room, Member, Member]:
    """The room, the claimer's seat and the member's. Raises `NotFound` unless these are different seats in one open room."""
    room, seat = held_seat(room, claimer_id)
    member = room.member(member_id)
    if member is None or not member.inside or member.id == seat.id:
        raise NotFound
    return room, seat, member


def _no_keys() -> NoKeys:
    return NoKeys("The member has published no keys.")
