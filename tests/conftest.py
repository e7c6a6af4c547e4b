"""Real parts for every test: a PostgreSQL of its own per test process, a database of its own per test."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import TYPE_CHECKING

import asyncpg
import pytest

from api import migrations
from persistence.embedded import EmbeddedPostgres, embedded_postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator
    from pathlib import Path

TEMPLATE = "parley_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with a migrated template database."""
    folder: Path = tmp_path_factory.mktemp("parley")
    with embedded_postgres(folder, durable=False) as cluster:
        asyncio.run(_administer(cluster, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrations.upgrade(cluster.dsn(TEMPLATE)))
        yield cluster


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
    await _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
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
