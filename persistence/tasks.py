"""Tasks that outlive whoever began them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def retrieved(task: asyncio.Future[Any]) -> None:
    """For a task that has ended: its error was for those who waited, and when all of them have gone it is nobody's."""
    if not task.cancelled():
        task.exception()
