"""A second program on the embedded PostgreSQL: what a command does while a server runs, and while none does."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from persistence.embedded.errors import DataDirectoryInUse
from persistence.embedded.processes import socket_of_ready
from persistence.embedded.server import LOCK_FILE, dsn_over, embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEADLINE_SECONDS = 30.0
_POLL_SECONDS = 0.05


@contextmanager
def embedded_beside(data_dir: Path) -> Iterator[str]:
    """The address of the PostgreSQL of `data_dir`: the one that another program runs there, else one of our own for as long as the
    context is open, on which a server that starts meanwhile is refused.

    The one of another program is not kept from stopping. Raises what `embedded_postgres` raises; `DataDirectoryInUse` when it was
    neither ready nor free for half a minute.
    """
    data_dir = Path(data_dir).absolute()
    with ExitStack() as stack:
        yield _reached(data_dir, stack)


def _reached(data_dir: Path, stack: ExitStack) -> str:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            return stack.enter_context(embedded_postgres(data_dir)).dsn()
        except DataDirectoryInUse:
            folder = _socket_folder(data_dir)
            if folder is not None:
                return dsn_over(folder)
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)  # It starts, or stops.


def _socket_folder(data_dir: Path) -> Path | None:
    """Where the PostgreSQL listens that the holder of the lock started; None while it is not ready. Both files name the folder,
    which is new in every run: what a killed run left behind is not believed.
    """
    _, _, named = (data_dir / LOCK_FILE).read_text(errors="replace").partition("\n")
    folder = socket_of_ready(data_dir / "postgres")
    return folder if folder is not None and str(folder) == named.strip() else None
