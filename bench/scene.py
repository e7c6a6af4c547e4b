"""Where recovery is measured: PostgreSQL, a bus and two workers, each of which can be made to fail, and people who come back."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from api import migrations
from bench.servers import new_secret
from tests.acceptance import documents
from tests.acceptance.client import Closed, GraphQLFailure, Socket
from tests.chaos.network import Link
from tests.chaos.stage import Database, Worker
from tests.chaos.worker import LEDGER_VARIABLE, LOST_VARIABLE
from tests.valkey import Valkey
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.acceptance.client import Subscription
    from tests.chaos.network import Address

JSON = dict[str, Any]
LOST = (OSError, TimeoutError, Closed, GraphQLFailure)
"""What a client asks again after."""
AGAIN_SECONDS = 0.02
"""Between two attempts."""
MEMORY_OF_SEATS = 300
"""Seconds for which seats are kept for people whose worker is being started again."""


class Scene:
    """Two workers over a bus, `redis` or `postgresql`. The way to the database and the way to the bus can be cut."""

    def __init__(self, folder: Path, bus: str) -> None:
        self.database = Database(folder / "database")
        self.valkey = Valkey(folder / "bus") if bus == "redis" else None
        self.workers: list[Worker] = []
        self.bus_is_reachable = True
        chances = random.Random(4)
        self.to_bus = Link(self._bus_address, chances)
        self._to_database = Link(self.database.address, chances)
        self._folder = folder
        self._undo = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self._undo.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._undo.aclose()

    async def leader(self) -> int:
        """The number of the worker that leads, as soon as one of those that run does."""
        found: list[int] = []

        async def known() -> bool:
            holder = await self._holder()
            found[:] = [number for number, worker in enumerate(self.workers) if worker.incarnation == holder]
            return bool(found)

        await until(known)
        return found[0]

    async def _begin(self) -> None:
        self._undo.push_async_callback(self.database.stop)
        await self.database.start()
        assert self.database.running is not None  # noqa: S101  # it was just started
        await migrations.upgrade(self.database.running.dsn())
        if self.valkey is not None:
            self._undo.push_async_callback(asyncio.to_thread, self.valkey.kill)
            await asyncio.to_thread(self.valkey.start)
        for link in (self._to_database, self.to_bus):
            self._undo.push_async_callback(link.close)
            await link.open()
        # These workers tell under what name they work, which is what makes a leader known. They are not to lose any hints here.
        os.environ[LOST_VARIABLE], os.environ[LEDGER_VARIABLE] = "0", str(self._folder / "hints")
        shared = {
            "database_url": _postgresql(self._to_database.port),
            "bus_url": _postgresql(self.to_bus.port)
            if self.valkey is None
            else f"redis://127.0.0.1:{self.to_bus.port}",
            "secrets": new_secret(),
            "rate_limits": "off",
            "skip_cooldown_seconds": 0,
            "resume_seconds": MEMORY_OF_SEATS,
            "drain_seconds": 0,
        }
        for number in range(2):
            worker = Worker(self._folder / f"worker-{number}", **shared)
            self.workers.append(worker)
            self._undo.push_async_callback(asyncio.to_thread, worker.end)
            await asyncio.to_thread(worker.start)

    async def _holder(self) -> str | None:
        assert self.database.running is not None  # noqa: S101  # nobody asks while it is stopped
        connection = await asyncpg.connect(self.database.running.dsn())
        try:
            holder = await connection.fetchval("SELECT holder FROM lease WHERE expires_at > clock_timestamp()")
        finally:
            await connection.close()
        return None if holder is None else str(holder.hex)

    def _bus_address(self) -> Address:
        if not self.bus_is_reachable:
            raise ConnectionRefusedError
        return self.database.address() if self.valkey is None else ("127.0.0.1", self.valkey.port)


class Guest:
    """Somebody with one socket, who notes when what came to them, and goes on where they were wherever they connect next."""

    def __init__(self, token: str) -> None:
        self.member_id = ""
        """In the room that they share with a friend."""
        self.signals: dict[int, float] = {}
        """When each came, by its number."""
        self.repeated = 0
        self.matches: list[tuple[str, float]] = []
        """Rooms, and when they were told."""
        self.ended: set[str] = set()
        self._token = token
        self._cursor: str | None = None
        self._socket: Socket | None = None
        self._reading: asyncio.Task[None] | None = None

    async def connect(self, worker: Worker) -> None:
        """Connects there, as often as it takes, and follows `events` from where they were."""
        await self.leave()
        while True:
            try:
                self._socket = await Socket.open(f"{worker.url}/graphql", self._token, after=self._cursor)
                events = await self._socket.subscribe(documents.EVENTS)
                if self._cursor is None:
                    self._take(await events.until("MatchSnapshot"))
                self._reading = asyncio.create_task(self._read(events))
            except LOST:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def leave(self) -> None:
        """Tears the connection, if there is one."""
        if self._reading is not None:
            self._reading.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.abort()

    async def lost(self) -> None:
        """Waits until the connection is gone."""
        await self.socket.closed()

    @property
    def socket(self) -> Socket:
        """The present one."""
        assert self._socket is not None, "not connected"  # noqa: S101  # a mistake of ours
        return self._socket

    async def ask(self, document: str, **fields: object) -> JSON:
        """The payload of a mutation, asked until it is answered. Raises `RuntimeError` when that is no success."""
        while True:
            try:
                payload = await self.socket.run(document, input=fields)
            except GraphQLFailure:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if not payload["__typename"].endswith("Success"):
                raise RuntimeError(payload["__typename"])
            return payload

    async def send(self, other: Guest, number: int) -> None:
        """Sends a signal, once, however often that takes."""
        offer = {"offer": {"sdp": str(number)}}
        await self.ask(documents.SEND_SIGNAL, to=other.member_id, signal=offer, clientSignalId=f"signal {number}")

    async def _read(self, events: Subscription) -> None:
        with suppress(*LOST):
            while True:
                self._take(await events.next(None))

    def _take(self, event: JSON) -> None:
        self._cursor = event["cursor"]
        match event["__typename"]:
            case "SignalReceived":
                number = int(event["signal"]["sdp"])
                self.repeated += number in self.signals
                self.signals.setdefault(number, time.monotonic())
            case "Matched":
                self.matches.append((event["room"]["id"], time.monotonic()))
            case "MatchEnded":
                self.ended.add(event["room"]["id"])
            case "ResyncRequired":
                msg = "the inbox had a gap"
                raise RuntimeError(msg)


def _postgresql(port: int) -> str:
    return f"postgresql://parley@127.0.0.1:{port}/parley?sslmode=disable"
