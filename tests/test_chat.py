"""Messages: sent once, in one order, to those inside and nobody else."""

from __future__ import annotations

import asyncio
import random
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from api.buckets import MESSAGE_BYTES_BURST
from domain.errors import Forbidden, RateLimited, Unauthenticated
from domain.events import MemberLeft, MemberUpdated, MessageSent
from domain.franking import Disclosure, Finding, FrankingTag, commit, examine
from domain.identity import SessionScope
from domain.ports import UnitOfWork
from domain.rooms.room import Member
from domain.safety.suspension import SuspensionScope
from tests.encoding import base64
from tests.world import START, Clock, World, open_world, seat
from tests.world.chat import PAGE, SEND, gone, texts


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


def muted(member: Member) -> Member:
    """The seat without a voice."""
    return replace(member, muted=True)


# ------------------------------------------------------------------------------------------ sending


async def test_everybody_inside_is_told_of_a_message_and_reads_what_was_sent(world: World) -> None:
    """The bytes arrive as they were, under the sender's member ID, on the sender's other devices too."""
    ada, bob, room = await world.pair()
    edge = await world.sent(ada, room, "\x00\xff", client_id="first")
    node = edge["node"]
    assert node["ciphertext"] == base64("\x00\xff".encode())
    assert (node["clientMessageId"], node["sentAt"]) == ("first", "2026-11-21T09:30:00.000Z")
    assert (node["commitment"], node["frankingTag"]) == (None, None)
    assert node["sender"] == {"id": str(seat(room, ada).id), "status": "ONLINE", "displayName": "Ada"}
    told = MessageSent(room.id, UUID(node["id"]), 1)
    assert await world.told(ada) == await world.told(bob) == [told]
    assert seat(room, ada).id in world.reached
    assert (await world.page(bob, room))["edges"] == [edge]


@pytest.mark.parametrize("kind", ["match", "invite"])
async def test_both_kinds_of_rooms_have_messages(world: World, kind: str) -> None:
    """Strangers can write before they talk, and friends too."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    room = await world.match(ada, bob) if kind == "match" else await world.open_room(ada, bob)
    await world.sent(bob, room, "hi")
    assert texts(await world.page(ada, room)) == ["hi"]


async def test_a_commitment_gets_a_tag_that_a_report_can_prove(world: World) -> None:
    """The receiver can show what was said; without this a report is one word against another."""
    ada, bob, room = await world.pair()
    ben = seat(room, bob)
    key = b"k" * 32
    commitment = commit(key, room_id=room.id, member_id=ben.id, plaintext="an insult")
    edge = await world.sent(bob, room, "sealed", commitment=base64(commitment))
    (node,) = [e["node"] for e in (await world.page(ada, room))["edges"]]
    assert node == edge["node"]
    assert b64decode(node["commitment"]) == commitment
    tag = FrankingTag(
        node["frankingTag"]["keyId"],
        b64decode(node["frankingTag"]["ciphertextHash"]),
        b64decode(node["frankingTag"]["tag"]),
    )
    disclosure = Disclosure(UUID(node["id"]), "an insult", key, commitment, tag, START)
    assert examine(disclosure, ben, seat(room, ada), world.franking, world.clock()) is Finding.VERIFIED
    altered = replace(disclosure, plaintext="a compliment")
    assert examine(altered, ben, seat(room, ada), world.franking, world.clock()) is not Finding.VERIFIED


async def test_a_repeat_returns_the_first_message_and_tells_nobody(world: World) -> None:
    """A client that did not hear the answer sends again, and the room does not read it twice."""
    ada, bob, room = await world.pair()
    first = await world.sent(ada, room, "one", client_id="same")
    await world.sent(bob, room, "two", client_id="same")
    again = await world.sent(ada, room, "something else", client_id="same", commitment=base64(b"c" * 32))
    assert again == first
    assert [m.seq for m in await world.stored(room)] == [1, 2]
    assert [type(e) for e in await world.told(bob)] == [MessageSent] * 2
    await world.sent(ada, room, "three")
    assert [m.seq for m in await world.stored(room)] == [1, 2, 3], "a repeat takes no place"
    elsewhere = await world.open_room(ada, bob)
    other = await world.sent(ada, elsewhere, "one", client_id="same")
    assert other["node"]["id"] != first["node"]["id"], "client IDs are those of one room"


async def test_twenty_repeats_at_once_are_one_message(world: World) -> None:
    """Five tabs that all resend after an outage do not fill the room."""
    ada, bob, room = await world.pair()
    edges = await asyncio.gather(*(world.sent(ada, room, n, client_id="same") for n in range(20)))
    assert len({edge["node"]["id"] for edge in edges}) == 1
    assert len({edge["node"]["ciphertext"] for edge in edges}) == 1
    assert len(await world.stored(room)) == 1
    for who in (ada, bob):
        assert [type(e) for e in await world.told(who)] == [MessageSent]


async def test_the_muted_are_refused_but_hear_again_what_they_sent(world: World) -> None:
    """A mute holds from its commit on; a message that was taken stays taken."""
    ada, bob, room = await world.pair()
    first = await world.sent(bob, room, "before", client_id="before")
    await world.change(room, bob, muted)
    assert (await world.send(bob, room, "after"))["__typename"] == "MutedError"
    assert (await world.sent(bob, room, "before", client_id="before"))["node"]["id"] == first["node"]["id"]
    await world.sent(ada, room, "others may")
    await world.change(room, bob, lambda member: replace(member, muted=False))
    await world.sent(bob, room, "again")
    assert texts(await world.page(bob, room)) == ["before", "others may", "again"]


async def test_nothing_of_the_muted_comes_after_their_mute(world: World) -> None:
    """Whoever floods a room and is muted in the middle of it is silent in everybody's order of events."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    for seed in range(5):
        room = await world.open_room(ada, bob)
        order: list[Awaitable[object]] = [world.send(bob, room, n) for n in range(8)]
        order.insert(random.Random(seed).randrange(8), world.change(room, bob, muted))
        answers = await asyncio.gather(*order)
        taken = sum(isinstance(a, dict) and a["__typename"] == "SendMessageSuccess" for a in answers)
        told = [type(e) for e in await world.told(ada) if getattr(e, "room_id", None) == room.id]
        assert told == [MessageSent] * taken + [MemberUpdated]
        assert len(await world.stored(room)) == taken


async def test_the_suspended_are_refused_and_told_by_which_suspension(world: World) -> None:
    """A suspension of everything reaches messages before the session is renewed; one from matching leaves friends alone."""
    ada, bob, room = await world.pair()
    await world.suspend(ada, SuspensionScope.MATCHING)
    first = await world.sent(ada, room, "one", client_id="one")
    suspension = await world.suspend(ada)
    refused = await world.send(ada, room, "two")
    assert refused == {"__typename": "SuspendedError", "suspension": {"id": str(suspension.id)}}
    assert (await world.sent(ada, room, "one", client_id="one"))["node"]["id"] == first["node"]["id"]
    assert len(await world.told(bob)) == 1


async def test_nothing_reaches_who_has_left(world: World) -> None:
    """No message that was taken after a kick stands in the inbox of the kicked, however many are sent at that moment."""
    ada, bob, eve = [await world.user(name) for name in ("Ada", "Bob", "Eve")]
    for seed in range(5):
        room = await world.open_room(ada, bob, eve)
        order: list[Awaitable[object]] = [world.send(ada, room, n) for n in range(8)]
        order += [world.send(eve, room, n) for n in range(4)]
        order.insert(random.Random(seed).randrange(8), world.change(room, eve, gone))
        answers = await asyncio.gather(*order)
        told = [e for e in await world.told(eve) if getattr(e, "room_id", None) == room.id]
        assert type(told[-1]) is MemberLeft
        everything = [e for e in await world.told(bob) if getattr(e, "room_id", None) == room.id]
        assert everything[: len(told)] == told
        left = everything.index(told[-1])
        late = {e.message_id for e in everything[left:] if isinstance(e, MessageSent)}
        assert not {m.id for m in await world.stored(room) if m.sender_id == seat(room, eve).id} & late
        assert {a["__typename"] for a in answers if isinstance(a, dict)} <= {"SendMessageSuccess", "NotFoundError"}
        assert await world.page(eve, room) is None
        assert (await world.send(eve, room))["__typename"] == "NotFoundError"


async def test_eight_senders_at_once_make_one_order_for_everybody(database_url: str) -> None:
    """Everybody reads the same conversation: contiguous places, the same in each inbox, times that never go back."""
    async with open_world(database_url, Clock(goes=True)) as world:
        users = [await world.user(f"User {n}") for n in range(8)]
        room = await world.open_room(users[0], *users[1:])
        await asyncio.gather(*(world.send(user, room, n) for n in range(10) for user in users))
        orders = [[e.seq for e in await world.told(user) if isinstance(e, MessageSent)] for user in users]
        assert orders == [list(range(1, 81))] * 8
        assert len({tuple(await world.told(user)) for user in users}) == 1
        messages = await world.stored(room)
        assert [m.seq for m in messages] == list(range(1, 81))
        assert all(one.sent_at <= two.sent_at for one, two in pairwise(messages))
        assert all(m.sent_at.microsecond % 1000 == 0 for m in messages)


# ------------------------------------------------------------------------------------------ refusals


async def test_messages_need_somebody_signed_in_with_full_rights(world: World) -> None:
    """Neither a stranger nor a suspended account writes or reads."""
    ada, _, room = await world.pair()
    limited = replace(ada, scope=SessionScope.APPEAL_ONLY)
    for caller, failure in ((None, Unauthenticated), (limited, Forbidden)):
        for operation in (
            world.ask(SEND, caller, input={"roomId": str(room.id), "clientMessageId": "1", "ciphertext": base64(b"1")}),
            world.ask(PAGE, caller, room=str(room.id)),
        ):
            assert [type(f) for f in (await operation).failures] == [failure]
    assert await world.stored(room) == []


async def test_a_room_that_is_not_ones_own_does_not_exist(world: World) -> None:
    """Strangers, closed rooms, left rooms and made-up IDs: one answer."""
    ada, bob, room = await world.pair()
    eve = await world.user("Eve")
    closed = await world.open_room(eve, ada)
    await world.sent(eve, closed)
    await world.end(closed)
    for room_id in (str(room.id), str(closed.id), str(uuid4()), "nonsense", "", str(room.id).upper(), "\0"):
        assert (await world.send(eve, room_id))["__typename"] == "NotFoundError"
        assert await world.page(eve, room_id) is None
    assert await world.told(bob) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ciphertext", ""),
        ("ciphertext", base64(bytes(64 * 1024 + 1))),
        ("commitment", ""),
        ("commitment", base64(bytes(31))),
        ("commitment", base64(bytes(33))),
        ("clientMessageId", ""),
        ("clientMessageId", "x" * 65),
        ("clientMessageId", "nul\0"),
        ("clientMessageId", "half \ud800"),
    ],
    ids=str,
)
async def test_what_no_message_may_be_is_refused_by_name(world: World, field: str, value: str) -> None:
    """A developer sees at once what to mend, and nothing is written or counted."""
    ada, _, room = await world.pair()
    more = {field: value} if field != "clientMessageId" else {}
    result = await world.send(ada, room, client_id=value if field == "clientMessageId" else "good", **more)
    assert result == {"__typename": "InvalidInputError", "field": field}
    assert await world.stored(room) == []


@pytest.mark.parametrize("value", ["QQ", "QR==", "Q Q==", "_w==", "QQ==\n", "é", "=", 5, None])
async def test_base64_that_is_not_canonical_is_no_ciphertext(world: World, value: object) -> None:
    """Two spellings of the same bytes would be two messages to some clients and one to others."""
    ada, _, room = await world.pair()
    answer = await world.ask(SEND, ada, input={"roomId": str(room.id), "clientMessageId": "1", "ciphertext": value})
    assert answer.errors
    assert answer.data is None
    assert await world.stored(room) == []


async def test_the_largest_message_is_taken_and_a_flood_of_them_is_not(world: World) -> None:
    """64 KiB go through whole; beyond the budget of four megabytes a sender waits, and what was refused is not written."""
    ada, bob, room = await world.pair()
    largest = base64(random.Random(1).randbytes(64 * 1024))
    for _ in range(MESSAGE_BYTES_BURST // (64 * 1024) - 4):
        world.throttle.message(ada.user_id, 64 * 1024)
    for _ in range(4):
        await world.sent(ada, room, ciphertext=largest)
    with pytest.raises(RateLimited):
        await world.send(ada, room, ciphertext=largest)
    connection = await world.page(bob, room)
    assert [edge["node"]["ciphertext"] for edge in connection["edges"]] == [largest] * 4
    world.clock.forward(seconds=4)
    await world.sent(ada, room, ciphertext=largest)


async def test_times_do_not_go_back_for_who_waits_longest(world: World) -> None:
    """A sender whose lock took a second is not shown to have sent before what they answered."""
    ada, bob, room = await world.pair()

    async def late(_: UnitOfWork) -> None:
        world.clock.forward(seconds=5)

    (edge,) = await world.overtaken(room, late, world.sent(ada, room))
    assert edge["node"]["sentAt"] == "2026-11-21T09:30:05.000Z"
    assert world.clock() == START + timedelta(seconds=5)
    assert len(await world.told(bob)) == 1
