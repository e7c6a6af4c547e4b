"""Blocking somebody, and thinking better of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from domain.errors import NotFound, Unauthenticated
from domain.paging import Listed, page_size
from domain.rooms.holding import Overtaken
from domain.rooms.leaving import give_up
from domain.rooms.room import MemberLeaveReason
from domain.safety.acquaintance import shared_seat
from domain.safety.block import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.paging import Place
    from domain.ports import Clock, UnitOfWork
    from domain.rooms.room import Room

BLOCKS_OF_USER: Final = 60
"""At once, and in an hour from then on: more than anybody meets who talks to those whom they meet."""
BLOCKS_PERIOD: Final = timedelta(hours=1)


async def block_user(
    uow: UnitOfWork, user_id: UUID, member_id: UUID, *, new_id: Callable[[], UUID], clock: Clock
) -> Block:
    """Keeps the user and the person behind the member apart, from now on and in both directions: no match, and no invite room that
    the other is in. A match of the two ends as if the user had left it; in invite rooms where both sit they stay.

    A repeat returns the first block and changes nothing. The other is told nothing. Raises `NotFound` for whom the user has not
    met within 24 hours, and `Overtaken` when the two were matched in between: run it with `persistently`.
    """
    _, met, _ = await shared_seat(uow, user_id, member_id, clock())
    other_id = met.user_id
    matches = await _lock_both(uow, user_id, other_id)
    if await uow.users.get(user_id) is None:
        raise Unauthenticated
    if await uow.users.get(other_id) is None:  # Deleted meanwhile: they do not come back.
        raise NotFound
    first = await uow.blocks.find(user_id, other_id)
    if first is not None:
        return first
    now = clock()
    block = Block(new_id(), user_id, other_id, met.display_name, now)
    await uow.blocks.add(block)
    await uow.bars.raise_bar(user_id, other_id, block.bar, None)
    for match in matches:
        seat = match.held_seat_of(user_id)
        if seat is not None:
            await give_up(uow, match, seat, MemberLeaveReason.LEFT, now=now)
    return block


async def unblock_user(uow: UnitOfWork, user_id: UUID, block_id: UUID, *, clock: Clock) -> None:
    """Lifts the user's own block: a block by the other side, and a cooldown, keep the two apart as before.

    Raises `NotFound` for blocks of others, and for one that was lifted already.
    """
    block = await _own(uow, user_id, block_id)
    await uow.lock_users((user_id, block.blocked_id))
    await _own(uow, user_id, block_id)  # Another tab may have been first.
    await uow.blocks.remove(block_id)
    await uow.bars.lift_bar(user_id, block.blocked_id, block.bar, clock())


async def blocks_of(uow: UnitOfWork, user_id: UUID, first: int, after: Place | None, most: int) -> Listed[Block]:
    """Whom the user blocks, the newest first. Raises `PageTooLarge`."""
    size = page_size(first, most)
    return Listed.cut(await uow.blocks.of(user_id, after, size + 1), size, after)


async def _own(uow: UnitOfWork, user_id: UUID, block_id: UUID) -> Block:
    block = await uow.blocks.get(block_id)
    if block is None or block.blocker_id != user_id:
        raise NotFound
    return block


async def _lock_both(uow: UnitOfWork, user_id: UUID, other_id: UUID) -> Sequence[Room]:
    """Locks the match of the two, if there is one, then both heads. No match of theirs begins or ends while these are held."""
    found = await _match_of_both(uow, user_id, other_id)
    if found is None:
        await uow.lock_users((user_id, other_id))
        locked: Sequence[Room] = ()
    else:
        locked = await uow.lock_rooms((found.id,), also=(user_id, other_id))
    running = await _match_of_both(uow, user_id, other_id)
    if running is not None and running.id not in {room.id for room in locked}:
        msg = "The two were matched meanwhile: try again."
        raise Overtaken(msg)
    return locked


async def _match_of_both(uow: UnitOfWork, user_id: UUID, other_id: UUID) -> Room | None:
    room = await uow.rooms.open_match_of(user_id)
    return room if room is not None and room.holds(other_id) else None
