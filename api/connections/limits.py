"""How much one socket may ask for, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from api.json_values import MAX_VALUES


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """All times in seconds. The defaults are the design's."""

    init: float = 5.0
    """From the handshake to `connection_init`."""
    admission: float = 10.0
    """To check the token and attach; longer means that the database does not answer, and closes with 1013."""
    ping: float = 15.0
    """Between our pings, and again until a socket from which nothing arrived is dropped."""
    send: float = 10.0
    """Without progress of what was written."""
    told: float = 1.0
    """For streams to tell the last of it once what the session may do has changed. Nothing else is done for the socket by then."""
    operations: int = 16
    """Queries and subscriptions at once. Those that still unwind count too, from four times as many on."""
    mutations: int = 256
    """Mutations waiting for the one that runs: a burst of candidates arrives faster than it is stored."""
    mutation_bytes: int = 1024 * 1024
    """Of all frames of waiting mutations together."""
    mutation_grace: float = 5.0
    """What a running mutation is given to finish when its socket has gone: its client cannot tell whether it
    happened, and cancelling it would cost a database connection.
    """
    values: int = MAX_VALUES
    """Of the JSON of one message."""
    sockets_per_user: int = 5
    strangers: int = 1_000
    """Sockets of one network on which nobody is signed in (yet). A school that comes back all at once needs seconds for more; a
    stranger with a script must not take every file descriptor.
    """
