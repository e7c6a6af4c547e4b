"""Which PostgreSQL a command works on: the embedded one, the operator's own, or one that is thrown away."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded import embedded_beside, embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """A database: its address, the one that leads past a pooler, and whether it has ended for good."""

    dsn: str
    direct: str
    """For what is bound to one connection: LISTEN, leases, advisory locks."""
    ended: Callable[[], bool]


@contextmanager
def database(settings: Settings) -> Iterator[Source]:
    """The database that the settings name; without one, PostgreSQL runs in the data directory meanwhile."""
    if settings.database_url is not None:
        yield foreign(settings, settings.database_url)
        return
    with embedded_postgres(settings.data_dir) as server:
        yield Source(server.dsn(), server.dsn(), server.ended)


@contextmanager
def database_beside(settings: Settings) -> Iterator[Source]:
    """The same for a command that works while a server runs, and while none does: what runs in the data directory is used."""
    if settings.database_url is not None:
        yield foreign(settings, settings.database_url)
        return
    with embedded_beside(settings.data_dir) as dsn:
        yield Source(dsn, dsn, lambda: False)


def foreign(settings: Settings, dsn: str) -> Source:
    """A database that somebody else runs: it comes back by itself."""
    return Source(dsn, settings.direct_database_url or dsn, lambda: False)


@contextmanager
def throwaway_database() -> Iterator[str]:
    """The address of an empty database that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder), durable=False) as server:
        yield server.dsn()
