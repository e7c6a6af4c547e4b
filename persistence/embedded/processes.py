"""The postmaster as a process: bound to our life, found again after our death, stopped within a deadline."""

from __future__ import annotations

import concurrent.futures
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded.errors import EmbeddedPostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Nothing of ours: PGPORT, PGDATA, PGOPTIONS, LD_PRELOAD and locale variables all change what PostgreSQL does.
PEACEFUL_ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

_PR_SET_PDEATHSIG = 1
_PID_LINE, _SOCKET_LINE, _STATUS_LINE = 0, 4, 7
_POLL_SECONDS = 0.01
# Fast shutdown; immediate shutdown, which costs a recovery at the next start; the end.
_STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


def killed_with_this_thread(with_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Give a `preexec_fn` after which Linux sends `with_signal` to the child when the thread that started it ends.

    It runs between fork and exec, after the change of account, which would clear it, and takes no lock that another
    thread could hold. None where the system has no such thing.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = (ctypes.c_int, ctypes.c_ulong)
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(with_signal))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return bind


def spawn_from_lasting_thread(spawn: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Call `spawn` in a thread that lives until its process has ended, or ours has.

    The kernel watches the parent *thread*: a start from a thread pool must not stop the database when the pool ends.
    """
    born: concurrent.futures.Future[subprocess.Popen[bytes]] = concurrent.futures.Future()

    def keep() -> None:
        try:
            process = spawn()
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            born.set_exception(error)
            return
        born.set_result(process)
        process.wait()

    threading.Thread(target=keep, name="postmaster-parent", daemon=True).start()
    return born.result()


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop our postmaster: fast, then immediately, then by force. A second Ctrl-C cuts the first wait short."""
    try:
        for stop_signal, patience in _STOP_SIGNALS:
            process.send_signal(stop_signal)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
            return
    except KeyboardInterrupt:
        process.send_signal(signal.SIGQUIT)
        process.wait(_STOP_SIGNALS[1][1])
        raise


def mark_of(cluster: Path) -> str:
    """Give the setting that marks the postmaster of `cluster` among all processes; a renamed folder keeps it."""
    about = cluster.stat()
    return f"parley.cluster={about.st_dev}:{about.st_ino}"


def is_ready(cluster: Path, pid: int) -> bool:
    """Tell whether the postmaster `pid` has written that it takes connections."""
    lines = _pid_file(cluster)
    return len(lines) > _STATUS_LINE and lines[_PID_LINE] == str(pid) and lines[_STATUS_LINE] == "ready"


def socket_of_ready(cluster: Path) -> Path | None:
    """Give the folder of the socket of a postmaster that has written that it takes connections; it may have been killed since."""
    lines = _pid_file(cluster)
    ready = len(lines) > _STATUS_LINE and lines[_STATUS_LINE] == "ready"
    return Path(lines[_SOCKET_LINE]) if ready else None


def stop_leftover(cluster: Path) -> None:
    """Stop a postmaster of `cluster` that outlived the server which started it; clear a stale trace of one.

    The recorded process is believed to be ours only if its command line says so: process IDs are used again. PostgreSQL
    itself clears the file of a dead process, but does not start while another program of its account has the ID.
    """
    lines = _pid_file(cluster)
    if not lines or not lines[_PID_LINE].isdigit():
        return
    pid, mark = int(lines[_PID_LINE]), mark_of(cluster)
    if not _is_postmaster(pid, mark):
        if _exists(pid):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
        return
    for stop_signal, patience in _STOP_SIGNALS:
        try:
            os.kill(pid, stop_signal)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not _is_postmaster(pid, mark):
                return
            time.sleep(_POLL_SECONDS)
    sentence = f"A PostgreSQL left over from an earlier run (process {pid}) does not stop."
    raise EmbeddedPostgresError(sentence)


def _pid_file(cluster: Path) -> list[str]:
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text(errors="replace").splitlines()]
    except FileNotFoundError:
        return []


def _is_postmaster(pid: int, mark: str) -> bool:
    command = _command_line(pid)
    return mark in command and Path(command[0]).name == "postgres"


def _command_line(pid: int) -> list[str]:
    """Give the arguments of a process; nothing if it is gone, or a zombie, which holds no files any more."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        except OSError:
            return []
    listed = subprocess.run(  # noqa: S603 - a number, no shell
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
