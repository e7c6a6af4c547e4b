"""Which PostgreSQL a command works on: the embedded one, the operator's own, or one that is thrown away."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from api.refusal import Refusal
from persistence.embedded import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from api.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """A database: its address, and whether it has ended for good."""

    dsn: str
    ended: Callable[[], bool]


@contextmanager
def database(settings: Settings) -> Iterator[Source]:
    """The database that the settings name; without one, PostgreSQL runs in the data directory meanwhile."""
    if settings.database_url is not None:
        yield Source(settings.database_url, lambda: False)
        return
    with embedded_postgres(settings.data_dir) as server:
        yield Source(server.dsn(), server.ended)


@contextmanager
def throwaway_database() -> Iterator[str]:
    """The address of an empty database that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder), durable=False) as server:
        yield server.dsn()


async def reachable(work: Awaitable[T]) -> T:
    """Awaits the first thing that a command asks of its database. Raises `Refusal` when it does not answer."""
    try:
        return await work
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split()) or type(cause).__name__
        msg = f"The database cannot be used: {reason.rstrip('.')}. Check PARLEY_DATABASE_URL."
        raise Refusal(msg) from error
