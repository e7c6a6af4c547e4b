"""The bus on a real Valkey and on a real PostgreSQL: every fault that was seen to lose messages, on both."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import asyncpg
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis

from persistence.bus import GAP, Received, ReliableBroadcast, links, open_bus
from persistence.embedded import EmbeddedPostgres
from tests.proxy import Proxy, proxy
from tests.valkey import Valkey
from tests.waiting import Stopwatch, until

MANY = 4_000
NOTICED_SECONDS = 10.0
NOTICED_AT_ONCE_SECONDS = 4.5
"""A connection that ends by word is noticed by that, before the heartbeat of 5 s."""
STOPPED_SECONDS = 4.5


class RedisServer:
    """A Valkey, and what an operator can do to it."""

    def __init__(self, valkey: Valkey) -> None:
        self.url = valkey.url
        self.target: int | Path = valkey.port
        self._valkey = valkey

    async def kill_connections(self, name: str) -> None:
        """Ends the connections of that kind: `bus` listens, `bus publisher` publishes."""
        async with Redis.from_url(self.url) as admin:
            clients = await admin.client_list()
            named = [client for client in clients if client["name"] == f"parley {name}".replace(" ", "-")]
            assert named
            for client in named:
                await admin.client_kill_filter(_id=client["id"])

    async def connections(self) -> int:
        """How many connections the bus has."""
        async with Redis.from_url(self.url) as admin:
            return sum(client["name"].startswith("parley") for client in await admin.client_list())

    async def publish(self, channel: str, message: str) -> None:
        """Past our bus."""
        async with Redis.from_url(self.url) as admin:
            await admin.publish(channel, message)

    def through(self, port: int) -> str:
        """The address through a proxy."""
        return f"redis://127.0.0.1:{port}"

    async def restart(self) -> None:
        self._valkey.kill()
        await asyncio.sleep(0.05)
        self._valkey.start()

    def freeze(self) -> None:
        self._valkey.freeze()

    def thaw(self) -> None:
        self._valkey.thaw()


class PostgresServer:
    """The PostgreSQL of the tests, and what an operator can do to it."""

    def __init__(self, cluster: EmbeddedPostgres, url: str) -> None:
        self.url = url
        self.target: int | Path = cluster.socket_folder / ".s.PGSQL.5432"
        self._cluster = cluster
        self._frozen: list[psutil.Process] = []

    async def kill_connections(self, name: str) -> None:
        assert await self._ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1",
            f"parley {name}",
        )

    async def connections(self) -> int:
        return int(await self._ask("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'parley bus%'"))

    async def publish(self, channel: str, message: str) -> None:
        await self._ask("SELECT count(pg_notify($1, $2))", channel, message)

    def through(self, port: int) -> str:
        name = self.url.rpartition("@/")[2].partition("?")[0]
        return f"postgresql://parley@127.0.0.1:{port}/{name}?sslmode=disable"

    async def restart(self) -> None:
        """A backend that dies by force makes PostgreSQL end all others and recover."""
        os.kill(await self.publisher_pid(), signal.SIGKILL)

    async def publisher_pid(self) -> int:
        """The process behind the publishing connection."""
        return await self._ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'parley bus publisher'")

    def freeze(self) -> None:
        postmaster = psutil.Process(self._cluster.pid)
        self._frozen = [postmaster, *postmaster.children(recursive=True)]
        for process in self._frozen:
            process.suspend()

    def thaw(self) -> None:
        frozen, self._frozen = self._frozen, []
        for process in frozen:
            if process.is_running():
                process.resume()

    async def _ask(self, query: str, *values: str) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query, *values)  # type: ignore[no-any-return]
        finally:
            await connection.close()


Server = RedisServer | PostgresServer


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey for all tests of this file."""
    with Valkey(tmp_path_factory.mktemp("v")) as server:
        yield server


@pytest.fixture(params=["redis", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server after the other."""
    running: Server
    if request.param == "redis":
        running = RedisServer(request.getfixturevalue("valkey"))
    else:
        running = PostgresServer(request.getfixturevalue("postgres"), request.getfixturevalue("database_url"))
    yield running
    running.thaw()


@asynccontextmanager
async def bus_at(url: str) -> AsyncIterator[ReliableBroadcast]:
    """A connected bus, which leaves within two seconds whatever happened, and leaves no task."""
    before = asyncio.all_tasks()
    bus = open_bus(url)
    await bus.connect()
    try:
        yield bus
    finally:
        with Stopwatch() as watch:
            await bus.disconnect()
            assert watch.seconds < STOPPED_SECONDS
        left = [task for task in asyncio.all_tasks() - before if "bus" in task.get_name() or "asyncpg" in repr(task)]
        assert left == []


@pytest.fixture
async def bus(server: Server) -> AsyncIterator[ReliableBroadcast]:
    """A connected bus on the server."""
    async with bus_at(server.url) as connected:
        yield connected


async def take(messages: AsyncIterator[Received], seconds: float = 20.0) -> Received:
    """The next message, with a deadline."""
    async with asyncio.timeout(seconds):
        return await anext(messages)


async def flows(bus: ReliableBroadcast, messages: AsyncIterator[Received], channel: str = "c") -> None:
    """A message goes out and comes in. What was published before, or is lost with an old connection, is passed over."""
    text = f"again {time.monotonic()}"

    async def told() -> bool:
        try:
            await bus.publish(channel, text)
        except ConnectionError:
            return False
        return True

    await until(told)
    while await take(messages) != text:
        pass


async def test_what_is_published_after_subscribing_arrives_in_order(bus: ReliableBroadcast, server: Server) -> None:
    """Delivery at all: broadcaster's own backend delivers nothing with redis-py 8. Text of any script comes as it was."""
    async with bus.subscribe("c") as messages:
        await bus.publish("c", "first")
        await bus.publish("elsewhere", "not for us")
        await bus.publish("c", "zweitens ☃ 𝄞 'quoted' %s $1")
        await server.publish("c", "from another worker")
        assert [await take(messages) for _ in range(3)] == [
            "first",
            "zweitens ☃ 𝄞 'quoted' %s $1",
            "from another worker",
        ]
    assert bus.connected
    assert (bus.losses, bus.gaps, bus.failed_publishes) == (0, 0, 0)


async def test_thousands_publish_at_once_over_two_connections(bus: ReliableBroadcast, server: Server) -> None:
    """With broadcaster's own 3,999 of 4,000 fail on PostgreSQL; a connection for each would exhaust it."""
    async with bus.subscribe("c") as messages:
        publishing = asyncio.gather(*(bus.publish("c", str(i)) for i in range(MANY)))
        received = [await take(messages) for _ in range(MANY)]
        await publishing
        assert received == [str(i) for i in range(MANY)]
        assert await server.connections() == 2


async def test_equal_messages_are_delivered_each(bus: ReliableBroadcast) -> None:
    """PostgreSQL would deliver one of those that one transaction publishes: who counts them would wait for ever."""
    async with bus.subscribe("c") as messages:
        await asyncio.gather(*(bus.publish("c", text) for text in "aabbbab"))
        assert [await take(messages) for _ in range(7)] == list("aabbbab")


async def test_both_of_two_first_subscribers_get_everything(bus: ReliableBroadcast) -> None:
    """With broadcaster's own one of them hears nothing."""
    ready = asyncio.Barrier(3)

    async def read() -> list[Received]:
        async with bus.subscribe("c") as messages:
            await ready.wait()
            return [await take(messages) for _ in range(3)]

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await ready.wait()
    for i in range(3):
        await bus.publish("c", str(i))
    assert await asyncio.gather(*readers) == [["0", "1", "2"]] * 2


async def test_whoever_subscribes_while_others_leave_is_subscribed(bus: ReliableBroadcast) -> None:
    """A channel is given back and taken again many times a second: each time what is published after subscribing arrives."""

    async def come_and_go(name: str) -> None:
        for i in range(25):
            async with bus.subscribe(f"c{i % 2}") as messages:
                await bus.publish(f"c{i % 2}", f"{name} {i}")
                while await take(messages) != f"{name} {i}":
                    pass

    await asyncio.gather(*(come_and_go(str(i)) for i in range(8)))
    assert bus.gaps == 0


async def test_subscribing_returns_only_once_the_server_has_answered(server: Server) -> None:
    """What is published right after subscribing is not lost."""
    async with proxy(server.target) as (cable, port), bus_at(server.through(port)) as bus:
        entered = asyncio.Event()

        async def read() -> Received:
            async with bus.subscribe("c") as messages:
                entered.set()
                return await take(messages)

        await until(lambda: bus.connected)
        cable.carries.clear()
        reader = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        assert not entered.is_set()
        cable.carries.set()
        await entered.wait()
        await server.publish("c", "first")
        assert await reader == "first"


@pytest.mark.parametrize("fault", ["listener killed", "server restarted", "cable cut"])
async def test_a_lost_connection_is_a_gap_and_then_messages_flow(server: Server, fault: str) -> None:
    """The gap comes once the server has confirmed the channels again: what is published from then on arrives."""
    async with proxy(server.target) as (cable, port), bus_on(server, cable, port, fault) as bus:
        async with bus.subscribe("a") as a, bus.subscribe("b") as b:
            await flows(bus, a, "a")
            if fault == "listener killed":
                await server.kill_connections("bus")
            elif fault == "server restarted":
                await server.restart()
            else:
                cable.cut()
            await until(lambda: bus.losses, NOTICED_AT_ONCE_SECONDS)
            assert await take(a) is GAP
            await server.publish("a", "right after the gap")
            assert await take(a) == "right after the gap"
            assert await take(b) is GAP
            await flows(bus, b, "b")
        assert bus.connected
        assert bus.losses >= 1
        assert bus.gaps == 2


@asynccontextmanager
async def bus_on(server: Server, cable: Proxy, port: int, fault: str) -> AsyncIterator[ReliableBroadcast]:
    """Through the cable where the fault is in it. PostgreSQL listens on a Unix socket only: there the proxy has TCP."""
    async with bus_at(server.through(port) if fault.startswith("cable") else server.url) as bus:
        yield bus


async def test_a_publisher_does_not_notice_that_its_connection_went_stale(
    bus: ReliableBroadcast, server: Server
) -> None:
    """A connection that was cut while it idled costs one more attempt, and no hint."""
    async with bus.subscribe("c") as messages:
        await bus.publish("c", "before")
        await server.kill_connections("bus publisher")
        await bus.publish("c", "after")
        assert [await take(messages), await take(messages)] == ["before", "after"]
    assert bus.losses == 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same times, a fifth of them: what is shown is that each is kept."""
    for name in ("HEARTBEAT_SECONDS", "REPLY_SECONDS", "CONNECT_SECONDS", "SEND_SECONDS", "PUBLISH_SECONDS"):
        short = getattr(links, name) / 5
        for module in ("links", "redis", "postgres"):
            monkeypatch.setattr(f"persistence.bus.{module}.{name}", short, raising=False)


@pytest.mark.parametrize("fault", ["server frozen", "cable tied off"])
async def test_a_server_that_says_nothing_is_noticed(server: Server, fault: str, quick: None) -> None:
    """Nothing tells of a silent peer but its silence: publishers are told within seconds, readers after the heartbeat."""
    async with (
        proxy(server.target) as (cable, port),
        bus_on(server, cable, port, fault) as bus,
        bus.subscribe("c") as messages,
    ):
        await flows(bus, messages)
        with Stopwatch() as watch:
            freeze: Callable[[], None] = server.freeze if fault.startswith("server") else cable.carries.clear
            freeze()
            with pytest.raises(ConnectionError):
                await bus.publish("c", "into the void")
            assert watch.seconds < NOTICED_SECONDS / 5
            await until(lambda: not bus.connected)
            assert watch.seconds < NOTICED_SECONDS / 5
        assert bus.failed_publishes >= 1
        server.thaw()
        cable.carries.set()
        assert await take(messages) is GAP
        await flows(bus, messages)


async def test_a_quiet_bus_is_not_taken_for_a_lost_one(server: Server, quick: None) -> None:
    """At night nobody publishes for minutes: the heartbeat makes the server speak, and nothing is connected again."""
    async with bus_at(server.url) as bus, bus.subscribe("c") as messages:
        await asyncio.sleep(1.5 * (links.HEARTBEAT_SECONDS + links.REPLY_SECONDS))
        assert bus.losses == 0
        await flows(bus, messages)
        assert bus.gaps == 0


async def test_leaving_a_frozen_server_does_not_hang(server: Server) -> None:
    """A shutdown takes no longer because the bus is ill. Subscribers end, publishers are told, those who still subscribe too."""
    async with bus_at(server.url) as bus:

        async def read(channel: str) -> list[Received]:
            async with bus.subscribe(channel) as messages:
                ready.set()
                return [message async for message in messages]

        ready = asyncio.Event()
        reader = asyncio.create_task(read("c"))
        await ready.wait()
        server.freeze()
        late = asyncio.create_task(read("late"))
        publishing = asyncio.gather(*(bus.publish("c", "x" * 7_000) for _ in range(2_000)), return_exceptions=True)
        await asyncio.sleep(0.05)
    server.thaw()
    for ended in (reader, late):
        assert await asyncio.wait_for(ended, STOPPED_SECONDS) == []
    assert {type(each) for each in await publishing} == {ConnectionError}

    async def gone() -> bool:
        return await server.connections() == 0

    await until(gone)


async def test_leaving_while_it_reconnects_does_not_hang(server: Server, quick: None) -> None:
    """The same in the middle of an attempt to connect."""
    async with proxy(server.target) as (cable, port), bus_at(server.through(port)):
        cable.carries.clear()
        before = cable.connections
        cable.cut()
        await until(lambda: cable.connections > before)


async def test_the_death_of_a_task_inside_is_not_silent(bus: ReliableBroadcast) -> None:
    """Whatever ends the reader, the heartbeat or the publisher: subscribers hear of it, and the next message flows."""
    async with bus.subscribe("c") as messages:
        await flows(bus, messages)
        for name in ("bus-reader", "bus-heartbeat", "bus-publisher"):
            for task in asyncio.all_tasks():
                if task.get_name() == name:
                    task.cancel()
                    assert await take(messages) is GAP
                    await flows(bus, messages)


async def test_a_reader_that_lags_gets_a_gap_and_the_memory_stays_bounded(
    bus: ReliableBroadcast, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is busy elsewhere while a flood comes in drops it, says so, and keeps its connection."""
    monkeypatch.setattr(links, "BACKLOG_LIMIT", 100)
    monkeypatch.setattr("persistence.bus.reliable.QUEUE_LIMIT", 100)
    async with bus.subscribe("c") as messages:
        await asyncio.gather(*(bus.publish("c", str(i)) for i in range(2_000)))
        await bus.publish("c", "end")
        received = [await take(messages)]
        while received[-1] != "end":
            received.append(await take(messages))
        assert GAP in received
        assert len(received) < 500
        rest = [int(message) for message in received[:-1] if isinstance(message, str)]
        assert all(one < next_one for one, next_one in pairwise(rest))
    assert bus.losses == 0
    assert bus.gaps >= 1


async def test_a_server_that_is_away_is_an_error_at_once(server: Server, tmp_path: Path) -> None:
    """A wrong address, a wrong password: the operator reads it at start, and never the password."""
    refused = open_bus(server.through(1).replace("127.0.0.1", "user:hunter2@127.0.0.1").replace("parley@user", "user"))
    with Stopwatch() as watch:
        with pytest.raises(ConnectionError) as caught:
            await refused.connect()
        assert watch.seconds < STOPPED_SECONDS
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConnectionError):
        await refused.publish("c", "x")


async def test_while_the_bus_is_down_publishing_says_so(server: Server) -> None:
    """The caller decides what a lost hint means; it does not wait for the bus to come back."""
    async with proxy(server.target) as (cable, port), bus_at(server.through(port)) as bus:
        cable.target = 1
        cable.cut()
        await until(lambda: not bus.connected)
        with Stopwatch() as watch:
            with pytest.raises(ConnectionError):
                await bus.publish("c", "lost")
            assert watch.seconds < STOPPED_SECONDS
        cable.target = server.target
        await until(lambda: bus.connected)
        async with bus.subscribe("c") as messages:
            await flows(bus, messages)


# ------------------------------------------------------------------------------------- Redis alone


async def test_a_password_opens_and_a_wrong_one_is_refused_at_once(tmp_path: Path) -> None:
    """Over TCP and over a Unix socket. The refusal does not tell the password."""
    with Valkey(tmp_path, password="s3cret/pass") as valkey:
        quoted = "s3cret%2Fpass"
        for url in (valkey.url, valkey.socket_url):
            async with bus_at(url.replace(valkey.password, quoted)) as bus, bus.subscribe("c") as messages:
                await flows(bus, messages)
            with pytest.raises(ConnectionError, match="cannot be reached") as caught:
                await open_bus(url.replace(valkey.password, "wr0ng")).connect()
            assert "wr0ng" not in str(caught.value)
        with pytest.raises(ConnectionError, match="cannot be reached"):
            await open_bus(f"redis://127.0.0.1:{valkey.port}").connect()


async def test_a_user_and_a_database_number_are_taken_from_the_address(valkey: Valkey) -> None:
    """A bus on a shared server has a user who may do nothing else. `valkey://` is another name of `redis://`."""
    async with Redis.from_url(valkey.url) as admin:
        await admin.execute_command(  # type: ignore[no-untyped-call]
            "ACL", "SETUSER", "parley", "on", ">pass word", "resetchannels", "&*", "+@pubsub", "+@connection"
        )
    async with (
        bus_at(f"valkey://parley:pass%20word@127.0.0.1:{valkey.port}/3") as bus,
        bus.subscribe("c") as messages,
    ):
        await flows(bus, messages)


async def test_tls_is_spoken_and_the_certificate_is_checked(valkey: Valkey, tmp_path: Path) -> None:
    """`rediss://` to a server whose certificate we know; to one that we do not know nothing is sent."""
    certificate = certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with proxy(valkey.port, tls=context) as (_, port):
        for scheme in ("rediss", "valkeys"):
            url = f"{scheme}://127.0.0.1:{port}?ssl_ca_certs={certificate}"
            async with bus_at(url) as bus, bus.subscribe("c") as messages:
                await flows(bus, messages)
        with pytest.raises(ConnectionError, match=r"(?i)certificate"):
            await open_bus(f"rediss://127.0.0.1:{port}").connect()


def certify(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


# -------------------------------------------------------------------------------- PostgreSQL alone


async def test_what_postgresql_cannot_carry_is_refused_alone(database_url: str) -> None:
    """8,000 bytes end a NOTIFY with an error: the publisher is told, and others in the same batch are not hurt."""
    async with bus_at(database_url) as bus, bus.subscribe("c") as messages:
        texts = ["x" * 7_999, "ü" * 3_999, "x" * 8_000, "ü" * 4_000, "a\0b", "\ud800"]
        answers = await asyncio.gather(*(bus.publish("c", text) for text in texts), return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(None)] * 2 + [ValueError] * 3 + [UnicodeEncodeError]
        assert [await take(messages), await take(messages)] == texts[:2]
        with pytest.raises(ValueError, match="63 bytes"):
            await bus.publish("c" * 64, "cut off in silence otherwise")


async def test_a_publishing_connection_that_says_nothing_is_replaced(
    postgres: EmbeddedPostgres, database_url: str, quick: None
) -> None:
    """One frozen backend does not hold up all hints of a worker while everything else is well."""
    async with bus_at(database_url) as bus, bus.subscribe("c") as messages:
        await bus.publish("c", "before")
        publisher = PostgresServer(postgres, database_url)
        frozen = psutil.Process(await publisher.publisher_pid())
        frozen.suspend()
        try:
            await bus.publish("c", "after")
        finally:
            frozen.resume()
        assert [await take(messages), await take(messages)] == ["before", "after"]
        assert bus.losses == 0


async def test_the_usage_of_the_notification_queue_is_known(database_url: str) -> None:
    """A queue that fills up is seen before it stops every NOTIFY of the cluster."""
    bus = open_bus("postgresql://", database_url)
    assert bus.queue_usage is None
    await bus.connect()
    try:
        await until(lambda: bus.queue_usage is not None)
        assert bus.queue_usage == 0.0
    finally:
        await bus.disconnect()
    assert open_bus("memory://").queue_usage is None


# --------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("kafka://hunter2@somewhere", "The bus kafka is not supported: set PARLEY_BUS_URL to memory://"),
        ("hunter2", "The bus without a scheme is not supported"),
        ("redis://", "names no server"),
        ("redis://user:hun/ter2@host", "is not understood"),
        ("redis://host:99999", "is not understood"),
        ("redis://host?hunter2=1", "is not understood"),
        ("rediss://host?ssl_cert_reqs=hunter2", "is not understood"),
        ("postgresql://", "set PARLEY_DATABASE_URL"),
    ],
)
def test_an_address_that_cannot_be_served_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    """An operator reads what to set, not a traceback from inside a library, and no log keeps a password."""
    with pytest.raises(ValueError, match=sentence) as caught:
        open_bus(url)
    assert "hunter2" not in str(caught.value)
    assert "ter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_an_address_of_postgresql_that_is_not_understood_says_nothing_of_its_password() -> None:
    """It is found out only when asyncpg connects, whose message quotes a part of it."""
    with pytest.raises(ConnectionError, match="cannot be reached") as caught:
        await open_bus("postgresql://user:hun/ter2@host").connect()
    assert "hun" not in str(caught.value)
