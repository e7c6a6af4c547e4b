"""This process as one of the workers: registered, its lease renewed, and registered again should it have been taken for dead."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from api.loops import cancelled
from domain.errors import Unavailable
from persistence.leases import WORKER_TERM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from persistence.leases import WorkerLease

log = structlog.get_logger(__name__)

TERM_SECONDS: Final = WORKER_TERM.total_seconds()
RENEW_SECONDS: Final = 3.0
RETRY_SECONDS: Final = 0.3
LONGEST_GAP_SECONDS: Final = 5.0
"""Between two renewals that follow each other without interruption. Others may have renewed `RENEW_SECONDS` before an outage of the
database began: what is no gap here has left them their lease.
"""


class Registration:
    """Keeps the worker's lease. `returned` is called after the worker was reaped and has registered again."""

    def __init__(
        self,
        lease: WorkerLease,
        *,
        returned: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease = lease
        self._returned = returned
        self._monotonic = monotonic
        self._since = self._renewed_at = monotonic()
        """When, by the monotonic clock, the renewals began that followed each other, and when the last of them was sent."""
        self._due = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Registers, and renews for as long as the context is open. Raises `Unavailable` when the database does not answer.

        At the end the lease is given up: what is still held is released at once.
        """
        await self.register()
        keeper = asyncio.create_task(self._keep(), name="worker lease")
        try:
            yield
        finally:
            await cancelled((keeper,))
            with suppress(Unavailable):
                await self._lease.release()
            self._lease.close()

    async def register(self) -> None:
        """Enters this process as a worker."""
        sent = self._monotonic()
        await self._lease.register()
        self._since = self._renewed_at = sent

    async def renew(self) -> None:
        """Renews the lease, or registers again when there is none any more."""
        sent = self._monotonic()
        if await self._lease.renew():
            if sent - self._renewed_at > LONGEST_GAP_SECONDS:
                self._since = sent
            self._renewed_at = sent
            return
        await self.register()
        log.warning("this worker was taken for dead and is back")
        self._returned()

    def reaped(self) -> None:
        """Somebody noticed that the registration is gone: looks at once."""
        self._due.set()

    def steady(self) -> bool:
        """Whether the lease was renewed without interruption for a full term, up to now: see `Reaper`."""
        now = self._monotonic()
        return now - self._renewed_at <= LONGEST_GAP_SECONDS and now - self._since >= TERM_SECONDS

    async def _keep(self) -> None:
        pause = RENEW_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._due.wait()
            self._due.clear()
            try:
                await self.renew()
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("the worker's lease cannot be renewed")
                elif pause == RENEW_SECONDS:
                    log.warning("the worker's lease cannot be reached")
                pause = RETRY_SECONDS
            else:
                pause = RENEW_SECONDS
