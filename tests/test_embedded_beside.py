"""The embedded PostgreSQL, used by a second program."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import asyncpg
import pytest

from persistence.embedded import DataDirectoryInUse, beside, embedded_beside, embedded_postgres
from tests.conftest import LivedIn


def asked(dsn: str) -> object:
    """What the database there answers."""

    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval("SELECT current_database()")
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_what_runs_is_used_and_what_does_not_is_started(tmp_path: Path, lived_in: LivedIn) -> None:
    """A command works beside the server, leaves that one's database running, and starts one where there is none."""
    data_dir = lived_in(tmp_path / "data")
    with embedded_postgres(data_dir, durable=False) as server:
        with embedded_beside(data_dir) as dsn:
            assert dsn == server.dsn()
            assert asked(dsn) == "parley"
        assert asked(server.dsn()) == "parley"
    with embedded_beside(data_dir) as dsn:
        assert dsn != server.dsn()
        assert asked(dsn) == "parley"
        with embedded_beside(data_dir) as same:
            assert same == dsn
    assert not Path(dsn.partition("host=")[2].partition("&")[0]).exists()


def test_a_server_that_starts_or_stops_is_waited_for(
    tmp_path: Path, lived_in: LivedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run wrote is not believed: while somebody holds the folder and is not ready, there is no address; then there
    is.
    """
    data_dir = lived_in(tmp_path / "data")
    killed = "1\n/proc/self/cwd\n0\n5432\n/run/parley-killed\n\n0 0\nready   \n"  # As PostgreSQL writes it, by lines.
    lock = data_dir / "postgres.lock"
    with embedded_postgres(data_dir, durable=False) as server:
        record = data_dir / "postgres" / "postmaster.pid"
        true, held = record.read_text(), lock.read_text()
        record.write_text(killed)
        monkeypatch.setattr(beside, "_DEADLINE_SECONDS", 0.1)
        with pytest.raises(DataDirectoryInUse), embedded_beside(data_dir):
            pass
        monkeypatch.undo()
        lock.write_text(held.partition("\n")[0] + "\n")  # It has the lock, and nothing else yet.
        later = threading.Timer(0.2, lambda: (record.write_text(true), lock.write_text(held)))
        later.start()
        with embedded_beside(data_dir) as dsn:
            assert dsn == server.dsn()
        later.join()
