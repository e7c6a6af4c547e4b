"""What the inbox in memory alone has to keep: it is bounded, forgets users who are gone, and is held by locks of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.events import Event, SignalReceived
from domain.signaling import IceCandidate, IceCandidates
from persistence.inbox.memory import FORGOTTEN_AFTER, MAILBOX_BYTES, RETENTION, MemoryInbox, size_of
from tests.inboxes import EVERYTHING, ROOM, START, Time, events_of, joined, make_memory, signal
from tests.waiting import DEADLINE


def put(inbox: MemoryInbox, user: UUID, *events: Event) -> None:
    """A commit that appended these."""
    inbox.deliver([(user, event) for event in events], (), START)


async def test_a_mailbox_holds_two_minutes_and_a_mebibyte() -> None:
    """Nobody can fill the server's memory by sending large offers to somebody who does not read."""
    time = Time()
    inbox, user = make_memory(time), uuid4()
    start = await inbox.end(user)
    put(inbox, user, *(signal("x" * 65536) for _ in range(100)))
    batch = await inbox.read(user, None, EVERYTHING)
    held = sum(size_of(event) for event in events_of(batch))
    assert MAILBOX_BYTES - 70_000 < held <= MAILBOX_BYTES
    assert (await inbox.read(user, start, EVERYTHING)).lost
    time.now += RETENTION
    assert events_of(await inbox.read(user, None, EVERYTHING)) == []


def test_sizes_count_what_clients_send() -> None:
    """The limit means memory: text that a client chose counts."""
    candidates = IceCandidates((IceCandidate("c" * 1000, "audio"), IceCandidate("d" * 500)))
    assert size_of(signal("x" * 5000)) - size_of(signal("")) == 5000
    assert size_of(signal("\N{WAVING HAND SIGN}" * 5000)) - size_of(signal("")) >= 20_000
    assert size_of(SignalReceived(uuid4(), ROOM, uuid4(), None, candidates)) - size_of(joined()) >= 1505


async def test_a_commit_of_unknown_outcome_begins_anew() -> None:
    """Whether the event happened is not known: the client is told to look, and what it may do is checked again."""
    hints: list[UUID] = []
    inbox, user = make_memory(hints=hints), uuid4()
    put(inbox, user, joined())
    position = (await inbox.read(user, None, EVERYTHING)).position
    control = inbox.control_version(user)
    inbox.renew([user])
    batch = await inbox.read(user, position, EVERYTHING)
    assert batch.lost
    assert inbox.control_version(user) > control
    assert hints == [user, user]
    after = joined()
    put(inbox, user, after)
    assert events_of(await inbox.read(user, batch.position, EVERYTHING)) == [after]


async def test_users_who_are_gone_take_no_memory_and_come_back_as_lost() -> None:
    """Memory follows the users who are there, not all who ever were. Control versions are not lowered by that."""
    time = Time()
    inbox, gone, busy = make_memory(time), uuid4(), uuid4()
    inbox.deliver([(gone, joined()), (busy, joined())], [gone], START)
    position, control = await inbox.end(gone), inbox.control_version(gone)
    time.now += RETENTION
    inbox.sweep(time.now)
    assert len(inbox) == 2
    assert not (await inbox.read(gone, position, EVERYTHING)).lost
    time.now += FORGOTTEN_AFTER / 2
    await inbox.read(busy, None, EVERYTHING)
    time.now += FORGOTTEN_AFTER / 2
    inbox.sweep(time.now)
    assert len(inbox) == 1
    assert inbox.control_version(gone) >= control
    assert (await inbox.read(gone, position, EVERYTHING)).lost
    assert inbox.control_version(gone) >= control
    before = inbox.control_version(gone)
    inbox.deliver((), [gone], time.now)
    assert inbox.control_version(gone) > before


async def test_delivery_tells_readers_once() -> None:
    """Events and control versions both wake readers."""
    hints: list[UUID] = []
    inbox, one, other = make_memory(hints=hints), uuid4(), uuid4()
    inbox.deliver([(one, joined()), (one, joined())], [other], START)
    assert sorted(hints) == sorted([one, other])


# ------------------------------------------------------------------------------------------ holding inboxes


async def test_whoever_holds_an_inbox_holds_it_alone_and_in_turn() -> None:
    """Two commits that concern one user append in the order in which they committed."""
    inbox, user = make_memory(), uuid4()
    order: list[str] = []

    async def unit(name: str, entered: asyncio.Event, leave: asyncio.Event) -> None:
        async with inbox.hold([user]):
            order.append(name)
            entered.set()
            await leave.wait()

    gates = [(asyncio.Event(), asyncio.Event()) for _ in range(3)]
    tasks = [asyncio.create_task(unit(str(i), *gate)) for i, gate in enumerate(gates)]
    for i, (entered, leave) in enumerate(gates):
        await asyncio.wait_for(entered.wait(), DEADLINE)
        assert order == [str(n) for n in range(i + 1)]
        assert not inbox.free(user)
        leave.set()
    await asyncio.gather(*tasks)
    assert inbox.free(user)


async def test_units_over_the_same_users_do_not_wait_in_a_circle() -> None:
    """Many matches among a few users at once: all commit."""
    inbox = make_memory()
    users = sorted(uuid4() for _ in range(6))

    async def unit(i: int) -> None:
        async with inbox.hold(sorted({users[i % 6], users[(i * 5 + 1) % 6], users[(i * 3 + 2) % 6]})):
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(unit(i) for i in range(200))), DEADLINE)
    assert all(inbox.free(user) for user in users)


async def test_a_cancelled_unit_lets_go_of_what_it_held() -> None:
    """A request that is given up halfway does not block its users for ever, and locks of idle users take no memory."""
    inbox = make_memory()
    first, second = sorted((uuid4(), uuid4()))

    async def unit() -> None:
        async with inbox.hold([first, second]):
            pass

    async with inbox.hold([second]):
        waiting = asyncio.create_task(unit())
        await asyncio.sleep(0)
        assert not inbox.free(first)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert inbox.free(first)
        assert not inbox.free(second)
    assert inbox.free(second)
    assert inbox._locks == {}


async def test_settled_waits_for_the_unit_that_is_committing() -> None:
    """A stream that saw a room closed does not end before the events of the closing are there."""
    inbox, user = make_memory(), uuid4()
    async with inbox.hold([user]):
        settled = asyncio.create_task(inbox.settled(user))
        await asyncio.sleep(0)
        assert not settled.done()
        put(inbox, user, joined())
    await asyncio.wait_for(settled, DEADLINE)


async def test_events_are_kept_for_two_minutes_to_the_millisecond() -> None:
    """Two minutes are a promise to clients that reconnect."""
    time = Time()
    inbox, user = make_memory(time), uuid4()
    put(inbox, user, joined())
    time.now += RETENTION - timedelta(milliseconds=1)
    assert len((await inbox.read(user, None, EVERYTHING)).entries) == 1
    time.now += timedelta(milliseconds=1)
    assert (await inbox.read(user, None, EVERYTHING)).entries == ()
