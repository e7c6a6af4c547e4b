"""The load that all servers are compared under: pairs who send each other signals, users who only listen, and news for everybody.

The client is lean, because beside a fast server it would be what is measured: a request is joined out of bytes that were made once,
and of a frame only as much is read as tells whose signal it holds and which one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.load.people import JSON, PATIENCE, Person
from bench.load.signals import LINE, QUIET_SECONDS, Side, Tally, exchange
from bench.load.watching import Usage, percentiles
from bench.load.wires import DIALECTS, NUMBER, Dialect, GraphQL, Guest

if TYPE_CHECKING:
    import argparse

SHARED = 20
"""The first so many users bring code and caches that all share: their memory does not count."""
PAUSE_SECONDS = 1.3
"""Between two news: Parley tells a change of `stats` at most once a second."""


class Correspondent(Side):
    """One side of a pair. Its text begins with a mark, the side's own number, and the signal's number."""

    def __init__(self, dialect: Dialect, guest: Guest, own: int, tally: Tally, length: int) -> None:
        super().__init__(guest.wire, tally)
        self.sent = self.answers = 0
        self._dialect = dialect
        self._guest = guest
        self._mark = self._expected = b"#%04d." % own
        text = f"{self._mark.decode()}{NUMBER}\r\n"
        body = length - len(self._mark) - 8 - 2
        request = dialect.request(guest.partner, text + (LINE * (body // len(LINE) + 1))[:body])
        self._parts = request.split(NUMBER.encode())
        self._length = length
        guest.wire.on_text = self._take

    def meet(self, other: Correspondent) -> None:
        """Whose signals come, and who gets ours."""
        self.other, self._expected = other, other._mark

    def _write(self, number: int) -> None:
        self.sent += 1
        self.wire.send_text((b"%08d" % number).join(self._parts))

    def _take(self, frame: bytes) -> None:
        at = frame.find(b"#")
        if at < 0:
            try:
                self.answers += self._dialect.answered(self._guest, frame)
            except ValueError as failure:
                self.tally.failures[str(failure)] += 1
        elif len(frame) - at < self._length or not frame.startswith(self._expected, at):
            self.tally.failures["cut, or another's signal"] += 1
        else:
            self.other.arrived(int(frame[at + 6 : at + 14]))


async def relays(options: argparse.Namespace) -> JSON:
    """What `exchange` saw with signals of each of the lengths, by the length; and with those of the first at `rate`, as `paced`."""
    dialect = DIALECTS[options.wire]
    tokens = await dialect.tokens(options.port, options.users // 2 * 2)
    guests = [await dialect.enter(options.port, token) for token in tokens]
    for first in range(0, len(guests), 2):
        await dialect.pair(guests[first], guests[first + 1])
    found = {}
    cases = [(str(length), length, 0.0) for length in options.lengths]
    for name, length, rate in (*cases, ("paced", options.lengths[0], options.rate)):
        tally = Tally()
        sides = [Correspondent(dialect, guest, own, tally, length) for own, guest in enumerate(guests)]
        for first in range(0, len(sides), 2):
            sides[first].meet(sides[first + 1])
            sides[first + 1].meet(sides[first])
        seen = await exchange(sides, tally, options, rate)
        if dialect.answers and not await _all_answered(sides):
            tally.failures["signals without an answer"] += sum(side.sent - side.answers for side in sides)
        found[name] = seen
    for guest in guests:
        guest.wire.close()
    return found


async def _all_answered(sides: list[Correspondent]) -> bool:
    deadline = time.monotonic() + QUIET_SECONDS
    while any(side.answers != side.sent for side in sides) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return all(side.answers == side.sent for side in sides)


async def listening(options: argparse.Namespace) -> JSON:
    """Users with one socket who follow their inbox, where nothing happens: what each costs of memory."""
    dialect = DIALECTS[options.wire]
    tokens = await dialect.tokens(options.port, SHARED + options.users)
    guests = [await dialect.enter(options.port, token) for token in tokens[:SHARED]]
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch)
    guests += [await dialect.enter(options.port, token) for token in tokens[SHARED:]]
    await asyncio.sleep(options.seconds)
    usage = Usage.now(options.watch).since(before)
    lost = sum(guest.wire.lost.done() for guest in guests)
    for guest in guests:
        guest.wire.close()
    return {
        **usage,
        "bytes_per_user": (usage["memory_after"] - usage["memory_before"]) / options.users,
        "failures": {"sockets lost": lost} if lost else {},
    }


class Audience:
    """Sockets that follow `stats`, and when each was told of a figure."""

    def __init__(self) -> None:
        self.told: dict[int, list[float]] = {}
        """By how many are waiting: when a socket heard so, by the monotonic clock."""

    def take(self, event: JSON) -> None:
        """A socket was told."""
        self.told.setdefault(event["waiting"], []).append(time.monotonic())


async def fan_out(options: argparse.Namespace) -> JSON:
    """So many sockets follow `stats`, which changes every `PAUSE_SECONDS`: what telling all of them costs, and how long it takes
    from the first to the last.
    """
    dialect = DIALECTS[options.wire]
    assert isinstance(dialect, GraphQL), "only GraphQL has `stats`"  # noqa: S101 - said by the caller's own table
    audience = Audience()
    people = []
    for _ in range(options.users):
        people.append(await Person.arrive(options.port, "nobody" if options.wire == "graphql" else None))
        await people[-1].follow(dialect.stats, {}, audience.take)
    (token,) = await dialect.tokens(options.port, 1)
    speaker = await Person.arrive(options.port, token)
    await asyncio.sleep(options.warm_up + 2 * PAUSE_SECONDS)  # the first figures, and that somebody came
    rounds = max(2, round(options.seconds / PAUSE_SECONDS))
    before = Usage.now(options.watch)
    await asyncio.sleep(rounds * PAUSE_SECONDS)
    idle = Usage.now(options.watch).since(before)
    spreads, failures = [], 0
    before = Usage.now(options.watch)
    for number in range(1, rounds + 1):
        audience.told.clear()
        began = time.monotonic()
        waiting = await dialect.announce(speaker, number)
        while len(audience.told.get(waiting, ())) < options.users and time.monotonic() < began + PATIENCE:
            await asyncio.sleep(0.005)
        times = audience.told.get(waiting, [])
        failures += options.users - len(times)
        spreads += [max(times) - min(times)] if times else []
        await asyncio.sleep(max(0.0, began + PAUSE_SECONDS - time.monotonic()))
    usage = Usage.now(options.watch).since(before)
    for person in (speaker, *people):
        person.wire.close()
    busy = usage["seconds"] * (usage["server_core"] - idle["server_core"])
    return {
        **usage,
        "seconds_per_event": busy / (rounds * options.users),
        "spread_ms": percentiles(spreads)["p50"],
        "failures": {"sockets that were not told": failures} if failures else {},
    }
