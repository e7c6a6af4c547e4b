"""Messages by ID: at hand when they were just sent, bounded in memory, and loaded by one query otherwise."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.chat import Message
from domain.events import Event
from domain.franking import FrankingTag
from persistence.transcript import MESSAGE_BYTES, RecentMessages, Transcript
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
        await world.skip(bob, room.id)
        assert await elsewhere.messages(ids) == {}


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
