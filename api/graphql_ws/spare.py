"""Work that mostly has not to wait, without a task for each piece of it."""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Coroutine
from typing import Any


class Spare:
    """A task that sleeps until there is something to wait for.

    What is begun takes its first step at once, in whoever calls, but in the name of that task: `asyncio.timeout` and whatever
    else asks for the current task gets the one that will go on with it. Only what has to wait wakes it, and has it for good.
    Python 3.12 has eager tasks for this; they cost one for each piece of work nevertheless.
    """

    __slots__ = ("_sleeper", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._sleeper: _Sleeper | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do as much of it as needs no waiting, and raise what that raises. None if that was all, else the task that goes on."""
        loop, caller = asyncio.get_running_loop(), asyncio.current_task()
        task, sleeper = self._task, self._sleeper
        if task is None or sleeper is None or task.done() or task.get_loop() is not loop:
            sleeper = self._sleeper = _Sleeper(loop)
            task = self._task = loop.create_task(sleeper)
        # As the documentation of asyncio has it for those who step coroutines themselves ("Extending asyncio", task lifetime).
        if caller is not None:
            tasks._leave_task(loop, caller)  # noqa: SLF001
        tasks._enter_task(loop, task)  # noqa: SLF001
        try:
            awaited = work.send(None)
        except StopIteration:
            return None
        finally:
            tasks._leave_task(loop, task)  # noqa: SLF001
            if caller is not None:
                tasks._enter_task(loop, caller)  # noqa: SLF001
        self._task = self._sleeper = None
        sleeper.wake(work, awaited)
        return task


class _Sleeper(Coroutine[Any, Any, None]):
    """What the spare task runs: nothing, and then what is left of a coroutine after its first step.

    A coroutine of its own kind, because a task that is cancelled before it first ran throws that into one which never began.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.__qualname__ = "spare"
        """As tasks are shown: later by the name of their work."""
        self._door: asyncio.Future[None] = loop.create_future()
        self._work: Coroutine[Any, Any, None] | None = None
        self._awaited: Any = None

    def wake(self, work: Coroutine[Any, Any, None], awaited: object) -> None:
        """Go on with it, once what it awaits is there."""
        self._work, self._awaited = work, awaited
        self.__qualname__ = getattr(work, "__qualname__", self.__qualname__)
        if not self._door.done():
            self._door.set_result(None)

    def send(self, value: Any, /) -> Any:  # noqa: ANN401 - between a coroutine and its loop
        if self._work is None:
            return next(self._door.__await__())
        if self._awaited is not None:
            awaited, self._awaited = self._awaited, None
            return awaited
        return self._work.send(value)

    def throw(self, error: Any, /, *_: Any) -> Any:  # noqa: ANN401 - a task throws instances
        if self._work is None:
            raise error
        awaited, self._awaited = self._awaited, None
        # Cancelled before it woke. As a task does it: what is awaited hears of it first.
        if awaited is not None and isinstance(error, asyncio.CancelledError) and awaited.cancel():
            return awaited
        return self._work.throw(error)

    def close(self) -> None:
        if self._work is not None:
            self._work.close()

    def __await__(self) -> Any:  # noqa: ANN401
        raise NotImplementedError  # Only a task runs it.
