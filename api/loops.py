"""Background work: steps that are repeated whatever they raise."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

log = structlog.get_logger(__name__)

T = TypeVar("T")

AT_ONCE: Final = 2
"""Of the ten connections of the pool: when two thousand sockets drop at once, everybody else goes on being served."""


@asynccontextmanager
async def running(name: str, seconds: float, step: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Does the step at once and then again and again, so many seconds after its end, for as long as the context is open."""
    task = asyncio.create_task(_forever(name, seconds, step), name=name)
    try:
        yield
    finally:
        await cancelled((task,))


async def each(name: str, items: Iterable[T], work: Callable[[T], Awaitable[object]]) -> bool:
    """Works on all items, a few at once; one that fails does not keep the others from their turn.

    Returns whether all had theirs: when the database goes away, those that are left have not.
    """
    rest = iter(items)

    async def some() -> bool:
        for item in rest:
            try:
                await work(item)
            except Unavailable:
                log.warning("the database is away", step=name)
                return False
            except Exception:
                log.exception("one of several failed", step=name)
        return True

    return all(await asyncio.gather(*(some() for _ in range(AT_ONCE))))


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels the tasks and waits until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


async def _forever(name: str, seconds: float, step: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await step()
        except Unavailable:
            log.warning("the database is away", step=name)
        except Exception:
            log.exception("a background step failed", step=name)
        await asyncio.sleep(seconds)
