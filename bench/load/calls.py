"""Users who meet, set up a call and skip, over and over; and users who only wait.

Their sockets are taken to pieces here and not by `people.Person`: a busy user answers a frame with a frame and waits for nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.load.people import JSON, sign_in
from bench.load.watching import Usage, percentiles
from bench.wire import Wire
from tests.acceptance import documents

if TYPE_CHECKING:
    import argparse

CANDIDATES = 8
SDP = "v=0\r\n" + "a=candidate-free line of a browser's offer, sixty-six characters..\r\n" * 80
"""5.4 KB, as Chromium offers audio and video."""
CANDIDATE = (
    "candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw"
)
CONNECTS_AT_ONCE = 50


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


async def _users(port: int, count: int, tally: Tally, *, batch: int) -> list[User]:
    tokens = await sign_in(port, count)
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
        "match_ms": percentiles(tally.waits),
        "setup_ms": percentiles(tally.durations),
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
