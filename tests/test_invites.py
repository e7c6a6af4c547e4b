"""Invite rooms and the way in: who comes in, as whom, and what those learn who do not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.invites import InviteCodes
from api.tokens import RootSecrets
from domain.errors import Forbidden, NotFound, RateLimited, RoomFull, Suspended, Unauthenticated
from domain.events import MemberJoined
from domain.identity import Caller, SessionScope
from domain.rooms.invites import GUESSES_OF_NETWORK, GUESSES_OF_USER, may_invite
from domain.rooms.room import MemberRole
from domain.safety.suspension import SuspensionScope
from persistence.limits import PostgresRateLimits
from schema.api import schema
from tests.world import World, open_world, seat
from tests.world.parts import ROOTS

CREATE = """mutation($input: CreateRoomInput!) { createRoom(input: $input) { __typename
  ... on CreateRoomSuccess { room { id kind mode name inviteCode capacity sharedInterests createdAt closedAt
    me { id displayName role muted status polite joinedAt } members { id } } }
  ... on InvalidInputError { field message } ... on SuspendedError { suspension { scope } } } }"""
JOIN = """mutation($code: String!) { joinRoom(input: {inviteCode: $code}) { __typename
  ... on JoinRoomSuccess { room { id inviteCode me { id role joinedAt } members { id displayName polite } } }
  ... on NotFoundError { message } ... on RoomFullError { capacity } ... on SuspendedError { suspension { scope } } } }"""
LOOK = "query($code: String!) { roomByInvite(inviteCode: $code) { name memberCount capacity } }"
ROTATE = """mutation($id: ID!) { rotateInvite(input: {roomId: $id}) { __typename
  ... on RotateInviteSuccess { room { id inviteCode members { id } } }
  ... on NotFoundError { message } ... on NotAllowedError { message } } }"""
PRESENCE = "subscription($id: ID!) { presence(roomId: $id) { ... on PresenceSnapshot { room { inviteCode } } } }"
ROOM = "query($id: ID!) { room(id: $id) { name inviteCode me { role } members { displayName polite } } }"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def joining(world: World, who: Caller | UUID, code: str) -> str:
    """What `joinRoom` says in a word."""
    try:
        await world.enter(who, code)
    except (NotFound, RoomFull, Suspended) as outcome:
        return type(outcome).__name__
    return "in"


# ------------------------------------------------------------------------------------------ opening


async def test_whoever_opens_a_room_owns_it_and_can_share_its_code(world: World) -> None:
    """One call, and there is a link to send to friends."""
    ada = await world.user("Ada")
    payload = await world.answer(CREATE, ada, input={"name": "  Ada's cafe\u0301 ", "capacity": 4})
    shown = payload["room"]
    room = await world.room(UUID(shown["id"]))
    mine = str(seat(room, ada).id)
    assert shown == {
        "id": str(room.id),
        "kind": "INVITE",
        "mode": None,
        "name": "Ada's café",
        "inviteCode": world.invite_code(room),
        "capacity": 4,
        "sharedInterests": [],
        "createdAt": "2026-11-21T09:30:00.000Z",
        "closedAt": None,
        "me": {
            "id": mine,
            "displayName": "Ada",
            "role": "OWNER",
            "muted": False,
            "status": "ONLINE",
            "polite": False,
            "joinedAt": "2026-11-21T09:30:00.000Z",
        },
        "members": [{"id": mine}],
    }
    assert await world.told(ada) == [MemberJoined(room.id, seat(room, ada).id)]
    assert seat(room, ada).position == 0
    assert (await world.answer(CREATE, ada, input={"name": "x"}))["room"]["capacity"] == 8


async def test_what_creating_returns_is_what_is_stored(world: World) -> None:
    """A front end shows the answer; a reload must not show something else."""
    room = await world.create(await world.user(), capacity=2)
    assert room == await world.room(room.id)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \u3000\t"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "x" * 1_000_000}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\ud800"}, "name"),
        ({"name": "\u202egnp"}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"name": "x", "capacity": 1}, "capacity"),
        ({"name": "x", "capacity": 17}, "capacity"),
        ({"name": "x", "capacity": -(2**31)}, "capacity"),
        ({"name": "x", "capacity": 2**31 - 1}, "capacity"),
    ],
    ids=lambda value: ascii(value)[:24],
)
async def test_a_room_that_cannot_be_says_why(world: World, wrong: dict[str, object], field: str) -> None:
    """A form marks the field; nothing is half made."""
    ada = await world.user()
    payload = await world.answer(CREATE, ada, input=wrong)
    assert (payload["__typename"], payload["field"]) == ("InvalidInputError", field)
    assert await world.database.read(lambda uow: uow.rooms.held_by(ada.user_id)) == []


async def test_a_name_of_eighty_characters_in_any_script_fits(world: World) -> None:
    """Twice as long as a person's."""
    for name in ("x" * 80, "é" * 80, "\U0001f469\u200d\U0001f467" * 26):
        assert (await world.create(await world.user(), name)).name == name


@pytest.mark.parametrize(
    "variables", [{}, {"name": None}, {"name": 1}, {"name": "x", "capacity": "8"}, {"name": "x", "seats": 2}]
)
async def test_input_of_another_shape_never_reaches_the_rules(world: World, variables: dict[str, object]) -> None:
    """GraphQL itself refuses it."""
    assert (await world.ask(CREATE, await world.user(), input=variables)).errors


# ------------------------------------------------------------------------------------------ who may


@pytest.mark.parametrize(
    ("operation", "variables"),
    [
        (CREATE, {"input": {"name": "x"}}),
        (JOIN, {"code": "x"}),
        (LOOK, {"code": "x"}),
        (ROTATE, {"id": str(UUID(int=1))}),
    ],
    ids=["createRoom", "joinRoom", "roomByInvite", "rotateInvite"],
)
async def test_rooms_are_for_those_who_are_signed_in_with_all_rights(
    world: World, operation: str, variables: dict[str, Any]
) -> None:
    """Without a token nobody is there, and a suspended account may only appeal."""
    assert [type(f) for f in (await world.ask(operation, **variables)).failures] == [Unauthenticated]
    suspended = replace(await world.user(), scope=SessionScope.APPEAL_ONLY)
    assert [type(f) for f in (await world.ask(operation, suspended, **variables)).failures] == [Forbidden]


async def test_a_suspension_from_everything_keeps_out_also_before_the_session_knows(world: World) -> None:
    """An access token outlives the decision by minutes; one from matching alone leaves friends together."""
    ada, ben = await world.user("Ada"), await world.user("Ben")
    code = world.invite_code(await world.create(await world.user()))
    for who in (ada, ben):
        await world.suspend(who, SuspensionScope.MATCHING)
    assert (await world.answer(CREATE, ada, input={"name": "x"}))["__typename"] == "CreateRoomSuccess"
    assert (await world.answer(JOIN, ada, code=code))["__typename"] == "JoinRoomSuccess"
    await world.suspend(ben)
    expected = {"__typename": "SuspendedError", "suspension": {"scope": "ALL"}}
    assert await world.answer(CREATE, ben, input={"name": "x"}) == expected
    assert await world.answer(JOIN, ben, code=code) == expected


async def test_owners_and_moderators_invite_and_others_do_not(world: World) -> None:
    """Whoever may show somebody the door may show somebody in."""
    ada = await world.user()
    member = seat(await world.open_room(ada), ada)
    roles = {role: may_invite(replace(member, role=role)) for role in MemberRole}
    assert roles == {MemberRole.OWNER: True, MemberRole.MODERATOR: True, MemberRole.MEMBER: False}


async def test_the_code_is_shown_to_those_who_may_invite_while_they_are_inside(world: World) -> None:
    """A plain member cannot pass it on, nor somebody who has left, nor anybody once the room is closed."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.create(ada)
    code = world.invite_code(room)
    assert (await world.answer(JOIN, ben, code=code))["room"]["inviteCode"] is None

    async def seen(who: Caller) -> str | None:
        shown = (await world.ask(ROOM, who, id=str(room.id))).data["room"]
        listed = (await world.ask("{ rooms { inviteCode } }", who)).data["rooms"]
        assert listed == ([{"inviteCode": shown["inviteCode"]}] if shown else [])
        return shown["inviteCode"] if shown else None

    assert (await seen(ada), await seen(ben), await seen(eve)) == (code, None, None)
    await world.rank(room, ben, MemberRole.MODERATOR)
    assert await seen(ben) == code
    await world.put_out(room, ben)
    assert await seen(ben) is None
    await world.end(room)
    assert await seen(ada) is None


async def test_an_event_shows_the_code_as_a_query_does(world: World) -> None:
    """What happens in a room is told to each with their own eyes: the code must not leak to members that way."""
    (ada, ben), room = await world.friends("Ada", "Ben")
    for viewer, expected in ((ada, world.invite_code(room)), (ben, None)):
        stream = await schema.subscribe(PRESENCE, {"id": str(room.id)}, context_value=world.context(viewer))
        assert isinstance(stream, AsyncGenerator)
        first = await anext(stream)
        await stream.aclose()
        assert (first.data, first.errors) == ({"presence": {"room": {"inviteCode": expected}}}, None)


async def test_rotating_kills_the_old_code_and_sends_nobody_away(world: World) -> None:
    """A link that got into wrong hands is made worthless, and the friends stay."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.open_room(ada, ben)
    told = len(world.inbox.told)
    old = world.invite_code(room)
    payload = await world.answer(ROTATE, ada, id=str(room.id))
    new = payload["room"]["inviteCode"]
    assert new != old
    assert len(payload["room"]["members"]) == 2
    assert len(world.inbox.told) == told
    assert await joining(world, eve, old) == "NotFound"
    assert await world.look(eve, old) is None
    assert await joining(world, eve, new) == "in"
    await world.rank(room, ben, MemberRole.MODERATOR)
    assert (await world.answer(ROTATE, ben, id=str(room.id)))["room"]["inviteCode"] not in {old, new}


async def test_only_those_who_may_invite_rotate_and_outsiders_learn_nothing(world: World) -> None:
    """A member could otherwise lock out the friends that the owner invited."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.open_room(ada, ben)
    assert (await world.answer(ROTATE, ben, id=str(room.id)))["__typename"] == "NotAllowedError"
    unknown = await world.answer(ROTATE, eve, id=str(uuid4()))
    assert unknown["__typename"] == "NotFoundError"
    for wrong in (str(room.id), str(room.id).upper(), "", "x" * 100_000, "\x00", "\ud800"):
        assert await world.answer(ROTATE, eve, id=wrong) == unknown
    assert (await world.room(room.id)).invite == room.invite
    await world.end(room)
    assert await world.answer(ROTATE, ada, id=str(room.id)) == unknown
    one, _, match = await world.pair()
    assert (await world.answer(ROTATE, one, id=str(match.id)))["__typename"] == "NotAllowedError"


# ------------------------------------------------------------------------------------------ codes that lead nowhere


async def test_all_codes_that_lead_nowhere_answer_alike(world: World) -> None:
    """Whoever tries codes learns neither that a room exists, nor that it was closed, nor that they were kicked from it."""
    ada, eve = await world.user("Ada"), await world.user("Eve")
    closed, rotated, barred = [await world.open_room(ada, capacity=2) for _ in range(3)]
    codes = [world.invite_code(room) for room in (closed, rotated, barred)]
    await world.end(closed)
    await world.rotate(ada, rotated.id)
    await world.enter(eve, codes[2])
    await world.put_out(barred, eve, kicked=True)
    await world.enter(await world.user(), codes[2])  # Full, which only somebody else may know.
    foreign = InviteCodes(RootSecrets((("gone", b"g" * 32),)))
    gone = replace(await world.open_room(ada), invite=foreign.new(1))
    await world.database.transact(
        lambda uow: uow.rooms.set_invite(gone.id, foreign.new(1), foreign.digest(gone.id, foreign.new(1)))
    )
    codes += [str(foreign.code(gone.id, foreign.new(1))), "AAAAA-AAAAA-AAAAA-AAAAA"]
    codes += ["", "x", "\x00" * 20, "\ud800" * 20, "x" * 1_000_000, "é" * 20]
    answers = [await world.answer(JOIN, eve, code=code) for code in codes]
    assert answers == [{"__typename": "NotFoundError", "message": "No open room has that code."}] * len(codes)
    for code in codes:
        shown = await world.ask(LOOK, eve, code=code)
        assert (shown.data, shown.errors) == ({"roomByInvite": None}, [])
    assert await joining(world, await world.user(), codes[2]) == "RoomFull"


async def test_a_look_through_the_code_shows_name_and_numbers_and_tells_nobody(world: World) -> None:
    """Before joining one sees what one joins; those inside are not disturbed."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.open_room(ada, ben, capacity=2, name="Chess")
    expected = {"roomByInvite": {"name": "Chess", "memberCount": 2, "capacity": 2}}
    for who in (ada, ben, eve):
        assert (await world.ask(LOOK, who, code=world.invite_code(room).lower())).data == expected
    assert world.inbox.told == []
    await world.put_out(room, ben)
    assert (await world.ask(LOOK, eve, code=world.invite_code(room))).data["roomByInvite"]["memberCount"] == 1


async def test_ten_failures_are_answered_and_then_none_until_some_time_has_passed(world: World) -> None:
    """Somebody who tries codes is stopped, whichever of the two ways they use, and finds even a good code shut."""
    world.limits = PostgresRateLimits(world.database.reading)
    eve, ben = await world.user("Eve"), await world.user("Ben")
    code = world.invite_code(await world.create(await world.user()))
    for number in range(GUESSES_OF_USER):
        operation = (JOIN, LOOK)[number % 2]
        assert not (await world.ask(operation, eve, code=f"{number}" * 20)).failures
    for operation, tried in ((JOIN, code), (LOOK, code), (JOIN, "x"), (LOOK, "x")):
        (failure,) = (await world.ask(operation, eve, code=tried)).failures
        assert isinstance(failure, RateLimited)
        assert 0 < failure.retry_after <= 60
    assert await joining(world, ben, code) == "in"
    async with world.database.reading() as connection:
        await connection.execute(text("UPDATE rate_limit SET full_at = full_at - interval '1 minute'"))
    assert await joining(world, eve, code) == "in"


async def test_thirty_successes_cost_nothing(world: World) -> None:
    """Friends who come and go all evening are not taken for somebody who tries codes."""
    world.limits = PostgresRateLimits(world.database.reading)
    ada, ben = await world.user("Ada"), await world.user("Ben")
    room = await world.create(ada, capacity=2)
    code = world.invite_code(room)
    for _ in range(30):
        assert await world.look(ben, code) is not None
        assert await joining(world, ben, code) == "in"
        assert await joining(world, await world.user(), code) == "RoomFull"
        await world.put_out(room, ben)
    async with world.database.reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM rate_limit")) == 0


async def test_a_network_fails_a_hundred_times_whoever_its_people_are(world: World) -> None:
    """New accounts are free, so counting by account alone would limit nobody; the network is not stored in clear."""
    world.limits = PostgresRateLimits(world.database.reading)
    people = [await world.user() for _ in range(11)]
    for number in range(GUESSES_OF_NETWORK):
        assert await world.look(people[number // 10], "x", "198.51.100.9") is None
    with pytest.raises(RateLimited):
        await world.look(people[10], "x", "198.51.100.9")
    assert await world.look(people[10], "x", "198.51.100.10") is None
    async with world.database.reading() as connection:
        keys = list(await connection.scalars(text("SELECT key FROM rate_limit")))
    assert len(keys) == 13
    assert not [key for key in keys if "198.51" in key]


# ------------------------------------------------------------------------------------------ where the code is


async def test_a_code_can_be_read_back_and_stands_nowhere_in_the_database(world: World) -> None:
    """A copy of the database lets nobody into a room."""
    ada = await world.user()
    rooms = [await world.create(ada) for _ in range(3)]
    await world.rotate(ada, rooms[0].id)
    codes = [(await world.ask(ROOM, ada, id=str(room.id))).data["room"]["inviteCode"] for room in rooms]
    assert codes == [world.invite_code(await world.room(room.id)) for room in rooms]
    async with world.database.reading() as connection:
        rows = (await connection.execute(text("SELECT room, room.* FROM room"))).all()
    stored = b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
    assert str(rooms[0].id).encode() in stored
    for code in codes:
        for form in (code, code.replace("-", "")):
            assert form.encode() not in stored
            assert form.lower().encode() not in stored
            assert form.encode().hex().encode() not in stored


async def test_old_invites_go_on_while_their_secret_is_kept_and_are_null_and_dead_afterwards(world: World) -> None:
    """An operator rotates secrets without a broken link, and after a leak drops one, and owners make new codes."""
    ada, ben, eve = [await world.user(name) for name in ("Ada", "Ben", "Eve")]
    room = await world.create(ada)
    code = world.invite_code(room)
    new = ("newer", b"n" * 32)
    world.invites = InviteCodes(RootSecrets((new, *ROOTS.roots)))
    assert (await world.ask(ROOM, ada, id=str(room.id))).data["room"]["inviteCode"] == code
    assert await joining(world, ben, code) == "in"

    world.invites = InviteCodes(RootSecrets((new,)))
    assert (await world.ask(ROOM, ada, id=str(room.id))).data["room"]["inviteCode"] is None
    assert await joining(world, eve, code) == "NotFound"
    assert await world.look(eve, code) is None
    again = (await world.answer(ROTATE, ada, id=str(room.id)))["room"]["inviteCode"]
    assert await joining(world, eve, again) == "in"
