"""Operators: people who judge. An operator is a user with a role, and signs in with a token that the command line printed.

As a user an operator may do what every user may, and nothing more: the role counts only where an operator's authority is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from domain import identity
from domain.errors import Forbidden, NotAllowed, NotFound
from domain.events import CaseChanged
from domain.identity import OperatorRole, User
from domain.rooms.holding import Overtaken, persistently
from domain.safety import audit
from domain.safety.audit import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from uuid import UUID

    from domain.identity import Grant
    from domain.ports import RateLimits, Secrets, Transact, UnitOfWork

FAILURES_PER_NETWORK = 10
FAILURES_PERIOD = timedelta(minutes=10)
"""A token has 256 random bits and cannot be guessed: this keeps those who try all the same from costing anything."""

NO_SUCH_TOKEN = "This token signs nobody in: ask who runs the service for a new one."  # noqa: S105  # a sentence
NO_SUCH_OPERATOR = "There is no operator with this ID."


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with a role; `token_at` is when the token was made with which they sign in."""

    user: User
    role: OperatorRole
    token_at: datetime | None


async def acting(uow: UnitOfWork, user_id: UUID, role: OperatorRole = OperatorRole.MODERATOR) -> User:
    """The operator, who has at least that role at this moment. Raises `Forbidden` to everybody else.

    Asked in the unit that acts, so that who was removed a moment ago does nothing more.
    """
    user = await uow.users.get(user_id)
    if user is None or user.operator_role not in {role, OperatorRole.ADMIN}:
        raise Forbidden
    return user


async def add_operator(
    uow: UnitOfWork, secrets: Secrets, new_id: Callable[[], UUID], *, name: str, role: OperatorRole, now: datetime
) -> tuple[User, str]:
    """Makes an account with that role, and the token that signs it in. Raises `InvalidInput` for what is no display name."""
    user = User(new_id(), identity.display_name(name), now, role, None)
    await uow.users.add(user)
    token = await _new_token(uow, secrets, user.id, now)
    await audit.record(
        uow, new_id(), Action.OPERATOR_ADDED, at=now, target=_target(user.id), details=f"role={role.value}"
    )
    return user, token


async def renew_token(
    uow: UnitOfWork, secrets: Secrets, new_id: Callable[[], UUID], user_id: UUID, *, now: datetime
) -> str:
    """Makes a new token: the old one is dead, and so is every session of the operator. Raises `NotFound`."""
    await uow.lock_users((user_id,))
    await _operator(uow, user_id)
    token = await _new_token(uow, secrets, user_id, now)
    await _end_sessions(uow, user_id, now)
    await audit.record(uow, new_id(), Action.OPERATOR_TOKEN_RENEWED, at=now, target=_target(user_id))
    return token


async def change_role(
    uow: UnitOfWork, new_id: Callable[[], UUID], user_id: UUID, role: OperatorRole, *, now: datetime
) -> User:
    """Gives the operator another role, which counts from the next thing that they do. The same role changes nothing, and is not
    recorded. Raises `NotFound`.
    """
    await uow.lock_users((user_id,))
    user = await _operator(uow, user_id)
    if user.operator_role is not role:
        await uow.operators.set_role(user_id, role)
        uow.raise_control(user_id)
        await audit.record(
            uow,
            new_id(),
            Action.OPERATOR_ROLE_CHANGED,
            at=now,
            target=_target(user_id),
            details=f"role={role.value}",
        )
    return replace(user, operator_role=role)


async def remove_operator(
    transact: Transact, new_id: Callable[[], UUID], user_id: UUID, *, now: datetime
) -> tuple[User, int]:
    """Takes role and token, and ends every session: what is left is an account that nobody can sign in to. Cases that they had
    claimed are OPEN again, of which the other operators are told.

    Returns who it was, and how many cases. Raises `NotFound`, or `Conflict` when operators came and went all the while.
    """
    return await persistently(transact, lambda uow: _remove(uow, new_id, user_id, now))


async def _remove(uow: UnitOfWork, new_id: Callable[[], UUID], user_id: UUID, now: datetime) -> tuple[User, int]:
    # Whatever changes a case has all operators locked: no claim of theirs can come in between.
    others = frozenset(await uow.operators.ids()) - {user_id}
    await uow.lock_users((user_id, *others))
    if frozenset(await uow.operators.ids()) - {user_id} - others:
        raise Overtaken("Another operator was added meanwhile: try again.")
    user = await _operator(uow, user_id)
    return user, await resign(uow, new_id, user, others, now=now)


async def resign(
    uow: UnitOfWork, new_id: Callable[[], UUID], user: User, others: Collection[UUID], *, now: datetime
) -> int:
    """Takes role, token and sessions of an operator, returns how many cases they had claimed, and tells `others`: all other
    operators. These and the user are locked.
    """
    await uow.operators.remove(user.id)
    await _end_sessions(uow, user.id, now)
    cases = await uow.operators.release_cases(user.id)
    for case_id in cases:
        for other in sorted(others):
            uow.append(other, CaseChanged(case_id))
    details = f"role={user.operator_role} cases={len(cases)}"
    await audit.record(uow, new_id(), Action.OPERATOR_REMOVED, at=now, target=_target(user.id), details=details)
    return len(cases)


async def sign_in_operator(
    transact: Transact,
    limits: RateLimits,
    secrets: Secrets,
    new_id: Callable[[], UUID],
    *,
    token: str,
    network: str,
    now: datetime,
) -> Grant:
    """A new session of the operator whose token it is. Raises `NotAllowed` alike for every token that is not good, of whatever
    form, after the same look for its keyed hash; and `RateLimited` to a network after too many of those, which are all that count.
    """
    key = f"operator_sign_ins:{secrets.digest('network', network).hex()}"
    await limits.check(key, burst=FAILURES_PER_NETWORK, period=FAILURES_PERIOD)
    token_hash = secrets.digest("operator", token)
    grant = await transact(lambda uow: _sign_in(uow, secrets, new_id, token_hash, now))
    if grant is None:
        await limits.take(key, burst=FAILURES_PER_NETWORK, period=FAILURES_PERIOD)
        raise NotAllowed(NO_SUCH_TOKEN)
    return grant


async def _sign_in(
    uow: UnitOfWork, secrets: Secrets, new_id: Callable[[], UUID], token_hash: bytes, now: datetime
) -> Grant | None:
    user_id = await uow.operators.by_token(token_hash)
    if user_id is None:
        return None
    await uow.lock_users((user_id,))
    if await uow.operators.by_token(token_hash) != user_id:  # Replaced or removed while we waited for the lock.
        return None
    user = await _operator(uow, user_id)
    grant = await identity.open_session(uow, secrets, new_id, user, now=now)
    await audit.record(uow, new_id(), Action.OPERATOR_SIGNED_IN, at=now, actor_id=user_id, target=_target(user_id))
    return grant


async def _operator(uow: UnitOfWork, user_id: UUID) -> User:
    user = await uow.users.get(user_id)
    if user is None or user.operator_role is None:
        raise NotFound(NO_SUCH_OPERATOR)
    return user


async def _new_token(uow: UnitOfWork, secrets: Secrets, user_id: UUID, now: datetime) -> str:
    token = secrets.new()
    await uow.operators.set_token(user_id, secrets.digest("operator", token), now)
    return token


async def _end_sessions(uow: UnitOfWork, user_id: UUID, now: datetime) -> None:
    await uow.sessions.revoke_all(user_id, now)
    uow.raise_control(user_id)


def _target(user_id: UUID) -> str:
    return f"user:{user_id}"
