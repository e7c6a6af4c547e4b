"""Several workers on one port, as real processes: they share it, replace each other, and stop together."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import asyncpg
import httpx
import psutil
import pytest

from api.workers import ATTEMPTS
from persistence.embedded import EmbeddedPostgres
from tests.acceptance.client import Api, Socket
from tests.acceptance.server import Server, free_port
from tests.conftest import LivedIn
from tests.valkey import Valkey
from tests.waiting import until

WORKERS = 2
PATIENCE = 150.0
"""Seconds in which a worker, which loads everything anew, starts on a machine that is busy with other tests."""

ASK = (
    b"GET /graphql?query=%7Bstats%7Bonline%7D%7D HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Accept: application/graphql-response+json\r\n\r\n"
)
"""A question over a connection of its own."""


@pytest.fixture(scope="module")
def bus_url(postgres: EmbeddedPostgres) -> str:
    """A bus that several processes can use."""
    return postgres.dsn("postgres")


@pytest.fixture(scope="module")
def server(bus_url: str, lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, and a PostgreSQL of theirs."""
    folder = tmp_path_factory.mktemp("workers")
    with Server(lived_in(folder / "parley"), workers=WORKERS, bus_url=bus_url, rate_limits="off") as server:
        asyncio.run(welcomed(server))
        yield server


async def welcomed(server: Server) -> None:
    """Returns once all workers are ready: then the server says so. Before that one that ends takes the others with it."""
    await until(lambda: "Parley is ready" in server.printed.read_text(), PATIENCE)


async def spread(server: Server) -> dict[int, int]:
    """Eighty clients ask at once, all are answered: how many of them each worker holds."""
    async with httpx.AsyncClient(trust_env=False, timeout=20, limits=httpx.Limits()) as http:
        answers = await asyncio.gather(*(http.get(f"{server.url}/healthz") for _ in range(80)))
        assert {answer.status_code for answer in answers} == {200}
        return {
            pid: sum(
                held.status == psutil.CONN_ESTABLISHED and held.laddr.port == server.port
                for held in worker.net_connections("tcp")
            )
            for pid, worker in server.workers().items()
        }


async def all_serve(server: Server) -> bool:
    """Whether there are as many workers as should be, and connections reach each of them."""
    held = await spread(server)
    return len(held) == server.settings["workers"] and min(held.values()) > 0


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[list[str]]:
    """Meanwhile a client asks over a new connection each time, again and again; yields what went wrong."""
    faults: list[str] = []
    asked = 0
    ended = asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        while not ended.is_set():
            try:
                async with asyncio.timeout(20):
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    writer.write(ASK)
                    answer = await reader.read()
                    writer.close()
                if b'{"online":' not in answer:
                    faults.append(repr(answer))
            except OSError as error:
                faults.append(repr(error))
            asked += 1
            await asyncio.sleep(0.02)  # The new workers need a processor too.

    clients = [asyncio.create_task(ask()) for _ in range(3)]
    try:
        await until(lambda: asked)
        yield faults
        before = asked
        await until(lambda: asked > before + 10)
    finally:
        ended.set()
        await asyncio.gather(*clients)


async def test_connections_are_spread_over_the_workers(server: Server) -> None:
    """Several processes help only if each of them gets its share."""
    held = await spread(server)
    assert len(held) == WORKERS
    assert min(held.values()) >= 5, held


def test_the_welcome_is_printed_once_when_all_are_ready(server: Server) -> None:
    """Whoever starts it wants to know when, and not of each worker."""
    assert server.printed.read_text().count("Parley is ready") == 1


async def test_metrics_are_those_of_all_workers(server: Server) -> None:
    """Prometheus reaches one of them by chance."""
    async with Api(server.url) as api:
        sockets = [await Socket.open(api.url) for _ in range(8)]

        async def eight() -> bool:
            async with httpx.AsyncClient(trust_env=False) as http:  # a connection, and so a worker, of its own
                found = re.search(
                    r"^parley_sockets (\S+)", (await http.get(f"{server.url}/metrics")).text, re.MULTILINE
                )
            return found is not None and float(found[1]) == 8

        for _ in range(8):
            await until(eight)
        for opened in sockets:
            await opened.close()


async def test_a_worker_that_was_killed_is_started_again(server: Server) -> None:
    """A crash costs its users a reconnection, and nobody else anything."""
    before = set(server.workers())
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: victim not in server.workers())
    await until(lambda: all_serve(server), PATIENCE)
    assert len(set(server.workers()) - before) == 1
    await until(lambda: f"pid={victim}" in server.logged.read_text())


async def test_a_rolling_restart_refuses_nobody(server: Server) -> None:
    """New code comes into service at noon: a request is answered by the old or by the new, open sockets are told to come back."""
    before = set(server.workers())
    async with Api(server.url) as api:
        opened = await Socket.open(api.url)
        async with asking(server) as faults:
            os.kill(server.pid, signal.SIGHUP)
            await until(lambda: "all workers are replaced" in server.logged.read_text(), PATIENCE)
        assert faults == []
        assert not before & set(server.workers())
        assert len(server.workers()) == WORKERS
        assert (await opened.closed()).code == 1012


async def test_settings_that_do_not_do_leave_the_old_workers_in_service(server: Server) -> None:
    """A typing mistake in a restart must not be an outage."""
    before = set(server.workers())
    broken = server.data_dir.parent / ".env"
    broken.write_text("PARLEY_LOG_LEVEL=loud\n")
    try:
        async with asking(server) as faults:
            os.kill(server.pid, signal.SIGHUP)
            await until(lambda: "were not replaced" in server.logged.read_text(), PATIENCE)
            await until(lambda: set(server.workers()) == before)
    finally:
        broken.unlink()
    assert faults == []
    assert "PARLEY_LOG_LEVEL" in server.logged.read_text()


async def test_a_second_server_does_not_slip_in_on_the_shared_port(
    server: Server, bus_url: str, tmp_path: Path
) -> None:
    """The kernel would let it, as sockets of one user may share a port: half of the users would meet strangers of another world."""
    second = Server(tmp_path / "parley", port=server.port, workers=2, bus_url=bus_url)
    code, lines = second.refuse()
    assert (code, len(lines)) == (2, 1), lines
    assert f"Port {server.port} is in use" in lines[0]


# ------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("end", [Server.terminate, Server.interrupt], ids=["SIGTERM", "Ctrl-C"])
async def test_all_stop_together_and_tell_their_sockets_to_come_back(
    end: Callable[[Server], int], bus_url: str, lived_in: LivedIn, tmp_path: Path
) -> None:
    """A deployment stops several processes as it stops one."""
    with Server(lived_in(tmp_path / "parley"), workers=2, bus_url=bus_url, drain_seconds=0.5) as server:
        await welcomed(server)
        async with Api(server.url) as api:
            sockets = [await Socket.open(api.url) for _ in range(6)]
            assert await asyncio.to_thread(end, server) == 0
            for opened in sockets:
                assert (await opened.closed()).code == 1012
        assert server.none_left()
        assert "Traceback" not in server.output()


async def test_a_second_ctrl_c_ends_the_draining(bus_url: str, database_url: str, tmp_path: Path) -> None:
    """Whoever presses it twice has no five minutes."""
    settings = {"workers": 2, "bus_url": bus_url, "database_url": database_url, "drain_seconds": 300}
    with Server(tmp_path / "parley", **settings) as server:
        await welcomed(server)
        async with Api(server.url) as api:
            for _ in range(6):
                await Socket.open(api.url)
            os.kill(server.pid, signal.SIGINT)

            await until(lambda: _closed(server.port))
            os.kill(server.pid, signal.SIGINT)
            assert await asyncio.to_thread(server.process.wait, 30) == 0
        assert server.none_left()


async def test_workers_do_not_outlive_their_parent(bus_url: str, lived_in: LivedIn, tmp_path: Path) -> None:
    """`kill -9` of the one process that somebody knows of must not leave others on the port and in the database."""
    with Server(lived_in(tmp_path / "parley"), workers=2, bus_url=bus_url) as server:
        await welcomed(server)
        assert len(server.workers()) == 2
        server.kill()
        assert server.none_left(within=20)
        assert "Traceback" not in server.output()


async def test_a_worker_that_cannot_start_any_more_takes_all_down_with_its_sentence(
    bus_url: str, database_url: str, tmp_path: Path
) -> None:
    """Something is broken for good: a supervisor sees it by the exit code, a person by the sentence."""
    with Server(tmp_path / "parley", workers=2, bus_url=bus_url, database_url=database_url) as server:
        await welcomed(server)
        (tmp_path / ".env").write_text("PARLEY_LOG_LEVEL=loud\n")
        os.kill(min(server.workers()), signal.SIGKILL)
        assert await asyncio.to_thread(server.process.wait, PATIENCE) == 2
        assert server.logged.read_text().splitlines()[-1].startswith("parley: PARLEY_LOG_LEVEL is not usable")
        assert server.none_left()


async def _closed(port: int) -> bool:
    """Whether whoever connects is sent away, rather than kept waiting."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (ConnectionRefusedError, ConnectionResetError):  # Reset: it queued at a door that was closed meanwhile.
        return True
    writer.close()
    return False


async def test_an_outage_of_the_bus_does_not_stop_the_workers_that_serve(database_url: str, tmp_path: Path) -> None:
    """A crash in a bad moment: what is there goes on, and what is missing comes back with the bus."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    settings = {"workers": 2, "database_url": database_url}
    with Valkey(folder) as valkey, Server(tmp_path / "parley", bus_url=valkey.url, **settings) as server:
        await welcomed(server)
        valkey.stop()
        victim = min(server.workers())
        os.kill(victim, signal.SIGKILL)
        await until(lambda: server.logged.read_text().count("The bus cannot be reached") > ATTEMPTS, PATIENCE)
        await spread(server)
        valkey.start()
        await until(lambda: all_serve(server), PATIENCE)
        assert victim not in server.workers()


class Cluster(Server):
    """`make cluster`."""

    program: ClassVar[tuple[str, ...]] = ("tests.cluster", "--bus", "redis")


async def test_make_cluster_starts_a_bus_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    """Several workers without Docker, on one line, and the machine as it was after Ctrl-C."""
    with Cluster(tmp_path / "parley", workers=2) as cluster:
        found = re.search(r"redis://127\.0\.0\.1:(\d+)", cluster.printed.read_text())
        assert found is not None
        assert len(cluster.workers()) == 2
        assert not await _closed(int(found[1]))
        assert cluster.interrupt() == 0
        assert cluster.none_left()
        assert await _closed(int(found[1])), "Valkey was left running"


# ------------------------------------------------------------------------------------------ refusals


def refused(server: Server) -> str:
    """The one sentence with which it does not start."""
    code, lines = server.refuse()
    assert (code, len(lines)) == (2, 1), lines
    assert server.none_left()
    return lines[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
def test_a_bus_that_cannot_be_reached_is_told_in_one_sentence(workers: int, scheme: str, tmp_path: Path) -> None:
    """A wrong port or a Redis that is not up yet: the sentence says where to look, and can be pasted anywhere."""
    url = f"{scheme}://parley:hunter2@127.0.0.1:{free_port()}/0"
    sentence = refused(Server(tmp_path / "parley", workers=workers, bus_url=url))
    assert sentence.startswith("parley: The bus cannot be reached: ")
    assert sentence.endswith(" Check PARLEY_BUS_URL.")
    assert "hunter2" not in sentence


def test_several_workers_on_a_bus_in_memory_are_told_what_to_set(tmp_path: Path) -> None:
    """Each would have its own inboxes: people would wait for each other for ever."""
    assert "set PARLEY_BUS_URL" in refused(Server(tmp_path / "parley", workers=2))


def test_a_database_behind_the_code_is_told_what_to_run(bus_url: str, database_url: str, tmp_path: Path) -> None:
    """Somebody else's database is changed only when they say so."""
    asyncio.run(_rewind(database_url))
    server = Server(tmp_path / "parley", workers=2, bus_url=bus_url, database_url=database_url)
    assert "python -m api migrate" in refused(server)


def test_a_server_alone_and_servers_together_refuse_each_other(bus_url: str, database_url: str, tmp_path: Path) -> None:
    """What one of them holds in memory the others would never see."""
    alone = Server(tmp_path / "alone" / "parley", database_url=database_url)
    together = Server(tmp_path / "together" / "parley", workers=2, database_url=database_url, bus_url=bus_url)
    with alone:
        assert "PARLEY_BUS_URL" in refused(together)
    with together:
        assert "Another Parley server uses this database" in refused(alone)
        third = Server(tmp_path / "third" / "parley", database_url=database_url, bus_url=bus_url)
        with third:
            assert httpx.get(f"{third.url}/readyz", trust_env=False).status_code == 200


async def _rewind(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("UPDATE alembic_version SET version_num = '0001'")
    finally:
        await connection.close()
