"""How a suspension ends before its time, and what becomes of an appeal that is open about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from domain.safety.appeal import AppealStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork
    from domain.safety.suspension import Suspension


@dataclass(frozen=True, slots=True)
class Lifting:
    """That an operator ends a suspension, and why. `outcome` is that of an appeal that is open about it."""

    by: UUID
    reason: str
    at: datetime
    outcome: AppealStatus = AppealStatus.OVERTURNED


async def lift(uow: UnitOfWork, suspension: Suspension, accounts: Iterable[UUID], lifting: Lifting) -> None:
    """Ends a suspension at once, also one that has run out, and decides the appeal that is open about it. `accounts` are whom it
    bound, all of them locked: their sockets look again, and their next refresh gives back what it took.
    """
    await uow.suspensions.lift(suspension.id, lifting.at, by=lifting.by, reason=lifting.reason)
    for user_id in sorted(accounts):
        uow.raise_control(user_id)
    await settle(uow, suspension, lifting)


async def settle(uow: UnitOfWork, suspension: Suspension, lifting: Lifting) -> None:
    """Decides the appeal that is open about the suspension, if there is one."""
    appeal = await uow.appeals.of_suspension(suspension.id)
    if appeal is not None and appeal.status is AppealStatus.OPEN:
        await uow.appeals.save(
            replace(
                appeal,
                status=lifting.outcome,
                reason=lifting.reason,
                decided_by=lifting.by,
                decided_at=lifting.at,
            )
        )
