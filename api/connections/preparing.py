"""Documents that the worker does not know are prepared one in a turn of its loop: thirty at once would keep everybody for 0.4 s.

Networks take turns, and in each network its users, of whom its strangers are one. So somebody's first document waits for at most
one of each other network that has some in each turn of their own network, where it waits for one of each other user: a flood waits
for itself. Whoever asks for what others wait for already shares it, since after a restart everybody asks for the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from api.connections.spreading import Spread
from domain.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from schema.execution.documents import Documents, Prepared, Rejected

    Place = tuple[str, UUID | None]
    """A network, and a user of it."""

MOST, OF_NETWORK, OF_USER = 16 * 1024 * 1024, 8 * 1024 * 1024, 2 * 1024 * 1024
"""What may wait at a worker, of a network and of a user: bytes of requests, and for each document its characters and `OF_EACH`. Of
small documents that is 1,000, 500 and 125, and of the largest a tenth; a thousand that are meant to be slow take 15 s."""
OF_EACH = 16 * 1024
RETRY_SECONDS = 1.0
LIMIT = "documents_waiting"
"""By which refusals are counted."""


class _Document:
    """One that is to be prepared, and in whose lines it is."""

    __slots__ = ("key", "lines", "make", "outcome", "owner", "size", "wanted")

    def __init__(self, key: tuple[Documents, str], make: Callable[[], Prepared | Rejected], owner: Place) -> None:
        self.key = key
        self.make = make
        self.owner = owner
        """Who asked first."""
        self.size = OF_EACH + len(key[1])
        self.outcome: asyncio.Future[Prepared | Rejected] = asyncio.get_running_loop().create_future()
        self.lines: set[Place] = set()
        self.wanted = 0
        """How many requests wait for it."""


class Preparing:
    """What waits on one loop. `refused` counts since the start."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.refused = 0
        self._spread = Spread(loop)
        self._documents: dict[tuple[Documents, str], _Document] = {}
        self._lines: OrderedDict[str, OrderedDict[UUID | None, deque[_Document]]] = OrderedDict()
        self._sizes: Counter[str | Place | None] = Counter()
        """What waits of each network and of each user, and under None of all."""

    def __len__(self) -> int:
        """How many documents wait."""
        return len(self._documents)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often since the start, by limit."""
        return {LIMIT: self.refused}

    async def outcome(
        self, documents: Documents, text: str, make: Callable[[], Prepared | Rejected], place: Place, held: int
    ) -> Prepared | Rejected:
        """What `make` gives once its turn has come; of those who wait for the same document the first one's is called.

        `held` are the bytes of the request. Raises `RateLimited` when too much waits already.
        """
        document = self._documents.get((documents, text))
        if document is None:
            document = _Document((documents, text), make, place)
            self._take(place, held + document.size)
            self._documents[document.key] = document
        else:
            self._take(place, held)
        document.wanted += 1
        try:
            if place not in document.lines:
                document.lines.add(place)
                network, user_id = place
                self._lines.setdefault(network, OrderedDict()).setdefault(user_id, deque()).append(document)
                self._spread.add(self._come)
            # Shielded: one of several who wait may go.
            return await asyncio.shield(document.outcome)
        finally:
            document.wanted -= 1
            self._give(place, held)

    def _come(self) -> None:
        """Prepare what is next, unless that was done in another line, or nobody wants it any more."""
        network, users = self._lines.popitem(last=False)
        user_id, line = users.popitem(last=False)
        document = line.popleft()
        if line:
            users[user_id] = line
        if users:
            self._lines[network] = users
        document.lines.discard((network, user_id))
        if document.outcome.done() or (document.lines and not document.wanted):
            return
        del self._documents[document.key]
        self._give(document.owner, document.size)
        if document.wanted:
            try:
                document.outcome.set_result(document.make())
            except Exception as error:  # noqa: BLE001 - whatever it is, who waits is told
                document.outcome.set_exception(error)

    def _take(self, place: Place, size: int) -> None:
        limits = ((None, MOST), (place[0], OF_NETWORK), (place, OF_USER))
        if any(self._sizes[whose] + size > most for whose, most in limits):
            self.refused += 1
            raise RateLimited(RETRY_SECONDS)
        for whose, _ in limits:
            self._sizes[whose] += size

    def _give(self, place: Place, size: int) -> None:
        for whose in (None, place[0], place):
            self._sizes[whose] -= size
            if not self._sizes[whose]:
                del self._sizes[whose]


_PREPARING: WeakKeyDictionary[asyncio.AbstractEventLoop, Preparing] = WeakKeyDictionary()


def preparing_of(loop: asyncio.AbstractEventLoop) -> Preparing:
    """The one of this loop."""
    preparing = _PREPARING.get(loop)
    if preparing is None:
        preparing = _PREPARING[loop] = Preparing(loop)
    return preparing
