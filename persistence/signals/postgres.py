"""Relaying signals through PostgreSQL: committed before they are acknowledged, and many in one commit.

What comes while a commit is under way goes into the next one, so a busy worker waits for the disk once for a hundred signals.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from domain.errors import NotFound, Unavailable
from domain.events import SignalReceived
from domain.signaling import size
from persistence.signals.admission import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from domain.signaling import Signal
    from persistence.database import Database, Unit
    from persistence.signals.admission import Seat

LANES: Final = 2
"""Transactions at a time, each on a connection of the pool while it has work."""
BATCH_SIGNALS: Final = 256
BATCH_BYTES: Final = 2 * 1024 * 1024
"""Of signals' text, after which a batch takes no other."""
WAITING_SIGNALS: Final = 2048
WAITING_BYTES: Final = 8 * 1024 * 1024
"""In one lane. Beyond that a sender is told to try again: more comes than the database takes."""
SEATS_KEPT: Final = 20_000
CLOSING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class _Letter:
    """A signal on its way, and who waits for its ID."""

    wanted: Wanted
    signal: Signal
    call_id: str | None
    size: int
    answer: asyncio.Future[UUID]

    def settle(self, result: UUID | Exception) -> None:
        """The caller may have gone: the signal went its way all the same."""
        if self.answer.done():
            return
        if isinstance(result, UUID):
            self.answer.set_result(result)
        else:
            self.answer.set_exception(result)


class PostgresSignalPost:
    """See `ports.SignalPost`. Signals of one sender go in the order of the calls, and nothing overtakes what could not be sent.

    Raises `Unavailable` when the database does not answer, or when too much waits for it. Whether the signal went is not known
    then: with a client ID it goes once, however often it is repeated.
    """

    def __init__(self, database: Database, *, lanes: int = LANES, new_id: Callable[[], UUID] = uuid4) -> None:
        self._new_id = new_id
        self._seats = _Seats()
        self._lanes = [_Lane(database, self._seats, self._answered) for _ in range(lanes)]
        self._under_way: dict[UUID, tuple[_Lane, int]] = {}
        """Of each sender, in which lane how many signals are."""
        self._closed = False

    async def post(
        self,
        sender_id: UUID,
        to: UUID,
        signal: Signal,
        *,
        call_id: str | None,
        client_signal_id: str | None,
        now: datetime,  # noqa: ARG002  # an event is stamped under the locks, in the order of the commits
    ) -> UUID:
        answer = asyncio.get_running_loop().create_future()
        wanted = Wanted(sender_id, to, client_signal_id, self._new_id())
        self._send(_Letter(wanted, signal, call_id, size(signal), answer))
        signal_id: UUID = await answer
        return signal_id

    async def close(self) -> None:
        """Takes nothing any more, and returns once everything that was taken is answered."""
        self._closed = True
        await asyncio.gather(*(lane.finish() for lane in self._lanes))

    @property
    def waiting(self) -> int:
        """How many signals are not answered yet."""
        return sum(count for _, count in self._under_way.values())

    def _send(self, letter: _Letter) -> None:
        if self._closed:
            raise Unavailable
        sender = letter.wanted.user_id
        lane, count = self._under_way.get(sender) or (self._lane_to(letter.wanted.receiver_id), 0)
        lane.add(letter)
        self._under_way[sender] = (lane, count + 1)

    def _lane_to(self, member_id: UUID) -> _Lane:
        """By room, because two lanes with signals of the same people would only wait for each other's locks."""
        seat = self._seats.get(member_id)
        return self._lanes[(member_id if seat is None else seat.room_id).int % len(self._lanes)]

    def _answered(self, letter: _Letter) -> None:
        sender = letter.wanted.user_id
        lane, count = self._under_way.pop(sender)
        if count > 1:
            self._under_way[sender] = (lane, count - 1)


class _Seats:
    """Whose seats the members are, of those who were sent something last."""

    def __init__(self) -> None:
        self._seats: OrderedDict[UUID, Seat] = OrderedDict()

    def get(self, member_id: UUID) -> Seat | None:
        return self._seats.get(member_id)

    async def of(self, member_ids: set[UUID], unit: Unit) -> dict[UUID, Seat]:
        """Those of the members that exist; only who is new costs a query."""
        unknown = member_ids - self._seats.keys()
        if unknown:
            self._seats.update(await unit.signals.seats(unknown))
        found = {}
        for member_id in member_ids & self._seats.keys():
            found[member_id] = self._seats[member_id]
            self._seats.move_to_end(member_id)
        while len(self._seats) > SEATS_KEPT:
            self._seats.popitem(last=False)
        return found


class _Lane:
    """One transaction at a time, in the order in which signals came."""

    def __init__(self, database: Database, seats: _Seats, answered: Callable[[_Letter], None]) -> None:
        self._database = database
        self._seats = seats
        self._answered = answered
        self._waiting: deque[_Letter] = deque()
        self._size = 0
        self._running: asyncio.Task[None] | None = None

    def add(self, letter: _Letter) -> None:
        """Takes it, or raises `Unavailable` when too much waits already."""
        if len(self._waiting) >= WAITING_SIGNALS or self._size >= WAITING_BYTES:
            raise Unavailable
        self._waiting.append(letter)
        self._size += letter.size
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="signals")

    async def finish(self) -> None:
        """Returns once nothing is under way, and at the latest when what still is has been given up."""
        if self._running is not None:
            await asyncio.wait((self._running,), timeout=CLOSING_SECONDS)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))

    async def _run(self) -> None:
        due: list[Sequence[_Letter]] = []
        """What was taken and is not answered; the next to go is the last."""
        try:
            while due or self._waiting:
                due = due or [self._taken()]
                try:
                    results = await self._database.transact(partial(self._relayed, due[-1]))
                except Unavailable:
                    break
                except Exception as error:  # noqa: BLE001  # for whoever sent what does not go in
                    letters = due.pop()
                    if len(letters) == 1:
                        self._settle(letters, (error,))
                    else:  # The others go without it.
                        middle = len(letters) // 2
                        due += letters[middle:], letters[:middle]
                else:
                    self._settle(due.pop(), results)
        finally:
            # Also those who only wait: no candidate overtakes its offer, and nobody sits through one timeout after the other.
            self._running = None
            letters = [letter for batch in (*reversed(due), self._waiting) for letter in batch]
            self._waiting.clear()
            self._size = 0
            self._settle(letters, [Unavailable() for _ in letters])

    def _taken(self) -> list[_Letter]:
        taken, length = list[_Letter](), 0
        while self._waiting and len(taken) < BATCH_SIGNALS and length < BATCH_BYTES:
            letter = self._waiting.popleft()
            length += letter.size
            taken.append(letter)
        self._size -= length
        return taken

    def _settle(self, letters: Sequence[_Letter], results: Sequence[UUID | Exception]) -> None:
        for letter, result in zip(letters, results, strict=True):
            self._answered(letter)
            letter.settle(result)

    async def _relayed(self, letters: Sequence[_Letter], unit: Unit) -> Sequence[UUID | Exception]:
        """The ID of each one's signal, or why there is none."""
        seats = await self._seats.of({letter.wanted.receiver_id for letter in letters}, unit)
        first: dict[tuple[UUID, UUID, str | UUID], int] = {}
        originals: list[int] = []
        for place, letter in enumerate(letters):
            wanted = letter.wanted
            name = wanted.signal_id if wanted.client_id is None else wanted.client_id
            # A repeat may come while what it repeats still waits, and be in the same batch.
            originals.append(first.setdefault((wanted.user_id, wanted.receiver_id, name), place))
        asked = {place: letters[place].wanted for place in first.values() if letters[place].wanted.receiver_id in seats}
        if not asked:
            return [NotFound() for _ in letters]
        receivers = {seats[wanted.receiver_id].user_id for wanted in asked.values()}
        await unit.lock_users(receivers.union(wanted.user_id for wanted in asked.values()))
        admitted = await unit.signals.admit(asked)
        results: list[UUID | Exception] = []
        for place, (letter, original) in enumerate(zip(letters, originals, strict=True)):
            admission = admitted.get(original)
            if admission is None:
                results.append(NotFound())
                continue
            signal_id = admission.known_id or letters[original].wanted.signal_id
            results.append(signal_id)
            if admission.known_id is None and place == original:
                event = SignalReceived(signal_id, admission.room_id, admission.sender_id, letter.call_id, letter.signal)
                unit.append(seats[letter.wanted.receiver_id].user_id, event)
        return results
