"""One of several workers, as a process that `api.workers` starts: `python -m api.worker`, and for nobody else.

Its standard input begins with a line that says what it is to do, and ends when the parent does: then it drains and stops. What it
has to tell the parent is a line on a pipe: that it is ready, or why it cannot serve.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from structlog.contextvars import bind_contextvars

from api.databases import Source, foreign
from api.refusal import Refusal, Unreachable
from api.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from api.settings import Settings

LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told at its start."""

    number: int
    """Its place among the workers, from 1: logs name it."""
    sockets: tuple[int, ...]
    """Descriptors of the sockets that it serves, inherited."""
    report: int
    """Descriptor of the pipe to the parent."""
    figures: str
    """The file of its metrics: see `api.siblings`."""
    embedded: str | None
    """The address of the parent's own PostgreSQL, if there is one."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def received(cls, line: bytes) -> Assignment:
        """The reverse of `line`."""
        fields = json.loads(line)
        return cls(**fields | {"sockets": tuple(fields["sockets"])})


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells its parent: that it is ready, or, with a sentence, why it cannot serve or does no longer."""

    sentence: str | None = None
    passing: bool = False
    """Whether the reason may pass by itself, as an outage of the database does."""

    def line(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def received(cls, line: bytes) -> Report:
        """The reverse of `line`."""
        return cls(**json.loads(line))


def main() -> int:
    """Serves until SIGTERM or the parent's end. Returns the exit code: 0, or 2 for a refusal that was reported."""
    serving = False

    def interrupted(_: int, __: FrameType | None) -> None:
        if not serving:
            # There is nothing to undo yet, and an exception in the middle of an import becomes another one.
            os._exit(0)
        # Uvicorn listens while we serve. What comes later finds us stopping: supervisors like to tell everybody, twice.

    def ready() -> None:
        nonlocal serving
        serving = True
        _tell(assignment, Report())

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # Means the parent.
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    assignment = Assignment.received(_first_line())
    try:
        _serve(assignment, ready)
    except SettingsError as error:
        _tell(assignment, Report(" ".join(error.mistakes)))
        return 2
    except Refusal as error:
        _tell(assignment, Report(str(error), passing=isinstance(error, Unreachable)))
        return 2
    return 0


def _serve(assignment: Assignment, ready: Callable[[], None]) -> None:
    settings = load()
    folder = Path(assignment.figures).parent
    threading.Thread(target=_outlive_nobody, args=(settings, folder), name="lifeline", daemon=True).start()
    from api import logs  # noqa: PLC0415  # a mistake in the settings is told before the server is loaded
    from api.server import allow_many_connections  # noqa: PLC0415  # the same
    from api.serving import run  # noqa: PLC0415  # the same

    logs.configure(settings)
    bind_contextvars(worker=assignment.number)
    allow_many_connections()
    sockets = [socket.socket(fileno=descriptor) for descriptor in assignment.sockets]
    run(settings, _source(assignment, settings), sockets, ready=ready, figures=Path(assignment.figures))


def _source(assignment: Assignment, settings: Settings) -> Source:
    """The parent watches its own PostgreSQL, and stops everybody when that was killed."""
    if assignment.embedded is not None:
        return Source(assignment.embedded, assignment.embedded, lambda: False)
    if settings.database_url is None:
        raise Refusal("PARLEY_DATABASE_URL was taken away while the server ran: restart the whole server.")
    return foreign(settings, settings.database_url)


def _first_line() -> bytes:
    """Byte by byte would be slow, a buffered file would keep the descriptor locked under the thread that waits for its end."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), LINE_BYTES)
        if not part:
            sys.exit(0)  # The parent is gone already.
        line += part
    return line


def _outlive_nobody(settings: Settings, folder: Path) -> None:
    """Waits for the parent's end, in whatever way: then stops us as SIGTERM does, and by force what does not stop in time."""
    while os.read(sys.stdin.fileno(), LINE_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)  # The parent would have done that.
    time.sleep(settings.patience.total_seconds())
    os._exit(1)


def _tell(assignment: Assignment, report: Report) -> None:
    with suppress(OSError):  # A parent that is gone need not know.
        os.write(assignment.report, report.line())


if __name__ == "__main__":
    sys.exit(main())
