"""Who is there: connections of users in step with their sockets, and the sweeps that act on those who are not."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from api.graphql_ws.messages import Close
from domain import presence
from domain.errors import Unavailable
from domain.rooms.holding import persistently

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from uuid import UUID

    from api.graphql_ws.socket import GraphQLSocket
    from domain.identity import Caller
    from domain.ports import Clock, Transact, UnitOfWork

log = structlog.get_logger(__name__)

T = TypeVar("T")

SWEEP_SECONDS: Final = 1.0
RECHECK_SECONDS: Final = 0.5
"""How often control versions are compared: two dictionary look-ups a socket, and a revoked session is out within a second."""
REACHED_SECONDS: Final = 0.1
LAPSE_SECONDS: Final = 5.0
"""Between the beginnings of two sweeps that succeeded: then the database was away or this process stood still, and who was
detached meanwhile could not come back.
"""
LEASE: Final = timedelta(seconds=10)
RENEW_SECONDS: Final = 3.0

ATTACHING_AT_ONCE: Final = 3
DETACHING_AT_ONCE: Final = 2
SWEEPING_AT_ONCE: Final = 2
"""Of the ten connections of the pool. When two thousand sockets drop at once, everybody else goes on being served, and those who
come back do not queue behind those who went."""
AWAY_RETRY_SECONDS: Final = 0.25
FIRST_RETRY_SECONDS: Final = 0.1
LONGEST_RETRY_SECONDS: Final = 5.0

REACHED_AT_ONCE: Final = 1000
REACHED_KEPT: Final = 50_000
"""Members whose note is remembered as written, the newest: 5 MB. Noting an older one again writes nothing new."""


@dataclass(slots=True, eq=False)
class _Attachment:
    """A socket's connection. The socket's ID is the connection's."""

    connection_id: UUID
    caller: Caller
    attaching: asyncio.Task[None] | None = None
    begun: bool = False
    """Whether the database may know of it."""
    closed: bool = False
    checked: int | None = None
    """The control version at which the session was looked at last."""
    ended: bool = False
    """Whether it was no longer good then: the socket closes."""


class Presence:
    """`gate.Sockets`: what the transport tells about sockets becomes connections, and these decide who is there.

    A detach is never lost: it is repeated in the background until the database took it, always after the attach of the same
    socket. Attaches are refused (`Unavailable`) while detaches do not get through, so that what is owed to the database is bounded
    by the sockets that were open when it went away.

    `standing` tells what a caller's session is now, None when it is revoked; `attached` is called after somebody came back.
    `opening` refuses (`RateLimited`) a user who opens sockets without end.
    """

    def __init__(
        self,
        *,
        transact: Transact,
        read: Transact,
        clock: Clock,
        resume: timedelta,
        control_version: Callable[[UUID], int],
        standing: Callable[[Caller], Awaitable[Caller | None]],
        attached: Callable[[], None],
        opening: Callable[[UUID], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transact = transact
        self._read = read
        self._clock = clock
        self._resume = resume
        self._control_version = control_version
        self._standing = standing
        self._attached = attached
        self._opening = opening
        self._monotonic = monotonic
        self._swept_at = monotonic()
        """When the last sweep began that succeeded."""
        self._sockets: dict[GraphQLSocket, _Attachment] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._attach_permits = asyncio.Semaphore(ATTACHING_AT_ONCE)
        self._detach_permits = asyncio.Semaphore(DETACHING_AT_ONCE)
        self._database_away = False

    def __len__(self) -> int:
        """Sockets of signed-in users."""
        return len(self._sockets)

    @property
    def leaving(self) -> int:
        """Detaches that the database has not taken yet."""
        return len(self._leaving)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Enters this process as a worker, takes over from the one before, and sweeps for as long as the context is open."""
        await self.begin()
        loops = [
            asyncio.create_task(_forever(step, seconds), name=f"presence {step.__name__}")
            for step, seconds in (
                (self.sweep, SWEEP_SECONDS),
                (self.recheck, RECHECK_SECONDS),
                (self.renew, RENEW_SECONDS),
            )
        ]
        try:
            yield
        finally:
            # Detaches that are still owed are found by the next worker, as connections of one that is gone.
            await _cancelled([*loops, *self._leaving])

    async def begin(self) -> None:
        """Registers the worker. That no other lives is known (see `api.sole`), so what it held is released; its users did nothing
        wrong, and have `LOST_WORKER_RESUME` to come back.
        """
        now = self._clock()

        async def work(uow: UnitOfWork) -> None:
            await uow.connections.register_worker(now, now + LEASE)
            await uow.connections.release_worker(now, now + presence.LOST_WORKER_RESUME)

        await self._transact(work)

    # --- sockets ------------------------------------------------------------------------------------------------------------

    async def opened(self, caller: Caller, socket: GraphQLSocket) -> None:
        """See `gate.Sockets`."""
        attachment = self._sockets[socket] = _Attachment(socket.id, caller)
        if self._database_away:
            raise Unavailable
        self._opening(caller.user_id)
        attachment.attaching = asyncio.create_task(self._attach(attachment))
        # Shielded: an attach under way is waited for and then taken back, never left of unknown outcome.
        await asyncio.shield(attachment.attaching)

    async def closed(self, socket: GraphQLSocket) -> None:
        """See `gate.Sockets`. Returns at once."""
        attachment = self._sockets.pop(socket, None)
        if attachment is None:
            return
        attachment.closed = True
        task = asyncio.create_task(self._detach(attachment))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _attach(self, attachment: _Attachment) -> None:
        async with self._attach_permits:
            if attachment.closed:
                return
            attachment.begun = True
            returned = await self._attached_now(attachment)
        if returned:
            self._attached()

    async def _attached_now(self, attachment: _Attachment) -> bool:
        connection_id, user_id = attachment.connection_id, attachment.caller.user_id
        return await persistently(
            self._transact, lambda uow: presence.attach(uow, connection_id, user_id, now=self._clock())
        )

    async def _detach(self, attachment: _Attachment) -> None:
        if attachment.attaching is not None:
            await asyncio.wait({attachment.attaching})
            if not attachment.attaching.cancelled():
                attachment.attaching.exception()  # Whoever opened the socket was told, if they were still there.
        if not attachment.begun:
            return
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                async with self._detach_permits:
                    if await self._detached_now(attachment):
                        return
            except Exception as error:  # noqa: BLE001  # whatever it was, the connection must not stay
                self._database_away = False
                log.warning("a detach is tried again", error=type(error).__name__)
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
                delay = min(2 * delay, LONGEST_RETRY_SECONDS)

    async def _detached_now(self, attachment: _Attachment) -> bool:
        """Whether the database took it. While it is away, waits: those who hold a permit knock, and all others wait behind them."""
        try:
            # The time of the attempt that succeeds: an outage of the database costs nobody their seat.
            await self._transact(
                partial(
                    presence.detach,
                    connection_id=attachment.connection_id,
                    user_id=attachment.caller.user_id,
                    resume=self._resume,
                    now=self._clock(),
                )
            )
        except Unavailable:
            self._database_away = True
            await asyncio.sleep(AWAY_RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
            return False
        self._database_away = False
        return True

    # --- loops --------------------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Shows who is away, takes the seats of those who are lost, clears what nobody types any more."""
        now, began = self._clock(), self._monotonic()
        if began - self._swept_at > LAPSE_SECONDS:
            await self._transact(lambda uow: uow.connections.prolong_holds(now + self._resume))
        await self._sweep("away", lambda uow: uow.connections.away(now - presence.AWAY_AFTER), presence.show_away)
        await self._sweep("lost", lambda uow: uow.connections.lost(now), presence.lose)
        await self._sweep("typing", lambda uow: uow.rooms.typing_lapsed(now), presence.lapse_typing)
        await self._transact(lambda uow: uow.connections.settle(now))
        self._swept_at = began

    async def renew(self) -> None:
        """Renews the worker's lease."""
        until = self._clock() + LEASE
        await self._transact(lambda uow: uow.connections.renew_worker(until))

    async def recheck(self) -> None:
        """Closes the sockets whose session was revoked (4401) or changed its scope (4403), once their user's control version moved.

        A new socket is looked at once: what was revoked between its admission and its attach moved the version before.
        """
        moved = [
            (socket, attachment, version)
            for socket, attachment in self._sockets.items()
            if attachment.checked != (version := self._control_version(attachment.caller.user_id))
        ]

        async def check(item: tuple[GraphQLSocket, _Attachment, int]) -> None:
            await self._check(*item)

        await _each("recheck", moved, check)

    async def stands(self, socket: GraphQLSocket) -> bool:
        """See `gate.Sockets`: what was revoked a moment ago does not wait for the next `recheck`."""
        attachment = self._sockets.get(socket)
        if attachment is None or attachment.ended:
            return False
        version = self._control_version(attachment.caller.user_id)
        if attachment.checked != version:
            await self._check(socket, attachment, version)
        return not attachment.ended

    async def _check(self, socket: GraphQLSocket, attachment: _Attachment, version: int) -> None:
        present = await self._standing(attachment.caller)
        if present is None:
            socket.close(Close.UNAUTHORIZED, "The session has ended: sign in again.")
        elif present.scope is not attachment.caller.scope:
            socket.close(Close.EXPIRED, "What the session may do has changed: refresh it.")
        attachment.ended = present is None or present.scope is not attachment.caller.scope
        attachment.checked = version

    async def _sweep(
        self,
        name: str,
        find: Callable[[UnitOfWork], Awaitable[Sequence[UUID]]],
        act: Callable[..., Awaitable[None]],
    ) -> None:
        """Each one found is looked at again under locks, in a unit of its own: it may have changed since."""

        async def one(subject: UUID) -> None:
            await self._transact(lambda uow: act(uow, subject, now=self._clock()))

        try:
            found = await self._read(find)
        except Unavailable:
            log.warning("a sweep found the database away", sweep=name)
        else:
            await _each(name, found, one)


class Reached:
    """Notes which members were reached, and writes that down in batches, each member once.

    Memory is bounded by what was noted since the database last answered: members exist only because it did.
    """

    def __init__(self, *, transact: Transact, clock: Clock) -> None:
        self._transact = transact
        self._clock = clock
        self._noted: dict[UUID, None] = {}
        self._written: dict[UUID, None] = {}
        self._some = asyncio.Event()

    def note(self, member_id: UUID) -> None:
        """The member was told of its match, or asked about its room. See `schema.context.Services.reached`."""
        if member_id not in self._written and member_id not in self._noted:
            self._noted[member_id] = None
            self._some.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes for as long as the context is open, and what is left when it ends."""
        loop = asyncio.create_task(_forever(self._next, REACHED_SECONDS), name="reached")
        try:
            yield
        finally:
            await _cancelled([loop])
            if self._noted:
                try:
                    await self.write()
                except Unavailable:
                    log.warning("who was reached could not be written", members=len(self._noted))

    async def write(self) -> None:
        """Writes one batch. Raises what the database raises, and then the batch is still noted."""
        batch = list(self._noted)[:REACHED_AT_ONCE]
        now = self._clock()
        await self._transact(lambda uow: uow.rooms.mark_reached(batch, now))
        for member_id in batch:
            del self._noted[member_id]
            self._written[member_id] = None
        while len(self._written) > REACHED_KEPT:
            del self._written[next(iter(self._written))]

    async def _next(self) -> None:
        self._some.clear()
        if not self._noted:
            await self._some.wait()
            return
        await self.write()


async def _forever(step: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Repeats the step until cancelled, whatever it raises."""
    while True:
        try:
            await step()
        except Unavailable:
            log.warning("the database is away", loop=getattr(step, "__name__", ""))
        except Exception:
            log.exception("a background step failed", loop=getattr(step, "__name__", ""))
        await asyncio.sleep(seconds)


async def _each(name: str, items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Works on all items, a few at once; one that fails does not keep the others from their turn."""
    rest = iter(items)

    async def some() -> None:
        for item in rest:
            try:
                await work(item)
            except Unavailable:
                log.warning("the database is away", sweep=name)
                return
            except Exception:
                log.exception("one of a sweep failed", sweep=name)

    await asyncio.gather(*(some() for _ in range(SWEEPING_AT_ONCE)))


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels the tasks and waits until they have ended."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
