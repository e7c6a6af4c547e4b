"""Real parts for every test: a PostgreSQL of its own per test process, a database of its own per test."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import gc
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from httpx._transports import default as httpx_default
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # the wheel has no types

from api import migrations
from persistence.embedded import EmbeddedPostgres, embedded_postgres
from persistence.embedded.cluster import DATABASE
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
    "browser/test_calls.py",
    "browser/test_views.py",
    "browser/test_invite_rooms.py",
    "browser/test_signaling_core.py",
    "browser/test_safety_story.py",
    "browser/test_console.py",
    "browser/test_keyboard.py",
    "acceptance/test_slow_reader.py",
    "acceptance/test_serve.py",
    "test_embedded.py",
    "test_docs_typescript.py",
    "test_differential.py",
    "test_proxy.py",
    "test_soak.py",
    "test_matcher.py",
)
"""A file is run by one process: were a long one the last, the others would wait for it. Those that measure times come after those
beside which chaos keeps the machine busy. The rest is in order of names.
"""

MEMORY = Path("/dev/shm")  # noqa: S108 - a file system, not a name that somebody could guess
ROOM_NEEDED = 4 * 1024**3
"""Bytes that all tests leave there at most, by far: what pytest keeps of three runs."""


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= 3 * ROOM_NEEDED


if "PYTEST_DEBUG_TEMPROOT" not in os.environ and _has_room(MEMORY):
    # A database of its own for every test is five hundred files: on a disk that is busy it takes ten times as long as in memory.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)

keep_bytecode(os.environ)  # For the workers of pytest-xdist, and for all that tests start.


# httpx reads the certificates of all authorities for every client, 30 ms of CPU; tests speak in clear to themselves.
httpx_default.create_ssl_context = functools.cache(httpx_default.create_ssl_context)  # type: ignore[attr-defined]  # not public


def pytest_configure(config: pytest.Config) -> None:
    """Keeps our order: pytest-xdist would begin with the files of the most tests, which are the quickest."""
    config.option.loadscopereorder = False


def share(nodeid: str) -> str:
    """What one process runs in one go: a file, or what of it is for one deployment. Chaos comes once at a time: it takes a core."""
    file, _, test = nodeid.partition("::")
    deployment = re.search(r"[\[-](single|redis|postgresql|balanced)[\]-]", test) if "/acceptance/" in file else None
    return file + (f" {deployment[1]}" if deployment else "")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With all of its deployments a file takes one process minutes, in which the others run out of tests."""
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = share
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the order within a file stays."""
    rank = {ROOT / "tests" / name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """What was imported and collected stays for good: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL with a migrated template database."""
    with embedded_postgres(lived_in(tmp_path_factory.mktemp("parley") / "data"), durable=False) as cluster:
        asyncio.run(_administer(cluster, f"CREATE DATABASE {TEMPLATE} TEMPLATE {DATABASE} STRATEGY FILE_COPY"))
        yield cluster


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> LivedIn:
    """Makes data directories as a server's first start leaves them, with the database that takes it seconds to make: once, by the
    first of the processes that run tests.
    """
    own = tmp_path_factory.getbasetemp()
    model = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "lived-in"
    with model.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made := model.with_suffix(".made")).exists():
            with embedded_postgres(model, durable=False) as cluster:
                asyncio.run(migrations.upgrade(cluster.dsn()))
            made.touch()

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
