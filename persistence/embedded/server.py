"""Start, offer and stop the embedded PostgreSQL."""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from persistence.embedded.accounts import Account, path_for, service_account
from persistence.embedded.binaries import programs_for
from persistence.embedded.cluster import DATABASE, SUPERUSER, ensure_cluster
from persistence.embedded.errors import (
    DataDirectoryInUse,
    EmbeddedPostgresError,
    failure_of_postgres,
    failure_of_system,
)
from persistence.embedded.processes import (
    PEACEFUL_ENVIRONMENT,
    is_ready,
    killed_with_this_thread,
    mark_of,
    spawn_from_lasting_thread,
    stop,
    stop_leftover,
)
from persistence.embedded.sockets import PORT, make_socket_folder, remove_socket_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK_FILE = "postgres.lock"
"""In the data directory: whoever holds it runs PostgreSQL there; its lines are their process ID and the folder of the socket."""
_START_DEADLINE_SECONDS = 180.0  # crash recovery of a full write-ahead log on a slow disk
_POLL_SECONDS = 0.005
_LARGEST_LOG_BYTES = 1 << 20

# On the command line and not in a file, so that a newer Parley brings its settings to an older cluster.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "parley",  # shown by `ps`
    "max_connections": "300",  # 15 a worker, for as many as the settings allow
    "shared_buffers": "128MB",
    "huge_pages": "off",  # promised but not granted in containers, which ends in SIGBUS
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is 64 MB in a container, and keeps what a killed server had
    "synchronous_commit": "on",
    "wal_level": "minimal",  # there is nobody to replicate to
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "idle_in_transaction_session_timeout": "60s",  # one such session that LISTENs stops every NOTIFY (docs of NOTIFY)
    # Errors of statements quote what users wrote. The client gets them; the log keeps what concerns the server.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_autovacuum_min_duration": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}
_RISKY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running PostgreSQL 18 that only we can reach, with the superuser `parley` and the database `parley`."""

    socket_folder: Path
    log_file: Path
    pid: int
    ended: Callable[[], bool]
    """Whether it has stopped, by itself or because somebody killed it: it is not started again."""

    def dsn(self, database: str = DATABASE) -> str:
        """Give the address of `database` for asyncpg and libpq, complete: no PG* variable changes where it leads."""
        return dsn_over(self.socket_folder, database)


def dsn_over(socket_folder: Path, database: str = DATABASE) -> str:
    """See `EmbeddedPostgres.dsn`."""
    return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={socket_folder}&port={PORT}"


@contextmanager
def embedded_postgres(data_dir: Path, *, durable: bool = True) -> Iterator[EmbeddedPostgres]:
    """Run PostgreSQL on the cluster in `data_dir` (made at first use, mode 0700) for as long as the context is open.

    Blocking: enter it before the event loop starts. `durable=False` gives up fsync, for tests. The files are
    `postgres/`, `postgres.log` (begun anew at a start that finds it above 1 MiB) and `postgres.lock`. As root,
    PostgreSQL runs as an account that owns `postgres/` and its socket; permissions of existing folders are never
    changed. On Linux it stops when our process ends in whatever way; elsewhere the next start stops it. A process
    forked from ours keeps the data directory in use while it lives.

    Raises:
        DataDirectoryInUse: another server holds `data_dir`.
        EmbeddedPostgresError: anything else that prevents it, in one sentence.

    """
    with ExitStack() as undo:
        atexit.register(undo.close)
        undo.callback(atexit.unregister, undo.close)
        data_dir = Path(data_dir).absolute()
        try:
            server = _start(data_dir, undo, durable=durable)
        except (OSError, subprocess.SubprocessError) as error:
            cause = error if isinstance(error, OSError) else OSError(str(error))
            raise failure_of_system(cause, data_dir) from error
        yield server


def _start(data_dir: Path, undo: ExitStack, *, durable: bool) -> EmbeddedPostgres:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = data_dir / "postgres"
    lock = _open_file(data_dir / LOCK_FILE)
    undo.callback(os.close, lock)
    last_socket_folder = _take(lock, data_dir)

    account = service_account(cluster)
    programs = programs_for(account)
    if last_socket_folder is not None:
        remove_socket_folder(last_socket_folder, account)
    ensure_cluster(cluster, programs, account, durable=durable)
    stop_leftover(cluster)

    socket_folder = make_socket_folder(account)
    undo.callback(_only_here(lambda: remove_socket_folder(socket_folder, account)))
    os.write(lock, f"{socket_folder}\n".encode())

    log_file = data_dir / "postgres.log"
    log = _open_file(log_file)
    try:
        if os.fstat(log).st_size > _LARGEST_LOG_BYTES:
            os.ftruncate(log, 0)
        log_start = os.fstat(log).st_size
        settings = _SETTINGS | {"unix_socket_directories": str(socket_folder)} | ({} if durable else _RISKY_SETTINGS)
        command = [str(programs / "postgres"), "-D", path_for(account, cluster), "-c", mark_of(cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        postmaster = spawn_from_lasting_thread(lambda: _spawn(command, cluster, account, log))
    finally:
        os.close(log)
    undo.callback(_only_here(lambda: stop(postmaster)))

    deadline = time.monotonic() + _START_DEADLINE_SECONDS
    while not is_ready(cluster, postmaster.pid):
        if postmaster.poll() is not None:
            raise failure_of_postgres("starting", _log_since(log_file, log_start), data_dir)
        if time.monotonic() > deadline:
            sentence = f"PostgreSQL was not ready within {_START_DEADLINE_SECONDS:.0f} seconds; its log is {log_file}."
            raise EmbeddedPostgresError(sentence, log_tail=_log_since(log_file, log_start))
        time.sleep(_POLL_SECONDS)
    return EmbeddedPostgres(socket_folder, log_file, postmaster.pid, lambda: postmaster.poll() is not None)


def _take(lock: int, data_dir: Path) -> Path | None:
    """Hold `data_dir` for as long as `lock` is open; give the socket folder of whoever held it before.

    The kernel lets go of the lock when its holder dies. It is never inherited by PostgreSQL.
    """
    held = True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = False
    holder, _, rest = os.pread(lock, 4096, 0).decode(errors="replace").partition("\n")
    if not held:
        raise DataDirectoryInUse(data_dir, int(holder) if holder.isdecimal() else None)
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    folder = rest.strip()
    return Path(folder) if folder else None


def _open_file(path: Path) -> int:
    """Open a private file of ours in the data directory, through no link; as root it stays the folder's owner's."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        about = path.parent.stat()
        os.fchown(descriptor, about.st_uid, about.st_gid)
    return descriptor


def _spawn(command: list[str], cluster: Path, account: Account | None, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a program of the wheel, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cluster,  # entered before the account changes: see `accounts`
        env=PEACEFUL_ENVIRONMENT,
        umask=0o077,
        start_new_session=True,  # Ctrl-C reaches us, and we stop it when we no longer need it
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else [],
        preexec_fn=killed_with_this_thread(signal.SIGINT),  # noqa: PLW1509 - see there
    )


def _only_here(undo: Callable[[], None]) -> Callable[[], None]:
    """Keep a forked copy of our process, which leaves the context too, from stopping the database of the original."""
    owner = os.getpid()
    return lambda: undo() if os.getpid() == owner else None


def _log_since(log_file: Path, start: int) -> str:
    with log_file.open("rb") as file:
        file.seek(start)
        return file.read(1 << 16).decode(errors="replace")
