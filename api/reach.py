"""The first thing that is asked of a database or a bus: where that cannot be, one sentence says what to check."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from api.refusal import Refusal, Unreachable
from persistence.bus import open_bus

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from persistence.bus import ReliableBroadcast

T = TypeVar("T")

DATABASE_FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError)
BUS_FAULTS = (*DATABASE_FAULTS, RedisError)


async def database_reached(work: Awaitable[T]) -> T:
    """Awaits the first thing that a command asks of its database. Raises `Unreachable` when it does not answer."""
    try:
        return await work
    except DATABASE_FAULTS as error:
        msg = f"The database cannot be used: {_reason(error)}. Check PARLEY_DATABASE_URL, and PARLEY_DIRECT_DATABASE_URL if set."
        raise Unreachable(msg) from error


def bus_at(url: str, database_url: str) -> ReliableBroadcast:
    """See `persistence.bus.open_bus`. Raises `Refusal` for an address that is not understood."""
    try:
        return open_bus(url, database_url)
    except ValueError as error:
        raise Refusal(str(error)) from error


async def bus_reached(work: Awaitable[T], url: str) -> T:
    """Awaits the first connection to the bus at `url`. Raises `Unreachable`, never with the password."""
    try:
        return await work
    except BUS_FAULTS as error:
        reason = _reason(error)
        for secret in _secrets(url):
            reason = reason.replace(secret, "***")
        msg = f"The bus cannot be reached: {reason}. Check PARLEY_BUS_URL."
        raise Unreachable(msg) from error


def _reason(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split()).rstrip(".") or type(cause).__name__


def _secrets(url: str) -> list[str]:
    """The password as it stands in the URL and as it is meant."""
    password = urlsplit(url).password
    return [password, unquote(password)] if password else []
