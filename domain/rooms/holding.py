"""Every room in which somebody holds a seat, under lock: what becomes of them happens in all of these at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
    from uuid import UUID

    from domain.ports import Transact, UnitOfWork
    from domain.rooms.room import Room

T = TypeVar("T")

ATTEMPTS: Final = 10
"""Each but the last was overtaken by a seat that was taken in the same millisecond."""


class Overtaken(Conflict):
    """A seat was taken while the rooms were being locked, and nothing was changed: another attempt sees it."""


async def lock_held(uow: UnitOfWork, user_id: UUID, *, also: Iterable[UUID] = ()) -> Sequence[Room]:
    """Locks the rooms in which the user holds a seat, then the user and `also`; returns those rooms as they are under the locks.

    Which rooms these are is read before, because rooms come before heads in the lock order: a seat taken in between is missing.
    Whoever may miss none calls `refuse_overtaken` next.
    """
    held = await uow.rooms.held_ids(user_id)
    if held:
        return await uow.lock_rooms(held, also=(user_id, *also))
    await uow.lock_users((user_id, *also))
    return ()


async def refuse_overtaken(uow: UnitOfWork, user_id: UUID, locked: Collection[Room]) -> None:
    """Raises `Overtaken` when the user holds a seat in a room that `lock_held` did not lock."""
    if await uow.rooms.held_ids(user_id) - {room.id for room in locked}:
        raise Overtaken("Seats were taken meanwhile: try again.")


async def persistently(transact: Transact, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """Runs the work again while it is overtaken. Raises `Overtaken` when it was all the while."""
    for _ in range(ATTEMPTS - 1):
        with suppress(Overtaken):
            return await transact(work)
    return await transact(work)
