"""The inbox in memory: the store when one process runs alone.

Bounded by active users: two minutes and 1 MiB of events each, and nothing for a user who was not here for a while.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from datetime import timedelta
from functools import partial
from sys import getsizeof
from typing import TYPE_CHECKING, Final

from domain.events import Matched, QueueJoined, QueueLeft, SignalReceived
from domain.inbox import Batch, Entry, Position
from domain.signaling import Answer, IceCandidates, Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.events import Event
    from domain.inbox import View
    from domain.ports import Clock
    from persistence.heads import Head

RETENTION: Final = timedelta(minutes=2)
MAILBOX_BYTES: Final = 1024 * 1024
FORGOTTEN_AFTER: Final = timedelta(minutes=10)
"""How long an empty mailbox is kept that nobody reads or writes. Readers look at least every `following.IDLE_SECONDS`."""

EVENT_BYTES: Final = 512
"""What an event and its place take without texts: measured 240 to 450, IDs included."""
TICKET_BYTES: Final = 2048
"""A ticket with ten interests and ten languages."""
CANDIDATE_BYTES: Final = 128


def size_of(event: Event) -> int:
    """About how many bytes of memory the event holds: texts of clients exactly, the rest on the safe side."""
    # `isinstance` and not `match`, which takes a microsecond for what nearly all are.
    if isinstance(event, SignalReceived):
        signal = event.signal
        if isinstance(signal, (Offer, Answer)):
            return EVENT_BYTES + getsizeof(signal.sdp)
        if isinstance(signal, IceCandidates):
            return EVENT_BYTES + sum(
                CANDIDATE_BYTES + getsizeof(c.candidate) + getsizeof(c.sdp_mid) + getsizeof(c.username_fragment)
                for c in signal.candidates
            )
        return EVENT_BYTES
    return EVENT_BYTES + TICKET_BYTES if isinstance(event, (QueueJoined, QueueLeft, Matched)) else EVENT_BYTES


def _new_epoch() -> int:
    return secrets.randbits(64)


class _Mailbox:
    """One user's events: contiguous, so the place of a sequence number among `entries` is arithmetic."""

    __slots__ = ("control", "entries", "epoch", "evicted", "seq", "size", "used_at")

    def __init__(self, epoch: int, control: int, now: datetime) -> None:
        self.entries: deque[Entry] = deque()
        self.control = control
        self.used_at = now
        self.begin(epoch)

    def begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.seq = 0
        self.size = 0
        self.entries.clear()
        self.evicted: dict[type[Event], int] = {}
        """Per kind the sequence number of the last event that is gone: a quiet view does not resync because others were busy."""

    def append(self, event: Event, at: datetime) -> None:
        self.seq += 1
        self.entries.append(Entry(Position(self.epoch, self.seq), at, event))
        self.size += size_of(event)
        while self.size > MAILBOX_BYTES:
            self._evict()

    def expire(self, now: datetime) -> None:
        gone = now - RETENTION
        entries = self.entries
        while entries and entries[0].at <= gone:
            self._evict()

    def _evict(self) -> None:
        entry = self.entries.popleft()
        self.size -= size_of(entry.event)
        self.evicted[type(entry.event)] = entry.position.seq

    def read(self, after: Position | None, view: View, limit: int) -> Batch:
        end = Position(self.epoch, self.seq)
        entries = self.entries
        first = self.seq - len(entries) + 1
        seen = first - 1
        if after is not None:
            if after.epoch != self.epoch or after.seq > self.seq:
                return Batch((), end, lost=True)
            if after.seq < seen and any(self.evicted.get(kind, 0) > after.seq for kind in view.kinds):
                return Batch((), end, lost=True)
            seen = max(seen, after.seq)
        found: list[Entry] = []
        # By index and not by islice: a deque finds a place near its end at once, and that is where readers are.
        for index in range(seen - first + 1, len(entries)):
            entry = entries[index]
            if view.shows(entry.event):
                found.append(entry)
                if len(found) == limit:
                    return Batch(tuple(found), entry.position)
        return Batch(tuple(found), end, at_end=True)


class _Lock(asyncio.Lock):
    """A user's lock, with how many hold it or wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 0


class _Hold:
    """Takes locks in the order given, lets them go in reverse, and forgets those that nobody wants any more."""

    __slots__ = ("_held", "_locks", "_user_ids")

    def __init__(self, locks: dict[UUID, _Lock], user_ids: Sequence[UUID]) -> None:
        self._locks = locks
        self._user_ids = user_ids
        self._held: list[UUID] = []

    async def __aenter__(self) -> None:
        try:
            for user_id in self._user_ids:
                lock = self._locks.get(user_id)
                if lock is None:
                    lock = self._locks[user_id] = _Lock()
                lock.wanted += 1
                try:
                    await lock.acquire()
                except BaseException:
                    self._leave(user_id, lock)
                    raise
                self._held.append(user_id)
        except BaseException:
            self._release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        while self._held:
            user_id = self._held.pop()
            lock = self._locks[user_id]
            lock.release()
            self._leave(user_id, lock)

    def _leave(self, user_id: UUID, lock: _Lock) -> None:
        lock.wanted -= 1
        if not lock.wanted:
            del self._locks[user_id]


class MemoryInbox:
    """`ports.Inbox` and `database.Outbox`. `hint` is told of users with news; `new_epoch` gives 64 random bits.

    A mailbox begins under a new epoch whenever it is made: at the start of the process, after `renew`, and when a user comes
    back who was forgotten. A cursor of an earlier beginning is then `lost`, never mistaken for a place in the new one.
    """

    def __init__(
        self, *, clock: Clock, hint: Callable[[Iterable[UUID]], None], new_epoch: Callable[[], int] = _new_epoch
    ) -> None:
        self._clock = clock
        self._hint = hint
        self._new_epoch = new_epoch
        self._mailboxes: dict[UUID, _Mailbox] = {}
        self._locks: dict[UUID, _Lock] = {}
        self._controls = 0
        self._forgotten_control = 0
        """The highest control version of a forgotten mailbox: nobody's version is ever lowered."""

    # ---------------------------------------------------------------------------------------- reading

    async def end(self, user_id: UUID) -> Position:
        mailbox = self._mailbox(user_id, self._clock())
        return Position(mailbox.epoch, mailbox.seq)

    async def settled(self, user_id: UUID) -> None:
        """See `ports.Inbox`: a unit appends before it lets go of the inbox, so waiting for the inbox is enough."""
        async with self.hold((user_id,)):
            pass

    async def read(self, user_id: UUID, after: Position | None, view: View, limit: int = 64) -> Batch:
        now = self._clock()
        mailbox = self._mailbox(user_id, now)
        mailbox.expire(now)
        return mailbox.read(after, view, limit)

    def control_version(self, user_id: UUID) -> int:
        mailbox = self._mailboxes.get(user_id)
        return self._forgotten_control if mailbox is None else mailbox.control

    # ---------------------------------------------------------------------------------------- writing

    def hold(self, user_ids: Sequence[UUID]) -> _Hold:
        """Locks inboxes, given in the order of their IDs. Does not yield to the loop while nobody else wants them."""
        return _Hold(self._locks, user_ids)

    def free(self, user_id: UUID) -> bool:
        """Whether nobody holds the inbox or waits for it: then code that does not await may act as if it held it."""
        return user_id not in self._locks

    async def write(
        self,
        connection: AsyncConnection,  # noqa: ARG002  # nothing of it is in the database
        heads: Mapping[UUID, Head],  # noqa: ARG002
        entries: Sequence[tuple[UUID, Event]],
        controls: Collection[UUID],
        at: datetime,
    ) -> Callable[[], None]:
        """See `database.Outbox`. The inboxes are held until the events are in, so their order is that of the commits."""
        return partial(self.deliver, entries, controls, at)

    def deliver(self, entries: Sequence[tuple[UUID, Event]], controls: Iterable[UUID], at: datetime) -> None:
        """Appends what was committed, and tells readers."""
        told: set[UUID] = set()
        for user_id, event in entries:
            self._mailbox(user_id, at).append(event, at)
            told.add(user_id)
        for user_id in controls:
            self._raise_control(self._mailbox(user_id, at))
            told.add(user_id)
        self._hint(told)

    def append(self, user_id: UUID, event: Event, at: datetime) -> None:
        """One event of a user whose inbox is held, or `free` in this turn of the loop."""
        self._mailbox(user_id, at).append(event, at)
        self._hint((user_id,))

    def renew(self, user_ids: Iterable[UUID]) -> None:
        """See `database.Outbox`. The inboxes begin anew, and readers get `lost`; what users may do is unknown too, so their control
        versions are raised.
        """
        told = tuple(user_ids)
        now = self._clock()
        for user_id in told:
            mailbox = self._mailbox(user_id, now)
            mailbox.begin(self._new_epoch())
            self._raise_control(mailbox)
        self._hint(told)

    def sweep(self, now: datetime) -> None:
        """Evicts what is too old, and forgets empty mailboxes that nobody used for `FORGOTTEN_AFTER`. Call every few seconds."""
        for user_id, mailbox in tuple(self._mailboxes.items()):
            mailbox.expire(now)
            if not mailbox.entries and now - mailbox.used_at >= FORGOTTEN_AFTER:
                self._forgotten_control = max(self._forgotten_control, mailbox.control)
                del self._mailboxes[user_id]

    def __len__(self) -> int:
        """How many mailboxes there are."""
        return len(self._mailboxes)

    def _mailbox(self, user_id: UUID, now: datetime) -> _Mailbox:
        mailbox = self._mailboxes.get(user_id)
        if mailbox is None:
            mailbox = self._mailboxes[user_id] = _Mailbox(self._new_epoch(), self._forgotten_control, now)
        else:
            mailbox.used_at = now
        return mailbox

    def _raise_control(self, mailbox: _Mailbox) -> None:
        self._controls += 1
        mailbox.control = self._controls
