"""One real server for each module, and somebody well-behaved on it who must not notice anything."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.acceptance.server import Server
from tests.conftest import LivedIn
from tests.waiting import DEADLINE

SIGN_IN = """mutation {
  signInAnonymously(input: {displayName: "Ada"}) { ... on SignInAnonymouslySuccess { session { accessToken } } }
}"""
FAULT = re.compile(
    r"Traceback|operation_failed|\[error|\[critical|\"level\": ?\"(error|critical)\"|exception", re.IGNORECASE
)


@dataclass
class Victim:
    """The server, and how it is."""

    server: Server
    token: str = field(repr=False)
    probe: ClientConnection
    """It answers no pings but by asking: who does not look at it for half a minute finds it dropped."""
    _looked_at: int = 0
    _asked: int = 0

    def is_well(self) -> None:
        """The probe's socket and a request get their answers, and nothing went wrong in the log since the last look."""
        self._asked += 1
        ask = {"id": str(self._asked), "type": "subscribe", "payload": {"query": "{ me { id } }"}}
        self.probe.send(orjson.dumps(ask).decode())
        answers = [self._received(), self._received()]
        assert [(answer["type"], answer["id"]) for answer in answers] == [
            ("next", str(self._asked)),
            ("complete", str(self._asked)),
        ]
        assert answers[0]["payload"]["data"]["me"]["id"]
        self.logged_nothing()

    def logged_nothing(self) -> None:
        """No traceback, and nothing that the server takes for a fault of its own."""
        with self.server.logged.open("rb") as log:
            log.seek(self._looked_at)
            new = log.read()
        self._looked_at += len(new)
        text = new.decode(errors="replace")
        assert not FAULT.search(text), text[-5_000:]

    def metrics(self) -> dict[str, float]:
        """Each of them, by name and labels."""
        lines = httpx.get(f"{self.server.url}/metrics", trust_env=False, timeout=DEADLINE).text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def settles(self) -> dict[str, float]:
        """Waits until nothing but the probe is left of all sockets and operations. Raises `AssertionError`."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = self.metrics()
            if (found["parley_sockets"], found["parley_operations"]) == (1, 0):
                return found
            assert time.monotonic() < deadline, (found["parley_sockets"], found["parley_operations"])
            time.sleep(0.05)

    def _received(self) -> Any:  # noqa: ANN401 - JSON
        while True:
            message = orjson.loads(self.probe.recv(DEADLINE))
            if message["type"] != "ping":
                return message
            self.probe.send('{"type": "pong"}')


@pytest.fixture(scope="module")
def victim(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server as people run it, but for its rates: they would answer most of what is tried."""
    folder = tmp_path_factory.mktemp("fuzz")
    with Server(lived_in(folder / "parley"), rate_limits="off", log_level="info") as server:
        answer = httpx.post(f"{server.url}/graphql", json={"query": SIGN_IN}, trust_env=False, timeout=DEADLINE).json()
        token = answer["data"]["signInAnonymously"]["session"]["accessToken"]
        with connect(
            f"ws://127.0.0.1:{server.port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            compression=None,
            ping_interval=None,
            proxy=None,
        ) as probe:
            probe.send(
                orjson.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}).decode()
            )
            assert orjson.loads(probe.recv(DEADLINE)) == {"type": "connection_ack"}
            victim = Victim(server, token, probe)
            victim.is_well()
            yield victim
            victim.is_well()
            counted = victim.settles()
            assert counted.get('parley_sockets_closed_total{code="1011"}', 0) == 0
