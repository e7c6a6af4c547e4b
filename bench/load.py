"""The load, as a process of its own: `python -m bench.load calls|idle --port P --watch PID ...` prints what it saw as JSON.

It talks `graphql-transport-ws` with the documents of the acceptance clients, and watches the processor time and the memory of the
server (`--watch`) over exactly the time in which it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import resource
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import psutil
import uvloop

from bench.wire import Wire
from tests.acceptance import documents

JSON = dict[str, Any]
CANDIDATES = 8
SDP = "v=0\r\n" + "a=candidate-free line of a browser's offer, sixty-six characters..\r\n" * 80
"""5.4 KB, as Chromium offers audio and video."""
CANDIDATE = (
    "candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw"
)
SIGN_INS_AT_ONCE = 16
CONNECTS_AT_ONCE = 50


@dataclass
class Usage:
    """Processor seconds and memory of a server, its database and ourselves."""

    at: float
    server: float
    database: float
    load: float
    memory: int

    @classmethod
    def now(cls, pid: int) -> Usage:
        """As it is now."""
        server = psutil.Process(pid)
        own = resource.getrusage(resource.RUSAGE_SELF)
        return cls(
            time.monotonic(),
            _seconds(server),
            sum(_seconds(child) for child in server.children(recursive=True)),
            own.ru_utime + own.ru_stime,
            server.memory_info().rss,
        )

    def since(self, earlier: Usage) -> JSON:
        """Shares of one core since then, and how much memory came to it, in bytes."""
        passed = self.at - earlier.at
        return {
            "seconds": passed,
            "server_core": (self.server - earlier.server) / passed,
            "database_core": max(0.0, self.database - earlier.database) / passed,
            "load_core": (self.load - earlier.load) / passed,
            "memory_before": earlier.memory,
            "memory_after": self.memory,
        }


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


@dataclass
class Tally:
    """What all users together saw since `measuring` was set."""

    measuring: bool = False
    setups: int = 0
    waits: list[float] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    rooms: dict[str, list[tuple[User, float]]] = field(default_factory=dict)

    def failed(self, what: str) -> None:
        """Counts a failure; one that repeats is one line."""
        self.failures[what] = self.failures.get(what, 0) + 1


class User:
    """One user with one socket, who meets one partner after the other for as long as `busy` is set."""

    def __init__(self, wire: Wire, tally: Tally, *, batch: int) -> None:
        self.wire = wire
        self.busy = False
        self.asked_at = 0.0
        self.snapshot = asyncio.get_running_loop().create_future()
        self._acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tally = tally
        self._batch = batch
        self._numbers = itertools.count(1)
        self._room = self._partner = ""
        self._offers = self._described = self.done = False
        self._candidates = 0
        self.matched_at = 0.0
        self.other: User | None = None
        wire.on_message = self._take

    async def arrive(self, token: str) -> None:
        """Initialises the socket and follows `events`."""
        self.wire.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        await asyncio.wait_for(self._acknowledged, 30)
        self._ask("Events", documents.EVENTS, {})
        await asyncio.wait_for(self.snapshot, 30)

    def start(self) -> None:
        """Joins the queue for the first time."""
        self.busy = True
        self._join()

    def _ask(self, name: str, document: str, variables: JSON) -> None:
        id = "events" if name == "Events" else str(next(self._numbers))
        payload = {"query": document, "operationName": name, "variables": variables}
        self.wire.send({"id": id, "type": "subscribe", "payload": payload})

    def _join(self) -> None:
        self.asked_at = time.monotonic()
        self._ask("Join", documents.JOIN, {"input": {}})

    def skip(self) -> None:
        """Leaves the match and waits for the next."""
        self.asked_at = time.monotonic()
        self._ask("Skip", documents.SKIP, {"input": {"roomId": self._room}})

    def _signal(self, signal: JSON) -> None:
        self._ask(
            "Send", documents.SEND_SIGNAL, {"input": {"to": self._partner, "signal": signal, "callId": self._room}}
        )

    def _trickle(self) -> None:
        candidate = {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0}
        for _ in range(0, CANDIDATES, self._batch):
            self._signal({"candidates": {"candidates": [candidate] * self._batch}})

    def _take(self, message: JSON) -> None:
        match message["type"]:
            case "next":
                data = message["payload"].get("data")
                errors = message["payload"].get("errors")
                if errors or data is None:
                    self._tally.failed(errors[0]["extensions"]["code"])
                elif "events" in data:
                    self._event(data["events"])
                else:
                    (payload,) = data.values()
                    if not payload["__typename"].endswith("Success"):
                        self._tally.failed(payload["__typename"])
            case "error":
                self._tally.failed(message["payload"][0].get("extensions", {}).get("code", "error"))
            case "ping":
                self.wire.send({"type": "pong"})
            case "connection_ack":
                self._acknowledged.set_result(None)

    def _event(self, event: JSON) -> None:
        match event["__typename"]:
            case "MatchSnapshot":
                self.snapshot.set_result(None)
            case "Matched":
                self._match(event)
            case "SignalReceived":
                self._hear(event["signal"])
            case "MatchEnded" if event["matchEndReason"] != "YOU_SKIPPED" and self.busy:
                self._join()

    def _match(self, event: JSON) -> None:
        self._room, self._partner = event["room"]["id"], event["partner"]["id"]
        self._offers = not event["partner"]["polite"]
        self._described, self.done, self._candidates = False, False, 0
        self.matched_at = time.monotonic()
        here = self._tally.rooms.setdefault(self._room, [])
        here.append((self, self.matched_at))
        if len(here) == 2:
            (one, one_at), (other, other_at) = self._tally.rooms.pop(self._room)
            one.other, other.other = other, one
            if self._tally.measuring:
                asked = max(one.asked_at, other.asked_at)
                self._tally.waits += [one_at - asked, other_at - asked]
        if self._offers:
            self._signal({"offer": {"sdp": SDP}})
            self._trickle()

    def _hear(self, signal: JSON) -> None:
        match signal["__typename"]:
            case "Offer":
                self._described = True
                self._signal({"answer": {"sdp": SDP}})
                self._trickle()
            case "Answer":
                self._described = True
            case "IceCandidates":
                self._candidates += len(signal["candidates"])
        if self._described and self._candidates == CANDIDATES and not self.done:
            self.done = True
            if self.other is not None and self.other.done:
                self._set_up(self.other)

    def _set_up(self, other: User) -> None:
        if self._tally.measuring:
            self._tally.setups += 1
            self._tally.durations.append(time.monotonic() - min(self.matched_at, other.matched_at))
        for side in (self, other):
            side.other = None
        offerer = self if self._offers else other
        if offerer.busy:
            offerer.skip()


async def _tokens(port: int, count: int) -> list[str]:
    """Signs in that many new accounts over one socket that nobody is signed in on."""
    wire = await Wire.open("127.0.0.1", port)
    tokens: list[str] = []
    waiting: dict[str, asyncio.Future[str]] = {}
    acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(message: JSON) -> None:
        match message["type"]:
            case "connection_ack":
                acknowledged.set_result(None)
            case "next" if message["payload"].get("data"):
                session = message["payload"]["data"]["signInAnonymously"]["session"]
                waiting.pop(message["id"]).set_result(session["accessToken"])
            case "next" | "error":
                waiting.pop(message["id"]).set_exception(RuntimeError(f"signing in failed: {message['payload']}"))

    wire.on_message = take
    wire.send({"type": "connection_init", "payload": {}})
    await acknowledged
    for start in range(0, count, SIGN_INS_AT_ONCE):
        for number in range(start, min(count, start + SIGN_INS_AT_ONCE)):
            waiting[str(number)] = asyncio.get_running_loop().create_future()
            variables = {"input": {"displayName": f"Load {number}"}}
            payload = {"query": documents.SIGN_IN, "operationName": "SignIn", "variables": variables}
            wire.send({"id": str(number), "type": "subscribe", "payload": payload})
        tokens += await asyncio.wait_for(asyncio.gather(*waiting.values()), 60)
    wire.close()
    return tokens


async def _users(port: int, count: int, tally: Tally, *, batch: int) -> list[User]:
    tokens = await _tokens(port, count)
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def arrive(token: str) -> User:
        async with gate:
            user = User(await Wire.open("127.0.0.1", port), tally, batch=batch)
            await user.arrive(token)
            return user

    return await asyncio.gather(*(arrive(token) for token in tokens))


async def calls(options: argparse.Namespace) -> JSON:
    """All users meet, set up a call, and skip, over and over; measured for so many seconds after a warm-up."""
    tally = Tally()
    users = await _users(options.port, options.users, tally, batch=options.batch)
    for user in users:
        user.start()
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch)
    frames = sum(user.wire.frames_in + user.wire.frames_out for user in users)
    tally.measuring = True
    await asyncio.sleep(options.seconds)
    tally.measuring = False
    usage = Usage.now(options.watch).since(before)
    frames = sum(user.wire.frames_in + user.wire.frames_out for user in users) - frames
    lost = [user.wire.lost.result() for user in users if user.wire.lost.done()]
    for user in users:
        user.wire.close()
    if lost:
        tally.failures["sockets lost"] = len(lost)
    return {
        **usage,
        "setups": tally.setups,
        "setups_per_second": tally.setups / usage["seconds"],
        "frames_per_second": frames / usage["seconds"],
        "match_ms": _percentiles(tally.waits),
        "setup_ms": _percentiles(tally.durations),
        "failures": tally.failures,
    }


async def idle(options: argparse.Namespace) -> JSON:
    """Users who only follow `events`: how much memory each of them costs."""
    tally = Tally()
    first = await _users(options.port, 20, tally, batch=1)  # code and caches that everybody shares are loaded now
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch)
    began = time.monotonic()
    users = await _users(options.port, options.users, tally, batch=1)
    arrived = time.monotonic() - began
    await asyncio.sleep(options.seconds)
    usage = Usage.now(options.watch).since(before)
    lost = sum(user.wire.lost.done() for user in users)
    for user in (*first, *users):
        user.wire.close()
    return {
        **usage,
        "users": options.users,
        "bytes_per_user": (usage["memory_after"] - usage["memory_before"]) / options.users,
        "arrivals_per_second": options.users / arrived,
        "failures": {**tally.failures, **({"sockets lost": lost} if lost else {})},
    }


def _percentiles(values: list[float]) -> JSON:
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None}
    return {f"p{p}": 1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 99)}


def main() -> None:
    """The command line; meant for `bench.calls` and `bench.memory`."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("what", choices=["calls", "idle"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--watch", type=int, required=True, help="the server's process ID")
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=1, choices=[1, 2, 4, 8], help="candidates in a signal")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(calls(options) if options.what == "calls" else idle(options))
    sys.stdout.buffer.write(orjson.dumps(found) + b"\n")


if __name__ == "__main__":
    main()
