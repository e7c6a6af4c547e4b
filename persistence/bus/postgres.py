"""The bus over PostgreSQL's LISTEN and NOTIFY (its manual, "NOTIFY")."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
from broadcaster import BroadcastBackend, Event

from persistence.bus.links import CONNECT_SECONDS, HEARTBEAT_SECONDS, REPLY_SECONDS, Incoming, Pending, Publisher
from persistence.tasks import retrieved

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")

APPLICATION_NAME: Final = "parley bus"
"""What `pg_stat_activity` shows for the listening connection."""
PUBLISHER_NAME: Final = "parley bus publisher"
MESSAGE_BYTES: Final = 7_999
CHANNEL_BYTES: Final = 63
"""PostgreSQL refuses longer names in NOTIFY, and cuts them off in silence in LISTEN."""

# `count`, because a row for each message would come back otherwise.
NOTIFY: Final = "SELECT count(pg_notify(channel, message)) FROM unnest($1::text[], $2::text[]) AS t(channel, message)"
# A queue that was full once aborts every NOTIFY until somebody calls this, though its readers have long caught up.
USAGE: Final = "SELECT pg_notification_queue_usage()"


class PostgresBackend(BroadcastBackend):
    """One connection that listens, one that publishes, both direct: a pooler between transactions would lose the LISTEN."""

    def __init__(self, dsn: str) -> None:
        self.queue_usage: float | None = None
        """How full the cluster's notification queue was at the last heartbeat, 0 to 1. At 1 every NOTIFY fails."""
        self._dsn = dsn
        self._publisher = Publisher(_PostgresLine(dsn))
        self._listening: _Listening | None = None
        self._heartbeat: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        try:
            self._listening = listening = _Listening(await _opened(self._dsn, APPLICATION_NAME))
            self._heartbeat = asyncio.create_task(self._beat(listening), name="bus-heartbeat")
            for task in (self._heartbeat, await self._publisher.start()):
                task.add_done_callback(listening.incoming.ended_by)
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        listening, self._listening = self._listening, None
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.cancel()
            await asyncio.wait((heartbeat,))
        if listening is not None:
            await listening.close()
        await self._publisher.stop()

    async def subscribe(self, group: str) -> None:
        _check("channel", group, CHANNEL_BYTES)
        listening = self._connected()
        await listening.ask(lambda connection: connection.add_listener(group, listening.hear))

    async def unsubscribe(self, group: str) -> None:
        listening = self._connected()
        await listening.ask(lambda connection: connection.remove_listener(group, listening.hear))

    async def publish(self, channel: str, message: str) -> None:
        _check("channel", channel, CHANNEL_BYTES)
        _check("message", message, MESSAGE_BYTES)
        await self._publisher.publish(channel, message)

    async def next_published(self) -> Event:
        return await self._connected().incoming.next()

    def _connected(self) -> _Listening:
        if self._listening is None:
            msg = "the bus is not connected"
            raise ConnectionError(msg)
        return self._listening

    async def _beat(self, listening: _Listening) -> None:
        while True:
            self.queue_usage = await listening.ask(lambda connection: connection.fetchval(USAGE))
            await asyncio.sleep(HEARTBEAT_SECONDS)


class _Listening:
    """The listening connection, on which one statement runs at a time."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.incoming = Incoming()
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._asking: set[asyncio.Task[object]] = set()
        connection.add_termination_listener(self._lost)

    async def ask(self, statement: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Raises `ConnectionError` if there is no answer within `REPLY_SECONDS`, and the connection is closed then.

        Who is cancelled leaves the statement running: cancelling it would make asyncpg dial the server once more.
        """
        asking = asyncio.create_task(self._ask(statement), name="bus-statement")
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        return await asyncio.shield(asking)

    def hear(self, _connection: object, _pid: int, channel: str, message: object) -> None:
        """Called by asyncpg for each notification."""
        self.incoming.put(Event(channel, str(message)))

    async def close(self) -> None:
        """At once, without a word to the server, which may be frozen."""
        self.incoming.fail("disconnected")
        self._connection.terminate()
        if self._asking:
            await asyncio.wait(self._asking)
        await asyncio.sleep(0)  # The loop finishes an aborted connection in its next turn.

    async def _ask(self, statement: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            giving_up = asyncio.get_running_loop().call_later(REPLY_SECONDS, self._connection.terminate)
            try:
                return await statement(self._connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                msg = f"PostgreSQL did not answer: {type(error).__name__} {error}"
                raise ConnectionError(msg) from error
            finally:
                giving_up.cancel()

    def _asked(self, asking: asyncio.Task[object]) -> None:
        self._asking.discard(asking)
        retrieved(asking)

    def _lost(self, _connection: object) -> None:
        self.incoming.fail("PostgreSQL closed it, or did not answer")


class _PostgresLine:
    """See `links.Line`. A batch is one statement in autocommit: NOTIFY commits under a lock of the whole cluster."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def open(self) -> None:
        self._connection = await _opened(self._dsn, PUBLISHER_NAME)

    async def send(self, batch: deque[Pending]) -> None:
        connection = self._connection
        if connection is None:
            msg = "closed"
            raise ConnectionError(msg)
        while batch:
            part = _distinct(batch)
            await connection.execute(NOTIFY, [each.channel for each in part], [each.message for each in part])
            for _ in part:
                batch.popleft().acknowledge()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _distinct(batch: Iterable[Pending]) -> list[Pending]:
    """The first ones up to a repetition: of equal messages in a transaction PostgreSQL delivers one."""
    part: dict[tuple[str, str], Pending] = {}
    for each in batch:
        if part.setdefault((each.channel, each.message), each) is not each:
            break
    return list(part.values())


async def _opened(dsn: str, name: str) -> asyncpg.Connection:
    """A connection for an address as libpq writes it. Raises `ConnectionError`, without the address."""
    try:
        # A hint needs no fsync; the setting is this connection's only.
        settings = {"application_name": name, "synchronous_commit": "off"}
        return await asyncpg.connect(dsn, server_settings=settings, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        msg = f"PostgreSQL's bus cannot be reached: no answer within {CONNECT_SECONDS:.0f} s"
        raise ConnectionError(msg) from error
    except ValueError:  # It quotes parts of the address, which may be parts of a password.
        msg = "PostgreSQL's bus cannot be reached: its address is not understood"
        raise ConnectionError(msg) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        msg = f"PostgreSQL's bus cannot be reached: {error}"
        raise ConnectionError(msg) from error


def _check(what: str, text: str, most: int) -> None:
    size = len(text.encode())
    if size > most:
        msg = f"PostgreSQL's bus carries a {what} of at most {most} bytes, not {size}"
        raise ValueError(msg)
    if "\0" in text or (what == "channel" and not text):
        msg = f"PostgreSQL's bus cannot carry this {what}: it has a NUL character, or is empty"
        raise ValueError(msg)
