"""What can go wrong with the embedded PostgreSQL, each said in one sentence to the person who started it."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FAILURE = re.compile(r"(?:FATAL|PANIC|error): +(?P<what>.+)")


class EmbeddedPostgresError(Exception):
    """It cannot run: `str()` is one sentence, `log_tail` what PostgreSQL said about it, if at all."""

    def __init__(self, sentence: str, *, log_tail: str = "") -> None:
        """Keep the sentence and the lines of the log."""
        super().__init__(sentence)
        self.log_tail = log_tail


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another running server holds `data_dir`; `holder` is its process ID where known."""

    def __init__(self, data_dir: Path, holder: int | None) -> None:
        """Keep who holds what."""
        who = "another server" if holder is None else f"another server (process {holder})"
        super().__init__(
            f"The data directory {data_dir} is in use by {who}: stop that, or set PARLEY_DATA_DIR to another directory."
        )
        self.data_dir = data_dir
        self.holder = holder


def failure_of_postgres(doing: str, output: str, where: Path) -> EmbeddedPostgresError:
    """Make an error of what PostgreSQL or initdb printed while `doing` something with the files in `where`."""
    tail = "\n".join(output.strip().splitlines()[-20:])
    if "No space left on device" in output:
        return EmbeddedPostgresError(f"The disk that holds {where} is full.", log_tail=tail)
    said = _FAILURE.findall(output)
    because = f": {said[0].strip().rstrip('.')}" if said else ""
    return EmbeddedPostgresError(f"PostgreSQL failed while {doing} in {where}{because}.", log_tail=tail)


def failure_of_system(error: OSError, where: Path) -> EmbeddedPostgresError:
    """Make an error of what the operating system refused while we worked on the files in `where`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return EmbeddedPostgresError(f"The disk that holds {where} is full.")
    if os.geteuid() == 0 and error.errno in {errno.EPERM, errno.EINVAL}:
        return EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and here root may not act as another account: "
            "run Parley as an ordinary user."
        )
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return EmbeddedPostgresError(f"The embedded database cannot use {where} ({what}).")
