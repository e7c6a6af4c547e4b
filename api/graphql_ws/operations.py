"""The operations of one socket: what runs at once, what waits for its turn, and who may still send under an ID."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import orjson
from graphql import OperationType

from api.connections.closing import Close
from api.graphql_ws.messages import Refused, complete_frame, error_frame, next_frame
from domain.errors import RateLimited
from schema.context import OPEN_FIELDS
from schema.execution.documents import Rejected
from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from api.connections.limits import SocketLimits
    from api.connections.live import LiveSockets
    from api.connections.outlet import Outlet
    from api.graphql_ws.messages import Subscribe
    from api.operation_rates import Requester
    from schema.execution.documents import Prepared, Unknown
    from schema.execution.execute import Engine, Result


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

    @property
    def follows(self) -> bool:
        """Whether it is a stream that not everybody may have."""
        subscribes = self.prepared.kind(self.name) is OperationType.SUBSCRIPTION
        return subscribes and not self.prepared.asks_only(self.name, OPEN_FIELDS)

    def take_variables(self) -> dict[str, Any] | None:
        """The client's variables, once: a frame of 1 MiB can spell several of them, and a stream lives for hours."""
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
        requester: Requester,
        stands: Callable[[], Awaitable[bool]],
    ) -> None:
        self._engine = engine
        self._context = context
        self._outlet = outlet
        self._limits = limits
        self._live_sockets = live
        self._requester = requester
        self._stands = stands
        self._eager = live.eager
        self._live: dict[str, _Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._concurrent = 0
        self._waiting: deque[_Operation] = deque()
        self._waiting_bytes = 0
        self._lane: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._live)

    def find(self, frame: Subscribe) -> Prepared | Rejected | Unknown:
        """What the frame asks to begin, for `start`, or for `learn` first. Raises `Refused` if the ID is taken."""
        if frame.id in self._live:
            raise Refused(Close.DUPLICATE_ID, f"Subscriber for {frame.id} already exists")
        try:
            return self._requester.find(
                self._engine, frame.query, frame.extensions, frame.operation_name, frame.variables
            )
        except RateLimited as limited:
            return Rejected([told(limited)])

    async def learn(self, frame: Subscribe, unknown: Unknown) -> Prepared | Rejected:
        """For `start`, once it is prepared. The next frame is to wait for it: it must not overtake this one."""
        try:
            return await self._requester.learn(
                self._engine, unknown, frame.operation_name, frame.variables, held=frame.size
            )
        except RateLimited as limited:
            return Rejected([told(limited)])

    def start(self, frame: Subscribe, prepared: Prepared | Rejected) -> bytes | None:
        """Begin an operation, or give the `error` frame that says why not.

        Queries and mutations that have not to wait are over on return.
        """
        if isinstance(prepared, Rejected):
            return error_frame(frame.id, prepared.errors)
        operation = _Operation(frame, prepared)
        kind = prepared.kind(frame.operation_name)
        if kind is OperationType.MUTATION:
            if self._lane is not None:
                return self._queue(operation)
            self._live[operation.id] = operation
            self._lane = self._begun(self._run_lane(operation))
            return None
        if self._concurrent >= self._limits.operations or len(self._tasks) >= 4 * self._limits.operations:
            self._live_sockets.refusals["operations_of_socket"] += 1
            return _too_many(frame.id, f"This socket already runs {self._limits.operations} operations.")
        self._live[operation.id] = operation
        if kind is OperationType.SUBSCRIPTION:
            operation.task = self._tracked(asyncio.create_task(self._stream(operation)))
        else:
            operation.task = self._begun(self._once(operation))
        self._concurrent += operation.task is not None
        return None

    def complete(self, id: str) -> None:
        """The client is done with an operation, if there is one. A mutation that has begun goes on in silence."""
        operation = self._live.get(id)
        if operation is not None:
            self._forget(operation)
            if operation.task is not None:
                operation.task.cancel()

    async def told(self, seconds: float) -> None:
        """Return once every stream of somebody's inbox has ended by itself, or after so many seconds."""
        streams = [
            operation.task
            for operation in self._live.values()
            if operation.task is not None and operation.follows and not operation.task.done()
        ]
        if streams:
            await asyncio.wait(streams, timeout=seconds)

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
        if self._waiting:
            many = len(self._waiting) >= self._limits.mutations
            if many or self._waiting_bytes + size > self._limits.mutation_bytes:
                self._live_sockets.refusals["mutations_of_socket" if many else "mutation_bytes_of_socket"] += 1
                return _too_many(operation.id, "Too many mutations of this socket wait for their turn.")
        self._live[operation.id] = operation
        self._waiting.append(operation)
        self._waiting_bytes += size
        return None

    async def _run_lane(self, operation: _Operation) -> None:
        await self._once(operation)
        while self._waiting:
            operation = self._waiting.popleft()
            self._waiting_bytes -= operation.size
            if self._is_live(operation):
                await self._once(operation)
        self._lane = None

    async def _once(self, operation: _Operation) -> None:
        try:
            if not await self._stands():
                return
            outcome = self._engine.execute(
                operation.prepared, operation.take_variables(), operation.name, self._context
            )
            result = outcome if isinstance(outcome, dict) else await outcome
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            result = {"errors": [told(error)]}
        if self._outlet.free or await self._outlet.ready():
            self._answer(operation, result)

    def _answer(self, operation: _Operation, result: Result) -> None:
        """Send the frames that end a query or a mutation and free its ID, in one step; neither if the client completed it first."""
        if not self._is_live(operation):
            return
        self._forget(operation)
        if "data" not in result:
            self._outlet.write(error_frame(operation.id, result["errors"]))
            return
        try:
            encoded = orjson.dumps(result)
        except TypeError as error:  # It holds what JSON cannot.
            self._outlet.write(error_frame(operation.id, [told(error)]))
            return
        if self._outlet.write(next_frame(operation.id, encoded), complete_frame(operation.id)):
            self._live_sockets.delivered += 1

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
                    if not (self._outlet.free or await self._outlet.ready()) or not self._next(
                        operation, event.encoded
                    ):
                        return
                    if event.delivered is not None:
                        event.delivered()
            # One that ends because the session may do something else is not complete: its client is to come back for it.
            if await self._stands():
                await self._finish(operation, complete_frame(operation.id))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told that its stream ended
            await self._finish(operation, error_frame(operation.id, [told(error)]))

    def _next(self, operation: _Operation, encoded: bytes) -> bool:
        if not self._is_live(operation) or not self._outlet.write(next_frame(operation.id, encoded)):
            return False
        self._live_sockets.delivered += 1
        return True

    async def _finish(self, operation: _Operation, frame: bytes) -> None:
        """Send the last frame of a stream and free its ID, in one step; neither if the client completed it first."""
        if await self._outlet.ready() and self._is_live(operation):
            self._forget(operation)
            self._outlet.write(frame)

    def _is_live(self, operation: _Operation) -> bool:
        return self._live.get(operation.id) is operation

    def _forget(self, operation: _Operation) -> None:
        del self._live[operation.id]
        if operation.task is not None:
            self._concurrent -= 1

    def _begun(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """The task that goes on with it, if it has to wait."""
        task = self._eager.begin(work)
        return None if task is None else self._tracked(task)

    def _tracked(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _too_many(id: str, message: str) -> bytes:
    return error_frame(id, [failure("RATE_LIMITED", message, retryAfter=1.0)])
