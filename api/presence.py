"""Who is there: connections of users in step with their sockets."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from api import loops
from api.connections.closing import Close
from domain import presence
from domain.errors import Unavailable
from domain.rooms.holding import persistently
from persistence.tasks import retrieved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from uuid import UUID

    from api.gate import LiveSocket
    from domain.identity import Caller
    from domain.ports import Clock, Transact

log = structlog.get_logger(__name__)

RECHECK_SECONDS: Final = 0.5
"""How often control versions are compared: two dictionary look-ups a socket, and a revoked session is out within a second."""

ATTACHING_AT_ONCE: Final = 3
DETACHING_AT_ONCE: Final = 2
"""Of the ten connections of the pool. When two thousand sockets drop at once, everybody else goes on being served, and those who
come back do not queue behind those who went."""
AWAY_RETRY_SECONDS: Final = 0.25
FIRST_RETRY_SECONDS: Final = 0.1
LONGEST_RETRY_SECONDS: Final = 5.0

ATTACHED_AGAIN_AT_ONCE: Final = 500
"""Users in one transaction, after this worker was reaped."""
RETURN_RETRY_SECONDS: Final = 0.5
REGISTERED_WITHIN_SECONDS: Final = 5.0
"""How long an attach waits for a worker that was reaped to register again."""


@dataclass(slots=True, eq=False)
class _Attachment:
    """A socket's connection. The socket's ID is the connection's."""

    connection_id: UUID
    caller: Caller
    watch: AbstractContextManager[object]
    """Keeps the user's control version fresh for as long as the socket is open."""
    attaching: asyncio.Task[None] | None = None
    """None once it is done, unless it failed."""
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
    `opening` refuses (`RateLimited`) a user who opens sockets without end. `watch` keeps a user's control version fresh for as
    long as its context is open (`Hub.watch`). `reaped` is called when this worker turns out not to be registered any more:
    whoever registers it again then calls `attach_again`.
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
        watch: Callable[[UUID], AbstractContextManager[object]],
        reaped: Callable[[], None],
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
        self._watch = watch
        self._reaped = reaped
        self._monotonic = monotonic
        self._return_due = asyncio.Event()
        self._sockets: dict[LiveSocket, _Attachment] = {}
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
        """Looks after the sockets for as long as the context is open."""
        async with (
            loops.running("presence recheck", RECHECK_SECONDS, self.recheck),
            loops.running("presence return", RETURN_RETRY_SECONDS, self._return_when_due),
        ):
            try:
                yield
            finally:
                # Detaches that are still owed are found by whoever reaps this worker.
                await loops.cancelled(self._leaving)

    # --- sockets ------------------------------------------------------------------------------------------------------------

    async def opened(self, caller: Caller, socket: LiveSocket) -> None:
        """See `gate.Sockets`."""
        attachment = self._sockets[socket] = _Attachment(socket.id, caller, self._watch(caller.user_id))
        # From before the attach: a revocation in between is news.
        attachment.watch.__enter__()
        if self._database_away:
            raise Unavailable
        self._opening(caller.user_id)
        attaching = attachment.attaching = asyncio.create_task(self._attach(attachment))
        # Shielded: an attach under way is waited for and then taken back, never left of unknown outcome.
        await asyncio.shield(attaching)
        if attachment.attaching is attaching:  # and not one that came after it, since this worker was reaped
            attachment.attaching = None

    async def closed(self, socket: LiveSocket) -> None:
        """See `gate.Sockets`. Returns at once."""
        attachment = self._sockets.pop(socket, None)
        if attachment is None:
            return
        attachment.closed = True
        attachment.watch.__exit__(None, None, None)
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
        give_up = self._monotonic() + REGISTERED_WITHIN_SECONDS
        while True:
            try:
                return await persistently(
                    self._transact, lambda uow: presence.attach(uow, connection_id, user_id, now=self._clock())
                )
            except presence.Reaped as error:
                self._reaped()
                if self._monotonic() > give_up:
                    raise Unavailable from error
                await asyncio.sleep(FIRST_RETRY_SECONDS)

    async def _detach(self, attachment: _Attachment) -> None:
        if (attaching := attachment.attaching) is not None:
            await asyncio.wait({attaching})
            retrieved(attaching)
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

    # --- a worker that was reaped ---------------------------------------------------------------------------------------------

    def attach_again(self) -> None:
        """This worker was reaped and has registered again: the connections of all open sockets are added once more, in the
        background, until the database took them. See `registration.Registration`.
        """
        self._return_due.set()

    async def _return_when_due(self) -> None:
        await self._return_due.wait()
        self._return_due.clear()
        try:
            await self.return_all()
        except presence.Reaped:  # Once more: whoever registers this worker again asks for the same again.
            self._reaped()
        except BaseException:
            self._return_due.set()
            raise

    async def return_all(self) -> None:
        """Adds the connections of all open sockets, and shows their users as ONLINE who are shown as AWAY. Repeating it changes
        nothing. Raises `Unavailable`, and `Reaped`.
        """
        attachments = [each for each in self._sockets.values() if each.begun]
        attaching = {each.attaching for each in attachments if each.attaching is not None and not each.attaching.done()}
        unsettled = [each for each in attachments if each.attaching in attaching]
        await self._return_in_batches([each for each in attachments if each.attaching not in attaching])
        if attaching:
            # They may have been added just before they were reaped, or may be added after; once they are done nobody knows which.
            await asyncio.wait(attaching)
            await self._return_in_batches(unsettled)

    async def _return_in_batches(self, attachments: Sequence[_Attachment]) -> None:
        for first in range(0, len(attachments), ATTACHED_AGAIN_AT_ONCE):
            # Who closed meanwhile stays closed. Who closes from here on is detached after this.
            batch = [each for each in attachments[first : first + ATTACHED_AGAIN_AT_ONCE] if not each.closed]
            if batch:
                task = asyncio.create_task(self._return(batch))
                for attachment in batch:
                    attachment.attaching = task
                await asyncio.shield(task)

    async def _return(self, batch: Sequence[_Attachment]) -> None:
        connections = {each.connection_id: each.caller.user_id for each in batch}
        if await self._transact(lambda uow: presence.attach_again(uow, connections, now=self._clock())):
            self._attached()
        away = await self._read(lambda uow: uow.connections.shown_away(set(connections.values())))

        async def online(user_id: UUID) -> None:
            await persistently(self._transact, lambda uow: presence.show_online(uow, user_id))

        if not await loops.each("presence return", away, online):
            raise Unavailable

    # --- sessions -----------------------------------------------------------------------------------------------------------

    async def recheck(self) -> None:
        """Closes the sockets whose session was revoked (4401) or changed its scope (4403), once their user's control version moved.

        A new socket is looked at once: what was revoked between its admission and its attach moved the version before.
        """
        moved = [
            (socket, attachment, version)
            for socket, attachment in self._sockets.items()
            if attachment.checked != (version := self._control_version(attachment.caller.user_id))
        ]

        async def check(item: tuple[LiveSocket, _Attachment, int]) -> None:
            await self._check(*item)

        await loops.each("recheck", moved, check)

    async def stands(self, socket: LiveSocket) -> bool:
        """See `gate.Sockets`: what was revoked a moment ago does not wait for the next `recheck`."""
        attachment = self._sockets.get(socket)
        if attachment is None or attachment.ended:
            return False
        version = self._control_version(attachment.caller.user_id)
        if attachment.checked != version:
            await self._check(socket, attachment, version)
        return not attachment.ended

    async def _check(self, socket: LiveSocket, attachment: _Attachment, version: int) -> None:
        present = await self._standing(attachment.caller)
        if present is None:
            socket.close(Close.UNAUTHORIZED, "The session has ended: sign in again.")
        elif present.scope is not attachment.caller.scope:
            # Whoever was suspended is told so, and why, before the socket goes.
            socket.close_after_streams(Close.EXPIRED, "What the session may do has changed: refresh it.")
        attachment.ended = present is None or present.scope is not attachment.caller.scope
        attachment.checked = version
