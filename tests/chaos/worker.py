"""`python -m tests.chaos.worker`: `python -m api serve` that loses some of its hints and says under what name it works.

The product has no switch for such things: this process changes its own copy of the bus before it starts.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from api.cli import main
from persistence.bus import ReliableBroadcast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from persistence.bus import Received

LOST_VARIABLE = "CHAOS_HINTS_LOST"
"""The part of all hints that is lost, 0 to 1."""
LEDGER_VARIABLE = "CHAOS_HINTS_LEDGER"
"""A file that gets a byte for every hint, also of workers that are killed: x for one that is lost, a dot for any other."""
NAME = "listening on worker:"
"""What the line begins with that tells the worker's incarnation, in hexadecimal."""

_publish = ReliableBroadcast.publish
_subscribe = ReliableBroadcast.subscribe


def lose_hints(share: float, ledger: int) -> None:
    """From now on that share of what is published gets lost. `ledger` is a file descriptor."""

    async def publish_most(self: ReliableBroadcast, channel: str, message: str) -> None:
        lost = random.random() < share
        os.write(ledger, b"x" if lost else b".")
        if not lost:
            await _publish(self, channel, message)

    ReliableBroadcast.publish = publish_most  # type: ignore[method-assign]


def say_channels() -> None:
    """From now on every subscription is told on stdout, for whoever started us: the channel has our name in it."""

    @asynccontextmanager
    async def subscribe_aloud(self: ReliableBroadcast, channel: str) -> AsyncIterator[AsyncIterator[Received]]:
        print(f"listening on {channel}", flush=True)  # noqa: T201  # as told above
        async with _subscribe(self, channel) as messages:
            yield messages

    ReliableBroadcast.subscribe = subscribe_aloud  # type: ignore[method-assign]


def tell_stacks() -> None:
    """On SIGUSR1 every task is told on stderr, with where it stands: for one that does not stop."""

    def tell(*_: object) -> None:
        for task in asyncio.all_tasks():
            task.print_stack(file=sys.stderr)

    signal.signal(signal.SIGUSR1, tell)


def end_with(parent: int) -> None:
    """Ends this process at once when its parent has, in whatever way: a run that was killed leaves nothing behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with(os.getppid())
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    lose_hints(float(os.environ[LOST_VARIABLE]), os.open(os.environ[LEDGER_VARIABLE], flags, 0o600))
    say_channels()
    tell_stacks()
    sys.exit(main(["serve"]))
