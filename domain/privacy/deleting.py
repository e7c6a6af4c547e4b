"""The end of an account, by its user's wish or because nobody can sign in to it any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import Unauthenticated
from domain.identity import live_session
from domain.rooms.holding import Overtaken, lock_held, persistently, refuse_overtaken
from domain.rooms.leaving import give_up_everything
from domain.safety import audit
from domain.safety.audit import Action
from domain.safety.operators import resign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.identity import Caller, User
    from domain.ports import Clock, Transact, UnitOfWork
    from domain.rooms.room import Room


@dataclass(frozen=True, slots=True)
class _Leaver:
    """A user under lock, None once deleted, with all rooms in which they hold a seat; and if they are an operator all the others,
    because whoever changes a case has all of them locked.
    """

    user: User | None
    rooms: Sequence[Room]
    colleagues: frozenset[UUID]


async def delete_account(transact: Transact, caller: Caller, *, new_id: Callable[[], UUID], clock: Clock) -> datetime:
    """Deletes the caller's account at once and for good, and returns when. Suspended users may, too.

    Their place in the queue, their match and their seats end, as by signing out; every session and socket ends. What stays: cases
    about them with their evidence, and what came of these; reports that they made, without their name; and for 25 hours which
    device it was, because a report may still come. Raises `Unauthenticated` when the session has ended, as it has after a first
    deletion, and `Conflict` when seats were taken all the while.
    """
    return await persistently(transact, lambda uow: _delete(uow, caller, new_id, clock))


async def erase_abandoned(transact: Transact, user_id: UUID, *, new_id: Callable[[], UUID], clock: Clock) -> None:
    """The same for an account of `Privacy.abandoned`, which stays one for ever: no session of it can begin. Idempotent."""

    async def work(uow: UnitOfWork) -> None:
        leaver = await _locked(uow, user_id)
        if leaver.user is not None:
            await _erase(uow, leaver, leaver.user, new_id, clock())

    await persistently(transact, work)


async def _delete(uow: UnitOfWork, caller: Caller, new_id: Callable[[], UUID], clock: Clock) -> datetime:
    leaver = await _locked(uow, caller.user_id)
    now = clock()
    if leaver.user is None or await live_session(uow, caller.session_id) is None:
        raise Unauthenticated
    await _erase(uow, leaver, leaver.user, new_id, now)
    await audit.record(uow, new_id(), Action.ACCOUNT_DELETED, at=now)
    return now


async def _locked(uow: UnitOfWork, user_id: UUID) -> _Leaver:
    operators = frozenset(await uow.operators.ids())
    colleagues = operators - {user_id} if user_id in operators else frozenset()
    rooms = await lock_held(uow, user_id, also=colleagues)
    await refuse_overtaken(uow, user_id, rooms)
    if colleagues and frozenset(await uow.operators.ids()) - operators:
        raise Overtaken("Another operator was added meanwhile: try again.")
    return _Leaver(await uow.users.get(user_id), rooms, colleagues)


async def _erase(uow: UnitOfWork, leaver: _Leaver, user: User, new_id: Callable[[], UUID], now: datetime) -> None:
    await give_up_everything(uow, user.id, leaver.rooms, now=now)
    if user.operator_role is not None:
        await resign(uow, new_id, user, leaver.colleagues, now=now)
    await uow.privacy.erase(user.id, now)
    uow.raise_control(user.id)
