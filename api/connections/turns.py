"""What many connections have to send leaves once in a turn of the loop: a system call for each costs as much as a third of a relay.

In a turn a busy socket is often told twice, what became of its own operation and what somebody else did.
"""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary


class Holder(Protocol):
    """A connection that holds back what it has to send."""

    def flush(self) -> None:
        """Send it now. Raises nothing."""
        ...


class Turn:
    """Those who hold something back on one loop, until it has run what is ready now and what that made ready."""

    __slots__ = ("_holders",)

    def __init__(self) -> None:
        self._holders: list[Holder] = []

    def add(self, holder: Holder) -> None:
        """Flush it then. To be called once until that was done."""
        if not self._holders:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._end)
        self._holders.append(holder)

    def _end(self) -> None:
        holders, self._holders = self._holders, []
        for holder in holders:
            holder.flush()


_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, Turn] = WeakKeyDictionary()


def turn_of(loop: asyncio.AbstractEventLoop) -> Turn:
    """The one of this loop."""
    turn = _TURNS.get(loop)
    if turn is None:
        turn = _TURNS[loop] = Turn()
    return turn
