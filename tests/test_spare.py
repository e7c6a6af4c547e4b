"""What is begun in the name of a spare task behaves as if it had been a task of its own from the beginning."""

from __future__ import annotations

import asyncio

import pytest

from api.graphql_ws.spare import Spare
from tests.waiting import DEADLINE


async def test_what_needs_no_waiting_is_over_at_once_and_costs_no_task() -> None:
    """A signal in memory waits for nothing: a task for each is as expensive as half the rest."""
    spare, names, tasks = Spare(), list[object](), asyncio.all_tasks()

    async def work() -> None:
        names.append(asyncio.current_task())

    for _ in range(3):
        assert spare.begin(work()) is None
    assert len(set(names)) == 1
    assert names[0] is not asyncio.current_task()
    (extra,) = asyncio.all_tasks() - tasks
    assert extra is names[0]


async def test_what_has_to_wait_goes_on_in_the_task_in_whose_name_it_began() -> None:
    """`asyncio.timeout` notes the current task when it is entered, and cancels that one."""
    spare, seen = Spare(), list[object]()

    async def work() -> None:
        seen.append(asyncio.current_task())
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(0)
                seen.append(asyncio.current_task())
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("too late")

    caller = asyncio.current_task()
    task = spare.begin(work())
    assert task is not None
    assert asyncio.current_task() is caller
    async with asyncio.timeout(DEADLINE):
        await task
    assert seen == [task, task, "too late"]
    assert caller is not None
    assert not caller.cancelling()


async def test_the_next_one_gets_another_task() -> None:
    """Of two that wait neither hears what is meant for the other."""
    spare, door = Spare(), asyncio.Event()

    async def work() -> None:
        await door.wait()

    one, other = spare.begin(work()), spare.begin(work())
    assert one is not None
    assert other is not None
    assert one is not other
    one.cancel()
    door.set()
    await asyncio.wait((one, other))
    assert (one.cancelled(), other.cancelled()) == (True, False)


async def test_a_cancellation_reaches_what_was_begun_before_its_task_woke() -> None:
    """A client that completes an operation in the same packet: what it holds is given back."""
    spare, told = Spare(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")
            await asyncio.sleep(0)
            told.append("and unwound")

    task = spare.begin(work())
    assert task is not None
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert told == ["cancelled", "and unwound"]


async def test_what_is_raised_at_once_is_the_callers() -> None:
    """And what is raised later is the task's."""
    spare = Spare()

    async def work(*, later: bool) -> None:
        if later:
            await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        spare.begin(work(later=False))
    task = spare.begin(work(later=True))
    assert task is not None
    with pytest.raises(KeyError):
        await task


async def test_an_exception_of_what_is_awaited_comes_through() -> None:
    """To whoever waits in the coroutine, not around it."""
    spare, told = Spare(), list[str]()
    waited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await waited
        except KeyError:
            told.append("caught")
        await asyncio.sleep(0)
        told.append("done")

    task = spare.begin(work())
    assert task is not None
    waited.set_exception(KeyError())
    await task
    assert told == ["caught", "done"]
