"""Real parts for every test: a PostgreSQL of its own per test process, a database of its own per test."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from api import migrations
from persistence.embedded import EmbeddedPostgres, embedded_postgres
from tests.acceptance.server import ROOT, keep_bytecode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

TEMPLATE = "parley_template"
LivedIn = Callable[[Path], Path]
_numbers = itertools.count(1)

FIRST = (
    "test_chaos.py",
    "acceptance/test_bad_input.py",
    "acceptance/test_encrypted_conversation.py",
    "acceptance/test_strangers_meet.py",
    "acceptance/test_resume.py",
    "acceptance/test_misfortunes.py",
    "acceptance/test_reach.py",
    "test_workers.py",
    "acceptance/test_slow_reader.py",
    "acceptance/test_serve.py",
)
"""A file is run by one process: were a long one the last, the others would wait for it. Those that measure times come after those
beside which chaos keeps the machine busy. The rest is in order of names.
"""

keep_bytecode(os.environ)  # For the workers of pytest-xdist, and for all that tests start.


def pytest_configure(config: pytest.Config) -> None:
    """Keeps our order: pytest-xdist would begin with the files of the most tests, which are the quickest."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order within a file stays."""
    rank = {ROOT / "tests" / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with a migrated template database."""
    folder: Path = tmp_path_factory.mktemp("parley")
    with embedded_postgres(folder, durable=False) as cluster:
        asyncio.run(_administer(cluster, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrations.upgrade(cluster.dsn(TEMPLATE)))
        yield cluster


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> LivedIn:
    """Makes data directories as a server's first start leaves them, with the database that takes it seconds to make."""
    model = tmp_path_factory.mktemp("lived-in")
    with embedded_postgres(model, durable=False) as cluster:
        asyncio.run(migrations.upgrade(cluster.dsn()))

    def make(data_dir: Path) -> Path:
        data_dir.mkdir(mode=0o700, parents=True)
        # With their owner: as root, PostgreSQL runs as another account.
        subprocess.run(["cp", "-a", model / "postgres", data_dir / "postgres"], check=True)
        return data_dir

    return make


@pytest.fixture
async def database_name(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of the test's own. Rolling back per test would not do: races need two connections that commit."""
    name = await create_database(postgres)
    yield name
    await drop_database(postgres, name)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """The address of the test's database, for asyncpg and for `Database`."""
    return postgres.dsn(database_name)


async def create_database(cluster: EmbeddedPostgres) -> str:
    """A new database with our tables: its name."""
    name = f"parley_test_{next(_numbers)}"
    # By files it takes half of the time that it takes through the log, as long as nothing is forced to disk.
    await _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    return name


async def drop_database(cluster: EmbeddedPostgres, name: str) -> None:
    """Away with it, whoever is connected."""
    await _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(cluster: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(cluster.dsn("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing that could be installed may be missing: a skip that says "install ..." is a hole in the promise.

    Others stay skips: what only root can try is no promise to an ordinary user.
    """
    report = yield
    # A skip's `longrepr` is where it happened and why; only the reason counts, not the path of the checkout.
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if os.environ.get("PARLEY_NO_SKIP") and report.skipped and "install" in reason:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and PARLEY_NO_SKIP forbids it: {report.longrepr}"
    return report
