"""Figures about the whole service, open to everybody."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache

import strawberry

from domain import stats
from schema.context import Info


@strawberry.type(description="Figures about the whole service, over all workers and about a second old.")
class Stats:
    """See `domain.stats.Stats`."""

    online: int = strawberry.field(description="Users with a live connection.")
    waiting: int = strawberry.field(description="Users in the queue.")
    in_call: int = strawberry.field(description="Seats that are held in open rooms.")
    open_rooms: int = strawberry.field(description="Rooms that are open.")
    matches_last_hour: int = strawberry.field(description="Matches made within the last hour.")
    median_wait_seconds: float | None = strawberry.field(
        description="Median seconds from joining the queue to the match over the last hour; null with no match."
    )

    @staticmethod
    @lru_cache(maxsize=8)
    def of(figures: stats.Stats) -> Stats:
        """The API's form of the figures: the same object for all who are told the same, so that it is encoded once."""
        return Stats(
            online=figures.online,
            waiting=figures.waiting,
            in_call=figures.in_call,
            open_rooms=figures.open_rooms,
            matches_last_hour=figures.matches_last_hour,
            median_wait_seconds=figures.median_wait_seconds,
        )


@strawberry.type
class StatsQuery:
    """`stats`."""

    @strawberry.field(description="How busy the service is now. Open without signing in.")
    async def stats(self, info: Info) -> Stats:
        return Stats.of(await info.context.services.stats.now())


@strawberry.type
class StatsSubscription:
    """`stats`, as it changes."""

    @strawberry.subscription(
        description="How busy the service is: now, and then whenever it changes, at most once a second. Open without signing in."
    )
    async def stats(self, info: Info) -> AsyncGenerator[Stats, None]:
        source = info.context.services.stats
        figures = await source.now()
        while True:
            yield Stats.of(figures)
            figures = await source.next(figures)
