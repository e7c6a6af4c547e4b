"""The same load again and again, weighed after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.client import Api
from tests.soak.loads import Pair, Passengers
from tests.soak.weighing import Round

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.weighing import Watched

ROUNDS = 3
"""After one that is not counted, in which connections to the database learn their statements, and inboxes fill."""


async def events_pass(server: Watched, events: int, tell: Callable[[str], None]) -> list[Round]:
    """So many events through one subscription, in `ROUNDS` rounds."""
    async with Api(server.url) as api:
        pair = await Pair.meet(api)
        rounds = await _weighed(server, api, pair.send, each=events // ROUNDS, what="events", sockets=2, tell=tell)
        await pair.part()
    return rounds


async def connections_pass(server: Watched, connections: int, tell: Callable[[str], None]) -> list[Round]:
    """So many sockets, and half as many event streams, opened and closed, in `ROUNDS` rounds."""
    async with Api(server.url) as api:
        passengers = await Passengers.come(api)
        each = connections // ROUNDS
        return await _weighed(server, api, passengers.pass_through, each=each, what="connections", sockets=0, tell=tell)


async def _weighed(
    server: Watched,
    api: Api,
    load: Callable[[int], Awaitable[None]],
    *,
    each: int,
    what: str,
    sockets: int,
    tell: Callable[[str], None],
) -> list[Round]:
    await load(each)
    before = await server.holdings(api.http, sockets=sockets)
    rounds = []
    for _ in range(ROUNDS):
        await load(each)
        after = await server.holdings(api.http, sockets=sockets)
        left = Round(each, after.objects - before.objects, after.bytes - before.bytes)
        rounds.append(left)
        tell(
            f"{each:,} {what}: {left.objects:+,} objects, {left.bytes / 1024:+,.0f} KiB; "
            f"now {after.objects:,} objects, {after.bytes / 1024 / 1024:,.1f} MiB"
        )
        before = after
    return rounds
