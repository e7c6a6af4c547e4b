"""Coroutines that start eagerly: most have nothing to wait for, and need no task."""

from __future__ import annotations

import asyncio
import sys
from asyncio import tasks
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any


class EagerTasks:
    """Begins work so that it behaves as a task of its own does from the beginning, but for its first step, which is taken at once.

    Python has eager tasks from 3.12 on. For 3.11 a spare task is kept, which sleeps until there is something to wait for: the first
    step is taken in whoever calls, but in the name of the spare one, so `asyncio.timeout` and whatever else asks for the current
    task gets the one that will go on with it. Only what has to wait wakes it, and has it for good.
    """

    __slots__ = ("_sleeper", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._sleeper: _Sleeper | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do as much of it as needs no waiting, and raise what that raises. None if that was all, or if it was cancelled, which is
        not its caller's business; else the task that goes on.
        """
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):
            eager = asyncio.Task(work, loop=loop, eager_start=True)
            if not eager.done():
                return eager
            if not eager.cancelled():
                eager.result()
            return None
        return self._in_the_name_of_the_spare(loop, work)

    def _in_the_name_of_the_spare(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None] | None:
        caller = asyncio.current_task(loop)
        task, sleeper = self._task, self._sleeper
        # What was over at once may have cancelled it: that was meant for nobody else.
        if task is None or sleeper is None or task.done() or task.cancelling() or task.get_loop() is not loop:
            sleeper = self._sleeper = _Sleeper(loop)
            task = self._task = loop.create_task(sleeper)
        context = copy_context()
        # As the documentation of asyncio has it for those who step coroutines themselves ("Extending asyncio", task lifetime).
        if caller is not None:
            tasks._leave_task(loop, caller)  # noqa: SLF001
        tasks._enter_task(loop, task)  # noqa: SLF001
        try:
            awaited = context.run(work.send, None)
        except (StopIteration, asyncio.CancelledError):
            return None
        finally:
            tasks._leave_task(loop, task)  # noqa: SLF001
            if caller is not None:
                tasks._enter_task(loop, caller)  # noqa: SLF001
        self._task = self._sleeper = None
        sleeper.wake(work, context, awaited)
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
        self._context: Context | None = None
        """That of the work: a copy of the one in which it began. The task's own is that of whoever needed the spare."""
        self._awaited: Any = None

    def wake(self, work: Coroutine[Any, Any, None], context: Context, awaited: Any) -> None:  # noqa: ANN401 - a future or None
        """Go on with it, once what it awaits is there."""
        self._work, self._context, self._awaited = work, context, awaited
        if awaited is not None:
            # As a task does with what it is given: whoever else awaits it meanwhile finds it as it was.
            awaited._asyncio_future_blocking = False  # noqa: SLF001
        self.__qualname__ = getattr(work, "__qualname__", self.__qualname__)
        if not self._door.done():
            self._door.set_result(None)

    def send(self, value: Any, /) -> Any:  # noqa: ANN401 - between a coroutine and its loop
        if self._work is None or self._context is None:
            return next(self._door.__await__())
        if self._awaited is not None:
            return self._given()
        return self._context.run(self._work.send, value)

    def throw(self, error: Any, /, *_: Any) -> Any:  # noqa: ANN401 - a task throws instances
        if self._work is None or self._context is None:
            raise error
        # Cancelled before it woke. As a task does it: what is awaited hears of it first.
        if self._awaited is not None and isinstance(error, asyncio.CancelledError) and self._awaited.cancel():
            return self._given()
        self._awaited = None
        return self._context.run(self._work.throw, error)

    def _given(self) -> Any:  # noqa: ANN401 - a future
        """What the work awaits, marked as `await` marks it for the task."""
        awaited, self._awaited = self._awaited, None
        awaited._asyncio_future_blocking = True  # noqa: SLF001
        return awaited

    def close(self) -> None:
        if self._work is not None:
            self._work.close()

    def __await__(self) -> Any:  # noqa: ANN401
        raise NotImplementedError  # Only a task runs it.
