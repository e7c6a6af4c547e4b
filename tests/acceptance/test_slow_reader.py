"""Somebody who stops reading: the server lets go of them, holds nothing for them but their inbox, and has it when they return."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.acceptance import documents
from tests.acceptance.client import Person, Seat, Socket, Subscription
from tests.acceptance.cluster import Cluster
from tests.acceptance.conftest import Newcomer, meet
from tests.waiting import Stopwatch, until

if TYPE_CHECKING:
    from tests.acceptance.server import Server

SETTINGS = {"rate_limits": "off"}
SDP = "x" * 60_000
FEW = 14
"""Signals that together stay below the 1 MiB that an inbox in memory keeps, and are more than buffers on the way take."""
MANY = 500
"""30 MB: what a server would hold that queued for whoever does not read."""
ON_THE_WAY = 4
"""Signals that a sender has not been answered."""
CLOSED_WITHIN = 15.0
"""Seconds: 10 without progress, and the time until the buffers on the way were full."""
FLAT = 8 * 1024 * 1024
"""Bytes by which a worker may grow meanwhile. It holds 256 KiB and a frame per socket, the newest 1 MiB at most per inbox, and what
is just being read, encoded and sent; the rest is what the allocator keeps. Seen: 2.4 MiB. All of `MANY` would be 28.
"""
AT_MOST = 2.0
"""Seconds within which everybody else is told, while all this happens."""
RECEIVE_BUFFER = 8 * 1024
"""Bytes that the system of the frozen tab takes for it."""


async def freeze(person: Person, url: str) -> Socket:
    """Opens another tab of theirs that follows `events` and stops reading. Its network has little room, so that what is sent soon
    stands still at the server.
    """
    address = urlsplit(url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    narrow.setblocking(False)  # noqa: FBT003  # positional in the standard library
    await asyncio.get_running_loop().sock_connect(narrow, (str(address.hostname), int(address.port or 80)))
    connection = await connect(
        url.replace("http", "ws", 1),
        sock=narrow,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        compression=None,
        ping_interval=None,
        max_size=None,
        proxy=None,
    )
    frozen = Socket(connection)
    await frozen.send({"type": "connection_init", "payload": {"authorization": f"Bearer {person.token}"}})
    events = await frozen.subscribe(documents.EVENTS)
    await events.until("MatchSnapshot")
    connection.transport.pause_reading()
    return frozen


def dropped(frozen: Socket) -> bool:
    """Whether the server has torn the connection. Whoever does not read is not told of it, but their system knows."""
    try:
        frozen.connection.transport.get_extra_info("socket").getpeername()
    except OSError:
        return True
    return False


async def closed(frozen: Socket) -> float:
    """Waits until the server has torn the connection; returns how many seconds that took, however long others take meanwhile."""
    with Stopwatch() as watch:
        await until(lambda: dropped(frozen), 4 * CLOSED_WITHIN)
        return watch.seconds


async def send(sender: Person, to: str, count: int) -> None:
    """So many large signals with numbers, over a socket of their own; a few at a time are on their way."""
    connected = await sender.connect()
    answers: list[Subscription] = []
    for number in range(count):
        signal = {"offer": {"sdp": SDP}}
        answers.append(
            await connected.subscribe(documents.SEND_SIGNAL, input={"to": to, "signal": signal, "callId": str(number)})
        )
        if number >= ON_THE_WAY:
            assert (await answers[number - ON_THE_WAY].next())["__typename"] == "SendSignalSuccess"
    assert [(await answer.next())["__typename"] for answer in answers[-ON_THE_WAY:]] == ["SendSignalSuccess"] * min(
        count, ON_THE_WAY
    )
    await connected.close()


async def numbers(events: Subscription, last: int) -> list[int]:
    """The numbers of the signals up to that one."""
    heard: list[int] = []
    while not heard or heard[-1] != last:
        heard.append(int((await events.until("SignalReceived"))["callId"]))
    return heard


async def overwhelmed(one: Person, seat: Seat, other: Person, other_seat: Seat, count: int) -> Subscription:
    """A tab of one's stops reading while the other sends; it is closed in time. Returns what it hears once it is back."""
    frozen = await freeze(one, one.api.url)
    assert not dropped(frozen)
    closing = asyncio.create_task(closed(frozen))
    sending = asyncio.create_task(send(other, other_seat.partner_id, count))
    try:
        assert await numbers(one.inbox, count - 1) == list(range(count)), (
            "the other tab of the same user hears all of it"
        )
        await sending
        took = await closing
    finally:
        sending.cancel()
        closing.cancel()
    assert took <= CLOSED_WITHIN, f"{took:.1f} s"
    assert frozen.connection.transport.is_reading() is False, "it was not read to the end"
    await frozen.abort()
    return await (await one.connect()).subscribe(documents.EVENTS, after=seat.cursor)


@asynccontextmanager
async def watched(pids: list[int]) -> AsyncIterator[dict[int, int]]:
    """By how many bytes each process has grown at most, while the context is open."""
    processes = [psutil.Process(pid) for pid in pids]
    before = {process.pid: process.memory_info().rss for process in processes}
    grown = dict.fromkeys(before, 0)

    async def look() -> None:
        while True:
            for process in processes:
                grown[process.pid] = max(grown[process.pid], process.memory_info().rss - before[process.pid])
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    try:
        yield grown
    finally:
        looking.cancel()


async def others_talk(one: Person, other: Person, seat: Seat, worst: list[float]) -> None:
    """Two who have nothing to do with it signal all the time; notes how long the slowest took."""
    while True:
        with Stopwatch() as watch:
            await one.send(seat.partner_id, {"offer": {"sdp": "prompt"}})
            await other.inbox.until("SignalReceived")
            worst.append(watch.seconds)
        await asyncio.sleep(0.02)


async def test_a_slow_reader_is_closed_and_comes_back_while_memory_stays_flat(
    newcomer: Newcomer, server: Server | Cluster, interest: str
) -> None:
    """A laptop that is shut in a call: the server must not fill its memory for it, nor keep anybody waiting; and when it is opened
    again everything is there that inboxes keep, once and in order.
    """
    people = [await newcomer(f"Person {number}") for number in range(6)]
    pairs = list(zip(people[::2], people[1::2], strict=True))
    seats = [await meet(one, other, f"{interest} {number}") for number, (one, other) in enumerate(pairs)]
    for (one, other), (_, other_seat) in zip(
        pairs[:2], seats[:2], strict=True
    ):  # What is done for the first time takes memory.
        await send(other, other_seat.partner_id, FEW)
        await numbers(one.inbox, FEW - 1)
    cursors = [str(one.inbox.cursor) for one, _ in pairs]
    worst: list[float] = []
    talking = asyncio.create_task(others_talk(*pairs[2], seats[2][0], worst))
    async with watched(server.pids) as grown:
        few, many = await asyncio.gather(
            *(
                overwhelmed(*_interleaved(pair, seat, cursor), count)
                for pair, seat, cursor, count in zip(pairs, seats, cursors, (FEW, MANY), strict=False)
            )
        )
        assert not talking.done()
    talking.cancel()

    assert await numbers(few, FEW - 1) == list(range(FEW))
    if server.forgetful:  # In memory an inbox keeps the newest MiB, and says so when that was not enough.
        assert (await many.next())["__typename"] == "ResyncRequired"
        await send(pairs[1][1], seats[1][1].partner_id, 1)
        assert await numbers(many, 0) == [0]
    else:
        assert await numbers(many, MANY - 1) == list(range(MANY))
    assert "ResyncRequired" not in [event["__typename"] for event in few.seen]
    assert max(worst) <= AT_MOST, f"somebody else waited for {max(worst):.2f} s"
    assert max(grown.values()) <= FLAT, f"grown by {[size >> 10 for size in grown.values()]} KiB"


def _interleaved(
    pair: tuple[Person, Person], seats: tuple[Seat, Seat], cursor: str
) -> tuple[Person, Seat, Person, Seat]:
    """The arguments of `overwhelmed`, to be resumed after that cursor."""
    return pair[0], replace(seats[0], cursor=cursor), pair[1], seats[1]
