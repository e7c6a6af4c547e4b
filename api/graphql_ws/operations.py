"""The operations of one socket: what runs at once, what waits for its turn, and who may still send under an ID."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from graphql import OperationType

from api.graphql_ws.messages import Close, Refused, complete_frame, error_frame, next_frame
from schema.execution.documents import Rejected
from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from api.graphql_ws.limits import SocketLimits
    from api.graphql_ws.live import LiveSockets
    from api.graphql_ws.messages import Subscribe
    from api.graphql_ws.outlet import Outlet
    from schema.execution.documents import Prepared
    from schema.execution.execute import Engine


class _Operation:
    """One use of an ID. Compared by identity: an ID may be used again while its last operation still unwinds."""

    __slots__ = ("_variables", "id", "name", "prepared", "size", "task")

    def __init__(self, frame: Subscribe, prepared: Prepared) -> None:
        self.id = frame.id
        self.name = frame.operation_name
        self.size = frame.size
        self.prepared = prepared
        self.task: asyncio.Task[None] | None = None
        """None for mutations: they share the lane's."""
        self._variables = frame.variables

    def take_variables(self) -> dict[str, Any] | None:
        """The client's variables, once: a frame of 1 MiB can spell 25 MiB of them, and a stream lives for hours."""
        variables, self._variables = self._variables, None
        return variables


class Operations:
    """Queries and subscriptions run at once, mutations one after the other in the order of their frames.

    So a candidate never overtakes the offer that it belongs to. `context` is what all of them find as `info.context`.
    `stands` is asked before each one: False means that the socket's rights are gone and that it closes.
    """

    def __init__(
        self,
        engine: Engine,
        context: object,
        outlet: Outlet,
        limits: SocketLimits,
        live: LiveSockets,
        *,
        stands: Callable[[], Awaitable[bool]],
    ) -> None:
        self._engine = engine
        self._context = context
        self._outlet = outlet
        self._limits = limits
        self._live_sockets = live
        self._stands = stands
        self._live: dict[str, _Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._concurrent = 0
        self._waiting: deque[_Operation] = deque()
        self._waiting_characters = 0
        self._lane: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._live)

    def start(self, frame: Subscribe) -> bytes | None:
        """Begin an operation, or give the `error` frame that says why not. Raises `Refused` if the ID is taken."""
        if frame.id in self._live:
            raise Refused(Close.DUPLICATE_ID, f"Subscriber for {frame.id} already exists")
        prepared = self._engine.documents.prepare(frame.query)
        if isinstance(prepared, Rejected):
            return error_frame(frame.id, prepared.errors)
        operation = _Operation(frame, prepared)
        kind = prepared.kind(frame.operation_name)
        if kind is OperationType.MUTATION:
            return self._queue(operation)
        if self._concurrent >= self._limits.operations or len(self._tasks) >= 4 * self._limits.operations:
            return _too_many(frame.id, f"This socket already runs {self._limits.operations} operations.")
        self._concurrent += 1
        self._live[frame.id] = operation
        run = self._stream(operation) if kind is OperationType.SUBSCRIPTION else self._once(operation)
        operation.task = self._spawn(run)
        return None

    def complete(self, id: str) -> None:
        """The client is done with an operation, if there is one. A mutation that has begun goes on in silence."""
        operation = self._live.get(id)
        if operation is not None:
            self._forget(operation)
            if operation.task is not None:
                operation.task.cancel()

    async def stop(self) -> None:
        """End all. Returns when every generator is closed and every task has ended."""
        self._live.clear()
        self._waiting.clear()
        pending = set(self._tasks)
        while pending:
            for task in pending:
                if task is not self._lane:
                    task.cancel()
            _, pending = await asyncio.wait(pending, timeout=self._limits.mutation_grace)
            self._lane = None  # the mutation that runs had its time

    # --- running ----------------------------------------------------------------------------------------------------

    def _queue(self, operation: _Operation) -> bytes | None:
        size = operation.size
        if self._waiting and (
            len(self._waiting) >= self._limits.mutations
            or self._waiting_characters + size > self._limits.mutation_characters
        ):
            return _too_many(operation.id, "Too many mutations of this socket wait for their turn.")
        self._live[operation.id] = operation
        self._waiting.append(operation)
        self._waiting_characters += size
        if self._lane is None:
            self._lane = self._spawn(self._run_lane())
        return None

    async def _run_lane(self) -> None:
        while self._waiting:
            operation = self._waiting.popleft()
            self._waiting_characters -= operation.size
            if self._is_live(operation):
                await self._once(operation)
        self._lane = None

    async def _once(self, operation: _Operation) -> None:
        try:
            if not await self._stands():
                return
            result = await self._engine.execute(
                operation.prepared, operation.take_variables(), operation.name, self._context
            )
            if "data" not in result:
                await self._finish(operation, error_frame(operation.id, result["errors"]))
            elif await self._finish(operation, next_frame(operation.id, result), complete_frame(operation.id)):
                self._live_sockets.delivered += 1
        except Exception as error:  # noqa: BLE001 - a result that JSON cannot hold, for one
            await self._finish(operation, error_frame(operation.id, [told(error)]))

    async def _stream(self, operation: _Operation) -> None:
        try:
            if not await self._stands():
                return
            outcome = await self._engine.subscribe(
                operation.prepared, operation.take_variables(), operation.name, self._context
            )
            if isinstance(outcome, dict):
                await self._finish(operation, error_frame(operation.id, outcome["errors"]))
                return
            async with aclosing(outcome) as events:
                async for event in events:
                    if "data" not in event.result:
                        await self._finish(operation, error_frame(operation.id, event.result["errors"]))
                        return
                    if not await self._next(operation, event.result):
                        return
                    if event.delivered is not None:
                        event.delivered()
            await self._finish(operation, complete_frame(operation.id))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told that its stream ended
            await self._finish(operation, error_frame(operation.id, [told(error)]))

    async def _next(self, operation: _Operation, result: dict[str, Any]) -> bool:
        frame = next_frame(operation.id, result)
        if not await self._outlet.ready() or not self._is_live(operation) or not self._outlet.write(frame):
            return False
        self._live_sockets.delivered += 1
        return True

    async def _finish(self, operation: _Operation, *frames: bytes) -> bool:
        """Send the last frames of an operation and free its ID, in one step; neither if the client completed it
        first.
        """
        if not await self._outlet.ready() or not self._is_live(operation):
            return False
        self._forget(operation)
        return self._outlet.write(*frames)

    def _is_live(self, operation: _Operation) -> bool:
        return self._live.get(operation.id) is operation

    def _forget(self, operation: _Operation) -> None:
        del self._live[operation.id]
        if operation.task is not None:
            self._concurrent -= 1

    def _spawn(self, run: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _too_many(id: str, message: str) -> bytes:
    return error_frame(id, [failure("RATE_LIMITED", message, retryAfter=1.0)])
