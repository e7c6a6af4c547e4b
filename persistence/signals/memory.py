"""Relaying signals when inbox and authority are both in memory: no query, and no wait unless the room is just changing."""

from __future__ import annotations

import os
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from asyncpg.pgproto import pgproto

from domain.errors import NotFound
from domain.events import SignalReceived

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from domain.rooms.room import Member, Room
    from domain.signaling import Signal
    from persistence.directory import Directory
    from persistence.inbox.memory import MemoryInbox

REMEMBERED_FOR: Final = timedelta(minutes=10)
SENDER_LIMIT: Final = 4096
"""Client IDs remembered of one sender, the newest: fifty seconds of the highest sustained rate, and retries come within seconds."""
TOTAL_LIMIT: Final = 200_000

ID_BYTES: Final = 16
POOL_BYTES: Final = 256 * ID_BYTES

_Key = tuple[UUID, str]


class _Acknowledged:
    """Which signals were taken already: per sender the newest client IDs, and senders by when they last sent."""

    def __init__(self) -> None:
        self._senders: OrderedDict[UUID, OrderedDict[_Key, tuple[datetime, UUID]]] = OrderedDict()
        self._total = 0

    def find(self, sender: UUID, key: _Key, now: datetime) -> UUID | None:
        known = self._senders.get(sender)
        found = None if known is None else known.get(key)
        return found[1] if found is not None and now - found[0] < REMEMBERED_FOR else None

    def add(self, sender: UUID, key: _Key, signal_id: UUID, now: datetime) -> None:
        known = self._senders.get(sender)
        if known is None:
            known = self._senders[sender] = OrderedDict()
        self._senders.move_to_end(sender)
        if known.pop(key, None) is None:
            self._total += 1
        known[key] = (now, signal_id)
        self._forget_oldest(known, now)
        # Those who sent least recently are first: senders who are gone go, a little with every signal.
        while len(self._senders) > 1:
            idle, theirs = next(iter(self._senders.items()))
            if self._total <= TOTAL_LIMIT and now - next(reversed(theirs.values()))[0] < REMEMBERED_FOR:
                break
            self._total -= len(self._senders.pop(idle))

    def _forget_oldest(self, known: OrderedDict[_Key, tuple[datetime, UUID]], now: datetime) -> None:
        while len(known) > SENDER_LIMIT or now - next(iter(known.values()))[0] >= REMEMBERED_FOR:
            known.popitem(last=False)
            self._total -= 1

    def __len__(self) -> int:
        return self._total


def _seats(room: Room, sender_id: UUID, to: UUID) -> tuple[Member, Member]:
    """The seats of both, or `NotFound`: what a sender may not reach does not exist for them."""
    sender, receiver = room.held_seat_of(sender_id), room.member(to)
    if sender is None or receiver is None or sender is receiver or not receiver.inside:
        raise NotFound
    return sender, receiver


class RandomIds:
    """Makes random IDs (RFC 9562, version 4), and asks the system for the randomness of many at once: to ask for one takes longer
    than all else about it. They are of the class of the database's IDs, which is written in C. Not to be shared with a process that
    is forked.
    """

    __slots__ = ("_left", "_pool")

    def __init__(self) -> None:
        self._pool = b""
        self._left = 0

    def __call__(self) -> UUID:
        if not self._left:
            self._fill()
        end = self._left
        self._left = start = end - ID_BYTES
        return pgproto.UUID(self._pool[start:end])

    def _fill(self) -> None:
        pool = bytearray(os.urandom(POOL_BYTES))
        for start in range(0, POOL_BYTES, ID_BYTES):
            pool[start + 6] = pool[start + 6] & 0x0F | 0x40
            pool[start + 8] = pool[start + 8] & 0x3F | 0x80
        self._pool, self._left = bytes(pool), POOL_BYTES


class MemorySignalPost:
    """See `ports.SignalPost`."""

    def __init__(self, inbox: MemoryInbox, directory: Directory, *, new_id: Callable[[], UUID] | None = None) -> None:
        self._inbox = inbox
        self._directory = directory
        self._new_id = new_id or RandomIds()
        self._acknowledged = _Acknowledged()

    async def post(
        self,
        sender_id: UUID,
        to: UUID,
        signal: Signal,
        *,
        call_id: str | None,
        client_signal_id: str | None,
        now: datetime,
    ) -> UUID:
        def append(room: Room, sender: Member, receiver: Member) -> UUID:
            key = None if client_signal_id is None else (to, client_signal_id)
            known = None if key is None else self._acknowledged.find(sender.id, key, now)
            if known is not None:
                return known
            signal_id = self._new_id()
            self._inbox.append(receiver.user_id, SignalReceived(signal_id, room.id, sender.id, call_id, signal), now)
            if key is not None:
                self._acknowledged.add(sender.id, key, signal_id, now)
            return signal_id

        while True:
            cached = self._directory.cached_room_of_member(to)
            room = cached or await self._directory.room_of_member(to)
            if room is None:
                raise NotFound
            sender, receiver = _seats(room, sender_id, to)
            if cached is not None and self._inbox.free(sender_id) and self._inbox.free(receiver.user_id):
                # Nothing awaits from the look into the cache to the append, and nobody is changing what these two may do.
                return append(room, sender, receiver)
            async with self._inbox.hold(sorted((sender_id, receiver.user_id))):
                current = self._directory.cached_room_of_member(to)
                if current is not None:
                    return append(current, *_seats(current, sender_id, to))
            # Dropped while we waited: the room has changed. Load it again, but not while holding an inbox.
