"""For how long what nobody should send keeps a worker's loop, and with it everybody on that worker.

Each is sent three times, over one connection or by a crowd in the same moment, to a server whose loop has a heart
(`bench.heartbeat`). The figure is the longest pause of that heart, in CPU time of the loop's thread, so that a busy machine does
not count, and beside it nothing: the promise is 50 ms, and the notes say where it is broken. Rates are off: they would refuse most
of it at the door.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from bench.heartbeat import FILE_SUFFIX
from bench.hostile import asked, floods, frame, large, requests, subscribe
from bench.report import Figure
from tests.acceptance.server import Server
from tests.fuzz.conftest import SIGN_IN
from tests.fuzz.wires import HANDSHAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROMISE = 0.05
TIMES = 3
PATIENCE = 60.0
CROWD = 30


class Beating(Server):
    """A server with a heart."""

    program = ("bench.heartbeat", "serve")

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """What is sent to it meanwhile comes to it in one turn of its loop."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def pause(self) -> float:
        """Seconds of CPU in the longest pause since the last time."""
        told = self.data_dir.with_suffix(FILE_SUFFIX)
        told.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        while not told.exists():
            time.sleep(0.002)
        return float(json.loads(told.read_text())["cpu"])


def measure(*, quick: bool = False) -> list[Figure]:
    """Runs one server for all."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        Beating(Path(folder) / "parley", rate_limits="off", log_level="error") as server,
    ):
        answer = httpx.post(f"{server.url}/graphql", json={"query": SIGN_IN}, trust_env=False, timeout=PATIENCE).json()
        token = str(answer["data"]["signInAnonymously"]["session"]["accessToken"])
        sends = [(name, partial(_request, server.port, sent, token)) for name, sent in requests()]
        sends += [(name, partial(_flood, server.port, sent, token)) for name, sent in floods()]
        marks = itertools.count()
        for name, crowd in (("sockets", _sockets), ("requests", _requests)):
            sends.append((f"new documents of {CROWD} {name} at once", partial(crowd, server, marks)))
        return [_measured(server, name, send, 1 if quick else TIMES) for name, send in sends]


def _measured(server: Beating, name: str, send: Callable[[], None], times: int) -> Figure:
    worst = 0.0
    for _ in range(times):
        server.pause()
        send()
        worst = max(worst, server.pause())
    return Figure(name, worst * 1000, "ms", note="" if worst <= PROMISE else f"FAILED: above {PROMISE * 1000:.0f} ms")


def _request(port: int, sent: bytes, token: str) -> None:
    """Returns when the server has answered and closed."""
    head, end, body = sent.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection, suppress(OSError):
        with suppress(OSError):  # It need not read what it has refused.
            connection.sendall(head + b"\r\nAuthorization: Bearer " + token.encode() + end + body)
        while connection.recv(65_536):
            pass


def _flood(port: int, sent: bytes, token: str) -> None:
    """Returns when the server has closed, or has answered what comes behind the flood."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection, suppress(OSError):
        connection.sendall(HANDSHAKE)
        connection.recv(65_536)
        connection.sendall(
            frame(b'{"type":"connection_init","payload":{"authorization":"Bearer %b"}}' % token.encode())
        )
        connection.recv(65_536)
        sending = threading.Thread(target=_send, args=(connection, sent + subscribe("last", "{ __typename }")))
        sending.start()
        heard = b""
        try:
            while b'"id":"last"' not in heard and (more := connection.recv(65_536)):
                heard = heard[-100:] + more
        finally:
            connection.close()
            sending.join()


def _sockets(server: Beating, marks: Iterator[int]) -> None:
    """Returns when each has its answer."""
    with ExitStack() as stack:
        crowd = []
        for _ in range(CROWD):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
            connection.sendall(HANDSHAKE)
            connection.recv(65_536)
            connection.sendall(frame(b'{"type":"connection_init"}'))
            connection.recv(65_536)
            crowd.append(connection)
        with server.asleep():
            for connection in crowd:
                connection.sendall(subscribe("new", large(f"#{next(marks)}")))
        for connection in crowd:
            heard = b""
            while b'"id":"new"' not in heard:
                heard += connection.recv(65_536)
            if b"RATE_LIMITED" in heard:
                raise AssertionError(heard)


def _requests(server: Beating, marks: Iterator[int]) -> None:
    """Returns when each has its answer."""
    with ExitStack() as stack:
        crowd = []
        for _ in range(CROWD):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
            sent = asked(large(f"#{next(marks)}"))
            connection.sendall(sent[:20])
            crowd.append((connection, sent[20:]))
        server.pause()  # By then it has accepted all.
        with server.asleep():
            for connection, rest in crowd:
                connection.sendall(rest)
        for connection, _ in crowd:
            heard = b""
            while more := connection.recv(65_536):
                heard += more
            if not heard or b"RATE_LIMITED" in heard:
                raise AssertionError(heard)


def _send(connection: socket.socket, sent: bytes) -> None:
    with suppress(OSError):
        connection.sendall(sent)
