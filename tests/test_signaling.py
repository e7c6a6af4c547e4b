"""Signals: opaque, bounded, to one person, from nobody but their sender; and the servers through which peers find each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.buckets import Buckets, LocalThrottle
from domain.errors import InvalidInput, RateLimited, Unauthenticated
from domain.events import SignalReceived
from domain.identity import Caller
from domain.rooms.room import Room, RoomKind
from domain.signaling import (
    Answer,
    HangUp,
    HangUpReason,
    IceCandidate,
    IceCandidates,
    IceServer,
    Offer,
    Signal,
    check_client_ids,
    check_signal,
    ice_configuration,
    size,
    turn_credentials,
)
from schema.api import sdl
from schema.context import IceSettings
from schema.signaling import shown_signal
from tests.world import START, World, open_world, seat

SEND = """mutation($input: SendSignalInput!) { sendSignal(input: $input) {
  __typename ... on SendSignalSuccess { id } ... on InvalidInputError { field } ... on NotFoundError { message } } }"""
ICE = """query($id: ID!) { iceConfiguration(roomId: $id) {
  relayOnly servers { urls username credential expiresAt } } }"""
CANDIDATE = IceCandidate(
    "candidate:1 1 UDP 2122252543 2b0e4c1c-6f3e-4c3a-9a1b-0f6b8f7f2f11.local 54321 typ host", "0", 0, "x"
)
OFFER = {"offer": {"sdp": "v=0\r\n"}}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def send(
    world: World, sender: Caller, to: object, signal: dict[str, Any] = OFFER, **more: object
) -> dict[str, Any]:
    """What `sendSignal` answered."""
    payload: dict[str, Any] = await world.answer(SEND, sender, input={"to": str(to), "signal": signal, **more})
    return payload


def candidates(*several: IceCandidate, end: bool = False) -> IceCandidates:
    """A batch."""
    return IceCandidates(several, end)


FIRST = "signal.candidates.candidates.0"


@pytest.mark.parametrize(
    ("signal", "field"),
    [
        (Offer(""), "signal.offer.sdp"),
        (Answer(""), "signal.answer.sdp"),
        (Offer("v" * 65_537), "signal.offer.sdp"),
        (Answer("é" * 32_769), "signal.answer.sdp"),
        (Offer("v=0\ud83d"), "signal.offer.sdp"),
        (candidates(), "signal.candidates.candidates"),
        (candidates(*[CANDIDATE] * 65), "signal.candidates.candidates"),
        (candidates(IceCandidate("c" * 1025, "0")), f"{FIRST}.candidate"),
        (candidates(IceCandidate("é" * 513, "0")), f"{FIRST}.candidate"),
        (candidates(IceCandidate("c\udc00", "0")), f"{FIRST}.candidate"),
        (candidates(IceCandidate("c")), f"{FIRST}.sdpMid"),
        (candidates(IceCandidate("c", "m" * 257)), f"{FIRST}.sdpMid"),
        (candidates(IceCandidate("c", "\ud800")), f"{FIRST}.sdpMid"),
        (candidates(IceCandidate("c", None, -1)), f"{FIRST}.sdpMLineIndex"),
        (candidates(IceCandidate("c", None, 65_536)), f"{FIRST}.sdpMLineIndex"),
        (candidates(IceCandidate("c", "0", 0, "u" * 257)), f"{FIRST}.usernameFragment"),
        (candidates(IceCandidate("c", "0", 0, "\ud800")), f"{FIRST}.usernameFragment"),
        (candidates(*[CANDIDATE] * 3, IceCandidate("c")), "signal.candidates.candidates.3.sdpMid"),
    ],
)
def test_a_signal_that_cannot_be_relayed_says_which_field_is_at_fault(signal: Signal, field: str) -> None:
    """A developer reads where to look; a receiver is not handed what would break it."""
    with pytest.raises(InvalidInput) as caught:
        check_signal(signal)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "signal",
    [
        Offer("v" * 65_536),
        Offer(" "),
        Answer("not SDP at all \x00 😀"),
        candidates(*[CANDIDATE] * 64),
        candidates(end=True),
        candidates(IceCandidate("")),
        candidates(IceCandidate("c" * 1024, None, 65_535)),
        candidates(IceCandidate("c", "", None, "")),
        candidates(IceCandidate("c", "m" * 256, 0, "u" * 256)),
        candidates(IceCandidate("candidate:1 1 UDP 1 no-such-host.local 9 typ host", "0")),
        HangUp(HangUpReason.BUSY),
    ],
)
def test_whatever_a_browser_may_send_is_taken_unread(signal: Signal) -> None:
    """A server that judges SDP or addresses breaks calls with the next browser version."""
    check_signal(signal)


@pytest.mark.parametrize(
    ("call_id", "client_signal_id", "field"),
    [
        ("c" * 65, None, "callId"),
        ("\ud800", None, "callId"),
        (None, "", "clientSignalId"),
        (None, "s" * 65, "clientSignalId"),
        (None, "\udfff", "clientSignalId"),
    ],
)
def test_ids_of_the_client_are_bounded(call_id: str | None, client_signal_id: str | None, field: str) -> None:
    """They are kept for ten minutes: without a bound anybody could fill the memory."""
    with pytest.raises(InvalidInput) as caught:
        check_client_ids(call_id, client_signal_id)
    assert caught.value.field == field
    check_client_ids("c" * 64, "s" * 64)
    check_client_ids(None, None)


async def test_a_signal_reaches_its_receiver_byte_for_byte_and_nobody_else(world: World) -> None:
    """A trimmed SDP is refused by browsers; one that reaches others shows them the sender's addresses."""
    ada, bob, room = await world.pair()
    eve, _, _ = await world.pair()
    sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n \t é😀\x00\r\n"
    sent = await send(world, ada, seat(room, bob).id, {"offer": {"sdp": sdp}}, callId="call-1")
    received = [event for event in await world.told(bob) if isinstance(event, SignalReceived)]
    assert received == [SignalReceived(UUID(sent["id"]), room.id, seat(room, ada).id, "call-1", Offer(sdp))]
    assert not [event for who in (ada, eve) for event in await world.told(who) if isinstance(event, SignalReceived)]
    assert world.reached == [seat(room, ada).id]


async def test_every_kind_of_signal_arrives_as_it_was_sent(world: World) -> None:
    """What is left out stays null: a browser treats a missing index and index 0 differently."""
    ada, bob, room = await world.pair()
    to = seat(room, bob).id
    one = {"candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ""}
    signals: list[dict[str, Any]] = [
        {"answer": {"sdp": "v=0"}},
        {"candidates": {"candidates": [one, {"candidate": "c", "sdpMLineIndex": 1}, {"candidate": ""}]}},
        {"candidates": {"candidates": [], "endOfCandidates": True}},
        {"hangUp": {}},
        {"hangUp": {"reason": "DECLINED"}},
    ]
    for signal in signals:
        assert (await send(world, ada, to, signal))["__typename"] == "SendSignalSuccess"
    received = [event.signal for event in await world.told(bob) if isinstance(event, SignalReceived)]
    assert received == [
        Answer("v=0"),
        candidates(IceCandidate("c", "0", 0, ""), IceCandidate("c", None, 1, None), IceCandidate("")),
        candidates(end=True),
        HangUp(HangUpReason.ENDED),
        HangUp(HangUpReason.DECLINED),
    ]
    assert [type(shown_signal(signal)).__name__ for signal in received] == [
        "Answer", "IceCandidates", "IceCandidates", "HangUp", "HangUp",
    ]  # fmt: skip


async def test_signals_to_whoever_the_sender_may_not_reach_are_answered_alike(world: World) -> None:
    """A private SDP must not get out of its room, and the answer must not tell who exists."""
    ada, bob, room = await world.pair()
    _, dan, other = await world.pair()
    eve = await world.user("Eve")
    there = seat(room, bob).id
    answers = [
        await send(world, ada, seat(room, ada).id),  # to oneself
        await send(world, ada, seat(other, dan).id),  # to a member of another room
        await send(world, eve, there),  # from a stranger
        await send(world, ada, bob.user_id),  # a user ID is no member
        await send(world, ada, room.id),
        await send(world, ada, uuid4()),
        await send(world, ada, ""),
        await send(world, ada, str(there).upper()),
    ]
    await world.end(room)
    answers.append(await send(world, ada, there))  # after the end
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["__typename"] == "NotFoundError"
    assert not [e for who in (ada, bob, dan) for e in await world.told(who) if isinstance(e, SignalReceived)]


async def test_a_sender_cannot_be_forged(world: World) -> None:
    """Who could sign as another would hang up their calls."""
    ada, bob, room = await world.pair()
    forged = {"to": str(seat(room, ada).id), "signal": {"hangUp": {}}, "sender": str(seat(room, bob).id)}
    answer = await world.ask(SEND, bob, input=forged)
    assert "'sender'" in answer.errors[0]
    assert [type(f) for f in (await world.ask(SEND, None, input={"to": "1", "signal": OFFER})).failures] == [
        Unauthenticated
    ]


async def test_a_signal_is_exactly_one_thing(world: World) -> None:
    """Two kinds in one would have no order."""
    ada, bob, room = await world.pair()
    for signal in ({}, {"offer": {"sdp": "a"}, "answer": {"sdp": "b"}}, {"offer": None}):
        answer = await world.ask(SEND, ada, input={"to": str(seat(room, bob).id), "signal": signal})
        assert answer.errors
    assert not [event for event in await world.told(bob) if isinstance(event, SignalReceived)]


async def test_what_is_not_acceptable_is_a_member_of_the_payload_and_relays_nothing(world: World) -> None:
    """A front end can show it; the other side never knows."""
    ada, bob, room = await world.pair()
    to = seat(room, bob).id
    assert (await send(world, ada, to, {"offer": {"sdp": ""}}))["field"] == "signal.offer.sdp"
    assert (await send(world, ada, to, {"offer": {"sdp": "\ud800"}}))["field"] == "signal.offer.sdp"
    assert (await send(world, ada, to, callId="c" * 65))["field"] == "callId"
    assert (await send(world, ada, to, clientSignalId=""))["field"] == "clientSignalId"
    assert not [event for event in await world.told(bob) if isinstance(event, SignalReceived)]


async def test_a_retry_with_the_same_id_is_delivered_once(world: World) -> None:
    """After a lost answer a client sends again; the peer must not apply an offer twice."""
    ada, bob, room = await world.pair()
    first = await send(world, ada, seat(room, bob).id, clientSignalId="1")
    assert await send(world, ada, seat(room, bob).id, clientSignalId="1") == first
    assert await send(world, ada, seat(room, bob).id, clientSignalId="2") != first
    assert len([event for event in await world.told(bob) if isinstance(event, SignalReceived)]) == 2


async def test_a_flood_of_signals_is_limited_for_its_sender_alone(world: World) -> None:
    """One peer cannot drown the other, and a call that is being set up stays far below the limit."""
    ada, bob, room = await world.pair()
    batch = {"candidates": {"candidates": [{"candidate": "c", "sdpMid": "0"}] * 8}}
    for _ in range(256):
        assert (await send(world, ada, seat(room, bob).id, batch))["__typename"] == "SendSignalSuccess"
    with pytest.raises(RateLimited) as caught:
        await send(world, ada, seat(room, bob).id, batch)
    assert caught.value.retry_after == pytest.approx(1 / 80, abs=0.001)
    assert (await send(world, bob, seat(room, ada).id))["__typename"] == "SendSignalSuccess"
    world.clock.forward(seconds=1)
    for _ in range(80):
        await send(world, ada, seat(room, bob).id)
    with pytest.raises(RateLimited):
        await send(world, ada, seat(room, bob).id)


async def test_a_new_match_begins_with_a_full_budget(world: World) -> None:
    """Whoever skips fast must still be able to set up the next call."""
    ada, bob, room = await world.pair()
    for _ in range(256):
        world.throttle.signal(seat(room, ada).id, 0)
    with pytest.raises(RateLimited):
        await send(world, ada, seat(room, bob).id)
    await world.end(room)
    again: Room = await world.match(ada, bob)
    assert (await send(world, ada, seat(again, bob).id))["__typename"] == "SendSignalSuccess"


async def test_guessing_members_is_limited(world: World) -> None:
    """Who has no seat has no budget of a seat either."""
    eve = await world.user("Eve")
    for _ in range(256):
        world.throttle.signal(eve.user_id, 0)
    with pytest.raises(RateLimited):
        await send(world, eve, uuid4())


def test_bytes_are_limited_beside_the_number_of_signals() -> None:
    """Sixteen of the largest descriptions at once, then two a second: more than any browser needs."""
    now = 1000.0
    throttle, sender = LocalThrottle(lambda: now), uuid4()
    largest = size(Offer("v" * 65_536))
    for _ in range(16):
        throttle.signal(sender, largest)
    with pytest.raises(RateLimited) as caught:
        throttle.signal(sender, largest)
    assert caught.value.retry_after == pytest.approx(0.5)
    throttle.signal(sender, 0)  # A hang-up has no bytes to count, and the refused one took nothing.
    now += 0.5
    throttle.signal(sender, largest)
    assert size(candidates(IceCandidate("é", "0", 0, "uu"), IceCandidate(""))) == 5


def test_buckets_forget_whoever_has_a_full_one() -> None:
    """A service of strangers sees new members for ever: what is kept of them must not grow with that."""
    now = 0.0
    buckets = Buckets(10, 1, lambda: now)
    for number in range(20_000):
        now += 0.1
        assert buckets.missing(number, 1) <= 0
        buckets.take(number, 1)
    assert len(buckets) <= 2048


def test_turn_credentials_are_those_that_coturn_computes() -> None:
    """Otherwise no relay lets anybody in. `printf 1795253400:5f0f1e1a | openssl dgst -sha1 -hmac north -binary | base64`."""
    expires_at = datetime.fromtimestamp(1795253400, UTC)
    assert turn_credentials("north", "5f0f1e1a", expires_at) == ("1795253400:5f0f1e1a", "UV5aGD272eSN2E0tk4JQM8l/O1I=")


STUN, TURN, TURNS = "stun:a.example", "turn:a.example:3478?transport=udp", "turns:a.example:5349"


@pytest.mark.parametrize(
    ("kind", "urls", "relay_only", "servers"),
    [
        (RoomKind.MATCH, (STUN, TURN, TURNS), True, 2),
        (RoomKind.INVITE, (STUN, TURN, TURNS), False, 2),
        (RoomKind.MATCH, (TURN,), True, 1),
        (RoomKind.MATCH, (STUN,), False, 1),
        (RoomKind.MATCH, (), False, 0),
    ],
)
def test_strangers_are_relayed_wherever_there_is_a_relay(
    kind: RoomKind, urls: tuple[str, ...], *, relay_only: bool, servers: int
) -> None:
    """A direct candidate shows a stranger one's address; but to ask for a relay where there is none lets nobody connect."""
    found = ice_configuration(kind, urls, "north", opaque_id="5f0f1e1a", now=START)
    assert found.relay_only is relay_only
    assert len(found.servers) == servers
    turn = [server for server in found.servers if server.credential is not None]
    assert [server.urls for server in turn] == ([tuple(url for url in urls if url != STUN)] if TURN in urls else [])
    assert all(server.expires_at == datetime(2026, 11, 21, 10, 30, tzinfo=UTC) for server in turn)
    if STUN in urls:
        assert found.servers[0] == IceServer((STUN,))


async def test_members_get_time_limited_credentials_that_do_not_name_them(world: World) -> None:
    """The relay's operator and its log must not be able to follow a user."""
    world.ice = IceSettings((STUN, TURN), "north")
    ada, bob, room = await world.pair()
    mine = (await world.ask(ICE, ada, id=str(room.id))).data["iceConfiguration"]
    assert mine["relayOnly"] is True
    assert mine["servers"][0] == {"urls": [STUN], "username": None, "credential": None, "expiresAt": None}
    turn = mine["servers"][1]
    expiry, _, opaque_id = turn["username"].partition(":")
    assert datetime.fromtimestamp(int(expiry), UTC) == datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
    assert turn["expiresAt"] == "2026-11-21T10:30:00.000Z"
    assert opaque_id not in {ada.user_id.hex, seat(room, ada).id.hex}
    theirs = (await world.ask(ICE, bob, id=str(room.id))).data["iceConfiguration"]["servers"][1]
    assert theirs["username"] != turn["username"]
    assert world.reached == [seat(room, ada).id, seat(room, bob).id]


async def test_only_members_learn_the_servers(world: World) -> None:
    """A relay costs its operator money: strangers get no credentials for it."""
    ada, _, room = await world.pair()
    eve = await world.user("Eve")
    assert (await world.ask(ICE, eve, id=str(room.id))).data == {"iceConfiguration": None}
    for unknown in (str(uuid4()), "", "\ud800"):
        assert (await world.ask(ICE, ada, id=unknown)).data == {"iceConfiguration": None}
    await world.end(room)
    assert (await world.ask(ICE, ada, id=str(room.id))).data == {"iceConfiguration": None}
    assert [type(failure) for failure in (await world.ask(ICE, id=str(room.id))).failures] == [Unauthenticated]


def test_inputs_publish_the_defaults_of_the_contract_and_no_others() -> None:
    """Code that front ends generate depends on them."""
    published = sdl()
    assert "= null" not in published
    for line in ("endOfCandidates: Boolean! = false", "reason: HangUpReason! = ENDED", "input SignalInput @oneOf"):
        assert line in published
