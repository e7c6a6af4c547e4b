"""What is begun in the name of a spare task behaves as if it had been a task of its own from the beginning."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar

import pytest

from api.connections.eager import EagerTasks
from tests.waiting import DEADLINE

whose: ContextVar[str] = ContextVar("whose", default="nobody's")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python's own eager tasks are one for each")
async def test_what_needs_no_waiting_is_over_at_once_and_costs_no_task() -> None:
    """A signal in memory waits for nothing: a task for each is as expensive as half the rest."""
    eager, names, tasks = EagerTasks(), list[object](), asyncio.all_tasks()

    async def work() -> None:
        names.append(asyncio.current_task())

    for _ in range(3):
        assert eager.begin(work()) is None
    assert len(set(names)) == 1
    assert names[0] is not asyncio.current_task()
    (extra,) = asyncio.all_tasks() - tasks
    assert extra is names[0]


async def test_what_has_to_wait_goes_on_in_the_task_in_whose_name_it_began() -> None:
    """`asyncio.timeout` notes the current task when it is entered, and cancels that one."""
    eager, seen = EagerTasks(), list[object]()

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
    task = eager.begin(work())
    assert task is not None
    assert asyncio.current_task() is caller
    async with asyncio.timeout(DEADLINE):
        await task
    assert seen == [task, task, "too late"]
    assert caller is not None
    assert not caller.cancelling()


async def test_the_next_one_gets_another_task() -> None:
    """Of two that wait neither hears what is meant for the other."""
    eager, door = EagerTasks(), asyncio.Event()

    async def work() -> None:
        await door.wait()

    one, other = eager.begin(work()), eager.begin(work())
    assert one is not None
    assert other is not None
    assert one is not other
    one.cancel()
    door.set()
    await asyncio.wait((one, other))
    assert (one.cancelled(), other.cancelled()) == (True, False)


async def test_a_cancellation_reaches_what_was_begun_before_its_task_woke() -> None:
    """A client that completes an operation in the same packet: what it holds is given back."""
    eager, told = EagerTasks(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")
            await asyncio.sleep(0)
            told.append("and unwound")

    task = eager.begin(work())
    assert task is not None
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert told == ["cancelled", "and unwound"]


async def test_what_is_raised_at_once_is_the_callers() -> None:
    """And what is raised later is the task's."""
    eager = EagerTasks()

    async def work(*, later: bool) -> None:
        if later:
            await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        eager.begin(work(later=False))
    task = eager.begin(work(later=True))
    assert task is not None
    with pytest.raises(KeyError):
        await task


async def test_any_number_may_wait_for_the_same_thing() -> None:
    """A connection that is being made, a batch that is being read: asyncio marks a future between `await` and the task."""
    eager = EagerTasks()
    shared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    told: list[str] = []

    async def work() -> None:
        told.append(await shared)

    before = asyncio.create_task(work())
    begun = [eager.begin(work()), eager.begin(work())]
    after = asyncio.create_task(work())
    asyncio.get_running_loop().call_later(0.01, shared.set_result, "there")
    await asyncio.gather(before, after, *(task for task in begun if task is not None))
    assert told == ["there"] * 4


async def test_each_has_the_context_in_which_it_was_begun_for_as_long_as_it_lives() -> None:
    """What one socket's log lines are marked with is not another's, and what is set before a wait holds behind it."""
    eager, told = EagerTasks(), list[str]()

    async def work(name: str) -> None:
        told.append(whose.get())
        token = whose.set(name)
        await asyncio.sleep(0)
        told.append(whose.get())
        whose.reset(token)
        told.append(whose.get())

    async def socket(name: str) -> None:
        whose.set(name)
        task = eager.begin(work(f"work of {name}"))
        assert whose.get() == name
        assert task is not None
        await task

    await asyncio.create_task(socket("one"))
    await asyncio.create_task(socket("other"))
    assert told == ["one", "work of one", "one", "other", "work of other", "other"]


async def test_one_that_cancels_itself_at_once_harms_neither_its_caller_nor_the_next() -> None:
    """As a task it would have ended cancelled, which is nobody else's end."""
    eager, told = EagerTasks(), list[str]()

    async def give_up(*, first: bool) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if first:
            raise asyncio.CancelledError

    async def work() -> None:
        await asyncio.sleep(0)
        told.append("done")

    for first in (True, False):
        await asyncio.sleep(0)  # the spare one sleeps
        assert eager.begin(give_up(first=first)) is None
        task = eager.begin(work())
        assert task is not None
        await task
    assert told == ["done", "done"]


async def test_an_exception_of_what_is_awaited_comes_through() -> None:
    """To whoever waits in the coroutine, not around it."""
    eager, told = EagerTasks(), list[str]()
    waited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        try:
            await waited
        except KeyError:
            told.append("caught")
        await asyncio.sleep(0)
        told.append("done")

    task = eager.begin(work())
    assert task is not None
    waited.set_exception(KeyError())
    await task
    assert told == ["caught", "done"]
