"""Where available tickets lie so that an acceptable partner is found without looking at those that are not.

A ticket lies in the bucket of each (language key, interest key) of its mode: any two that share a bucket accept each other, and
any two that accept each other share one (see `acceptance`). A list holds at most 10 values, hence at most 121 buckets a ticket.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import product
from typing import TYPE_CHECKING

from domain.matchmaking.acceptance import keys

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from domain.matchmaking.pool import PoolTicket

    Place = tuple[float, int, "Waiter"]
    """When queued (Unix time, which compares faster than a datetime), order of arrival among equals, who. Compares as the queue."""
    Key = tuple[str | None, str | None]
    Stop = tuple[int, Place]
    """Where a search stopped: the number of the waiter's bucket, and the last place looked at."""

SLACK = 32
"""Dead places that a bucket may hold beyond the number of live ones, before it is rebuilt."""


class Waiter:
    """A ticket in the pool, and what the pool knows about it."""

    __slots__ = ("buckets", "flight", "id", "place", "seeded", "serial", "ticket", "user", "widened")

    def __init__(self, ticket: PoolTicket, serial: int) -> None:
        self.ticket = ticket
        self.id: int = ticket.id.int
        self.user: int = ticket.user_id.int
        self.serial = serial
        self.place: Place | None = None
        """None while it is not available."""
        self.buckets: list[Bucket] = []
        self.widened = False
        self.seeded = False
        """Whether it is due to look for a partner."""
        self.flight: int | None = None
        """The ID of the ticket with which it is proposed."""


class Bucket(list["Place"]):
    """Places in order of age. One is dead, and passed over, when it is no longer its waiter's own.

    Dead places go when they outnumber the live ones, because taking one out of the middle of a list costs its length; those
    before `head` are dead, because passing over a long dead front in every search would be quadratic.
    """

    __slots__ = ("head", "key", "live", "shelf")

    def __init__(self, shelf: dict[Key, Bucket], key: Key) -> None:
        super().__init__()
        self.head = 0
        self.live = 0
        self.shelf = shelf
        self.key = key


class Buckets:
    """All buckets; an empty one does not stay."""

    def __init__(self) -> None:
        self._shelves: dict[str, dict[Key, Bucket]] = {}

    def place(self, waiter: Waiter) -> None:
        """Makes a waiter available that is not."""
        waiter.place = (waiter.ticket.enqueued_at.timestamp(), waiter.serial, waiter)
        self._file(waiter, waiter.place, _keys(waiter))

    def widen(self, waiter: Waiter) -> None:
        """Files an available waiter under the keys that it gained by widening."""
        if waiter.place is not None:
            held = {bucket.key for bucket in waiter.buckets}
            self._file(waiter, waiter.place, (key for key in _keys(waiter) if key not in held))

    def withdraw(self, waiter: Waiter) -> None:
        """Undoes `place`."""
        waiter.place = None
        for bucket in waiter.buckets:
            bucket.live -= 1
            if not bucket.live:
                del bucket.shelf[bucket.key]
            elif len(bucket) > 2 * bucket.live + SLACK:
                bucket[:] = [place for place in bucket if place[2].place is place]
                bucket.head = 0
        waiter.buckets = []

    def _file(self, waiter: Waiter, place: Place, under: Iterable[Key]) -> None:
        shelf = self._shelves.setdefault(waiter.ticket.mode, {})
        for key in under:
            bucket = shelf.get(key)
            if bucket is None:
                bucket = shelf[key] = Bucket(shelf, key)
                bucket.append(place)
            elif bucket[-1] < place:
                bucket.append(place)
            else:
                insort(bucket, place, bucket.head)
            bucket.live += 1
            waiter.buckets.append(bucket)


def search(
    me: Waiter,
    users: Container[int],
    tickets: Container[int],
    budget: int,
    *,
    resumed: Stop | None = None,
    best: Place | None = None,
) -> tuple[Place | None, int, Stop | None]:
    """The oldest available partner that shares a bucket with `me` and is in neither `users` nor `tickets`.

    `best` is a partner that is known already: then only older ones are looked for.

    Looks at no more than `budget` places, or one. Returns the partner, what is left of the budget, and, when that ran out before
    a partner was found, where to resume. Running out after one was found returns the oldest so far.
    """
    start, after = resumed or (0, None)
    buckets = me.buckets
    for number in range(start, len(buckets)):
        bucket = buckets[number]
        if bucket.live == 1:
            continue
        first = bucket.head
        if after is not None:
            first = bisect_right(bucket, after, first)
            after = None
        for index in range(first, len(bucket)):
            place = bucket[index]
            other = place[2]
            if other.place is not place:
                if index == bucket.head:
                    bucket.head = index + 1
            elif best is not None and best < place:
                break
            elif other is not me and other.user not in users and other.id not in tickets:
                best = place
                break
            budget -= 1
            if budget <= 0:
                return best, 0, None if best else (number, place)
    return best, budget, None


def _keys(waiter: Waiter) -> Iterator[Key]:
    ticket, widened = waiter.ticket, waiter.widened
    return product(keys(ticket.languages, widened=widened), keys(ticket.interests, widened=widened))
