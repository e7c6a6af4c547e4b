"""The folder of the Unix socket: short, private, fresh for each run, and gone after it."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded.accounts import everybody_may_enter
from persistence.embedded.errors import EmbeddedPostgresError

if TYPE_CHECKING:
    from persistence.embedded.accounts import Account

PORT = 5432  # only a part of the socket's name
_PREFIX = "parley-"
_FILES = (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock")
# A socket's whole path may have 103 bytes (macOS), 107 on Linux; ours adds "/parley-12345678/.s.PGSQL.5432".
_LONGEST_BASE = 64
# Else it would need quoting in PostgreSQL's list of folders and in URLs.
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")


def make_socket_folder(account: Account | None) -> Path:
    """Make a new folder that only we, or `account`, can enter.

    Its name is random and the system call refuses a name that exists, so nobody can prepare a folder or a link for us.
    """
    for base in _bases(account):
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        except OSError:
            continue
        if account is not None:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
        return folder
    sentence = "PostgreSQL's socket has no place: neither the folder for temporary files nor /tmp can be used."
    raise EmbeddedPostgresError(sentence)


def remove_socket_folder(folder: Path, account: Account | None) -> None:
    """Remove a folder that `make_socket_folder` made, now or in a run that was killed; leave anything else alone."""
    try:
        about = folder.lstat()
    except OSError:
        return
    owners = {os.geteuid()} if account is None else {os.geteuid(), account.uid}
    private = stat.S_ISDIR(about.st_mode) and stat.S_IMODE(about.st_mode) == stat.S_IRWXU and about.st_uid in owners
    if not private or not folder.name.startswith(_PREFIX):
        return
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:  # somebody keeps files of their own in there
        return


def _bases(account: Account | None) -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "") if account is None else "/run"
    bases = (runtime, tempfile.gettempdir(), "/tmp")  # noqa: S108 - see `make_socket_folder`
    return [Path(base) for base in bases if _is_suitable(Path(base), account)]


def _is_suitable(base: Path, account: Account | None) -> bool:
    """Tell whether a name in `base` is short and plain, and ours to keep: nobody else may rename what we put there."""
    try:
        about = base.stat()
        if account is not None and not everybody_may_enter(base):
            return False
    except OSError:
        return False
    shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not about.st_mode & stat.S_ISVTX
    return (
        base.is_absolute()
        and len(os.fsencode(base)) <= _LONGEST_BASE
        and _PLAIN.fullmatch(str(base)) is not None
        and about.st_uid in {0, os.geteuid()}
        and not shared
    )
