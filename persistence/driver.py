"""The driver: what it raises, and connections of the pool that are as good as warm from the start.

asyncpg asks PostgreSQL about every type of an array that a connection meets for the first time: three more round trips, one of them
a recursive query that costs fifty times what ours do, and all of it while the statement's transaction holds its locks. After
a restart of PostgreSQL every connection of every worker does that at once, when everybody waits (78 ms a connection on two busy
cores, and 16 with this). The types are PostgreSQL's own, so what one connection was told holds for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FAULTS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when a server cannot be reached, does not answer (`TimeoutError` is an `OSError`), or refuses. The last is
what it says of a connection that was lost in the middle of a question before.
"""
CONNECT_SECONDS: Final = 10.0
FROZEN_MILLISECONDS: Final = 5000
"""How long a worker that stands still in the middle of a transaction keeps everybody else from what it locked."""
ARRAYS: Final = (1000, 1001, 1005, 1007, 1009, 1015, 1016, 1022, 1185, 2951)
"""OIDs (the same in every PostgreSQL: pg_type.dat) of arrays of bool, bytea, int2, int4, text, varchar, int8, float8, timestamptz
and uuid.
"""


def connector(dsn: str, *, patience: float | None) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """Makes connections to an address as libpq writes it. A statement of theirs that takes longer than `patience` seconds raises
    `TimeoutError`.
    """
    known: list[Any] = []

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(
            dsn,
            server_settings={
                "application_name": "parley",
                "jit": "off",
                "idle_in_transaction_session_timeout": str(FROZEN_MILLISECONDS),
            },
            timeout=CONNECT_SECONDS,
            command_timeout=patience,
        )
        try:
            if not known:
                types, _ = await connection._introspect_types(ARRAYS, CONNECT_SECONDS)  # type: ignore[attr-defined]  # noqa: SLF001
                known[:] = types
            # What asyncpg itself does with the answer; there is no public way to it, and a test notices when this one ends.
            connection._protocol.get_settings().register_data_types(known)  # type: ignore[attr-defined]  # noqa: SLF001
        except BaseException:
            connection.terminate()
            raise
        return connection

    return connect
