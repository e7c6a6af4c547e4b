"""Pairs of people in a match who send each other signals: as fast as they go, or so many a second.

Every signal has a number of its sender's, and has to come once and in order. Both ends of a pair are in this process, so one clock
times the way.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.people import JSON, PATIENCE, sign_in
from bench.load.watching import Usage, percentiles
from bench.wire import Wire
from tests.acceptance import documents

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

QUIET_SECONDS = 10.0
LINE = "a=candidate-free line of a browser's offer, sixty-six characters..\r\n"


@dataclass
class Tally:
    """What all callers together saw."""

    measuring: bool = False
    arrivals: int = 0
    """While measuring."""
    ways: list[float] = field(default_factory=list)
    """Seconds from sending to receipt, of what was sent while measuring."""
    failures: Counter[str] = field(default_factory=Counter)


class Side:
    """Who sends signals to `other` and is sent theirs. `endless`: whenever the other has a signal, the next one goes."""

    def __init__(self, wire: Wire, tally: Tally) -> None:
        self.wire = wire
        self.endless = False
        self.other = self
        self.under_way: deque[tuple[int, float, bool]] = deque()
        """What the other has not got yet: the number, when it was or should have been sent, and whether it counts."""
        self.tally = tally
        self._numbers = itertools.count(1)

    def send(self, due: float | None = None) -> None:
        """Sends the next signal. `due` is when it should have gone, by the monotonic clock, if that is not now."""
        number = next(self._numbers)
        self.under_way.append((number, time.monotonic() if due is None else due, self.tally.measuring))
        self._write(number)

    def arrived(self, number: int) -> None:
        """The other has a signal of ours."""
        expected, sent_at, counts = self.under_way.popleft() if self.under_way else (0, 0.0, False)
        self.tally.arrivals += self.tally.measuring
        if number != expected:
            self.tally.failures["signals lost, repeated or out of order"] += 1
        elif counts:
            self.tally.ways.append(time.monotonic() - sent_at)
        if self.endless:
            self.send()

    def _write(self, number: int) -> None:
        raise NotImplementedError


class Caller(Side):
    """One side of a call with Parley, or with what speaks like it."""

    def __init__(self, wire: Wire, tally: Tally, length: int) -> None:
        super().__init__(wire, tally)
        loop = asyncio.get_running_loop()
        self._acknowledged: asyncio.Future[None] = loop.create_future()
        self._snapshot: asyncio.Future[None] = loop.create_future()
        self._matched: asyncio.Future[str] = loop.create_future()
        self._text = (LINE * (length // len(LINE) + 1))[: length - 10]
        self._partner = ""
        self._operations = itertools.count(1)
        wire.on_message = self._take

    @classmethod
    async def arrive(cls, port: int, token: str, tally: Tally, length: int) -> Caller:
        """Opens a socket and follows `events`."""
        caller = cls(await Wire.open("127.0.0.1", port), tally, length)
        caller.wire.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        await asyncio.wait_for(caller._acknowledged, PATIENCE)
        caller._ask("Events", documents.EVENTS, {})
        await asyncio.wait_for(caller._snapshot, PATIENCE)
        return caller

    def join(self, interest: str) -> None:
        """Joins the queue, and holds out for somebody with the same interest."""
        self._ask("Join", documents.JOIN, {"input": {"interests": [interest], "patience": 120}})

    async def meet(self, other: Caller) -> None:
        """Waits for the match."""
        self.other = other
        self._partner = await asyncio.wait_for(self._matched, PATIENCE)

    def _write(self, number: int) -> None:
        signal = {"offer": {"sdp": f"{number:08d}\r\n{self._text}"}}
        self._ask("Send", documents.SEND_SIGNAL, {"input": {"to": self._partner, "signal": signal}})

    def _ask(self, name: str, document: str, variables: JSON) -> None:
        id = "events" if name == "Events" else str(next(self._operations))
        payload = {"query": document, "operationName": name, "variables": variables}
        self.wire.send({"id": id, "type": "subscribe", "payload": payload})

    def _take(self, message: JSON) -> None:
        match message["type"]:
            case "next":
                data, errors = message["payload"].get("data"), message["payload"].get("errors")
                if errors or data is None:
                    self.tally.failures[errors[0].get("extensions", {}).get("code", "error")] += 1
                elif "events" in data:
                    self._event(data["events"])
                else:
                    (payload,) = data.values()
                    if not payload["__typename"].endswith("Success"):
                        self.tally.failures[payload["__typename"]] += 1
            case "error":
                self.tally.failures[message["payload"][0].get("extensions", {}).get("code", "error")] += 1
            case "ping":
                self.wire.send({"type": "pong"})
            case "connection_ack":
                self._acknowledged.set_result(None)

    def _event(self, event: JSON) -> None:
        match event["__typename"]:
            case "MatchSnapshot":
                self._snapshot.set_result(None)
            case "Matched":
                self._matched.set_result(event["partner"]["id"])
            case "SignalReceived":
                self.other.arrived(int(event["signal"]["sdp"][:8]))
            case "ResyncRequired" | "MatchEnded" as kind:
                self.tally.failures[kind] += 1


async def signals(options: argparse.Namespace) -> JSON:
    """Half of the users sit at `port`, their partners at `other_port` if there is one; measured for so many seconds after a
    warm-up.
    """
    tally = Tally()
    ports = (options.port, options.other_port or options.port)
    tokens = await sign_in(options.port, options.users // 2 * 2)
    callers = [
        await Caller.arrive(port, token, tally, options.bytes)
        for port, token in zip(itertools.cycle(ports), tokens, strict=False)
    ]
    for number in range(0, len(callers), 2):  # Pair by pair, because the relay matches whoever comes next.
        one, other = callers[number : number + 2]
        for side in (one, other):
            side.join(f"pair {number}")
        await asyncio.gather(one.meet(other), other.meet(one))
    found = await exchange(callers, tally, options, options.rate)
    for caller in callers:
        caller.wire.close()
    return found


async def exchange(sides: Sequence[Side], tally: Tally, options: argparse.Namespace, rate: float) -> JSON:
    """Lets them send, so many signals a second or as fast as they go for 0, and measures that after the warm-up."""
    pacing = None
    if rate:
        pacing = asyncio.create_task(_paced(sides, rate))
    else:
        for side in sides:
            side.endless = True
            side.send()
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch, options.watch_database, options.watch_bus)
    tally.measuring = True
    await asyncio.sleep(options.seconds)
    tally.measuring = False
    usage = Usage.now(options.watch, options.watch_database, options.watch_bus).since(before)
    if pacing is not None:
        pacing.cancel()
    for side in sides:
        side.endless = False
    await _landed(sides, tally)
    return {
        **usage,
        "signals_per_second": tally.arrivals / usage["seconds"],
        "way_ms": percentiles(tally.ways),
        "failures": tally.failures,
    }


async def _paced(sides: Sequence[Side], rate: float) -> None:
    """An open loop: signals go when they are due, whatever became of those before."""
    began = time.monotonic()
    for number in itertools.count():
        due = began + number / rate
        while (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        sides[number % len(sides)].send(due)
        if not number % 64:  # One who is late does not keep the answers waiting.
            await asyncio.sleep(0)


async def _landed(sides: Sequence[Side], tally: Tally) -> None:
    """Waits for what is under way; when nothing has come for a while, the rest is a failure."""
    missing, since = -1, 0.0
    while left := sum(len(side.under_way) for side in sides):
        now = time.monotonic()
        if left != missing:
            missing, since = left, now
        elif now - since > QUIET_SECONDS:
            tally.failures["signals that never came"] = left
            break
        await asyncio.sleep(0.01)
    if lost := sum(side.wire.lost.done() for side in sides):
        tally.failures["sockets lost"] = lost
