"""The files of a PostgreSQL cluster: made whole or not at all, and checked before each start."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded.accounts import Account, hand_over, named_account, path_for
from persistence.embedded.binaries import MAJOR_VERSION
from persistence.embedded.errors import EmbeddedPostgresError, failure_of_postgres
from persistence.embedded.processes import PEACEFUL_ENVIRONMENT, killed_with_this_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

SUPERUSER = "parley"
DATABASE = "parley"
_NEW = "postgres.new-"
_DEADLINE_SECONDS = 180

# Whoever can reach the socket is let in: the folder of the socket is 0700, and there is no other way in.
_HOST_BASED_AUTHENTICATION = "local all all trust\n"


def ensure_cluster(cluster: Path, programs: Path, account: Account | None, *, durable: bool) -> None:
    """Leave a cluster of our version with the database `parley` at `cluster`, made now if there is nothing.

    Made aside and renamed, so that a server killed while it did this leaves nothing half made.
    Raises EmbeddedPostgresError.
    """
    if cluster.exists():
        _check(cluster)
        return
    for abandoned in cluster.parent.glob(f"{_NEW}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=_NEW, dir=cluster.parent))
    try:
        _initialise(new, programs, durable=durable)
        if account is not None:
            hand_over(new, account)
        new.rename(cluster)
        _flush(cluster.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check(cluster: Path) -> None:
    try:
        version = (cluster / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        sentence = f"{cluster} exists but holds no PostgreSQL database: move it away, or choose another data directory."
        raise EmbeddedPostgresError(sentence) from None
    except PermissionError:
        sentence = f"The database in {cluster} belongs to another account: start Parley as that account or as root."
        raise EmbeddedPostgresError(sentence) from None
    if version != str(MAJOR_VERSION):
        sentence = (
            f"The database in {cluster} was written by PostgreSQL {version} and this is PostgreSQL {MAJOR_VERSION}: "
            "move it over with pg_dump, or choose another data directory."
        )
        raise EmbeddedPostgresError(sentence)


def _initialise(new: Path, programs: Path, *, durable: bool) -> None:
    account = named_account()
    if account is not None:
        hand_over(new, account)
    data = path_for(account, new)
    initdb = [
        str(programs / "initdb"),
        *("-D", data, "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--no-instructions"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"),
        *(() if durable else ("--no-sync",)),
    ]
    _run(initdb, new, account)
    rules = new / "pg_hba.conf"
    rules.unlink()
    with rules.open("x") as file:  # "x": as root, never through a link that somebody put there
        file.write(_HOST_BASED_AUTHENTICATION)
    rules.chmod(0o600)
    # Single-user mode: the database exists before anybody can connect.
    single = [str(programs / "postgres"), "--single", "-D", data, "-c", "exit_on_error=true"]
    single += ["-c", f"fsync={'on' if durable else 'off'}", "template1"]
    _run(single, new, account, f"CREATE DATABASE {DATABASE};\n")


def _run(command: Sequence[str], folder: Path, account: Account | None, text: str = "") -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the wheel, no shell
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=_DEADLINE_SECONDS,
            cwd=folder,
            env=PEACEFUL_ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            preexec_fn=killed_with_this_thread(),
        )
    except subprocess.TimeoutExpired as error:
        sentence = f"Making the database in {folder.parent} took longer than {_DEADLINE_SECONDS} seconds."
        raise EmbeddedPostgresError(sentence) from error
    if done.returncode != 0:
        raise failure_of_postgres("making the database", done.stdout, folder.parent)


def _flush(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
