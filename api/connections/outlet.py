"""The one way to a client: frames leave whole, no faster than the client takes them, and a client that takes none is
dropped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.connections.buffers import Writer
    from api.connections.limits import SocketLimits
    from api.connections.live import LiveSockets

LOOKS = 10
"""How often, within the deadline, it is looked at whether a client took something: with one look at its end, what a client took at
the very beginning would buy it a second deadline.
"""


class Outlet:
    """Wraps a `Writer`. Whoever has something to send awaits `ready`, then writes at once, without awaiting in between.

    That is the lock: between the two nobody else runs. What is undelivered is therefore one buffer and one frame per
    operation.
    """

    def __init__(self, wire: Writer, limits: SocketLimits, live: LiveSockets) -> None:
        self._wire = wire
        self._limits = limits
        self._live = live
        self._shut = False

    @property
    def heard_at(self) -> float:
        """When bytes last arrived, by the loop's clock."""
        return self._wire.heard_at

    @property
    def free(self) -> bool:
        """Whether `ready` would return at once."""
        return self._wire.writable.is_set() and not self._shut

    def shut(self) -> None:
        """Nothing more is to be sent."""
        self._shut = True

    async def ready(self) -> bool:
        """Wait until the client takes more; False if it never will.

        A client is slow as long as it takes something within the deadline, and stuck when it takes nothing: then its
        connection is aborted, because closing it politely would wait for the very buffer that is stuck.
        """
        wire = self._wire
        if wire.writable.is_set():
            return not self._shut
        least, looks = wire.outstanding, 0
        while not wire.writable.is_set() and not self._shut:
            try:
                async with asyncio.timeout(self._limits.send / LOOKS):
                    await wire.writable.wait()
            except TimeoutError:
                before, least = least, min(least, wire.outstanding)
                looks = looks + 1 if least == before else 0
                if looks == LOOKS and not self._shut:
                    self._live.aborted_slow += 1
                    self.abort()
        return not self._shut

    def write(self, *frames: bytes) -> bool:
        """Send frames in one go. False if there is nobody left to send to."""
        return not self._shut and self._wire.write(frames)

    def abort(self) -> None:
        """Drop the connection."""
        self._shut = True
        self._wire.abort()
