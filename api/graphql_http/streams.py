"""What all streams of a process share, and who may open one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.clock import utc_now
from api.connections.limits import SocketLimits
from api.graphql_http.multipart import PAYLOADS
from api.graphql_http.refusals import refuse, unavailable
from api.graphql_http.sse import EVENTS
from api.networks import network_of
from schema.scalars import LONGEST_CURSOR

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.connections.live import LiveSockets
    from api.gate import Sockets
    from api.origins import Origins
    from domain.ports import Clock

HEARTBEAT_SECONDS = 12.0
"""Proxies drop a response that is silent for longer, some after 15 s."""


def _none() -> Counter[str]:
    return Counter({framing.name: 0 for framing in (EVENTS, PAYLOADS)})


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """To be read whenever metrics are scraped; by the name of the framing."""

    open: Counter[str] = field(default_factory=_none)
    started: Counter[str] = field(default_factory=_none)
    delivered: Counter[str] = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Streams:
    """A stream is a socket in all but its wire: it is in `live`, counts toward the same limits, and `sockets` is told of it."""

    sockets: Sockets
    live: LiveSockets
    origins: Origins
    counts: StreamCounts = field(default_factory=StreamCounts)
    limits: SocketLimits = field(default_factory=SocketLimits)
    heartbeat: float = HEARTBEAT_SECONDS
    now: Clock = utc_now
    """The clock that `Caller.expires_at` is compared with."""

    def admit(self, request: Request) -> None:
        """Raises `Refused` where a handshake is refused: 403 to a page of a foreign origin, 503 while the server stops and to a
        network with too many sockets on which nobody is signed in.

        That a foreign page cannot read an answer is enough where there is one. A stream it could hold open all the same.
        """
        headers = request.headers
        if len(headers.getlist("origin")) > 1 or not self.origins.allows(headers.get("origin"), headers.get("host")):
            self.live.refused_origins += 1
            raise refuse(403, "Pages of this origin may not open streams.", "FORBIDDEN")
        if self.live.draining:
            raise unavailable("The server restarts: try again.")
        if self.live.strangers(network_of(request)) >= self.limits.strangers:
            self.live.refusals["strangers_of_network"] += 1
            raise unavailable("Too many streams of this network on which nobody is signed in: try again.")

    def cursor(self, request: Request) -> str | None:
        """Where the client's `events` go on: `Last-Event-ID`, as EventSource has it. Raises `Refused`.

        For clients that repeat their first request when they come back, with the variables that it had.
        """
        cursor = request.headers.get("last-event-id") or None
        if cursor is not None and len(cursor) > LONGEST_CURSOR:
            raise refuse(400, f"Last-Event-ID is longer than {LONGEST_CURSOR} characters.")
        return cursor
