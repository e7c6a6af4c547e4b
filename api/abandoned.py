"""Accounts that nobody can sign in to any more are erased, as if their users had deleted them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api import loops
from domain.privacy.deleting import erase_abandoned
from domain.safety.retention import ACCOUNTS_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from domain.ports import Clock, Transact

ERASED_AT_ONCE: Final = 1000
"""In one go: each is a unit of a dozen statements, and the others come with the next."""


async def erase_all_abandoned(
    transact: Transact, read: Transact, new_id: Callable[[], UUID], clock: Clock, *, limit: int = ERASED_AT_ONCE
) -> None:
    """Erases the oldest of them. Any number of workers may do it at once."""
    found = await read(lambda uow: uow.privacy.abandoned(clock() - ACCOUNTS_KEPT, limit))

    async def one(user_id: UUID) -> None:
        await erase_abandoned(transact, user_id, new_id=new_id, clock=clock)

    await loops.each("abandoned accounts", found, one)
