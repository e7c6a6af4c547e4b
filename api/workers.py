"""Several workers on one port: the process that starts them, watches them, replaces them, and stops them all together.

It serves nobody itself and loads little. SIGINT and SIGTERM drain all; a second SIGINT ends the draining. SIGHUP replaces the
workers one by one without losing a connection, by processes that read the code and the settings anew; the address, the embedded
database and the number of workers stay. Workers have process groups of their own: Ctrl-C reaches the parent alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from api.databases import database
from api.doors import Doors
from api.refusal import Refusal
from api.welcome import welcome
from api.worker import Assignment, Report
from persistence.backoff import backoff

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import ExitStack

    from api.databases import Source
    from api.settings import Settings

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
"""How long a worker may take until it is ready."""
ATTEMPTS = 3
"""Starts in a row that may fail in one place before everything stops: somebody has to look."""
CALM_SECONDS = 30.0
"""A worker that lived so long did not die of its start: its successor is started at once."""
LONGEST_PAUSE_SECONDS = 10.0
"""Between two starts in one place."""
WATCH_SECONDS = 1.0


def supervise(settings: Settings, stack: ExitStack) -> None:
    """Serves with `settings.workers` processes until SIGINT or SIGTERM. What `stack` holds is undone by its owner. Raises `Refusal`
    when the server cannot start, or can no longer serve.
    """
    doors = stack.enter_context(Doors(settings.host, settings.port, settings.workers))
    source = stack.enter_context(database(settings))
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-workers-", ignore_cleanup_errors=True))
    with asyncio.Runner() as runner:
        runner.run(_Supervisor(settings, doors, source, Path(folder)).run())


class _Worker:
    """One process, from its start to its end."""

    def __init__(self, place: int, figures: Path, process: Process, report: int) -> None:
        self.place = place
        self.figures = figures
        self.pid = process.pid
        self.report = Report()
        """What it said last."""
        self._process = process
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(report), name="worker report")

    @property
    def code(self) -> int | None:
        """The exit code; below 0 the signal that ended it; None while it runs."""
        return self._process.returncode

    async def became_ready(self) -> bool:
        """Waits until it serves; false: it ended before, or was not ready in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                done = [asyncio.create_task(event.wait()) for event in (self._ready, self._ended)]
                try:
                    await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in done:
                        task.cancel()
        return self._ready.is_set() and not self._ended.is_set()

    async def ended(self) -> None:
        """Waits for its end, and for its last words."""
        await self._ended.wait()

    def when_ended(self, call: Callable[[_Worker], None]) -> None:
        """Calls it after the end."""
        self._listening.add_done_callback(lambda _: call(self))

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, within: float) -> None:
        """Lets it drain for so many seconds at most."""
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), within)
            return
        log.error("a worker did not stop in time and is killed", worker=self.place + 1, pid=self.pid)
        self.send(signal.SIGKILL)
        await self.ended()

    async def _listen(self, report: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(report, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async for line in reader:
                self.report = Report.received(line)
                if self.report.sentence is None:
                    self._ready.set()
            await self._process.wait()
        finally:
            transport.close()
            self._ended.set()


class _Place:
    """Where one worker serves at a time; two while it is being replaced."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: _Worker | None = None
        self.turn = asyncio.Lock()
        """Held by whoever puts a worker there."""


class _Supervisor:
    """See the module."""

    def __init__(self, settings: Settings, doors: Doors, source: Source, folder: Path) -> None:
        self._settings = settings
        self._doors = doors
        self._source = source
        self._folder = folder
        self._places = [_Place(number) for number in range(settings.workers)]
        self._alive: set[_Worker] = set()
        self._welcomed = False
        self._stopping = asyncio.Event()
        self._replacement = asyncio.Event()
        self._failure: str | None = None
        self._has_terminal = _terminal()

    async def run(self) -> None:
        """Until somebody stops it. Raises `Refusal`."""
        with self._signals():
            loops: list[Coroutine[None, None, None]] = [self._keep(place) for place in self._places]
            tasks = [asyncio.create_task(loop) for loop in (*loops, self._replace_on_request(), self._watch())]
            for task in tasks:
                task.add_done_callback(self._check)
            await self._stopping.wait()
            self._doors.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            patience = self._settings.patience.total_seconds()
            await asyncio.gather(*(worker.stop(patience) for worker in list(self._alive)))
        if self._failure is not None:
            raise Refusal(self._failure)

    def _fail(self, sentence: str) -> None:
        self._failure = self._failure or sentence
        self._stopping.set()

    def _check(self, task: asyncio.Task[None]) -> None:
        """A loop that ends by a mistake of ours takes everything down, in the open."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the supervision of the workers failed", exc_info=error)
            self._fail("The supervision of the workers failed: the log says where.")

    # ---------------------------------------------------------------------------------------- one place

    async def _keep(self, place: _Place) -> None:
        """Has a worker serve there, again and again."""
        failed = deaths = 0
        while True:
            async with place.turn:
                if place.worker is None:  # else it was replaced meanwhile
                    worker = await self._launch(place)
                    if await worker.became_ready():
                        place.worker, failed = worker, 0
                    else:
                        failed += 1
                        await self._give_up(worker, failed)
            if place.worker is not None:
                worker, since = place.worker, asyncio.get_running_loop().time()
                self._welcome()
                await worker.ended()
                if place.worker is not worker:
                    continue
                log.error(
                    "a worker ended and is started again", worker=place.number + 1, pid=worker.pid, code=worker.code
                )
                place.worker = None
                self._doors.desert(place.number)
                deaths = 0 if asyncio.get_running_loop().time() - since > CALM_SECONDS else deaths + 1
            await asyncio.sleep(backoff(failed + deaths, LONGEST_PAUSE_SECONDS))

    async def _give_up(self, worker: _Worker, failed: int) -> None:
        """After a start that failed. At the very first one a sentence is what the person at the keyboard waits for; later the other
        workers go on through an outage of the database, and so do we.
        """
        if worker.code is None:
            log.error("a worker was not ready in time", worker=worker.place + 1, pid=worker.pid)
            worker.send(signal.SIGKILL)
            await worker.ended()
        sentence, at_first = worker.report.sentence, not self._welcomed
        reason = sentence or f"A worker ended with code {worker.code} before it could serve: the log says why."
        if (at_first and sentence) or (failed >= ATTEMPTS and not worker.report.passing):
            self._fail(reason)
        else:
            log.error("a worker could not start", worker=worker.place + 1, reason=reason)

    async def _launch(self, place: _Place) -> _Worker:
        taken = {worker.figures for worker in self._alive}
        names = (self._folder / f"{place.number + 1}-{spare}.json" for spare in range(len(taken) + 1))
        figures = next(file for file in names if file not in taken)
        sockets = tuple(listener.fileno() for listener in self._doors.at(place.number))
        hear, report = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "api.worker"),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(*sockets, report),
                process_group=0,
            )
        except BaseException:
            os.close(hear)
            raise
        finally:
            os.close(report)
        worker = _Worker(place.number, figures, process, hear)
        self._alive.add(worker)
        worker.when_ended(self._alive.discard)
        embedded = self._source.dsn if self._settings.database_url is None else None
        assignment = Assignment(place.number + 1, sockets, report, str(figures), embedded)
        if process.stdin is not None:
            process.stdin.write(assignment.line())  # Stays open: it ends with us.
        return worker

    # ---------------------------------------------------------------------------------------- all places

    async def _replace_on_request(self) -> None:
        while True:
            await self._replacement.wait()
            self._replacement.clear()
            log.info("the workers are replaced one by one")
            for place in self._places:
                if not await self._replace(place):
                    log.error("the workers were not replaced: those that serve go on")
                    break
            else:
                log.info("all workers are replaced")

    async def _replace(self, place: _Place) -> bool:
        """A new worker serves beside the old one before that one drains: nobody finds the place empty."""
        async with place.turn:
            fresh = await self._launch(place)
            if not await fresh.became_ready():
                fresh.send(signal.SIGKILL)
                await fresh.ended()
                log.error(
                    "a worker could not start",
                    worker=place.number + 1,
                    reason=fresh.report.sentence or f"code {fresh.code}",
                )
                return False
            old, place.worker = place.worker, fresh
        if old is not None:
            await old.stop(self._settings.patience.total_seconds())
        return True

    async def _watch(self) -> None:
        """A server whose own PostgreSQL was killed serves nobody."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._source.ended():
                self._fail("The database's process was killed: this server has stopped.")

    def _welcome(self) -> None:
        if not self._welcomed and all(place.worker is not None for place in self._places):
            self._welcomed = True
            welcome(self._settings, self._doors.port)

    # ---------------------------------------------------------------------------------------- signals

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self._interrupted, signal.SIGTERM: self._stopping.set, signal.SIGHUP: self._hung_up}
        before = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, former in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, former)

    def _interrupted(self) -> None:
        if self._stopping.is_set():
            for worker in self._alive:
                worker.send(signal.SIGINT)
        self._stopping.set()

    def _hung_up(self) -> None:
        """SIGHUP is also what a terminal sends when it is closed, and then nobody is there to want anything."""
        if self._has_terminal and not _terminal():
            self._stopping.set()
        elif self._welcomed:
            self._replacement.set()


def _terminal() -> bool:
    """Whether this process has a terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
