"""Messages by ID: at hand when they were just sent, bounded in memory, and loaded by one query otherwise."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.chat import Message
from domain.errors import Unavailable
from domain.events import Event
from domain.franking import FrankingTag
from persistence.transcript import IDS_AT_ONCE, MESSAGE_BYTES, RecentMessages, Transcript
from tests.waiting import until
from tests.world import START, open_world


def a_message(size: int = 100) -> Message:
    """A message as it comes from the network: nothing in it is shared with another."""
    return Message(
        id=uuid4(),
        room_id=uuid4(),
        seq=2**40,
        sender_id=uuid4(),
        client_message_id=str(uuid4()),
        ciphertext=bytes(bytearray(size)),
        commitment=bytes(bytearray(32)),
        franking_tag=FrankingTag(uuid4().hex, bytes(bytearray(32)), bytes(bytearray(32))),
        sent_at=START.replace(microsecond=1000),
    )


def test_memory_is_bounded_by_bytes_and_keeps_what_is_read() -> None:
    """A room that is flooded with large messages takes no memory from the others, and what readers still need stays."""
    recent = RecentMessages(4 * (MESSAGE_BYTES + 1000))
    messages = [a_message(1000) for _ in range(4)]
    recent.keep(messages)
    assert len(recent) == 4
    assert recent.get(messages[0].id) is messages[0]
    recent.keep([a_message(1000)])
    assert recent.get(messages[0].id) is messages[0]
    assert recent.get(messages[1].id) is None
    large = a_message(4000)
    recent.keep([large])
    assert recent.get(large.id) is large
    assert len(recent) == 2
    recent.keep([a_message(4 * MESSAGE_BYTES + 4000)])
    assert len(recent) <= 1, "even one that is larger than everything"


def test_what_a_message_takes_is_counted_in_full() -> None:
    """Short messages are mostly overhead: counted by their ciphertext alone, 32 MiB would be ten times that."""
    recent = RecentMessages()
    tracemalloc.start()
    try:
        recent.keep(a_message() for _ in range(2000))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(recent) == 2000
    assert taken / 2000 <= MESSAGE_BYTES + 100
    assert taken / 2000 >= (MESSAGE_BYTES + 100) / 2


async def test_what_was_just_sent_costs_its_readers_no_query(database_url: str) -> None:
    """Fifteen people who are told of a message read it once between them: not at all."""
    async with open_world(database_url) as world:
        ada, bob, room = await world.pair()
        ids = [UUID((await world.sent(ada, room, n))["node"]["id"]) for n in range(3)]
        queries = 0

        @asynccontextmanager
        async def reading() -> AsyncIterator[AsyncConnection]:
            nonlocal queries
            queries += 1
            async with world.database.reading() as connection:
                yield connection

        kept = {message.id: message for message in await world.stored(room)}
        here = Transcript(world.transcript._recent, reading)
        assert await here.messages(ids) == kept
        assert queries == 0
        elsewhere = Transcript(RecentMessages(), reading)
        assert await elsewhere.messages([*ids, uuid4()]) == kept
        assert queries == 1
        assert await elsewhere.messages(()) == {}
        assert queries == 1
        assert await elsewhere.messages(ids) == kept
        assert queries == 1, "what was read is at hand from then on"
        await world.skip(bob, room.id)
        assert await Transcript(RecentMessages(), reading).messages(ids) == {}


async def test_a_message_is_at_hand_before_anybody_is_told(database_url: str) -> None:
    """A reader that is woken by the event finds the message without asking the database."""
    async with open_world(database_url) as world:
        ada, _, room = await world.pair()
        at_hand: list[int] = []
        deliver, recent = world.inbox.deliver, world.transcript._recent

        def noting(entries: Sequence[tuple[UUID, Event]], controls: Iterable[UUID], at: datetime) -> None:
            at_hand.append(len(recent))
            deliver(entries, controls, at)

        world.inbox.deliver = noting  # type: ignore[method-assign]
        await world.sent(ada, room)
        assert at_hand == [1]
        await world.sent(ada, room, client_id="again")
        await world.sent(ada, room, client_id="again")
        assert len(recent) == 2, "a repeat is not kept twice"


class Reads:
    """`Database.reading` that counts, and can be held up or out of order."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._reading = reading
        self.count = 0
        self.fail = False
        self.go_on = asyncio.Event()
        self.go_on.set()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[AsyncConnection]:
        self.count += 1
        await self.go_on.wait()
        if self.fail:
            raise Unavailable
        async with self._reading() as connection:
            yield connection


async def test_all_who_are_shown_a_message_of_another_worker_share_one_query(database_url: str) -> None:
    """Fifteen viewers on this worker, woken at once or a moment apart: the text is read once."""
    async with open_world(database_url) as world:
        ada, _, room = await world.pair()
        ids = [UUID((await world.sent(ada, room, n))["node"]["id"]) for n in range(4)]
        kept = {message.id: message for message in await world.stored(room)}
        reads = Reads(world.database.reading)
        transcript = Transcript(RecentMessages(), reads)
        reads.go_on.clear()
        together = [asyncio.create_task(transcript.messages(ids[:3])) for _ in range(10)]
        await until(lambda: reads.count)
        late = [asyncio.create_task(transcript.messages(ids)) for _ in range(5)]
        leaving = asyncio.create_task(transcript.messages(ids))
        await asyncio.sleep(0)
        leaving.cancel()
        reads.go_on.set()
        assert await asyncio.gather(*together) == [{message_id: kept[message_id] for message_id in ids[:3]}] * 10
        assert await asyncio.gather(*late) == [kept] * 5
        assert reads.count == 2, "one for what all asked for, one for what only the late ones did"
        assert transcript._loading == {}


async def test_an_outage_is_told_to_all_and_over_when_it_is_over(database_url: str) -> None:
    """Nobody is given a message for deleted because the database was away."""
    async with open_world(database_url) as world:
        ada, _, room = await world.pair()
        message_id = UUID((await world.sent(ada, room))["node"]["id"])
        reads = Reads(world.database.reading)
        transcript = Transcript(RecentMessages(), reads)
        reads.fail = True
        for _ in range(2):
            asked = await asyncio.gather(*(transcript.messages([message_id]) for _ in range(3)), return_exceptions=True)
            assert [type(answer) for answer in asked] == [Unavailable] * 3
        reads.fail = False
        assert list(await transcript.messages([message_id, uuid4()])) == [message_id]


async def test_a_message_that_is_read_and_committed_at_once_is_counted_once(database_url: str) -> None:
    """The bound is one of bytes that are there."""
    recent = RecentMessages()
    message = a_message(1000)
    for _ in range(3):
        recent.keep([message])
    assert (len(recent), recent._size) == (1, MESSAGE_BYTES + 1000)
    async with open_world(database_url) as world:
        ada, _, room = await world.pair()
        ids = [UUID((await world.sent(ada, room, n))["node"]["id"]) for n in range(5)]
        small = RecentMessages(3 * (MESSAGE_BYTES + 200))
        assert len(await Transcript(small, world.database.reading).messages(ids)) == 5
        assert 0 < len(small) <= 3, "what is read is bounded too"


async def test_many_at_once_are_read_in_pieces(database_url: str) -> None:
    """A hundred messages of 64 KiB are not in one answer of the database."""
    async with open_world(database_url) as world:
        reads = Reads(world.database.reading)
        assert await Transcript(RecentMessages(), reads).messages([uuid4() for _ in range(2 * IDS_AT_ONCE + 1)]) == {}
        assert reads.count == 3
