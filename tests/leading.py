"""A worker of its own that wants to lead and matches while it does: `python -m tests.leading DSN`. Says "leads" and "stops"."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from api.leader import Leader
from persistence.leases import LeaderLease
from tests.world import Clock, open_world


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """Tells whoever started this when the duties begin and end."""
    print("leads", flush=True)  # noqa: T201  # to the parent
    try:
        yield
    finally:
        print("stops", flush=True)  # noqa: T201  # to the parent


async def lead(dsn: str) -> None:
    """Leads until it is killed."""
    async with open_world(dsn, Clock(goes=True), one_of_several=True) as world:
        leader = Leader(LeaderLease(dsn, uuid4()), (world.matcher.running, world.sweeps.running, told))
        async with leader.running():
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(lead(sys.argv[1]))
