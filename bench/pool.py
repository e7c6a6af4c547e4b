"""How fast the matchmaking pool proposes: pure Python, one core, no database.

`python -m bench.pool` prints a table. Every speed stands beside that of a naive matcher, which looks from the oldest ticket on for
the first acceptable one, run on the same machine with 1,000 waiting.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import UUID

from bench.report import Figure, table
from domain.matchmaking.acceptance import suit
from domain.matchmaking.pool import Pool, PoolTicket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = (1_000, 10_000, 50_000)
NAIVE_SIZE = 1_000
BATCH = 256
"""Pairs in one commit."""
EFFORT = 20_000
STREAMED = 20_000
ROUNDS = 3
"""The best of so many runs counts: the others were disturbed."""
NAIVE_NOTE = f"beside it: a naive scan from the oldest on, {NAIVE_SIZE:,} waiting"


def everyone(count: int, seed: int = 1) -> list[PoolTicket]:
    """Tickets of people who take anyone."""
    source = random.Random(seed)
    return [_ticket(source, number, frozenset(), frozenset(), 0) for number in range(count)]


def mixed(count: int, seed: int = 2) -> list[PoolTicket]:
    """Tickets with up to 4 of 200 interests and 2 of 8 languages, the popular ones more often; a third has widened by `NOW`."""
    source = random.Random(seed)
    topics = [f"topic{number}" for number in range(200)]
    tongues = ["en", "es", "pt", "de", "fr", "ru", "ja", "hi"]

    def some(values: Sequence[str], most: int) -> frozenset[str]:
        popularity = [1 / rank for rank in range(1, len(values) + 1)]
        return frozenset(source.choices(values, weights=popularity, k=source.randint(0, most)))

    return [
        _ticket(source, number, some(topics, 4), some(tongues, 2), source.choice((0, 15, 60)))
        for number in range(count)
    ]


def loners(count: int, seed: int = 3) -> list[PoolTicket]:
    """Tickets of people of whom no two share an interest."""
    source = random.Random(seed)
    return [_ticket(source, number, frozenset({f"own{number}"}), frozenset({"en"}), 3600) for number in range(count)]


def measure(*, quick: bool = False) -> list[Figure]:
    """All figures; `quick` leaves out the longest queue and measures once."""
    sizes, rounds = (SIZES[:-1], 1) if quick else (SIZES, ROUNDS)
    most = sizes[-1]
    figures: list[Figure] = []
    for case, make in (("everyone suits", everyone), ("mixed, some widened", mixed)):
        naive = max(_naive(make(NAIVE_SIZE)) for _ in range(rounds))
        for what, speed in (("burst", _burst), ("burst with its joins", _burst_with_joins), ("stream", _stream)):
            for size in sizes:
                name = f"pool, {case}: {what}, {size:,} waiting"
                figures.append(Figure(name, _best(speed, make(size), rounds), "proposals/s", naive, NAIVE_NOTE))
    figures += _idle(most)
    for case, make in (("everyone suits", everyone), ("mixed, some widened", mixed), ("no two suit", loners)):
        figures.append(Figure(f"pool, {case}: memory of a ticket, {most:,} waiting", _memory(make(most)), "bytes"))
    return figures


def _ticket(
    source: random.Random, number: int, interests: frozenset[str], languages: frozenset[str], patience: int
) -> PoolTicket:
    enqueued_at = NOW - timedelta(seconds=10) + timedelta(microseconds=number)
    return PoolTicket(
        id=UUID(int=source.getrandbits(128), version=4),
        user_id=UUID(int=source.getrandbits(128), version=4),
        mode="VIDEO",
        interests=interests,
        languages=languages,
        enqueued_at=enqueued_at,
        widens_at=enqueued_at + timedelta(seconds=patience),
        attached=True,
    )


def _filled(tickets: list[PoolTicket]) -> Pool:
    pool = Pool()
    for ticket in tickets:
        pool.put(ticket, NOW)
    return pool


def _drain(pool: Pool, now: datetime) -> int:
    """Proposes and settles until nobody suits any more, and says how many pairs that made."""
    count = 0
    while True:
        pairs = pool.propose(now, BATCH, EFFORT)
        for pair in pairs:
            pool.settle(pair)
        count += len(pairs)
        if not pairs and not pool.busy:
            return count


def _best(speed: Callable[[list[PoolTicket]], float], tickets: list[PoolTicket], rounds: int) -> float:
    speeds = []
    for _ in range(rounds):
        gc.collect()
        speeds.append(speed(tickets))
    return max(speeds)


def _burst(tickets: list[PoolTicket]) -> float:
    pool = _filled(tickets)
    started = perf_counter()
    return _drain(pool, NOW) / (perf_counter() - started)


def _burst_with_joins(tickets: list[PoolTicket]) -> float:
    started = perf_counter()
    return _drain(_filled(tickets), NOW) / (perf_counter() - started)


def _stream(tickets: list[PoolTicket]) -> float:
    """Joiners who suit each other, a hundred a tick, in a queue that is long all the while, because those in it suit nobody."""
    pool = _filled(loners(len(tickets)))
    _drain(pool, NOW)
    joining = [ticket for copy in range(-(-STREAMED // len(tickets))) for ticket in _renewed(tickets, copy)][:STREAMED]
    started = perf_counter()
    count = 0
    for first in range(0, len(joining), 100):
        for ticket in joining[first : first + 100]:
            pool.put(ticket, NOW)
        pairs = pool.propose(NOW, BATCH, EFFORT)
        for pair in pairs:
            pool.settle(pair)
        count += len(pairs)
    return count / (perf_counter() - started)


def _renewed(tickets: list[PoolTicket], copy: int) -> Iterator[PoolTicket]:
    for number, ticket in enumerate(tickets):
        key = (copy << 64) + number
        yield PoolTicket(
            UUID(int=key),
            UUID(int=key),
            ticket.mode,
            ticket.interests,
            ticket.languages,
            NOW,
            ticket.widens_at,
            attached=True,
        )


def _idle(size: int) -> list[Figure]:
    tickets = loners(size)
    again = loners(size)  # equal and not the same objects, as a database gives them
    pool = _filled(tickets)
    name = f"pool, no two suit, {size:,} waiting"
    first = _milliseconds(lambda: _drain(pool, NOW))
    idle = _milliseconds(lambda: [pool.propose(NOW, BATCH, EFFORT) for _ in range(1000)])
    reload = _milliseconds(lambda: pool.reload(again, [], NOW))
    return [
        Figure(f"{name}: first look at everyone", first, "ms", note="all ticks together"),
        Figure(f"{name}: idle tick", idle, "µs"),
        Figure(f"{name}: reload that finds nothing new", reload, "ms"),
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def _memory(tickets: list[PoolTicket]) -> float:
    """Bytes a waiting ticket takes in the pool, beside the `PoolTicket` itself; before anybody is matched."""
    gc.collect()
    tracemalloc.start()
    pool = _filled(tickets)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / len(pool)


def _naive(tickets: list[PoolTicket]) -> float:
    """The scan that anybody would write first."""
    waiting = sorted(tickets, key=lambda ticket: ticket.enqueued_at)
    started = perf_counter()
    count = 0
    index = 0
    while index < len(waiting):
        one = waiting[index]
        partner = next((other for other in waiting[index + 1 :] if _accept(one, other)), None)
        if partner is None:
            index += 1
            continue
        waiting.remove(one)
        waiting.remove(partner)
        count += 1
    return count / (perf_counter() - started)


def _accept(one: PoolTicket, other: PoolTicket) -> bool:
    widened = {"one_widened": one.widens_at <= NOW, "other_widened": other.widens_at <= NOW}
    return (
        one.mode == other.mode
        and suit(one.interests, other.interests, **widened)
        and suit(one.languages, other.languages, **widened)
    )


if __name__ == "__main__":
    print(table(measure()))
