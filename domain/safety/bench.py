"""What is under lock while a suspension is judged once more, and who may judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.errors import Conflict, NotAllowed, NotFound
from domain.safety.judging import check_impartial
from domain.safety.operators import acting
from domain.safety.suspending import lock_subject

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from domain.identity import User
    from domain.ports import UnitOfWork
    from domain.safety.appeal import Appeal
    from domain.safety.case import Case
    from domain.safety.suspending import Subject
    from domain.safety.suspension import Suspension

BUSY: Final = "Somebody else is at this case: read it again."
NOT_YOURS_TO_JUDGE: Final = "It restricts you, or you appealed against it: somebody else judges it."


@dataclass(frozen=True, slots=True)
class Bench:
    """All that a judgement may touch, as it is now. The subject is with the accounts of the device that the suspension binds."""

    operator: User
    subject: Subject
    suspension: Suspension
    case: Case | None

    async def check_impartial(self, uow: UnitOfWork, appeal: Appeal | None) -> None:
        """Raises `NotAllowed` to whom the suspension restricts, who appealed against it, or who reported its subject."""
        restricted = await uow.suspensions.applying(self.suspension.id, self.operator.id) is not None
        if restricted or (appeal is not None and appeal.user_id == self.operator.id):
            raise NotAllowed(NOT_YOURS_TO_JUDGE)
        if self.case is not None:
            await check_impartial(uow, self.operator.id, self.case)


async def bench_of(
    uow: UnitOfWork, operator_id: UUID, suspension_id: UUID, now: datetime, also: Collection[UUID] = ()
) -> Bench:
    """Locks what a judgement of the suspension may touch. Raises `Forbidden`, `NotFound`, `Conflict`, and `Overtaken`."""
    known = await uow.suspensions.get(suspension_id)
    if known is None:
        raise NotFound
    device_id = await uow.suspensions.device_of(suspension_id)  # Also of somebody who deleted their account long ago.
    subject = await lock_subject(uow, known.user_id, now, device_id=device_id, also=(operator_id, *also))
    operator = await acting(uow, operator_id)
    case = None if known.case_id is None else await locked_case(uow, known.case_id)
    suspension = await uow.suspensions.get(suspension_id)
    return Bench(operator, subject, suspension or known, case)


async def locked_case(uow: UnitOfWork, case_id: UUID) -> Case:
    """The case under lock. Raises `Conflict` while somebody else has it."""
    case = await uow.cases.lock(case_id)
    if case is None:
        raise Conflict(BUSY)
    return case
