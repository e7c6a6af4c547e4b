"""The real server as a process of its own, with its own port and data directory; stopped the way people stop it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import httpx
import psutil

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
START_DEADLINE = 60.0
STOP_DEADLINE = 30.0
_POLL = 0.02


def keep_bytecode(environment: MutableMapping[str, str]) -> None:
    """To compile every library anew is most of what a start of Python costs: keeps what was compiled, but not in the tree."""
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(ROOT / "build" / "pycache")


def free_port() -> int:
    """A port that nobody listens on, now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`python -m api serve`, from `start` to `stop`. Settings are given without their prefix: `skip_cooldown_seconds=2`."""

    forgetful: ClassVar[bool] = True
    """Whether inboxes end with it, so that its clients are told to start anew: in memory they do, in PostgreSQL they do not."""
    program: ClassVar[tuple[str, ...]] = ("api", "serve")
    """The module that is run, and its arguments."""

    def __init__(self, data_dir: Path, /, **settings: object) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.printed = data_dir.parent / f"{data_dir.name}.out"
        self.logged = data_dir.parent / f"{data_dir.name}.err"
        self.settings = {"host": "127.0.0.1", "port": self.port, "data_dir": data_dir} | settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def urls(self) -> list[str]:
        """The same, as of several."""
        return [self.url]

    @property
    def dsn(self) -> str:
        """The address of the PostgreSQL that it started for itself."""
        socket_folder = (self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://parley@/parley?host={socket_folder}&port=5432"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process, running or ended."""
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The server's process ID."""
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """The same, as of several."""
        return [self.pid]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def launch(self) -> Self:
        """Starts the process and does not wait. It leads a process group, as a program does that a shell started."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.printed.open("ab") as out, self.logged.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.program],
                cwd=self.data_dir.parent,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self

    def refuse(self) -> tuple[int, list[str]]:
        """Starts one that is expected not to: its exit code, and what it wrote to stderr, line by line."""
        before = len(self.logged.read_text()) if self.logged.exists() else 0
        self.launch()
        try:
            code = self.process.wait(START_DEADLINE)
        finally:
            self.end()
        return code, self.logged.read_text()[before:].splitlines()

    def command(self, *arguments: str) -> str:
        """What `python -m api` prints with these arguments, run beside the server and with its settings, as its operator types it.
        Raises `subprocess.CalledProcessError`.
        """
        return subprocess.run(
            [sys.executable, "-m", "api", *arguments],
            cwd=self.data_dir.parent,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE,
            check=True,
        ).stdout

    def start(self) -> Self:
        """Starts it and waits until it is ready. Raises `RuntimeError` with its output when it is not."""
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.end()
            raise
        return self

    def wait_until_ready(self) -> None:
        """Returns once `/readyz` answers 200."""
        deadline = time.monotonic() + START_DEADLINE
        with httpx.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.output()}")
                with suppress(httpx.TransportError):
                    if http.get(f"{self.url}/readyz").status_code == httpx.codes.OK:
                        return
                time.sleep(_POLL)
        raise RuntimeError(f"the server was not ready within {START_DEADLINE:.0f} s:\n{self.output()}")

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole process group, as a terminal sends it. Waits, and returns the exit code."""
        os.killpg(self.pid, signal.SIGINT)
        return self.process.wait(STOP_DEADLINE)

    def terminate(self) -> int:
        """What a supervisor does: SIGTERM to the process alone. Waits, and returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE)

    def kill(self) -> None:
        """`kill -9` of the server alone; what it started has to cope. Waits for its end."""
        self.process.kill()
        self.process.wait(STOP_DEADLINE)

    def end(self) -> None:
        """Stops it however it stands, and whatever it left running. Idempotent."""
        if self._process is None:
            return
        if self.process.poll() is None:
            try:
                self.interrupt()
            except subprocess.TimeoutExpired:
                self.kill()
        for leftover in self.leftovers():
            with suppress(psutil.NoSuchProcess):
                leftover.kill()

    def workers(self) -> dict[int, psutil.Process]:
        """The processes that serve, by ID, if it has several."""
        found = {}
        for process in self.leftovers():
            with suppress(psutil.Error):  # It may end while we look.
                if "api.worker" in process.cmdline():
                    found[process.pid] = process
        return found

    def crash_database(self) -> None:
        """Kills one of the embedded PostgreSQL's own processes: it then throws everybody out, and recovers within a second."""
        serving = next(p for p in self.leftovers() if p.cmdline()[0].startswith("postgres: parley: parley parley"))
        serving.kill()
        serving.wait(STOP_DEADLINE)

    def leftovers(self) -> list[psutil.Process]:
        """Processes that belong to this server: its own session, and PostgreSQL on its data directory, whoever's child it is."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def none_left(self, within: float = 10.0) -> bool:
        """Whether everything that it started is gone, at the latest after `within` seconds."""
        deadline = time.monotonic() + within
        while self.leftovers():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def output(self) -> str:
        """Everything that it printed and logged in all of its runs."""
        return "".join(file.read_text(errors="replace") for file in (self.printed, self.logged) if file.exists())

    def _environment(self) -> dict[str, str]:
        # Away from the tree: a developer's .env is none of a test's business, nor are their PARLEY_ variables.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG"))}
        environment |= {f"PARLEY_{name.upper()}": str(value) for name, value in self.settings.items()}
        environment["PYTHONPATH"] = str(ROOT)
        keep_bytecode(environment)
        return environment

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.pid == self.pid or os.getsid(process.pid) == self.pid:
                return True
            return process.name() == "postgres" and _lies_in(process.cwd(), self.data_dir)
        except (psutil.Error, OSError):
            return False


def _lies_in(path: str, folder: Path) -> bool:
    return Path(path).resolve().is_relative_to(folder.resolve())
