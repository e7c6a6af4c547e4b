"""What a server's process holds, and whether that grows with what passed through it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tests.acceptance.server import Server
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

LARGEST_BLOCK = 512
"""Bytes. What is larger is not among Python's blocks."""
UNTIDY = 64
"""Objects that come and go in a server that does nothing: timers, metrics, statements that a connection learns. 30 were seen in
each of three rounds of 20 connections, which left nothing.
"""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a process holds after all garbage was collected.

    If it is traced: what was allocated since it was asked first. Else its memory as the system has it, and all of Python's blocks
    of up to 512 bytes.
    """

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Round:
    """What one of several equal loads has left behind."""

    items: int
    """Events or connections."""
    objects: int
    bytes: int


def leaks(rounds: Sequence[Round]) -> bool:
    """Whether each round has left something behind for at least every second item: an object, or the bytes of a large one. What is
    `UNTIDY` is left out, so a round of few items shows only what leaves several objects each.

    What leaks grows in every round. Caches fill once, tables double now and then, and the allocator is untidy: in one round or
    another, and not by so much for each item.
    """
    objects = min((each.objects - UNTIDY) / each.items for each in rounds)
    held = min((each.bytes - UNTIDY * LARGEST_BLOCK) / each.items for each in rounds)
    return objects > 1 / 2 or held > LARGEST_BLOCK / 2


class Watched(Server):
    """A server that can be asked what its process holds."""

    program: ClassVar[tuple[str, ...]] = ("tests.soak.served", "serve")

    async def holdings(self, http: httpx.AsyncClient, *, sockets: int) -> Holdings:
        """What it holds once no more than so many sockets are open, and the database knows of all others that they are not."""
        rest = {f"parley_sockets {float(sockets)}", "parley_detaches_owed 0.0"}

        async def at_rest() -> bool:
            return rest <= set((await http.get(f"{self.url}/metrics")).text.splitlines())

        await until(at_rest)
        file = self.data_dir.with_suffix(".holdings")
        file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        await until(file.exists)
        return Holdings(**json.loads(file.read_text()))


class Traced(Watched):
    """One that has every allocation told apart: for few items, beside which everything else that a server does would be much."""

    program: ClassVar[tuple[str, ...]] = ("tests.soak.served", "--traced", "serve")
