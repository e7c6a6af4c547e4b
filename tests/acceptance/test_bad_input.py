"""Whatever is wrong with what a client sends, it gets the contract's answer, and nothing changes."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.tokens import SignedTokens, load_secrets
from domain.identity import Session, SessionScope
from tests.acceptance import documents
from tests.acceptance.client import JSON, Api, Closed, GraphQLFailure, Person, Seat, Socket
from tests.acceptance.conftest import Newcomer, meet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.server import Server

SETTINGS = {"rate_limits": "off"}

NOWHERE = "5f3c6d1e-8d5b-4a53-9a0e-6c7d2f1b9e10"
OVERSIZE_SDP = "v" * (64 * 1024 + 1)

# ------------------------------------------------------------------------------------------ not signed in

_KEY = base64.b64encode(b"\x09" + bytes(31)).decode()
_BUNDLE = {
    "identityKey": _KEY,
    "signedPreKey": {"keyId": 1, "key": _KEY, "signature": base64.b64encode(bytes(64)).decode()},
}
_MESSAGE = {"roomId": NOWHERE, "clientMessageId": "1", "ciphertext": _KEY}

SIGNED_IN_ONLY: dict[str, tuple[str, JSON]] = {
    "ticket": (documents.TICKET, {}),
    "rooms": (documents.ROOMS, {}),
    "room": (documents.ROOM, {"id": NOWHERE}),
    "iceConfiguration": (documents.ICE, {"roomId": NOWHERE}),
    "signOut": (documents.SIGN_OUT, {}),
    "updateProfile": (documents.UPDATE_PROFILE, {"input": {"displayName": "Eve"}}),
    "joinQueue": (documents.JOIN, {"input": {}}),
    "leaveQueue": (documents.LEAVE, {}),
    "skip": (documents.SKIP, {"input": {"roomId": NOWHERE}}),
    "sendSignal": (documents.SEND_SIGNAL, {"input": {"to": NOWHERE, "signal": {"hangUp": {}}}}),
    "updatePresence": (documents.UPDATE_PRESENCE, {"input": {"roomId": NOWHERE}}),
    "roomByInvite": (documents.ROOM_BY_INVITE, {"inviteCode": "00000-00000-00000-00000"}),
    "messages": (documents.MESSAGES, {"roomId": NOWHERE}),
    "keys": (documents.KEYS, {"roomId": NOWHERE}),
    "createRoom": (documents.CREATE_ROOM, {"input": {"name": "Den"}}),
    "joinRoom": (documents.JOIN_ROOM, {"input": {"inviteCode": "00000-00000-00000-00000"}}),
    "leaveRoom": (documents.LEAVE_ROOM, {"input": {"roomId": NOWHERE}}),
    "rotateInvite": (documents.ROTATE_INVITE, {"input": {"roomId": NOWHERE}}),
    "closeRoom": (documents.CLOSE_ROOM, {"input": {"roomId": NOWHERE}}),
    "muteMember": (documents.MUTE, {"input": {"memberId": NOWHERE}}),
    "unmuteMember": (documents.UNMUTE, {"input": {"memberId": NOWHERE}}),
    "kickMember": (documents.KICK, {"input": {"memberId": NOWHERE}}),
    "promoteMember": (documents.PROMOTE, {"input": {"memberId": NOWHERE}}),
    "demoteMember": (documents.DEMOTE, {"input": {"memberId": NOWHERE}}),
    "sendMessage": (documents.SEND_MESSAGE, {"input": _MESSAGE}),
    "publishKeys": (documents.PUBLISH_KEYS, {"input": _BUNDLE}),
    "addOneTimePreKeys": (documents.ADD_PRE_KEYS, {"input": {}}),
    "claimKeyBundle": (documents.CLAIM_KEYS, {"input": {"memberId": NOWHERE, "requestId": "1"}}),
    "events": (documents.EVENTS, {}),
    "matchEvents": (documents.MATCH_EVENTS, {}),
    "signals": (documents.SIGNALS, {"roomId": NOWHERE}),
    "presence": (documents.PRESENCE, {"roomId": NOWHERE}),
    "messagesLive": (documents.MESSAGES_LIVE, {"roomId": NOWHERE}),
    "keyEvents": (documents.KEYS_LIVE, {"roomId": NOWHERE}),
}


@pytest.mark.parametrize(("document", "variables"), SIGNED_IN_ONLY.values(), ids=SIGNED_IN_ONLY)
async def test_nothing_of_anybody_is_served_without_signing_in(document: str, variables: JSON, api: Api) -> None:
    """What needs an account says so, in the one way that a front end turns into its sign-in page."""
    socket = await Socket.open(api.url)
    with pytest.raises(GraphQLFailure) as failure:
        await socket.run(document, **variables)
    assert failure.value.codes == {"UNAUTHENTICATED"}
    if not document.lstrip().startswith("subscription"):
        with pytest.raises(GraphQLFailure) as failure:
            await api.run(document, **variables)
        assert failure.value.codes == {"UNAUTHENTICATED"}
    await socket.close()


async def test_what_a_start_page_shows_is_open(api: Api) -> None:
    """A visitor sees how many are there, and a front end may ask `me` to learn that nobody is signed in."""
    socket = await Socket.open(api.url)
    assert "online" in await (await socket.subscribe(documents.STATS_LIVE)).next()
    assert (await api.run(documents.ME))["me"] is None
    await socket.close()


# ------------------------------------------------------------------------------------------ tokens


def _tampered(person: Person, _: Server) -> str:
    head, claims, signature = person.token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["sub"] = NOWHERE
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip('=')}.{signature}"


def _unsigned(person: Person, _: Server) -> str:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"kid": jwt.get_unverified_header(person.token)["kid"]})


def _foreign(person: Person, _: Server) -> str:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(person.token)["kid"]
    return jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})


def _symmetric(person: Person, _: Server) -> str:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(person.token)["kid"]
    return jwt.encode(claims, "the public key, taken for a shared secret", algorithm="HS256", headers={"kid": kid})


def _expired(person: Person, server: Server) -> str:
    """As the server itself issued it an hour ago: the only token that has to be made with its key."""
    claims = jwt.decode(person.token, options={"verify_signature": False})
    then = datetime.now(UTC) - timedelta(hours=1)
    session = Session(uuid.UUID(claims["sid"]), uuid.UUID(claims["sub"]), SessionScope.FULL, then, None)
    return SignedTokens(load_secrets(None, server.data_dir, production=False)).issue(session, then)[0]


BAD_TOKENS: dict[str, tuple[Callable[[Person, Server], str], int]] = {
    "tampered": (_tampered, 4401),
    "alg none": (_unsigned, 4401),
    "signed with another key": (_foreign, 4401),
    "signed with a shared secret": (_symmetric, 4401),
    "no token at all": (lambda *_: "hello", 4401),
    "empty": (lambda *_: "", 4401),
    "its own refresh token": (lambda person, _: str(person.session["refreshToken"]), 4401),
    "expired": (_expired, 4403),
}


@pytest.mark.parametrize(("make", "code"), BAD_TOKENS.values(), ids=BAD_TOKENS)
async def test_a_token_that_is_not_good_opens_nothing(
    make: Callable[[Person, Server], str], code: int, newcomer: Newcomer, server: Server
) -> None:
    """Nobody becomes somebody else, and a client can tell an expired token (4403 is retried) from a bad one."""
    ada = await newcomer("Ada", present=False)
    token = make(ada, server)
    with pytest.raises(Closed) as closed:
        await Socket.open(ada.api.url, token)
    assert closed.value.code == code
    with pytest.raises(GraphQLFailure) as failure:
        await ada.api.run(documents.ME, token or "-")  # HTTP has no header that ends in a space
    assert failure.value.codes == {"UNAUTHENTICATED"}


async def test_an_expired_token_beside_a_refresh_does_no_harm(newcomer: Newcomer, server: Server) -> None:
    """Front ends put their token on every request, also on the one that replaces it."""
    ada = await newcomer("Ada", present=False)
    input = {"refreshToken": ada.session["refreshToken"]}
    answer = await ada.api.run(documents.REFRESH, _expired(ada, server), input=input)
    assert answer["refreshSession"]["__typename"] == "RefreshSessionSuccess"


async def test_a_session_that_was_signed_out_opens_nothing(newcomer: Newcomer) -> None:
    """The token of a session that has ended is as bad as a forged one, though its signature and its time are good."""
    ada = await newcomer("Ada", present=False)
    await ada.run(documents.SIGN_OUT)
    with pytest.raises(Closed) as closed:
        await Socket.open(ada.api.url, ada.token)
    assert closed.value.code == 4401
    with pytest.raises(GraphQLFailure) as failure:
        await ada.run(documents.SIGN_OUT)
    assert failure.value.codes == {"UNAUTHENTICATED"}
    refused = await ada.api.run(documents.REFRESH, input={"refreshToken": ada.session["refreshToken"]})
    assert refused["refreshSession"]["__typename"] == "NotAllowedError"


async def test_a_stolen_refresh_token_ends_the_session_for_the_thief_too(newcomer: Newcomer) -> None:
    """Two tabs may refresh with the same token; a thief who comes later may not, and is thrown out together with the family."""
    ada = await newcomer("Ada", present=False)
    first = ada.session["refreshToken"]
    tabs = [Person(ada.api, "Ada", dict(ada.session)) for _ in range(2)]
    assert [(await tab.refresh())["__typename"] for tab in tabs] == ["RefreshSessionSuccess"] * 2
    assert (await tabs[0].refresh())["__typename"] == "RefreshSessionSuccess", "the successor of the first tab is good"
    thief = Person(ada.api, "Eve", {**ada.session, "refreshToken": first})
    assert (await thief.refresh())["__typename"] == "NotAllowedError"
    assert (await tabs[0].refresh())["__typename"] == "NotAllowedError"


# ------------------------------------------------------------------------------------------ input


@dataclass(frozen=True)
class Bad:
    """A mutation that must fail: with an `InvalidInputError` of that field, another member of the union, or an error code."""

    document: str
    input: JSON | Callable[[Seat], JSON]
    field: str | None = None
    answer: str = "InvalidInputError"
    codes: frozenset[str] = frozenset()

    def given(self, seat: Seat) -> JSON:
        """The input, for somebody who sits there."""
        return self.input(seat) if callable(self.input) else self.input


MALFORMED = frozenset({"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"})


def _signal(signal: JSON, **other: object) -> Callable[[Seat], JSON]:
    return lambda seat: {"to": seat.partner_id, "signal": signal, **other}


def _candidates(*candidates: JSON, **other: object) -> Callable[[Seat], JSON]:
    return _signal({"candidates": {"candidates": list(candidates), **other}})


def _message(**other: object) -> Callable[[Seat], JSON]:
    return lambda seat: {**_MESSAGE, "roomId": seat.room_id, **other}


def _claim(whose: str, request_id: str = "1") -> Callable[[Seat], JSON]:
    return lambda seat: {"memberId": getattr(seat, whose), "requestId": request_id}


RULING = {
    "mute": documents.MUTE,
    "unmute": documents.UNMUTE,
    "kick": documents.KICK,
    "promote": documents.PROMOTE,
    "demote": documents.DEMOTE,
}

BAD: dict[str, Bad] = {
    "sign in without a name": Bad(documents.SIGN_IN, {"displayName": "  "}, "displayName"),
    "sign in with a name of 41": Bad(documents.SIGN_IN, {"displayName": "x" * 41}, "displayName"),
    "sign in with control characters": Bad(documents.SIGN_IN, {"displayName": "Ada\u202e\x00"}, "displayName"),
    "sign in with a name that is a number": Bad(documents.SIGN_IN, {"displayName": 5}, codes=MALFORMED),
    "sign in with half a surrogate pair": Bad(documents.SIGN_IN, {"displayName": "\ud800"}, codes=MALFORMED),
    "refresh with nothing": Bad(documents.REFRESH, {"refreshToken": ""}, answer="NotAllowedError"),
    "refresh with an unknown token": Bad(documents.REFRESH, {"refreshToken": "x" * 10_000}, answer="NotAllowedError"),
    "rename to nothing": Bad(documents.UPDATE_PROFILE, {"displayName": ""}, "displayName"),
    "rename to 41": Bad(documents.UPDATE_PROFILE, {"displayName": "x" * 41}, "displayName"),
    "join with 11 interests": Bad(documents.JOIN, {"interests": [f"i{n}" for n in range(11)]}, "interests"),
    "join with an interest of 41": Bad(documents.JOIN, {"interests": ["x" * 41]}, "interests"),
    "join with an empty interest": Bad(documents.JOIN, {"interests": [" "]}, "interests"),
    "join with 11 languages": Bad(documents.JOIN, {"languages": [f"a{chr(97 + n)}" for n in range(11)]}, "languages"),
    "join with a language that is none": Bad(documents.JOIN, {"languages": ["english please"]}, "languages"),
    "join with negative patience": Bad(documents.JOIN, {"patience": -1}, "patience"),
    "join with too much patience": Bad(documents.JOIN, {"patience": 121}, "patience"),
    "join in an unknown mode": Bad(documents.JOIN, {"mode": "SMELL"}, codes=MALFORMED),
    "join with null interests": Bad(documents.JOIN, {"interests": None}, codes=MALFORMED),
    "join with an unknown field": Bad(documents.JOIN, {"age": 21}, codes=MALFORMED),
    "join while in a match": Bad(documents.JOIN, {}, answer="AlreadyInMatchError"),
    "skip an unknown room": Bad(documents.SKIP, {"roomId": NOWHERE}, answer="NotFoundError"),
    "skip what is no ID": Bad(documents.SKIP, {"roomId": "'; DROP TABLE room; --"}, answer="NotFoundError"),
    "skip a member": Bad(documents.SKIP, lambda seat: {"roomId": seat.partner_id}, answer="NotFoundError"),
    "presence in an unknown room": Bad(documents.UPDATE_PRESENCE, {"roomId": NOWHERE}, answer="NotFoundError"),
    "presence in what is no ID": Bad(documents.UPDATE_PRESENCE, {"roomId": "x"}, answer="NotFoundError"),
    "presence with a camera that is text": Bad(
        documents.UPDATE_PRESENCE, lambda seat: {"roomId": seat.room_id, "camera": "yes"}, codes=MALFORMED
    ),
    "signal to nobody": Bad(documents.SEND_SIGNAL, {"to": NOWHERE, "signal": {"hangUp": {}}}, answer="NotFoundError"),
    "signal to what is no ID": Bad(documents.SEND_SIGNAL, {"to": "", "signal": {"hangUp": {}}}, answer="NotFoundError"),
    "signal to oneself": Bad(
        documents.SEND_SIGNAL, lambda seat: {"to": seat.member_id, "signal": {"hangUp": {}}}, answer="NotFoundError"
    ),
    "signal to a room": Bad(
        documents.SEND_SIGNAL, lambda seat: {"to": seat.room_id, "signal": {"hangUp": {}}}, answer="NotFoundError"
    ),
    "an offer above 64 KiB": Bad(documents.SEND_SIGNAL, _signal({"offer": {"sdp": OVERSIZE_SDP}}), "signal.offer.sdp"),
    "an answer above 64 KiB": Bad(
        documents.SEND_SIGNAL, _signal({"answer": {"sdp": OVERSIZE_SDP}}), "signal.answer.sdp"
    ),
    "an SDP of 33,000 two-byte letters": Bad(
        documents.SEND_SIGNAL, _signal({"offer": {"sdp": "é" * 33_000}}), "signal.offer.sdp"
    ),
    "65 candidates": Bad(
        documents.SEND_SIGNAL, _candidates(*[{"candidate": "c", "sdpMid": "0"}] * 65), "signal.candidates.candidates"
    ),
    "a candidate above 1 KiB": Bad(
        documents.SEND_SIGNAL, _candidates({"candidate": "c" * 1025, "sdpMid": "0"}), "signal.candidates.candidates"
    ),
    "a candidate of no media": Bad(
        documents.SEND_SIGNAL, _candidates({"candidate": "c"}), "signal.candidates.candidates"
    ),
    "two signals in one": Bad(
        documents.SEND_SIGNAL, _signal({"offer": {"sdp": "x"}, "answer": {"sdp": "x"}}), codes=MALFORMED
    ),
    "no signal in one": Bad(documents.SEND_SIGNAL, _signal({}), codes=MALFORMED),
    "a null signal": Bad(documents.SEND_SIGNAL, _signal({"offer": None}), codes=MALFORMED),
    "an SDP that is a number": Bad(documents.SEND_SIGNAL, _signal({"offer": {"sdp": 5}}), codes=MALFORMED),
    "a call ID of 65": Bad(documents.SEND_SIGNAL, _signal({"hangUp": {}}, callId="x" * 65), "callId"),
    "an endless client ID": Bad(
        documents.SEND_SIGNAL, _signal({"hangUp": {}}, clientSignalId="x" * 5000), "clientSignalId"
    ),
    "a hang-up for no reason": Bad(documents.SEND_SIGNAL, _signal({"hangUp": {"reason": "BORED"}}), codes=MALFORMED),
    "a room without a name": Bad(documents.CREATE_ROOM, {"name": "\u200b"}, "name"),
    "a room whose name reads backward": Bad(documents.CREATE_ROOM, {"name": "\u202eroom"}, "name"),
    "a room with a name of 81": Bad(documents.CREATE_ROOM, {"name": "x" * 81}, "name"),
    "a room for one": Bad(documents.CREATE_ROOM, {"name": "Den", "capacity": 1}, "capacity"),
    "a room for 2147483647": Bad(documents.CREATE_ROOM, {"name": "Den", "capacity": 2**31 - 1}, "capacity"),
    "a room for 2147483648": Bad(documents.CREATE_ROOM, {"name": "Den", "capacity": 2**31}, codes=MALFORMED),
    "enter by a room's ID": Bad(documents.JOIN_ROOM, lambda seat: {"inviteCode": seat.room_id}, answer="NotFoundError"),
    "enter by a long code": Bad(documents.JOIN_ROOM, {"inviteCode": "\0" * 100_000}, answer="NotFoundError"),
    "leave an unknown room": Bad(documents.LEAVE_ROOM, {"roomId": NOWHERE}, answer="NotFoundError"),
    "leave a room in capitals": Bad(
        documents.LEAVE_ROOM, lambda seat: {"roomId": seat.room_id.upper()}, answer="NotFoundError"
    ),
    "close a match": Bad(documents.CLOSE_ROOM, lambda seat: {"roomId": seat.room_id}, answer="NotAllowedError"),
    "invite into a match": Bad(
        documents.ROTATE_INVITE, lambda seat: {"roomId": seat.room_id}, answer="NotAllowedError"
    ),
    **{
        f"{name} a partner": Bad(document, lambda seat: {"memberId": seat.partner_id}, answer="NotAllowedError")
        for name, document in RULING.items()
    },
    **{
        f"{name} oneself": Bad(document, lambda seat: {"memberId": seat.member_id}, answer="NotAllowedError")
        for name, document in RULING.items()
    },
    **{
        f"{name} nobody": Bad(document, {"memberId": "\0"}, answer="NotFoundError") for name, document in RULING.items()
    },
    "a message to nowhere": Bad(documents.SEND_MESSAGE, _MESSAGE, answer="NotFoundError"),
    "a message without an ID": Bad(documents.SEND_MESSAGE, _message(clientMessageId=""), "clientMessageId"),
    "a message with an ID of 65": Bad(documents.SEND_MESSAGE, _message(clientMessageId="x" * 65), "clientMessageId"),
    "a message with NUL in its ID": Bad(documents.SEND_MESSAGE, _message(clientMessageId="a\0"), "clientMessageId"),
    "an empty message": Bad(documents.SEND_MESSAGE, _message(ciphertext=""), "ciphertext"),
    "a message above 64 KiB": Bad(documents.SEND_MESSAGE, _message(ciphertext="A" * 87_384), "ciphertext"),
    "a message in the alphabet of URLs": Bad(documents.SEND_MESSAGE, _message(ciphertext="_-__"), codes=MALFORMED),
    "a message without padding": Bad(documents.SEND_MESSAGE, _message(ciphertext="AA"), codes=MALFORMED),
    "a message with spare bits": Bad(documents.SEND_MESSAGE, _message(ciphertext="AB=="), codes=MALFORMED),
    "a message with a line break": Bad(documents.SEND_MESSAGE, _message(ciphertext="AA==\n"), codes=MALFORMED),
    "a short commitment": Bad(documents.SEND_MESSAGE, _message(commitment="AAAA"), "commitment"),
    "keys of small order": Bad(
        documents.PUBLISH_KEYS, {**_BUNDLE, "identityKey": base64.b64encode(bytes(32)).decode()}, "identityKey"
    ),
    "keys that nobody signed": Bad(documents.PUBLISH_KEYS, _BUNDLE, "signedPreKey.signature"),
    "a key ID of 2147483648": Bad(
        documents.ADD_PRE_KEYS, {"oneTimePreKeys": [{"keyId": 2**31, "key": _KEY}]}, codes=MALFORMED
    ),
    "a key ID of -1": Bad(
        documents.ADD_PRE_KEYS, {"oneTimePreKeys": [{"keyId": -1, "key": _KEY}]}, "oneTimePreKeys.0.keyId"
    ),
    "3,000 keys": Bad(
        documents.ADD_PRE_KEYS, {"oneTimePreKeys": [{"keyId": 1, "key": _KEY}] * 3_000}, "oneTimePreKeys"
    ),
    "keys for no bundle": Bad(documents.ADD_PRE_KEYS, {}, answer="NoKeysError"),
    "keys of somebody without": Bad(documents.CLAIM_KEYS, _claim("partner_id"), answer="NoKeysError"),
    "keys of oneself": Bad(documents.CLAIM_KEYS, _claim("member_id"), answer="NotFoundError"),
    "keys of a room": Bad(documents.CLAIM_KEYS, _claim("room_id"), answer="NotFoundError"),
    "keys for an endless request": Bad(documents.CLAIM_KEYS, _claim("partner_id", "x" * 65), codes=MALFORMED),
    "keys for a request with NUL": Bad(documents.CLAIM_KEYS, _claim("partner_id", "\0"), codes=MALFORMED),
}


@pytest.fixture
async def pair(newcomer: Newcomer, interest: str) -> tuple[Person, Seat, Person, Seat]:
    """Two people in a match."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    return ada, seat, ben, other_seat


async def test_bad_input_gets_the_contracts_answer_and_changes_nothing(pair: tuple[Person, Seat, Person, Seat]) -> None:
    """A form shows the message beside the field that it names, and whoever made a mistake can try again.

    One match for the whole table, so that a mistake which did change something is seen by those after it.
    """
    ada, seat, ben, _ = pair
    before = [await person.state() for person in (ada, ben)]
    wrong: dict[str, object] = {}
    for name, bad in BAD.items():
        try:
            (payload,) = (await ada.ask(bad.document, input=bad.given(seat))).values()
        except GraphQLFailure as failure:
            if not bad.codes or not failure.codes <= bad.codes:
                wrong[name] = failure.errors
            continue
        as_told = payload["__typename"] == bad.answer and (payload.get("field") or "").startswith(bad.field or "")
        if not as_told or (bad.codes and not bad.field) or not payload["message"].endswith("."):
            wrong[name] = payload
    assert wrong == {}
    assert [await person.state() for person in (ada, ben)] == before
    await ada.send(seat.partner_id, {"offer": {"sdp": "the first that is good"}})
    assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == "the first that is good"
    assert [event["__typename"] for event in ben.inbox.seen][-2:] == ["Matched", "SignalReceived"]


async def test_limits_are_generous_up_to_their_edge(pair: tuple[Person, Seat, Person, Seat]) -> None:
    """A browser with many network interfaces and codecs comes close to the limits: what is allowed has to work."""
    ada, seat, ben, _ = pair
    candidate = {"candidate": "c" * 1024, "sdpMid": None, "sdpMLineIndex": 0}
    good: list[JSON] = [
        {"offer": {"sdp": "v" * 64 * 1024}},
        {"candidates": {"candidates": [candidate] * 64}},
        {"candidates": {"candidates": [{"candidate": ""}]}},
        {"candidates": {"candidates": [], "endOfCandidates": True}},
    ]
    for signal in good:
        assert (await ada.send(seat.partner_id, signal, callId="x" * 64))["__typename"] == "SendSignalSuccess"
    received = [(await ben.inbox.until("SignalReceived"))["signal"]["__typename"] for _ in good]
    assert received == ["Offer", "IceCandidates", "IceCandidates", "IceCandidates"]


# ------------------------------------------------------------------------------------------ somebody else's


async def test_a_room_of_others_does_not_exist_for_an_outsider(
    pair: tuple[Person, Seat, Person, Seat], newcomer: Newcomer
) -> None:
    """Rooms are private: an outsider who got hold of an ID sees nothing, hears nothing, and changes nothing."""
    ada, seat, ben, _ = pair
    eve = await newcomer("Eve")
    before = [await person.state() for person in (ada, ben)]
    assert (await eve.ask(documents.ROOMS))["rooms"] == []
    for room_id in (seat.room_id, NOWHERE, "no ID"):
        assert (await _answer(eve, documents.ROOM, id=room_id)) in (None, "NOT_FOUND")
        assert (await _answer(eve, documents.ICE, roomId=room_id)) in (None, "NOT_FOUND")
        assert (await eve.skip(room_id))["__typename"] == "NotFoundError"
        presence = await eve.run(documents.UPDATE_PRESENCE, input={"roomId": room_id, "typing": True})
        assert presence["__typename"] == "NotFoundError"
        for document in (documents.SIGNALS, documents.PRESENCE):
            subscription = await (await eve.connect()).subscribe(document, roomId=room_id)
            with pytest.raises(GraphQLFailure) as failure:
                await subscription.next()
            assert failure.value.codes == {"NOT_FOUND"}
    for member_id in (seat.member_id, seat.partner_id):
        assert (await eve.send(member_id, {"offer": {"sdp": "intruder"}}))["__typename"] == "NotFoundError"
    assert [await person.state() for person in (ada, ben)] == before
    assert (await eve.state())["ticket"] is None


async def _answer(person: Person, document: str, **variables: Any) -> object:  # noqa: ANN401 - whatever JSON holds
    """The value of the query's field, or the code of its error: both tell an outsider that there is nothing."""
    try:
        (value,) = (await person.ask(document, **variables)).values()
    except GraphQLFailure as failure:
        (code,) = failure.codes
        return code
    return value


@pytest.mark.parametrize(
    "cursor", ["", "hello", "x" * 5000, "aW4=", "////"], ids=["empty", "a word", "long", "short", "slashes"]
)
async def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str, newcomer: Newcomer) -> None:
    """A client with a bug in its storage is told so, instead of silently missing events; an empty one counts as none."""
    ada = await newcomer("Ada")
    for document in (documents.EVENTS, documents.MATCH_EVENTS):
        subscription = await (await ada.connect()).subscribe(document, after=cursor)
        if cursor:
            with pytest.raises(GraphQLFailure) as failure:
                await subscription.next()
            assert failure.value.codes == {"BAD_USER_INPUT"}


# ------------------------------------------------------------------------------------------ again, and at once


async def test_a_retry_with_the_same_client_id_is_delivered_once(pair: tuple[Person, Seat, Person, Seat]) -> None:
    """A lost answer makes a client send again: two answers to one offer break a peer connection."""
    ada, seat, ben, other_seat = pair
    retried = [await ada.send(seat.partner_id, {"offer": {"sdp": "once"}}, clientSignalId="one") for _ in range(3)]
    assert len({answer["id"] for answer in retried}) == 1
    at_once = await asyncio.gather(
        *(ada.send(seat.partner_id, {"answer": {"sdp": "once"}}, clientSignalId="two") for _ in range(5))
    )
    assert len({answer["id"] for answer in at_once}) == 1
    await ben.send(other_seat.partner_id, {"offer": {"sdp": "his own"}}, clientSignalId="one")
    await ada.send(seat.partner_id, {"hangUp": {"reason": "ENDED"}})
    await ben.inbox.until("SignalReceived", signal={"__typename": "HangUp", "reason": "ENDED"})
    received = [event["signal"]["__typename"] for event in ben.inbox.seen if event["__typename"] == "SignalReceived"]
    assert received == ["Offer", "Answer", "HangUp"]
    assert (await ada.inbox.until("SignalReceived"))["signal"]["sdp"] == "his own", "an ID is its sender's own"


async def test_asking_twice_is_asking_once(newcomer: Newcomer, interest: str) -> None:
    """A double click, or a retry after a lost answer, must not cost the place in the queue, nor a second match."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    joins = await asyncio.gather(*(ada.join(interest) for _ in range(4)))
    assert len({answer["ticket"]["id"] for answer in joins}) == 1
    changed = (await ada.join(interest, "chess"))["ticket"]
    assert (changed["id"], changed["enqueuedAt"]) == (joins[0]["ticket"]["id"], joins[0]["ticket"]["enqueuedAt"])
    left = await asyncio.gather(*(ada.run(documents.LEAVE) for _ in range(2)))
    assert sorted(answer["ticket"] is None for answer in left) == [False, True]

    seat, _ = await meet(ada, ben, interest)
    skips = [await ada.skip(seat.room_id) for _ in range(2)]
    assert {answer["__typename"] for answer in skips} == {"SkipSuccess"}
    assert skips[0]["ticket"]["id"] == skips[1]["ticket"]["id"]


async def test_a_race_with_its_opposite_ends_in_one_of_the_two(newcomer: Newcomer, interest: str) -> None:
    """Joining and leaving, skipping and signaling, signing out and joining at the same moment: what is told is what is."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    for _ in range(5):
        joined, left = await asyncio.gather(ada.join(interest), ada.run(documents.LEAVE))
        ticket = (await ada.state())["ticket"]
        assert (ticket is None) is (left["ticket"] is not None)
        assert ticket in (None, joined["ticket"])
        await ada.run(documents.LEAVE)

    seat, other_seat = await meet(ada, ben, interest)
    _, sent = await asyncio.gather(
        ada.skip(seat.room_id, requeue=False), ben.send(other_seat.partner_id, {"offer": {"sdp": "too late?"}})
    )
    told = [event async for event in _up_to_end(ada)]
    assert (sent["__typename"] == "SendSignalSuccess") is ("SignalReceived" in told)

    gone = await newcomer("Gone")
    outcome = await asyncio.gather(gone.join(interest), gone.run(documents.SIGN_OUT), return_exceptions=True)
    assert isinstance(outcome[1], dict)
    await ben.join(interest)
    with pytest.raises(TimeoutError):
        await ben.matched(within=1.5)


async def _up_to_end(person: Person) -> Any:  # noqa: ANN401 - an async generator of names
    while (kind := (await person.inbox.next())["__typename"]) != "MatchEnded":
        yield kind
