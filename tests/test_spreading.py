"""Work that may wait is spread over the loop's turns."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from api.connections import spreading
from api.connections.spreading import spread_of
from tests.waiting import until


async def test_a_flood_waits_for_itself_and_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has much to do gets as many turns as who has little, and the loop turns in between."""
    monkeypatch.setattr(spreading, "SECONDS_A_TURN", 60.0)
    spread, done, turns = spread_of(asyncio.get_running_loop()), list[str](), 0

    def work(name: str, left: int) -> None:
        done.append(name)
        if left:
            spread.add(lambda: work(name, left - 1))

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(done) < 23:
            asyncio.get_running_loop().call_soon(turn)

    spread.add(lambda: work("flood", 19))
    spread.add(lambda: work("other", 2))
    turn()
    await until(lambda: len(done) == 23)
    assert done[:6] == ["flood", "other"] * 3
    assert turns >= 20


async def test_many_floods_share_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand connections with a millisecond each would be a second."""
    monkeypatch.setattr(spreading, "SECONDS_A_TURN", 0.0)
    spread, done = spread_of(asyncio.get_running_loop()), list[int]()
    for number in range(10):
        spread.add(partial(done.append, number))
    await asyncio.sleep(0)
    assert len(done) < 10
    await until(lambda: done == list(range(10)))


async def test_what_fails_keeps_nobody_from_their_turn() -> None:
    """A fault in one connection is that connection's."""
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
    done: list[int] = []

    def fails() -> None:
        raise ZeroDivisionError

    spread_of(loop).add(fails)
    spread_of(loop).add(lambda: done.append(1))
    await until(lambda: done == [1])
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
