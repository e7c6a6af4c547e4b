"""Mutations of one user over HTTP take turns."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from api.graphql_http.endpoint import MUTATIONS_AT_ONCE as AT_ONCE
from api.graphql_http.endpoint import MUTATIONS_WAITING as WAITING
from api.graphql_http.endpoint import UserTurns
from domain.errors import RateLimited

ADA, BEN = UUID(int=1), UUID(int=2)


async def test_one_user_never_holds_more_than_their_share_and_hinders_nobody() -> None:
    """A script that fires hundreds of requests at once waits for itself, and everybody else's buttons go on working."""
    turns, running, most, go = UserTurns(WAITING), 0, 0, asyncio.Event()

    async def work(user: UUID) -> None:
        nonlocal running, most
        async with turns.turn(user):
            running += 1
            most = max(most, running)
            await go.wait()
            running -= 1

    tasks = [asyncio.create_task(work(ADA)) for _ in range(AT_ONCE + WAITING)]
    await asyncio.sleep(0)
    assert running == AT_ONCE
    with pytest.raises(RateLimited) as refused:
        async with turns.turn(ADA):
            pass
    assert refused.value.retry_after > 0
    assert turns.refusals == {"mutations_of_user": 1}
    async with turns.turn(BEN):
        pass
    tasks[-1].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (most, running, len(turns)) == (AT_ONCE, 0, 0)
