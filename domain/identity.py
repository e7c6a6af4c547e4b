"""Accounts, devices, sessions and the single-use tokens that renew them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from domain import characters
from domain.errors import InvalidInput, NotAllowed, Unauthenticated
from domain.rooms.holding import lock_held, persistently, refuse_overtaken
from domain.rooms.leaving import give_up_everything
from domain.safety.suspension import SuspensionScope, most_restrictive, refuse_suspended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from domain.ports import RateLimits, Secrets, Throttle, Transact, UnitOfWork
    from domain.safety.suspension import Suspension

T = TypeVar("T")

NAME_LENGTH = 40
"""Code points of a display name, after normalisation."""
DEVICE_TOKEN_LENGTH = 200
"""Characters of a device token; ours are far shorter."""
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
"""For how long a client may be away and still be signed in."""
REFRESH_GRACE = timedelta(seconds=30)
"""For how long after its use a refresh token still serves another tab, or a client whose answer was lost."""
SUCCESSORS = 32
"""How often one refresh token serves within the grace: a browser that wakes with dozens of tabs, not a loop."""
ACCOUNTS_PER_NETWORK = 60
"""Accounts that one network may make at once, and then over each `ACCOUNTS_PERIOD`.

A network is often many people: a class of thirty signs in twice without noticing, and what a carrier's or a school's
shared address lacks is back after seconds. Who floods gets six accounts a minute, not thousands."""
ACCOUNTS_PERIOD = timedelta(minutes=10)


class SessionScope(StrEnum):
    """What a session may do."""

    FULL = "FULL"
    APPEAL_ONLY = "APPEAL_ONLY"


class OperatorRole(StrEnum):
    """What an operator may do: an ADMIN may do all that a MODERATOR may."""

    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class User:
    """An account. Others never see it: they see a Member."""

    id: UUID
    display_name: str
    created_at: datetime
    operator_role: OperatorRole | None
    device_id: UUID | None


@dataclass(frozen=True, slots=True)
class Session:
    """A family of refresh tokens that descend from one sign-in; access tokens carry its ID as `sid`."""

    id: UUID
    user_id: UUID
    scope: SessionScope
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A single-use token of a session, known by its keyed hash; `parent_hash` is the token that it succeeded."""

    token_hash: bytes
    session_id: UUID
    parent_hash: bytes | None
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, as a verified access token says."""

    user_id: UUID
    session_id: UUID
    scope: SessionScope
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in or a renewal gives: the session, and the refresh token that continues it."""

    user: User
    session: Session
    refresh_token: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new account, and the device token to hand back at the next sign-in."""

    grant: Grant
    device_token: str


def viewer_id(user_id: UUID) -> UUID:
    """The ID of the user as `Viewer`: IDs are unique over all types, so it differs from the user's, and it never changes."""
    return uuid.uuid5(user_id, "viewer")


def display_name(text: str) -> str:
    """The user's name by the rules of `characters.name`: 1 to 40 code points. Raises `InvalidInput`."""
    return characters.name("displayName", text, NAME_LENGTH)


def scope_under(suspensions: Iterable[Suspension], now: datetime) -> SessionScope:
    """What a session may do under these suspensions."""
    worst = most_restrictive(suspensions, now)
    return SessionScope.APPEAL_ONLY if worst and worst.scope is SuspensionScope.ALL else SessionScope.FULL


async def live_session(uow: UnitOfWork, session_id: UUID) -> Session | None:
    """The session; None when it is revoked or unknown."""
    session = await uow.sessions.get(session_id)
    return None if session is None or session.revoked_at is not None else session


def while_signed_in(transact: Transact, caller: Caller) -> Transact:
    """A `transact` for who takes a seat or a place in the queue: nothing is done for a caller whose session has ended, and
    `Unauthenticated` is raised.

    Another worker may believe a session for a moment after its end, and whoever signs out gives up what they hold then, not what
    they are about to take. It is looked at behind the work, under the lock of the user's head that the work took.
    """

    async def transact_signed_in(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        async def checked(uow: UnitOfWork) -> T:
            done = await work(uow)
            if await live_session(uow, caller.session_id) is None:
                raise Unauthenticated
            return done

        return await transact(checked)

    return transact_signed_in


async def present_scope(uow: UnitOfWork, session_id: UUID, now: datetime) -> SessionScope | None:
    """What the session may do now, whatever its access token says; None when it is revoked or unknown."""
    session = await live_session(uow, session_id)
    if session is None:
        return None
    return scope_under(await uow.suspensions.in_force(session.user_id, now), now)


async def sign_in_anonymously(
    transact: Transact,
    limits: RateLimits,
    secrets: Secrets,
    new_id: Callable[[], UUID],
    *,
    name: str,
    device_token: str | None,
    network: str,
    now: datetime,
) -> SignedIn:
    """Makes an account. Raises `InvalidInput`, or `RateLimited` when the network made too many.

    A known device token links the account to its device and is returned as it is; any other is silently replaced, so that
    nobody can find out which ones exist.
    """
    name = display_name(name)
    if device_token is not None and len(device_token) > DEVICE_TOKEN_LENGTH:
        raise InvalidInput("deviceToken", "A device token is what an earlier sign-in returned.")
    key = f"accounts:{secrets.digest('network', network).hex()}"
    await limits.take(key, burst=ACCOUNTS_PER_NETWORK, period=ACCOUNTS_PERIOD)
    return await transact(
        lambda uow: _open_account(uow, secrets, new_id, name=name, device_token=device_token, now=now)
    )


async def _open_account(
    uow: UnitOfWork,
    secrets: Secrets,
    new_id: Callable[[], UUID],
    *,
    name: str,
    device_token: str | None,
    now: datetime,
) -> SignedIn:
    device_id = await uow.devices.find(secrets.digest("device", device_token)) if device_token else None
    if device_id is None or device_token is None:
        device_id, device_token = new_id(), secrets.new()
        await uow.devices.add(device_id, secrets.digest("device", device_token), now)
    user = User(new_id(), name, now, None, device_id)
    await uow.users.add(user)
    return SignedIn(await open_session(uow, secrets, new_id, user, now=now), device_token)


async def open_session(
    uow: UnitOfWork, secrets: Secrets, new_id: Callable[[], UUID], user: User, *, now: datetime
) -> Grant:
    """A new session of that account, new or locked, with the scope that its suspensions and those of its device leave."""
    scope = scope_under(await uow.suspensions.in_force(user.id, now), now)
    session = Session(new_id(), user.id, scope, now, None)
    await uow.sessions.add(session)
    return Grant(user, session, await _refresh_token(uow, secrets, session, None, now))


async def _refresh_token(
    uow: UnitOfWork, secrets: Secrets, session: Session, parent_hash: bytes | None, now: datetime
) -> str:
    token = secrets.new()
    await uow.sessions.add_token(
        RefreshToken(secrets.digest("refresh", token), session.id, parent_hash, now, now + REFRESH_TOKEN_LIFETIME, None)
    )
    return token


async def refresh_session(
    transact: Transact, throttle: Throttle, secrets: Secrets, *, refresh_token: str, network: str, now: datetime
) -> Grant:
    """Renews a session with its present scope. Raises `NotAllowed`, alike for unknown, expired, revoked and reused tokens.

    A token is good once. A further use within 30 seconds, while every successor is unused, gives a fresh successor (two tabs,
    a lost answer); any other reuse means that somebody else holds the token, and ends the whole session.
    Raises `RateLimited` for a network that asks, or a session that is renewed, without end; the token is then as it was.
    """
    throttle.refresh(network)
    grant = await transact(lambda uow: _renew(uow, throttle, secrets, secrets.digest("refresh", refresh_token), now))
    if grant is None:  # Raised only here: inside of the unit it would undo the revocation.
        raise NotAllowed("This refresh token is not valid: sign in again.")
    return grant


async def _renew(
    uow: UnitOfWork, throttle: Throttle, secrets: Secrets, token_hash: bytes, now: datetime
) -> Grant | None:
    user_id = await uow.sessions.user_of(token_hash)
    if user_id is None:
        return None
    # Users come before sessions in the lock order, and what is found may have to raise the control version.
    await uow.lock_users((user_id,))
    found = await uow.sessions.lock_by_token(token_hash)
    if found is None:
        return None
    session, token = found
    user = await uow.users.get(session.user_id)
    if user is None or session.revoked_at is not None or token.expires_at <= now:
        return None
    if token.used_at is not None:
        successors = await uow.sessions.successors(token_hash)
        in_grace = now - token.used_at <= REFRESH_GRACE and len(successors) < SUCCESSORS
        if not in_grace or any(s.used_at is not None for s in successors):
            await uow.sessions.revoke(session.id, now)
            uow.raise_control(user.id)
            return None
    throttle.renewal(session.id)
    await uow.sessions.use_token(token_hash, now)
    scope = scope_under(await uow.suspensions.in_force(user.id, now), now)
    if scope is not session.scope:
        session = replace(session, scope=scope)
        await uow.sessions.rescope(session.id, scope)
        uow.raise_control(user.id)
    return Grant(user, session, await _refresh_token(uow, secrets, session, token_hash, now))


async def sign_out(transact: Transact, caller: Caller, *, now: datetime) -> User:
    """Ends the session. With the user's last one they leave the queue, their match and all rooms at once. Idempotent.

    Raises `Conflict` when seats were taken all the while.
    """
    return await persistently(transact, lambda uow: _sign_out(uow, caller, now))


async def _sign_out(uow: UnitOfWork, caller: Caller, now: datetime) -> User:
    rooms = await lock_held(uow, caller.user_id)
    await refuse_overtaken(uow, caller.user_id, rooms)
    user = await uow.users.get(caller.user_id)
    if user is None:
        raise Unauthenticated
    await uow.sessions.revoke(caller.session_id, now)
    uow.raise_control(user.id)
    if await uow.sessions.live(user.id, now):
        return user
    await give_up_everything(uow, user.id, rooms, now=now)
    return user


async def update_profile(uow: UnitOfWork, user_id: UUID, *, name: str, now: datetime) -> User:
    """Renames the user; rooms keep the name with which they were entered. Raises `InvalidInput`, or `Suspended` (scope ALL)."""
    name = display_name(name)
    await uow.lock_users((user_id,))
    await refuse_suspended(uow, user_id, now)
    user = await uow.users.rename(user_id, name)
    if user is None:
        raise Unauthenticated
    return user
