"""What the backends of both servers are made of: a bounded queue from the listening connection, and a line to publish on."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from persistence.bus.messages import QUEUE_LIMIT, Lagged

if TYPE_CHECKING:
    from broadcaster import Event

HEARTBEAT_SECONDS: Final = 5.0
REPLY_SECONDS: Final = 4.0
"""A server that has not answered for so long is lost: with the heartbeat, silence is noticed within nine seconds."""
CONNECT_SECONDS: Final = 5.0
SEND_SECONDS: Final = 2.0
"""How long the server may take for one batch."""
PUBLISH_SECONDS: Final = 5.0
"""How long a publisher waits at most: two attempts."""
BACKLOG_LIMIT: Final = 8 * QUEUE_LIMIT
"""Messages that wait between the listening connection and the subscribers' queues. One read of a socket may bring 3,000."""
PENDING_LIMIT: Final = 16 * QUEUE_LIMIT
"""Messages that wait to be published."""
BATCH_LIMIT: Final = 256
"""Messages that go to the server as one."""


class Incoming:
    """What one listening connection received, until it is lost. It belongs to that connection: late callbacks of an old
    one do not reach the next.
    """

    __slots__ = ("_events", "_lagged", "_lost", "_moved")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._moved = asyncio.Event()
        self._lagged = False
        self._lost: ConnectionError | None = None

    def put(self, event: Event) -> None:
        """Keeps the event; drops all that wait when they are too many."""
        if len(self._events) >= BACKLOG_LIMIT:
            self._events.clear()
            self._lagged = True
        self._events.append(event)
        self._moved.set()

    def fail(self, reason: BaseException | str) -> None:
        """The connection is lost. The first reason stays."""
        if self._lost is None:
            self._lost = ConnectionError(f"the bus lost its connection: {_text(reason)}")
            self._moved.set()

    def ended_by(self, task: asyncio.Task[None]) -> None:
        """A callback for a task without which the connection is worth nothing, however the task ended."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self.fail(error or "its reader ended")

    def check(self) -> None:
        """Raises `ConnectionError` if the connection is lost."""
        if self._lost is not None:
            raise ConnectionError(*self._lost.args)

    async def next(self) -> Event:
        """Raises `Lagged` once for events that were dropped, and `ConnectionError` after the last one before the loss."""
        while True:
            if self._lagged:
                self._lagged = False
                raise Lagged
            if self._events:
                return self._events.popleft()
            self.check()
            self._moved.clear()
            await self._moved.wait()


class Pending:
    """A message that waits for the server's word."""

    __slots__ = ("channel", "done", "message")

    def __init__(self, channel: str, message: str) -> None:
        self.channel = channel
        self.message = message
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def acknowledge(self) -> None:
        """The server has it."""
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, reason: str) -> None:
        """The server may not have it."""
        if not self.done.done():
            self.done.set_exception(ConnectionError(reason))


class Line(Protocol):
    """A connection for publishing, used by one task."""

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> None:
        """Raises `ConnectionError` if that cannot be done within `CONNECT_SECONDS`."""

    async def send(self, batch: deque[Pending]) -> None:
        """Publishes in order, and takes from the left what the server acknowledged. Raises whatever the library raises."""

    def close(self) -> None:
        """At once, without a word to the server, from any task: what is under way raises."""


class Publisher:
    """Publishes for everybody on one line: what queued while the last batch was under way goes into the next.

    One line and batches, and not a pool with a connection for each publisher: 4,000 at once need no 4,000 connections, each
    NOTIFY commits under a lock of the whole cluster, and messages of one publisher stay in order.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: deque[Pending] = deque()
        self._batch: deque[Pending] = deque()
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """Opens the line, and gives the task without which nothing is published. Raises `ConnectionError`."""
        await self._line.open()
        self._task = asyncio.create_task(self._run(), name="bus-publisher")
        return self._task

    async def stop(self) -> None:
        """Fails what waits; does not wait for the server."""
        task, self._task = self._task, None
        self._line.close()
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        self._fail("the bus was disconnected")

    async def publish(self, channel: str, message: str) -> None:
        """See `Bus.publish`."""
        if self._task is None:
            msg = "the bus is not connected"
            raise ConnectionError(msg)
        if len(self._waiting) >= PENDING_LIMIT:
            msg = f"{PENDING_LIMIT} messages wait for the bus already"
            raise ConnectionError(msg)
        pending = Pending(channel, message)
        self._waiting.append(pending)
        self._due.set()
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await pending.done
        except TimeoutError:
            msg = f"the bus did not take a message within {PUBLISH_SECONDS:.0f} s"
            raise ConnectionError(msg) from None

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._waiting:
                while self._waiting and len(self._batch) < BATCH_LIMIT:
                    pending = self._waiting.popleft()
                    if not pending.done.done():  # Its publisher may have gone.
                        self._batch.append(pending)
                try:
                    await self._deliver()
                except (Exception, asyncio.CancelledError) as error:
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    # Something else was cancelled, or failed: this task serves the next publisher all the same.
                    self._line.close()
                    self._fail(f"the bus cannot publish: {_text(error)}")

    async def _deliver(self) -> None:
        was_open = self._line.is_open
        try:
            await self._send()
        except Exception:
            self._line.close()
            if not was_open:
                raise
            await self._send()  # The line had gone stale: its server restarted, or somebody cut what was idle.

    async def _send(self) -> None:
        if not self._line.is_open:
            await self._line.open()
        # Closing makes the call under way fail by itself; cancelling it would make asyncpg dial the server once more.
        giving_up = asyncio.get_running_loop().call_later(SEND_SECONDS, self._line.close)
        try:
            await self._line.send(self._batch)
        finally:
            giving_up.cancel()

    def _fail(self, reason: str) -> None:
        for pending in chain(self._batch, self._waiting):
            pending.fail(reason)
        self._batch.clear()
        self._waiting.clear()


def _text(reason: BaseException | str) -> str:
    """Says it in one line, for messages that may be empty."""
    return reason if isinstance(reason, str) else f"{type(reason).__name__} {reason}".rstrip()
