"""The relay of docker-compose.yml: a real coturn, run as there, and the credentials that Parley gives out."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aioice import turn
from aioice.stun import TransactionFailed

from api.clock import utc_now
from domain.signaling import turn_credentials
from tests.acceptance.server import free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SCRIPT = Path(__file__).parent.parent / "deploy" / "turnserver.sh"
SECRET = "a secret of Parley and coturn"
HERE = "127.0.0.1"

pytestmark = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="install coturn: apt-get install --no-install-recommends coturn"
)

Address = tuple[str, int]
PUBLIC = ["8.8.8.8", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.167.0.1", "198.20.0.1", "223.255.255.1"]
"""Addresses of the Internet, some right beside a range that is private."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """Where coturn listens. It may relay to this machine itself here, because its own ports are on it."""
    port = free_port()
    folder = tmp_path_factory.mktemp("relay")
    log = folder / "log"
    arguments = [f"--listening-port={port}", "--allow-loopback-peers", "--min-port=50000", "--max-port=50999"]
    environment = {"PARLEY_TURN_SECRET": SECRET, "TURN_PUBLIC_IP": HERE, "TMPDIR": str(folder)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["sh", str(SCRIPT), *arguments], env=environment | {"PATH": os.environ["PATH"]}, stdout=out, stderr=out
        )
    try:

        async def listening() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                _, writer = await asyncio.open_connection(HERE, port)
            except ConnectionRefusedError:
                return False
            writer.close()
            return True

        asyncio.run(until(listening))
        yield HERE, port
        assert SECRET not in log.read_text()
    finally:
        process.kill()  # on SIGTERM it takes its time
        process.wait(30)


@dataclass
class Heard(asyncio.DatagramProtocol):
    """What arrives at a relayed address, and what went wrong with what was sent from it."""

    data: list[tuple[bytes, Address]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.data.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


@asynccontextmanager
async def allocated(
    relay: Address, secret: str = SECRET, *, valid: timedelta = timedelta(hours=1), transport: str = "udp"
) -> AsyncIterator[tuple[turn.TurnTransport, Heard]]:
    """A port of the relay, got with credentials as `iceConfiguration` makes them. Raises `TransactionFailed`."""
    name, credential = turn_credentials(secret, "b7c0ffee", utc_now() + valid)
    port, heard = await turn.create_turn_endpoint(Heard, relay, name, credential, transport=transport)
    try:
        yield port, heard
    finally:
        port.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_strangers_are_relayed_to_each_other(relay: Address, transport: str) -> None:
    """Strangers never learn each other's address: both talk through the relay, so it has to reach its own ports."""
    async with allocated(relay, transport=transport) as (one, heard), allocated(relay) as (other, also_heard):
        here, there = one.get_extra_info("sockname"), other.get_extra_info("sockname")
        assert here[0] == there[0] == HERE
        # What comes before the other side allowed it is dropped, as with ICE: both keep trying.

        async def told_each_other() -> bool:
            one.sendto(b"hello", there)
            other.sendto(b"hello yourself", here)
            return bool(heard.data and also_heard.data)

        await until(told_each_other)
        assert heard.data[0] == (b"hello yourself", there)
        assert also_heard.data[0] == (b"hello", here)


@pytest.mark.parametrize(
    ("secret", "valid"),
    [("another secret", timedelta(hours=1)), (SECRET, timedelta(seconds=-5))],
    ids=["forged", "over"],
)
async def test_credentials_that_are_not_good_open_nothing(relay: Address, secret: str, valid: timedelta) -> None:
    """An open relay is found within a day, and then carries everybody's traffic at the operator's cost."""
    with pytest.raises(TransactionFailed, match="401"):
        async with allocated(relay, secret, valid=valid):
            pass


@pytest.mark.parametrize(
    "peer",
    ["10.0.0.5", "172.17.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"],  # noqa: S104  # a peer
)
async def test_the_relay_is_no_way_into_private_networks(relay: Address, peer: str) -> None:
    """Behind the relay's machine are a database and a cloud's metadata service: a stranger has no business there."""
    async with allocated(relay) as (port, heard):
        port.sendto(b"let me in", (peer, 5432))
        await until(lambda: heard.errors)
        assert "403" in str(heard.errors[0])


async def test_the_relay_reaches_the_rest_of_the_world(relay: Address, caplog: pytest.LogCaptureFixture) -> None:
    """Friends behind different routers: one is relayed, the other has a public address. A range too wide would end their call."""
    caplog.set_level("INFO", "aioice.turn")
    async with allocated(relay) as (port, heard):
        for peer in PUBLIC:
            port.sendto(b"hello", (peer, 9))  # goes nowhere: nothing leaves a machine from 127.0.0.1
        await until(lambda: heard.errors or caplog.text.count("channel bound") == len(PUBLIC))
        assert heard.errors == []
