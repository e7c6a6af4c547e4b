"""Token buckets in this process: what limits the hot paths without a round trip to anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from api.rate import Rate
from domain.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

SIGNALS_BURST, SIGNALS_A_SECOND = 256, 80.0
"""A browser sends 3 to 14 signals a peer when it connects; tighter limits drop late TURN candidates."""
SIGNAL_BYTES_BURST, SIGNAL_BYTES_A_SECOND = 1024 * 1024, 128 * 1024.0
CHANGES_BURST, CHANGES_A_SECOND = 20, 10.0
MOVES_BURST, MOVES_A_SECOND = 60, 3.0
"""Joins, leaves and skips: faster than any finger, and too slow to pull everybody who waits out of the queue again and again."""
ROOM_CHANGES_BURST, ROOM_CHANGES_A_SECOND = 256, 1.0
"""Makings, enterings and leavings of rooms, and what is done to their members: each takes the locks of up to sixteen people."""
MESSAGES_BURST, MESSAGES_A_SECOND = 256, 20.0
"""A client that encrypts for each member of a room by itself sends fifteen for one."""
MESSAGE_BYTES_BURST, MESSAGE_BYTES_A_SECOND = 4 * 1024 * 1024, 16 * 1024.0
"""What is sent without end stays for 30 days: 1.4 GB a day from one account, and no person types a hundredth of it."""
SIGNATURES_BURST, SIGNATURES_A_SECOND = 1000, 10.0
"""Verified for a user, at about 0.1 ms each: a bundle with a hundred KEM keys nine times at once, and then every ten seconds."""
PUBLICATIONS_BURST, PUBLICATIONS_A_SECOND = 60, 0.5
"""Bundles, of which a careful client publishes one before each match. Somebody in 100 rooms of 16 makes 1,600 inboxes hear of each,
which takes 0.3 s of a core."""
HISTORY_BURST, HISTORY_A_SECOND = 32 * 1024 * 1024, 4 * 1024 * 1024.0
"""Bytes of ciphertext: weeks of what people write, or 32 full pages, which an answer holds for as long as its client reads it."""
LISTED_BURST, LISTED_A_SECOND = 2000, 100.0
"""Rooms in lists of one's own: a hundred rooms of 16 take 0.1 s of a core to show. Five tabs that come back show 500."""
SOCKETS_BURST, SOCKETS_A_SECOND = 60, 2.0
"""Each costs two transactions. Five tabs on a network that comes and goes need fewer."""
REFRESHES_BURST, REFRESHES_A_SECOND = 600, 60.0
"""A network is often many people, who come back together; beyond them a stranger asks the database for nothing."""
RENEWALS_BURST, RENEWALS_A_SECOND = 120, 0.1
"""Every renewal leaves a row for 30 days. Forty tabs that wake at once renew forty times, and then every 15 minutes."""
SWEEP_AT_LEAST = 1024
ROUNDING = 0.001
"""Seconds: sums of floats must not refuse the last of a burst."""


class Buckets:
    """A bucket of `burst` tokens for each key, refilled by `rate` a second. A key that was not seen has a full one.

    What is kept of a bucket is when it will be full again (GCRA, ITU-T I.371), so a full one needs no place: they are swept out
    whenever as many were added as were left by the last sweep, and only keys in use remain.
    """

    def __init__(self, burst: float, rate: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._window = burst / rate
        self._monotonic = monotonic
        self._full_at: dict[Hashable, float] = {}
        self._sweep_at = SWEEP_AT_LEAST
        self.refused = 0
        """How often there was not enough."""

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._full_at)

    def missing(self, key: Hashable, cost: float) -> float:
        """In how many seconds `cost` can be taken; 0 or less is now. A cost above the burst never can."""
        now = self._monotonic()
        return max(self._full_at.get(key, now), now) + cost / self._rate - now - self._window

    def take(self, key: Hashable, cost: float) -> None:
        """Takes `cost`, which was there."""
        now = self._monotonic()
        self._full_at[key] = max(self._full_at.get(key, now), now) + cost / self._rate
        if len(self._full_at) > self._sweep_at:
            self._sweep(now)

    def spend(self, key: Hashable, cost: float) -> float:
        """Takes `cost` if it is there, with one look-up; else, above `ROUNDING`, in how many seconds it will be."""
        now = self._monotonic()
        full_at = self._full_at.get(key, now)
        full_at = max(full_at, now) + cost / self._rate
        wait = full_at - now - self._window
        if wait > ROUNDING:
            self.refused += 1
            return wait
        self._full_at[key] = full_at
        if len(self._full_at) > self._sweep_at:
            self._sweep(now)
        return 0.0

    def _sweep(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._full_at))


class ThrottleRates(NamedTuple):
    """What `LocalThrottle` lets through, of each by itself."""

    signals: Rate = Rate(SIGNALS_BURST, SIGNALS_A_SECOND)
    signal_bytes: Rate = Rate(SIGNAL_BYTES_BURST, SIGNAL_BYTES_A_SECOND)
    presence: Rate = Rate(CHANGES_BURST, CHANGES_A_SECOND)
    queue: Rate = Rate(MOVES_BURST, MOVES_A_SECOND)
    rooms: Rate = Rate(ROOM_CHANGES_BURST, ROOM_CHANGES_A_SECOND)
    messages: Rate = Rate(MESSAGES_BURST, MESSAGES_A_SECOND)
    message_bytes: Rate = Rate(MESSAGE_BYTES_BURST, MESSAGE_BYTES_A_SECOND)
    signatures: Rate = Rate(SIGNATURES_BURST, SIGNATURES_A_SECOND)
    publications: Rate = Rate(PUBLICATIONS_BURST, PUBLICATIONS_A_SECOND)
    history_bytes: Rate = Rate(HISTORY_BURST, HISTORY_A_SECOND)
    rooms_listed: Rate = Rate(LISTED_BURST, LISTED_A_SECOND)
    sockets: Rate = Rate(SOCKETS_BURST, SOCKETS_A_SECOND)
    refreshes: Rate = Rate(REFRESHES_BURST, REFRESHES_A_SECOND)
    renewals: Rate = Rate(RENEWALS_BURST, RENEWALS_A_SECOND)


USUAL = ThrottleRates()


class LocalThrottle:
    """See `ports.Throttle`. Each worker counts for itself, so whoever uses several has as much at each."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, rates: ThrottleRates = USUAL) -> None:
        self._buckets = {name: Buckets(rate.burst, rate.a_second, monotonic) for name, rate in rates._asdict().items()}
        self._signals, self._bytes = self._buckets["signals"], self._buckets["signal_bytes"]
        self._changes, self._moves = self._buckets["presence"], self._buckets["queue"]
        self._room_changes, self._listed = self._buckets["rooms"], self._buckets["rooms_listed"]
        self._messages, self._message_bytes = self._buckets["messages"], self._buckets["message_bytes"]
        self._signatures, self._publications = self._buckets["signatures"], self._buckets["publications"]
        self._history, self._sockets = self._buckets["history_bytes"], self._buckets["sockets"]
        self._refreshes, self._renewals = self._buckets["refreshes"], self._buckets["renewals"]

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many were refused since the start, by limit."""
        return {name: buckets.refused for name, buckets in self._buckets.items()}

    def signal(self, sender_id: Hashable, size: int) -> None:
        _take_all(((self._signals, 1), (self._bytes, size)), sender_id)

    def presence(self, user_id: Hashable) -> None:
        _take_all(((self._changes, 1),), user_id)

    def queue(self, user_id: Hashable) -> None:
        _take_all(((self._moves, 1),), user_id)

    def room(self, user_id: Hashable) -> None:
        _take_all(((self._room_changes, 1),), user_id)

    def list_rooms(self, user_id: Hashable, count: int) -> None:
        _take_all(((self._listed, count),), user_id)

    def message(self, user_id: Hashable, size: int) -> None:
        _take_all(((self._messages, 1), (self._message_bytes, size)), user_id)

    def keys(self, user_id: Hashable, signatures: int) -> None:
        _take_all(((self._signatures, max(1, signatures)),), user_id)

    def publication(self, user_id: Hashable) -> None:
        _take_all(((self._publications, 1),), user_id)

    def history(self, user_id: Hashable, size: int) -> None:
        _take_all(((self._history, size),), user_id)

    def socket(self, user_id: Hashable) -> None:
        _take_all(((self._sockets, 1),), user_id)

    def refresh(self, network: str) -> None:
        _take_all(((self._refreshes, 1),), network)

    def renewal(self, session_id: Hashable) -> None:
        _take_all(((self._renewals, 1),), session_id)


class NoThrottle:
    """`ports.Throttle` with `PARLEY_RATE_LIMITS=off`."""

    def signal(self, sender_id: Hashable, size: int) -> None:
        """Anything goes."""

    def presence(self, user_id: Hashable) -> None:
        """Anything goes."""

    def queue(self, user_id: Hashable) -> None:
        """Anything goes."""

    def room(self, user_id: Hashable) -> None:
        """Anything goes."""

    def list_rooms(self, user_id: Hashable, count: int) -> None:
        """Anything goes."""

    def message(self, user_id: Hashable, size: int) -> None:
        """Anything goes."""

    def keys(self, user_id: Hashable, signatures: int) -> None:
        """Anything goes."""

    def publication(self, user_id: Hashable) -> None:
        """Anything goes."""

    def history(self, user_id: Hashable, size: int) -> None:
        """Anything goes."""

    def socket(self, user_id: Hashable) -> None:
        """Anything goes."""

    def refresh(self, network: str) -> None:
        """Anything goes."""

    def renewal(self, session_id: Hashable) -> None:
        """Anything goes."""


def _take_all(wanted: tuple[tuple[Buckets, float], ...], key: Hashable) -> None:
    waits = [bucket.missing(key, cost) for bucket, cost in wanted]
    if max(waits) > ROUNDING:
        for (bucket, _), wait in zip(wanted, waits, strict=True):
            bucket.refused += wait > ROUNDING
        raise RateLimited(max(waits))
    for bucket, cost in wanted:
        bucket.take(key, cost)
