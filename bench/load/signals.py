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


class Caller:
    """One side of a call, with one socket. `endless`: whenever the other has a signal, the next one goes."""

    def __init__(self, wire: Wire, tally: Tally, length: int) -> None:
        self.wire = wire
        self.endless = False
        self.other: Caller = self
        self.under_way: deque[tuple[int, float, bool]] = deque()
        """What the other has not got yet: the number, when it was or should have been sent, and whether it counts."""
        loop = asyncio.get_running_loop()
        self._acknowledged: asyncio.Future[None] = loop.create_future()
        self._snapshot: asyncio.Future[None] = loop.create_future()
        self._matched: asyncio.Future[str] = loop.create_future()
        self._tally = tally
        self._text = (LINE * (length // len(LINE) + 1))[: length - 10]
        self._partner = ""
        self._numbers = itertools.count(1)
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

    def send(self, due: float | None = None) -> None:
        """Sends the next signal. `due` is when it should have gone, by the monotonic clock, if that is not now."""
        number = next(self._numbers)
        self.under_way.append((number, time.monotonic() if due is None else due, self._tally.measuring))
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
                    self._tally.failures[errors[0].get("extensions", {}).get("code", "error")] += 1
                elif "events" in data:
                    self._event(data["events"])
                else:
                    (payload,) = data.values()
                    if not payload["__typename"].endswith("Success"):
                        self._tally.failures[payload["__typename"]] += 1
            case "error":
                self._tally.failures[message["payload"][0].get("extensions", {}).get("code", "error")] += 1
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
                self._tally.failures[kind] += 1

    def arrived(self, number: int) -> None:
        """The other has a signal of ours."""
        expected, sent_at, counts = self.under_way.popleft() if self.under_way else (0, 0.0, False)
        self._tally.arrivals += self._tally.measuring
        if number != expected:
            self._tally.failures["signals lost, repeated or out of order"] += 1
        elif counts:
            self._tally.ways.append(time.monotonic() - sent_at)
        if self.endless:
            self.send()


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
    pacing = None
    if options.rate:
        pacing = asyncio.create_task(_paced(callers, options.rate))
    else:
        for caller in callers:
            caller.endless = True
            caller.send()
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch, options.watch_database, options.watch_bus)
    tally.measuring = True
    await asyncio.sleep(options.seconds)
    tally.measuring = False
    usage = Usage.now(options.watch, options.watch_database, options.watch_bus).since(before)
    if pacing is not None:
        pacing.cancel()
    for caller in callers:
        caller.endless = False
    await _landed(callers, tally)
    return {
        **usage,
        "signals_per_second": tally.arrivals / usage["seconds"],
        "way_ms": percentiles(tally.ways),
        "failures": tally.failures,
    }


async def _paced(callers: list[Caller], rate: float) -> None:
    """An open loop: signals go when they are due, whatever became of those before."""
    began = time.monotonic()
    for number in itertools.count():
        due = began + number / rate
        while (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        callers[number % len(callers)].send(due)
        if not number % 64:  # One who is late does not keep the answers waiting.
            await asyncio.sleep(0)


async def _landed(callers: list[Caller], tally: Tally) -> None:
    """Waits for what is under way; when nothing has come for a while, the rest is a failure. Then all hang up."""
    missing, since = -1, 0.0
    while left := sum(len(caller.under_way) for caller in callers):
        now = time.monotonic()
        if left != missing:
            missing, since = left, now
        elif now - since > QUIET_SECONDS:
            tally.failures["signals that never came"] = left
            break
        await asyncio.sleep(0.01)
    if lost := sum(caller.wire.lost.done() for caller in callers):
        tally.failures["sockets lost"] = lost
    for caller in callers:
        caller.wire.close()
