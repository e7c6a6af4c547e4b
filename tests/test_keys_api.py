"""The pre-key server through the API: who may do what, what is malformed, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from x3dh import Bundle, HashFunction, IdentityKeyFormat, State

from domain.errors import BadInput, Forbidden, RateLimited, Unauthenticated
from domain.identity import Caller, SessionScope
from domain.inbox import Position
from domain.keys.claiming import CLAIMS_PER_PAIR
from persistence.limits import PostgresRateLimits
from schema.cursors import inbox_cursor, message_cursor
from tests.encoding import base64
from tests.keyring import Keyring, curve_key, kem_key, publication_input, shown, shown_all
from tests.streams import Stream, streaming, subscribe
from tests.world import World, seat

COUNTS = "oneTimePreKeyCount oneTimeKemKeyCount"
BUNDLE = """{ member { id displayName status } suite identityKey signedPreKey { keyId key signature }
  lastResortKemKey { keyId key signature } oneTimePreKey { keyId key } oneTimeKemKey { keyId key signature } updatedAt }"""
PUBLISH = f"""mutation($input: PublishKeysInput!) {{ publishKeys(input: $input) {{ __typename
  ... on PublishKeysSuccess {{ {COUNTS} }} ... on InvalidInputError {{ field message }} }} }}"""
ADD = f"""mutation($input: AddOneTimePreKeysInput!) {{ addOneTimePreKeys(input: $input) {{ __typename
  ... on AddOneTimePreKeysSuccess {{ {COUNTS} }} ... on InvalidInputError {{ field message }}
  ... on NoKeysError {{ message }} }} }}"""
CLAIM = f"""mutation($input: ClaimKeyBundleInput!) {{ claimKeyBundle(input: $input) {{ __typename
  ... on ClaimKeyBundleSuccess {{ bundle {BUNDLE} }} ... on NotFoundError {{ message }} ... on NoKeysError {{ message }} }} }}"""
KEYS = f"query($id: ID!) {{ keys(roomId: $id) {BUNDLE} }}"
ME = f"{{ me {{ {COUNTS} }} }}"
KEY_EVENTS = """subscription($id: ID!, $after: Cursor) { keyEvents(roomId: $id, after: $after) { __typename
  ... on Event { cursor at } ... on KeysPublished { room { id } member { id displayName } identityChanged }
  ... on PreKeysLow { kind remaining } } }"""
EVENTS = """subscription { events { __typename ... on PreKeysLow { kind } } }"""
RING = Keyring()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server on a clock that stands, whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


async def failure(world: World, caller: Caller | None, operation: str, **variables: object) -> BaseException:
    """The one failure with which it answers."""
    answer = await world.ask(operation, caller, **variables)
    (found,) = answer.failures
    return found


async def follow_keys(world: World, caller: Caller | None, room_id: object, after: str | None = None) -> Stream:
    """`keyEvents`, begun."""
    return await subscribe(world, caller, KEY_EVENTS, id=str(room_id), after=after)


async def test_the_api_from_publishing_to_a_used_up_store(world: World) -> None:
    """What a front end sends and gets, field by field, with the 1568 bytes of its KEM keys."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    ada_seat = str(seat(room, ada).id)
    offered = RING.pqxdh(1, 1)
    assert offered.last_resort_kem_key is not None
    held = {"oneTimePreKeyCount": 1, "oneTimeKemKeyCount": 1}
    published = await world.answer(PUBLISH, ada, input=publication_input(offered))
    assert published == {"__typename": "PublishKeysSuccess", **held}
    assert (await world.ask(ME, ada)).data == {"me": held}
    lasting = {
        "member": {"id": ada_seat, "displayName": "Ada", "status": "ONLINE"},
        "suite": "PQXDH_25519_MLKEM1024",
        "identityKey": base64(RING.identity),
        "signedPreKey": shown(offered.signed_pre_key),
        "lastResortKemKey": shown(offered.last_resort_kem_key),
        "updatedAt": "2026-11-21T09:30:00.000Z",
    }
    without = {"oneTimePreKey": None, "oneTimeKemKey": None}
    for viewer in (ada, bob):
        assert (await world.ask(KEYS, viewer, id=str(room.id))).data == {"keys": [lasting | without]}
    claimed = await world.answer(CLAIM, bob, input={"memberId": ada_seat, "requestId": "1"})
    assert claimed == {
        "__typename": "ClaimKeyBundleSuccess",
        "bundle": lasting
        | {
            "oneTimePreKey": shown(offered.one_time.pre_keys[0]),
            "oneTimeKemKey": shown(offered.one_time.kem_keys[0]),
        },
    }
    assert await world.answer(CLAIM, bob, input={"memberId": ada_seat, "requestId": "1"}) == claimed
    assert (await world.answer(CLAIM, bob, input={"memberId": ada_seat, "requestId": "2"}))[
        "bundle"
    ] == lasting | without
    added = await world.answer(ADD, ada, input=shown_all(RING.one_time(2, 1, first=10)))
    assert added == {"__typename": "AddOneTimePreKeysSuccess", "oneTimePreKeyCount": 2, "oneTimeKemKeyCount": 1}


async def test_the_least_that_can_be_published_is_x3dh_without_one_time_keys(world: World) -> None:
    """The defaults of the contract: a small client names no suite and no lists."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    least = publication_input(RING.x3dh())
    given = {name: least[name] for name in ("identityKey", "signedPreKey")}
    none = {"oneTimePreKeyCount": 0, "oneTimeKemKeyCount": 0}
    assert await world.answer(PUBLISH, ada, input=given) == {"__typename": "PublishKeysSuccess", **none}
    assert await world.answer(ADD, ada, input={}) == {"__typename": "AddOneTimePreKeysSuccess", **none}
    bundle = (await world.answer(CLAIM, bob, input={"memberId": str(seat(room, ada).id), "requestId": "1"}))["bundle"]
    assert (bundle["suite"], bundle["lastResortKemKey"], bundle["oneTimePreKey"]) == ("X3DH_25519", None, None)


class Device(State):
    """A client that uses the package X3DH."""

    @staticmethod
    def _encode_public_key(key_format: IdentityKeyFormat, pub: bytes) -> bytes:
        """What is signed: exactly the key, so that the server can check it."""
        assert key_format is IdentityKeyFormat.CURVE_25519
        return pub

    def _publish_bundle(self, bundle: Bundle) -> None:
        """By hand, in the test."""


async def test_a_bundle_of_the_package_x3dh_is_taken(world: World) -> None:
    """An implementation of Signal's specification that we did not write can use the server as it is."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    device = Device.create(IdentityKeyFormat.CURVE_25519, HashFunction.SHA_256, b"test")
    bundle = device.bundle
    published = await world.answer(
        PUBLISH,
        ada,
        input={
            "identityKey": base64(bundle.identity_key),
            "signedPreKey": {
                "keyId": 1,
                "key": base64(bundle.signed_pre_key),
                "signature": base64(bundle.signed_pre_key_sig),
            },
            "oneTimePreKeys": [{"keyId": number, "key": base64(key)} for number, key in enumerate(bundle.pre_keys)],
        },
    )
    assert published == {"__typename": "PublishKeysSuccess", "oneTimePreKeyCount": 100, "oneTimeKemKeyCount": 0}
    claimed = (await world.answer(CLAIM, bob, input={"memberId": str(seat(room, ada).id), "requestId": "1"}))["bundle"]
    assert claimed["signedPreKey"]["signature"] == base64(bundle.signed_pre_key_sig)
    assert claimed["oneTimePreKey"]["key"] in {base64(key) for key in bundle.pre_keys}


# ------------------------------------------------------------------------------------------ who may


OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    (PUBLISH, {"input": publication_input(RING.x3dh())}),
    (ADD, {"input": {}}),
    (CLAIM, {"input": {"memberId": str(uuid4()), "requestId": "1"}}),
    (KEYS, {"id": str(uuid4())}),
]


async def test_keys_are_for_those_who_are_signed_in_with_full_rights(world: World) -> None:
    """Neither a passer-by nor a suspended user publishes, claims, or looks."""
    (ada, _), room = await world.friends("Ada", "Bob")
    suspended = replace(ada, scope=SessionScope.APPEAL_ONLY)
    for operation, variables in OPERATIONS:
        assert isinstance(await failure(world, None, operation, **variables), Unauthenticated)
        assert isinstance(await failure(world, suspended, operation, **variables), Forbidden)
    assert await (await follow_keys(world, None, room.id)).failed() == "UNAUTHENTICATED"
    assert await (await follow_keys(world, suspended, room.id)).failed() == "FORBIDDEN"
    assert (await world.ask(ME, None)).data == {"me": None}
    assert (await world.ask(ME, suspended)).data == {"me": {"oneTimePreKeyCount": 0, "oneTimeKemKeyCount": 0}}


async def test_keys_of_a_room_are_for_its_members(world: World) -> None:
    """A stranger learns nothing: neither keys, nor who has some, nor whether there is such a room."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    carol = await world.user("Carol")
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh(5)))
    ada_seat = str(seat(room, ada).id)
    for room_id in (str(room.id), str(uuid4()), "", "nonsense", str(room.id).upper()):
        assert (await world.ask(KEYS, carol, id=room_id)).data == {"keys": None}
        assert await (await follow_keys(world, carol, room_id)).failed() == "NOT_FOUND"
    for claimer, member_id in (
        (carol, ada_seat),
        (ada, ada_seat),
        (bob, str(uuid4())),
        (bob, str(room.id)),
        (bob, str(ada.user_id)),
        (bob, "nonsense\0"),
        (bob, ""),
    ):
        answer = await world.answer(CLAIM, claimer, input={"memberId": member_id, "requestId": "1"})
        assert answer["__typename"] == "NotFoundError"
    await world.end(room)
    assert (await world.ask(KEYS, ada, id=str(room.id))).data == {"keys": None}
    assert (await world.ask(ME, ada)).data["me"]["oneTimePreKeyCount"] == 5


async def test_who_is_kicked_while_keys_are_read_is_not_shown_them(world: World) -> None:
    """Between the look at the seat and the reading somebody may be made to leave, and others publish on."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh()))
    answer = await world.overtake(lambda: world.put_out(room, bob, kicked=True), KEYS, bob, id=str(room.id))
    assert (answer.data, answer.errors) == ({"keys": None}, [])


async def test_keys_of_a_room_are_shown_in_the_order_of_joining(world: World) -> None:
    """Those who published none are left out, and those who left: whoever compares safety numbers compares with who is there."""
    (ada, bob, carol, dora), room = await world.friends("Ada", "Bob", "Carol", "Dora")
    for who in (dora, carol, ada):
        await world.answer(PUBLISH, who, input=publication_input(Keyring().x3dh(1)))
    await world.leave(carol, room)
    found = (await world.ask(KEYS, bob, id=str(room.id))).data["keys"]
    assert [bundle["member"]["displayName"] for bundle in found] == ["Ada", "Dora"]
    assert [bundle["oneTimePreKey"] for bundle in found] == [None, None]


async def test_without_a_bundle_there_is_nothing_to_claim_or_to_add_to(world: World) -> None:
    """Shown differently from a mistake: the other side may publish any moment."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    claimed = await world.answer(CLAIM, bob, input={"memberId": str(seat(room, ada).id), "requestId": "1"})
    assert claimed == {"__typename": "NoKeysError", "message": "The member has published no keys."}
    assert (await world.answer(ADD, bob, input=shown_all(RING.one_time(1))))["__typename"] == "NoKeysError"
    assert (await world.ask(KEYS, bob, id=str(room.id))).data == {"keys": []}


# ------------------------------------------------------------------------------------------ what is malformed


async def test_what_is_not_canonical_base64_is_bad_input(world: World) -> None:
    """Two ways to write the same bytes are two keys to whoever compares texts."""
    ada = await world.user()
    good = publication_input(RING.pqxdh(1, 1))
    key = good["identityKey"]
    for bad in (
        key[:-1],
        key + "=",
        key.replace("=", ""),
        key[:-2] + "/=",
        f" {key}",
        key + "\n",
        "-_" + key[2:],
        "é",
        7,
    ):
        if bad == key:
            continue
        answer = await world.ask(PUBLISH, ada, input=good | {"identityKey": bad})
        assert answer.errors, bad
        assert answer.data is None
        nested = good["oneTimePreKeys"][0] | {"key": bad}
        assert (await world.ask(PUBLISH, ada, input=good | {"oneTimePreKeys": [nested]})).errors
    assert (await world.ask(ME, ada)).data["me"]["oneTimePreKeyCount"] == 0


async def test_what_is_not_in_order_is_named_by_its_path(world: World) -> None:
    """A front end can say which key it was."""
    ada = await world.user()
    good = publication_input(RING.pqxdh(2, 2))
    other = shown(RING.signed(7, kem_key()))
    for change, field in (
        ({"identityKey": base64(bytes(32))}, "identityKey"),
        ({"signedPreKey": good["signedPreKey"] | {"key": base64(curve_key())}}, "signedPreKey.signature"),
        (
            {"oneTimePreKeys": [good["oneTimePreKeys"][0], {"keyId": -1, "key": base64(curve_key())}]},
            "oneTimePreKeys.1.keyId",
        ),
        ({"oneTimeKemKeys": [other, other | {"keyId": 8}]}, "oneTimeKemKeys.1.key"),
        ({"lastResortKemKey": None}, "lastResortKemKey"),
        ({"suite": "X3DH_25519"}, "lastResortKemKey"),
        ({"suite": "X3DH_25519", "lastResortKemKey": None}, "oneTimeKemKeys"),
        ({"oneTimePreKeys": [{"keyId": n, "key": base64(curve_key())} for n in range(101)]}, "oneTimePreKeys"),
        ({"oneTimeKemKeys": [other | {"keyId": n} for n in range(5000)]}, "oneTimeKemKeys"),
    ):
        answer = await world.answer(PUBLISH, ada, input=good | change)
        assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    for keys, field in (
        ({"oneTimePreKeys": [{"keyId": 0, "key": base64(bytes(33))}]}, "oneTimePreKeys.0.key"),
        ({"oneTimeKemKeys": [other | {"signature": base64(bytes(64))}]}, "oneTimeKemKeys.0.signature"),
    ):
        await world.answer(PUBLISH, ada, input=good)
        assert (await world.answer(ADD, ada, input=keys))["field"] == field


async def test_a_request_id_that_is_none_is_bad_input(world: World) -> None:
    """The payload has no member for it: it is a mistake of the program, not of its user."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh(1)))
    for request_id in ("", "x" * 65, "\0", "\ud800"):
        given = {"memberId": str(seat(room, ada).id), "requestId": request_id}
        assert isinstance(await failure(world, bob, CLAIM, input=given), BadInput)
    assert (await world.ask(ME, ada)).data["me"]["oneTimePreKeyCount"] == 1


async def test_more_claims_than_the_limit_are_told_when_to_come_back(world: World) -> None:
    """`retryAfter` says so: a twentieth of an hour for the next."""
    world.limits = PostgresRateLimits(world.database.reading)
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh(20)))
    given = {"memberId": str(seat(room, ada).id)}
    for number in range(CLAIMS_PER_PAIR):
        await world.answer(CLAIM, bob, input=given | {"requestId": str(number)})
    limited = await failure(world, bob, CLAIM, input=given | {"requestId": "another"})
    assert isinstance(limited, RateLimited)
    assert 120 < limited.retry_after <= 180
    assert (await world.answer(CLAIM, bob, input=given | {"requestId": "9"}))["__typename"] == "ClaimKeyBundleSuccess"


# ------------------------------------------------------------------------------------------ what is told


async def test_key_events_tell_of_the_room_and_of_ones_own_store(world: World) -> None:
    """One stream shows the safety warning and asks for a refill, and goes on where it was cut off."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    elsewhere = await world.open_room(bob)
    ada_seat = {"id": str(seat(room, ada).id), "displayName": "Ada"}
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh(1)))
    of_ada, of_bob = await follow_keys(world, ada, room.id), await follow_keys(world, bob, room.id)
    of_another_room = await follow_keys(world, bob, elsewhere.id)
    await world.answer(PUBLISH, ada, input=publication_input(Keyring().x3dh(10)))
    published = await of_ada.next()
    assert published | {"cursor": None} == {
        "__typename": "KeysPublished",
        "cursor": None,
        "at": "2026-11-21T09:30:00.000Z",
        "room": {"id": str(room.id)},
        "member": ada_seat,
        "identityChanged": True,
    }
    assert (await of_bob.next())["member"] == ada_seat
    await world.answer(CLAIM, bob, input={"memberId": ada_seat["id"], "requestId": "1"})
    low = await of_ada.next()
    assert (low["__typename"], low["kind"], low["remaining"]) == ("PreKeysLow", "CURVE25519", 9)
    again = await follow_keys(world, ada, room.id, after=published["cursor"])
    assert await again.next() == low
    # What comes next to Bob is his own, in either room: nothing of Ada's store, nothing of another room.
    await world.answer(PUBLISH, bob, input=publication_input(Keyring().x3dh()))
    assert (await of_bob.next())["member"]["displayName"] == "Bob"
    assert (await of_another_room.next())["room"] == {"id": str(elsewhere.id)}
    for stream in (of_ada, of_bob, of_another_room, again):
        await stream.close()


async def test_events_tell_of_keys_as_well(world: World) -> None:
    """One subscription is enough for a front end: a kind that is missing there is missing for most."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    stream = await subscribe(world, ada, EVENTS)
    await world.answer(PUBLISH, ada, input=publication_input(RING.pqxdh(10, 10)))
    await world.answer(CLAIM, bob, input={"memberId": str(seat(room, ada).id), "requestId": "1"})
    told = [await stream.next() for _ in range(4)]
    assert [event["__typename"] for event in told] == ["MatchSnapshot", "KeysPublished", "PreKeysLow", "PreKeysLow"]
    assert [event.get("kind") for event in told] == [None, None, "CURVE25519", "KEM"]
    await stream.close()


async def test_key_events_end_with_the_seat(world: World) -> None:
    """Whoever left or was made to leave is told no more, and knows it."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    stream = await follow_keys(world, bob, room.id)
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh()))
    await world.leave(bob, room)
    await world.answer(PUBLISH, ada, input=publication_input(Keyring().x3dh()))
    assert (await stream.next())["identityChanged"] is False
    assert await stream.ended()
    assert await (await follow_keys(world, bob, room.id)).failed() == "NOT_FOUND"


async def test_key_events_take_cursors_of_the_inbox_only(world: World) -> None:
    """A cursor of another kind is a mistake, one of another time a resync."""
    (ada, _), room = await world.friends("Ada", "Bob")
    for bad in ("nonsense", "", message_cursor(room.id, 1)):
        assert await (await follow_keys(world, ada, room.id, after=bad)).failed() == "BAD_USER_INPUT"
    end = await world.inbox.end(ada.user_id)
    gone = await follow_keys(world, ada, room.id, after=inbox_cursor(Position(end.epoch ^ 1, 5)))
    assert (await gone.next())["__typename"] == "ResyncRequired"
    await gone.close()


async def test_a_bundle_belongs_to_the_account(world: World) -> None:
    """The same identity key is seen in every room: this is documented, and the way out is a new bundle before each match."""
    (ada, bob), room = await world.friends("Ada", "Bob")
    await world.answer(PUBLISH, ada, input=publication_input(RING.x3dh(2)))
    second = await world.open_room(bob, ada)
    seen = await asyncio.gather(*(world.ask(KEYS, bob, id=str(where.id)) for where in (room, second)))
    identities = [answer.data["keys"][0]["identityKey"] for answer in seen]
    members = [answer.data["keys"][0]["member"]["id"] for answer in seen]
    assert identities == [base64(RING.identity)] * 2
    assert members[0] != members[1]
