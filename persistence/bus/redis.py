"""The bus over PUBLISH and SUBSCRIBE of Redis, Valkey, KeyDB, Dragonfly: any server of their protocol (RESP 2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from broadcaster import BroadcastBackend, Event
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from persistence.bus.links import (
    CONNECT_SECONDS,
    HEARTBEAT_SECONDS,
    REPLY_SECONDS,
    Incoming,
    Pending,
    Publisher,
)

if TYPE_CHECKING:
    from collections import deque

CLIENT_NAME: Final = "parley-bus"
"""What `CLIENT LIST` shows for the listening connection."""
PUBLISHER_NAME: Final = "parley-bus-publisher"


class RedisBackend(BroadcastBackend):
    """One connection that listens, one that publishes. Raises `ValueError`, without the address, for one not understood.

    redis-py's own PubSub resubscribes behind our back after a loss, and its acknowledgements come as messages: here the
    listening connection is read by one task, which hands out both.
    """

    def __init__(self, url: str) -> None:
        self._listeners = _connections(url, CLIENT_NAME)
        self._publisher = Publisher(_RedisLine(_connections(url, PUBLISHER_NAME)))
        self._connection: AbstractConnection | None = None
        self._incoming = Incoming()
        self._awaited: dict[tuple[bytes, bytes], asyncio.Future[None]] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def connect(self) -> None:
        try:
            self._connection = connection = await _opened(self._listeners)
            self._incoming = incoming = Incoming()
            heard = asyncio.Event()
            self._tasks = (
                asyncio.create_task(self._read(connection, incoming, heard), name="bus-reader"),
                asyncio.create_task(_beat(connection, heard), name="bus-heartbeat"),
            )
            for task in (*self._tasks, await self._publisher.start()):
                task.add_done_callback(incoming.ended_by)
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        self._incoming.fail("disconnected")
        connection, self._connection = self._connection, None
        tasks, self._tasks = self._tasks, ()
        if connection is not None:
            _abort(connection)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._publisher.stop()
        await asyncio.sleep(0)  # The loop finishes an aborted connection in its next turn.

    async def subscribe(self, group: str) -> None:
        await self._ask("SUBSCRIBE", group)

    async def unsubscribe(self, group: str) -> None:
        await self._ask("UNSUBSCRIBE", group)

    async def publish(self, channel: str, message: str) -> None:
        message.encode()  # A lone surrogate is the publisher's mistake, and not to fail the others in its batch.
        await self._publisher.publish(channel, message)

    async def next_published(self) -> Event:
        return await self._incoming.next()

    async def _ask(self, command: str, channel: str) -> None:
        """Returns once the server has answered."""
        self._incoming.check()
        connection = self._connection
        if connection is None:
            msg = "the bus is not connected"
            raise ConnectionError(msg)
        key = (command.lower().encode(), channel.encode())
        answered = self._awaited[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await connection.send_command(command, channel, check_health=False)
                await answered
        except (RedisError, OSError) as error:
            msg = f"Redis did not answer {command}: {error}".rstrip(": ")
            raise ConnectionError(msg) from error
        finally:
            self._awaited.pop(key, None)

    async def _read(self, connection: AbstractConnection, incoming: Incoming, heard: asyncio.Event) -> None:
        while True:
            word = await connection.read_response(disable_decoding=True, disconnect_on_error=False)
            heard.set()
            match word:
                case [b"message", bytes(channel), bytes(message)]:
                    incoming.put(Event(channel.decode(), message.decode(errors="replace")))
                case [b"subscribe" | b"unsubscribe" as kind, bytes(channel), _]:
                    answered = self._awaited.get((kind, channel))
                    if answered is not None and not answered.done():
                        answered.set_result(None)


async def _beat(connection: AbstractConnection, heard: asyncio.Event) -> None:
    """Makes the server say something every few seconds. Raises `TimeoutError` when it does not. A timeout around each read
    would say the same, and cost a fifth of the rate.
    """
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        heard.clear()
        async with asyncio.timeout(REPLY_SECONDS):
            await connection.send_command("PING", check_health=False)
            await heard.wait()


class _RedisLine:
    """See `links.Line`. A batch is one write, and one answer is read for each message."""

    def __init__(self, connections: ConnectionPool) -> None:
        self._connections = connections
        self._connection: AbstractConnection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        self._connection = await _opened(self._connections)

    async def send(self, batch: deque[Pending]) -> None:
        connection = self._connection
        if connection is None:
            msg = "closed"
            raise ConnectionError(msg)
        commands = connection.pack_commands([("PUBLISH", each.channel, each.message) for each in batch])
        await connection.send_packed_command(commands, check_health=False)
        while batch:
            await connection.read_response(disable_decoding=True, disconnect_on_error=False)
            batch.popleft().acknowledge()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _abort(connection)


def _connections(url: str, name: str) -> ConnectionPool:
    """What makes connections to an address; nothing is pooled in it."""
    try:
        connections = ConnectionPool.from_url(
            url,
            protocol=2,
            client_name=name,
            driver_info=None,
            socket_connect_timeout=CONNECT_SECONDS,
            # Ours are around each call. With one of its own redis-py sends within `asyncio.wait_for`, which in Python 3.11
            # swallows a cancellation that comes as the sending ends: the task that was to end goes on.
            socket_timeout=None,
        )
        _made(connections)
    except (ValueError, TypeError, RedisError):
        # Theirs quotes parts of the address, which may be parts of a password with a "/" in it.
        msg = (
            "The bus's address is not understood: set PARLEY_BUS_URL to one like redis://user:password@host:6379/0, "
            "with special characters percent-encoded."
        )
        raise ValueError(msg) from None
    return connections


def _made(connections: ConnectionPool) -> AbstractConnection:
    connection: AbstractConnection = connections.make_connection()  # type: ignore[no-untyped-call]
    return connection


async def _opened(connections: ConnectionPool) -> AbstractConnection:
    """A connection that is greeted and authenticated. Raises `ConnectionError`."""
    connection = _made(connections)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException as error:
        _abort(connection)
        if not isinstance(error, RedisError | OSError):
            raise
        msg = f"Redis cannot be reached: {str(error) or f'no answer within {CONNECT_SECONDS:.0f} s'}"
        raise ConnectionError(msg) from error
    return connection


def _abort(connection: AbstractConnection) -> None:
    """Closes at once. redis-py's `disconnect` would wait for a frozen server to read what is still to be written."""
    writer = connection._writer  # noqa: SLF001  # there is no other way to its transport
    if writer is not None:
        writer.transport.abort()
    connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001  # the part of `disconnect` that waits for nothing
