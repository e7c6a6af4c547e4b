"""Which bus an address means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persistence.bus.memory import MemoryBackend
from persistence.bus.postgres import PostgresBackend
from persistence.bus.redis import RedisBackend
from persistence.bus.reliable import ReliableBroadcast

if TYPE_CHECKING:
    from broadcaster import BroadcastBackend


def open_bus(url: str, database_url: str | None = None) -> ReliableBroadcast:
    """The bus that a URL names, not connected yet: `memory://`; a server of Redis' protocol at `redis://`, `rediss://` (TLS) or
    `unix://` (`valkey://` and `valkeys://` are the same as the first two), with user, password and database as redis-py's
    `from_url` reads them; `postgresql://` as libpq reads it, which alone means `database_url`: a direct address of the
    database, because LISTEN does not survive a pooler.

    Raises `ValueError` with a sentence, and never the address, for one that we cannot serve.
    """
    scheme, separator, rest = url.partition("://")
    return ReliableBroadcast(_backend(scheme.lower() if separator else "", rest, database_url))


def _backend(scheme: str, rest: str, database_url: str | None) -> BroadcastBackend:
    match scheme:
        case "memory":
            return MemoryBackend()
        case "redis" | "rediss" | "valkey" | "valkeys" | "unix" if rest:
            return RedisBackend(f"{scheme.replace('valkey', 'redis')}://{rest}")
        case "postgresql" | "postgres" if rest:
            return PostgresBackend(f"{scheme}://{rest}")
        case "postgresql" | "postgres" if database_url:
            return PostgresBackend(database_url)
    known = "memory://, redis://host:6379 or postgresql://"
    if scheme in {"postgresql", "postgres"}:
        msg = "The bus postgresql:// means the database's own address, and there is none: set PARLEY_DATABASE_URL."
    elif scheme in {"redis", "rediss", "valkey", "valkeys", "unix"}:
        msg = f"The bus {scheme}:// names no server: set PARLEY_BUS_URL to {known}."
    else:
        msg = f"The bus {scheme or 'without a scheme'} is not supported: set PARLEY_BUS_URL to {known}."
    raise ValueError(msg)
