"""A client as graphql-ws makes them: a socket that comes back by itself with its cursor; and mutations, asked until answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
import orjson
from websockets.exceptions import WebSocketException

from tests.acceptance.client import JSON, Closed, Ended, GraphQLFailure, Socket

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tests.acceptance.client import Subscription
    from tests.chaos.ledger import Wrongs

REQUEST_SECONDS: Final = 8.0
"""How long a client waits for an answer before it asks again, elsewhere."""
PING_SECONDS: Final = 3.0
IMPATIENCE: Final = (4.0, 12.0)
"""After how many seconds of silence a client gives its socket up: the keep-alive of graphql-ws, set differently by everybody."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 5.0
OVER_HTTP: Final = 0.2
"""The part of all mutations that does not go over the socket."""
RETENTION: Final = 120.0
"""Seconds for which the inbox promises to keep events."""
TRANSIENT: Final = {"INTERNAL_SERVER_ERROR", "RATE_LIMITED", "CONFLICT"}
LOST = (OSError, EOFError, TimeoutError, Closed, Ended, WebSocketException, httpx.TransportError)
"""What the loss of a connection looks like."""
FINAL_CODES: Final = {4400, 4401, 4403, 4406, 4409, 4429, 1009, 1011}
"""Close codes that no fault of the network or of a worker explains: nobody's token expires within a run."""

EVENTS: Final = """
subscription Chaos($after: Cursor) { events(after: $after) { __typename
  ... on Event { cursor }
  ... on MatchSnapshot { waitingTicket { id } currentRoom { id } }
  ... on QueueJoined { ticket { id } }
  ... on QueueLeft { queueLeaveReason ticket { id } }
  ... on Matched { ticket { id } room { id me { id } } partner { id } }
  ... on MatchEnded { matchEndReason room { id } }
  ... on MemberLeft { memberLeaveReason room { id } member { id } }
  ... on SignalReceived { id room { id } sender { id } signal {
      ... on Offer { sdp } ... on IceCandidates { candidates { candidate } } } }
  ... on MessageSent { room { id } edge { node { id clientMessageId sender { id } ciphertext } } }
} }
"""


@dataclass
class Counts:
    """What all clients together did and met."""

    connections: int = 0
    reconnections: int = 0
    retries: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Events received, by name."""
    closes: Counter[str] = field(default_factory=Counter)
    """How sockets ended."""
    failures: Counter[str] = field(default_factory=Counter)
    """Errors that were answered, by code."""
    longest_away: float = 0.0


class Doors:
    """The ways in, as behind a load balancer that knows no better: one address per worker."""

    def __init__(self, ports: Sequence[int], http: httpx.AsyncClient, chances: random.Random) -> None:
        self.http = http
        self._urls = [f"http://127.0.0.1:{port}/graphql" for port in ports]
        self._chances = chances

    def another(self, last: str | None = None) -> str:
        """Any, but not the last one if there is a choice."""
        return self._chances.choice([url for url in self._urls if url != last] or self._urls)


class Line(Socket):
    """A socket that knows when it heard something last."""

    heard_at = 0.0

    async def _take(self, message: JSON) -> None:
        self.heard_at = time.monotonic()
        await super()._take(message)


class Client:
    """Somebody with an account. `on_event` gets every event in the order of their inbox, once; `run` keeps them connected."""

    def __init__(
        self, name: str, token: str, *, doors: Doors, counts: Counts, wrongs: Wrongs, chances: random.Random
    ) -> None:
        self.name = name
        self.chances = chances
        self.on_event: Callable[[JSON], None] = lambda _: None
        self.on_gap: Callable[[], None] = lambda: None
        """Called when the server said `ResyncRequired`, or the client's cursor is gone."""
        self.arrived = asyncio.Event()
        """Set while the socket is up and `events` is followed."""
        self.away_since: float | None = None
        self._token = token
        self._doors = doors
        self._counts = counts
        self._wrongs = wrongs
        self._socket: Line | None = None
        self._cursor: str | None = None
        self._cursors: set[str] = set()
        self._told_at = time.monotonic()
        self._impatience = chances.uniform(*IMPATIENCE)

    async def run(self) -> None:
        """Connects, and connects again with the cursor, for as long as it is not cancelled."""
        attempt, door = 0, None
        self.away_since = time.monotonic()
        while True:
            door = self._doors.another(door)
            try:
                self._socket = await Line.open(door, self._token, after=self._cursor)
                await self._follow(self._socket)
                attempt = 0
            except LOST as error:
                self._ended(error)
            finally:
                self.arrived.clear()
                self.away_since = self.away_since or time.monotonic()
                socket, self._socket = self._socket, None
                if socket is not None:
                    socket.connection.transport.abort()
            await asyncio.sleep(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**attempt) * self.chances.uniform(0.5, 1.0))
            attempt += 1

    async def ask(self, document: str, **variables: object) -> JSON:
        """The payload of a mutation, asked over the socket or over HTTP until somebody answers for good.

        Raises `GraphQLFailure` for an answer that no retry changes. May wait as long as nobody answers.
        """
        attempt, door = 0, None
        while True:
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    socket = self._socket
                    if socket is not None and self.arrived.is_set() and self.chances.random() > OVER_HTTP:
                        return await socket.run(document, **variables)
                    door = self._doors.another(door)
                    return await self._post(door, document, variables)
            except GraphQLFailure as failure:
                self._counts.failures.update(str(code) for code in failure.codes)
                if not failure.codes <= TRANSIENT:
                    raise
                if any("correlationId" in error.get("extensions", {}) for error in failure.errors):
                    self._wrongs.add("a fault of the server's own", failure.errors)
            except (*LOST, _NoAnswer):
                pass
            self._counts.retries += 1
            await asyncio.sleep(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**attempt) * self.chances.uniform(0.5, 1.0))
            attempt += 1

    # ---------------------------------------------------------------------------------------- inside

    async def _follow(self, socket: Line) -> None:
        """Handles events until the connection is lost."""
        events = await socket.subscribe(EVENTS)
        self._counts.connections += 1
        self._counts.reconnections += self._cursor is not None
        pinging = asyncio.create_task(self._keep_alive(socket))
        if self._cursor is not None:
            self._back()
        try:
            await self._handle(events)
        except LOST as error:
            self._ended(error)
        except GraphQLFailure as failure:
            self._counts.failures.update(f"{code} (events)" for code in failure.codes)
            if not failure.codes <= TRANSIENT:
                self._wrongs.add("events refused", f"{self.name}: {failure.errors}")
        finally:
            pinging.cancel()

    async def _handle(self, events: Subscription) -> None:
        while True:
            event = await events.next(None)
            events.seen.clear()
            kind, cursor = event["__typename"], event["cursor"]
            self._counts.kinds[kind] += 1
            if kind == "ResyncRequired":
                self._wrongs.add(
                    "ResyncRequired", f"{self.name}, having been away at most {self._counts.longest_away:.1f} s"
                )
                self.on_gap()
            elif kind != "MatchSnapshot" and cursor in self._cursors:
                self._wrongs.add("event repeated", f"{self.name}: {event}")
            self._cursor, self._told_at = cursor, time.monotonic()
            self._cursors.add(cursor)
            if not self.arrived.is_set():
                self._back()
            self.on_event(event)

    async def _keep_alive(self, socket: Line) -> None:
        socket.heard_at = time.monotonic()
        with suppress(Closed):
            while time.monotonic() - socket.heard_at < self._impatience:
                await socket.send({"type": "ping"})
                await asyncio.sleep(PING_SECONDS * self.chances.uniform(0.8, 1.0))
        socket.connection.transport.abort()

    def _back(self) -> None:
        self.arrived.set()
        if self.away_since is not None:
            self._counts.longest_away = max(self._counts.longest_away, time.monotonic() - self.away_since)
        self.away_since = None

    def _ended(self, error: BaseException) -> None:
        how = str(error.code) if isinstance(error, Closed) else type(error).__name__
        self._counts.closes[how] += 1
        if isinstance(error, Closed) and error.code in FINAL_CODES:
            self._wrongs.add("socket refused for good", f"{self.name}: {error}")

    async def _post(self, door: str, document: str, variables: JSON) -> JSON:
        answer = await self._doors.http.post(
            door,
            content=orjson.dumps({"query": document, "variables": variables}),
            headers={
                "accept": "application/graphql-response+json",
                "content-type": "application/json",
                "authorization": f"Bearer {self._token}",
            },
        )
        try:
            body = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            raise _NoAnswer from None
        if body.get("errors"):
            raise GraphQLFailure(body["errors"], answer.status_code)
        (payload,) = body["data"].values()
        return dict(payload)


class _NoAnswer(Exception):
    """Whoever answered was not the API: a server that is just ending."""
