"""Locks that a test holds, so that others queue up behind them in the order of coming."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg


@asynccontextmanager
async def held_up(dsn: str, *user_ids: UUID) -> AsyncIterator[None]:
    """Holds the heads, so that whoever wants them queues up in the order of coming. All want one of them first."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM head WHERE user_id = ANY($1) ORDER BY user_id FOR UPDATE", user_ids)
            yield
    finally:
        await connection.close()
