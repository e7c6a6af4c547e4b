"""The proxy of docker-compose.yml, with its own configuration, before real servers."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from api.clock import utc_now
from tests.acceptance import documents
from tests.acceptance.client import Api, Closed, Socket
from tests.acceptance.conftest import meet
from tests.acceptance.server import Server, free_port
from tests.conftest import LivedIn
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

CONFIGURATION = Path(__file__).parent.parent / "deploy" / "haproxy.cfg"
NOBODY = "127.0.0.1:1"
"""Where no server is."""
PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"  # where Debian puts it, and an ordinary user does not look
MISSING = "install HAProxy: apt-get install haproxy"

pytestmark = pytest.mark.skipif(shutil.which("haproxy", path=PATH) is None, reason=MISSING)


class Proxy:
    """HAProxy in the foreground, for as long as the context is open; `servers` are two of host:port."""

    def __init__(self, folder: Path, *servers: str, certificates: str = "", trusted: str = "") -> None:
        self.port, self.tls_port = free_port(), free_port()
        self._log = folder / "haproxy.log"
        self._environment = {
            "PROXY_HTTP": f"127.0.0.1:{self.port}",
            "PROXY_HTTPS": f"127.0.0.1:{self.tls_port}",
            "PROXY_CERTIFICATES": certificates,
            "PROXY_TRUSTED": trusted,
            "PROXY_SERVER_1": servers[0],
            "PROXY_SERVER_2": servers[1],
        }

    @property
    def url(self) -> str:
        """Where it listens without TLS."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        program = shutil.which("haproxy", path=PATH)
        assert program is not None, MISSING
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-db", "-f", str(CONFIGURATION)], env=self._environment, stdout=log, stderr=log
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    async def ready(self) -> None:
        """Returns once a server answers through it."""

        async def answers() -> bool:
            assert self._process.poll() is None, self.log
            with suppress(httpx.TransportError):
                return (await http.get("/readyz", follow_redirects=False)).status_code in {200, 308}
            return False

        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            await until(answers)


@pytest.fixture(scope="module")
def server(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes what the proxy says of its clients."""
    with Server(lived_in(tmp_path_factory.mktemp("server") / "parley"), trusted_proxies="127.0.0.1") as server:
        yield server


@pytest.fixture
def proxy(server: Server, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before that server."""
    with Proxy(tmp_path, f"127.0.0.1:{server.port}", NOBODY) as proxy:
        yield proxy


async def test_strangers_meet_through_the_proxy(proxy: Proxy) -> None:
    """Sign-in over HTTP, and events and signals over a WebSocket: all that a call needs passes."""
    await proxy.ready()
    async with Api(proxy.url) as api:
        ada, ben = await api.sign_in("Ada"), await api.sign_in("Ben")
        for person in (ada, ben):
            await person.arrive()
        seat, _ = await meet(ada, ben, "proxies")
        await ada.send(seat.partner_id, {"offer": {"sdp": "v=0 " + 60_000 * "x"}})
        assert len((await ben.inbox.until("SignalReceived"))["signal"]["sdp"]) == 60_004
        for person in (ada, ben):
            await person.leave()
    assert "127.0.0.1" not in proxy.log, "the log tells no address of a client"
    assert "POST /graphql 200" in proxy.log, "but it tells what was asked"


async def _sign_ins(proxy: Proxy) -> int:
    """How many accounts somebody makes who claims to come from elsewhere each time, until they are stopped; at most 150."""
    await proxy.ready()
    body = {"query": documents.SIGN_IN, "variables": {"input": {"displayName": "Ada"}}}
    async with Api(proxy.url) as api:
        for number in range(150):
            claimed = {"x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for=198.51.100.{number}"}
            answer = (await api.http.post("/graphql", json=body, headers=claimed)).json()
            if "errors" in answer:
                assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
                return number
    return 150


async def test_a_client_cannot_say_where_it_comes_from(proxy: Proxy) -> None:
    """Limits count by network: whoever could choose theirs with each request would have none."""
    assert await _sign_ins(proxy) < 100


async def test_another_proxy_in_front_is_believed(server: Server, tmp_path: Path) -> None:
    """Who has something already that ends TLS puts it in front: without its word all clients would be one network."""
    addresses = (f"127.0.0.1:{server.port}", NOBODY)
    with Proxy(tmp_path, *addresses, trusted="192.0.2.0/24 127.0.0.1") as proxy:
        assert await _sign_ins(proxy) == 150


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/metrics/", "/metrics?x"])
async def test_metrics_are_not_for_the_public(proxy: Proxy, path: str) -> None:
    """How many people talk, and how a database fares, is the operator's to know."""
    await proxy.ready()
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{proxy.url}{path}")).status_code == 404


async def test_what_is_too_large_is_refused_at_the_door(proxy: Proxy) -> None:
    """Above 1 MiB the server says so in JSON; what is far beyond is not even carried to it."""
    await proxy.ready()
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as http:
        answer = await http.post("/graphql", json={"query": "x" * (1024 * 1024 + 1)})
        assert (answer.status_code, bool(answer.json()["errors"])) == (413, True)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    writer.close()
    assert "public/<NOSRV>" in proxy.log


# --------------------------------------------------------------------------------------- rolling restart


@dataclass
class Knocking:
    """Somebody who asks over HTTP and opens a socket, again and again; and what went wrong meanwhile."""

    url: str
    asked: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Knocks until it is cancelled."""
        async with Api(self.url) as api:
            while True:
                try:
                    await api.run(documents.STATS)
                    await (await Socket.open(api.url)).close()
                except Exception as error:  # noqa: BLE001  # whatever it is, it is what a user saw
                    self.failures.append(repr(error))
                self.asked += 1
                await asyncio.sleep(0.01)

    async def go_on(self) -> None:
        """Returns once they have knocked ten times more."""
        before = self.asked
        await until(lambda: self.asked > before + 10)


async def test_servers_restart_one_after_the_other_and_nobody_is_turned_away(lived_in: LivedIn, tmp_path: Path) -> None:
    """An upgrade on a Friday evening: open sockets are told to come back, and whoever comes finds a server that serves."""
    settings = {"drain_seconds": 2, "rate_limits": "off"}
    servers = [Server(lived_in(tmp_path / name / "parley"), **settings) for name in ("one", "two")]
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_until_ready()
        with Proxy(tmp_path, *(f"127.0.0.1:{server.port}" for server in servers)) as proxy:
            await proxy.ready()
            waiting = [await Socket.open(f"{proxy.url}/graphql") for _ in range(8)]
            knocking = Knocking(proxy.url)
            task = asyncio.create_task(knocking.run())
            first, second = servers
            assert await asyncio.to_thread(first.terminate) == 0
            await knocking.go_on()
            await asyncio.to_thread(first.start)
            await until(lambda: "Server servers/1 is UP" in proxy.log)
            assert await asyncio.to_thread(second.terminate) == 0
            await knocking.go_on()
            ends = [await socket.closed() for socket in waiting]
            task.cancel()
        assert {end.code for end in ends} == {1012}, "both were told, by whichever server they had"
        assert knocking.failures == []
    finally:
        for server in servers:
            server.end()


# --------------------------------------------------------------------------------------- TLS


def _certificate(folder: Path) -> ssl.SSLContext:
    """Writes a certificate for 127.0.0.1 and its key into one file of `folder`, and makes the context of who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir()
    (folder / "localhost.pem").write_bytes(certificate + secret)
    return ssl.create_default_context(cadata=certificate.decode())


async def test_with_a_certificate_everything_is_encrypted(server: Server, tmp_path: Path) -> None:
    """Browsers give a camera to pages of https only, and tokens are not for a coffee shop's network."""
    trusted = _certificate(tmp_path / "certificates")
    certificates = str(tmp_path / "certificates")
    with Proxy(tmp_path, f"127.0.0.1:{server.port}", NOBODY, certificates=certificates) as proxy:
        await proxy.ready()
        secure = f"https://127.0.0.1:{proxy.tls_port}"
        async with httpx.AsyncClient(verify=trusted, trust_env=False) as http:
            plain = await http.get(f"{proxy.url}/readyz")
            assert plain.status_code == 308
            assert plain.headers["location"].startswith("https://")
            answer = await http.get(f"{secure}/readyz")
            assert answer.status_code == 200
            assert "max-age" in answer.headers["strict-transport-security"]
        socket = Socket(
            await connect(
                f"wss://127.0.0.1:{proxy.tls_port}/graphql",
                subprotocols=[Subprotocol("graphql-transport-ws")],
                ssl=trusted,
                proxy=None,
            )
        )
        await socket.send({"type": "connection_init"})
        assert "online" in (await socket.run(documents.STATS))
        await socket.close()
        with pytest.raises(Closed):
            await socket.send({"type": "ping"})
