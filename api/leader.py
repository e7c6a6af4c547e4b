"""Who leads: one worker at a time does what needs doing once, and another goes on within a second when it does not.

A frozen leader may come back and act for a moment, beside the next one. That is harmless, because whatever the duties decide is
looked at again under locks; the lease only saves the work of doing everything forty times.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from api.loops import cancelled
from domain.errors import Unavailable
from persistence.leases import LEADER_TERM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from persistence.leases import LeaderLease

log = structlog.get_logger(__name__)

TERM_SECONDS: Final = LEADER_TERM.total_seconds()
CLAIM_SECONDS: Final = 0.3
SHORTEST_PAUSE_SECONDS: Final = 0.02
"""Before a lease is claimed that is about to end, and after a claim that failed."""
IN_TOUCH_SECONDS: Final = 5.0


class Leader:
    """Holds the contexts of the `duties` open while this worker leads: always, without a `lease`.

    It stops by its own monotonic clock, counted from before it asked for the term: whatever became of the answer, nobody else leads
    before that.
    """

    def __init__(
        self,
        lease: LeaderLease | None,
        duties: Sequence[Callable[[], AbstractAsyncContextManager[object]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.elections = 0
        """How often this worker began to lead; for `/metrics`."""
        self._lease = lease
        self._duties = duties
        self._monotonic = monotonic
        self._until = 0.0
        """By the monotonic clock: when what is known of the term ends."""
        self._led_since: float | None = None
        self._claimed_at: float | None = None
        """When the database answered last."""
        self._changed = asyncio.Event()

    @property
    def leading(self) -> bool:
        """Whether the duties are this worker's now."""
        return self._lease is None or self._monotonic() < self._until

    def healthy(self, *, dutiful: bool) -> bool:
        """Whether this worker does its part; `dutiful` is whether the duties succeed here, if it leads.

        One that does not lead is healthy while it gets answers to its claims: then somebody leads, or it will. That the leader does
        its work is not asked of the others, because calls and chats go on without, and would end if all were taken out.
        """
        if self._lease is None:
            return dutiful
        now = self._monotonic()
        if self._claimed_at is None or now - self._claimed_at > IN_TOUCH_SECONDS:
            return False
        return dutiful or self._led_since is None or now - self._led_since < IN_TOUCH_SECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Leads when it can for as long as the context is open. At the end the lease is given up: the next one leads at once."""
        if self._lease is None:
            self.elections = 1
            async with self._on_duty():
                yield
            return
        acting = asyncio.create_task(self._act(), name="leader")
        claiming = asyncio.create_task(self._claim_forever(self._lease), name="leader lease")
        try:
            yield
        finally:
            # The duties end while the lease is still renewed, and before somebody else begins them.
            await cancelled((acting,))
            await cancelled((claiming,))
            with suppress(Unavailable):
                await self._lease.resign()
            self._lease.close()
            self._until = 0.0

    async def _claim_forever(self, lease: LeaderLease) -> None:
        failures = 0
        while True:
            try:
                pause = await self._claim(lease)
                failures = 0
            except Exception as error:
                # At once on a new connection, for the term goes on; then as often as ever, for the database is away.
                pause = SHORTEST_PAUSE_SECONDS if failures == 0 else CLAIM_SECONDS
                failures += 1
                if not isinstance(error, Unavailable):
                    log.exception("the leader's lease cannot be claimed")
                elif failures == 1:
                    log.warning("the leader's lease cannot be reached")
            await asyncio.sleep(pause)

    async def _claim(self, lease: LeaderLease) -> float:
        """Claims once; returns how many seconds the next claim has time."""
        sent = self._monotonic()
        claim = await lease.claim()
        self._claimed_at = self._monotonic()
        self._until = sent + TERM_SECONDS if claim.leads else 0.0
        self._changed.set()
        if claim.leads:
            return CLAIM_SECONDS
        return min(CLAIM_SECONDS, max(SHORTEST_PAUSE_SECONDS, claim.remaining))

    async def _act(self) -> None:
        while True:
            await self._changes(None if not self.leading else 0.0)
            if not self.leading:
                continue
            self.elections += 1
            self._led_since = self._monotonic()
            log.info("leads")
            try:
                async with self._on_duty():
                    while self.leading:
                        await self._changes(self._until - self._monotonic())
            except Exception:
                log.exception("the leader's duties failed")
                await asyncio.sleep(CLAIM_SECONDS)
            finally:
                self._led_since = None
            log.warning("does not lead any more")

    @asynccontextmanager
    async def _on_duty(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for duty in self._duties:
                await stack.enter_async_context(duty())
            yield

    async def _changes(self, seconds: float | None) -> None:
        """Returns once something about the term changed, or after so many seconds."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
