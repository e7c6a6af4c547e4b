"""Who may do what to whom in a room: the table, the mutations over it, and what happens when two act at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.buckets import ROOM_CHANGES_BURST
from domain.errors import NotAllowed, NotFound, RateLimited, Unauthenticated
from domain.events import MemberLeft, MemberUpdated
from domain.identity import Caller
from domain.ports import UnitOfWork
from domain.rooms.authority import Action, demote, may, mute, promote, unmute
from domain.rooms.room import Member, MemberLeaveReason, MemberRole, MemberStatus, Room
from domain.signaling import HangUp, HangUpReason
from tests.waiting import DEADLINE
from tests.world import World, open_world, seat

OWNER, MODERATOR, MEMBER = MemberRole.OWNER, MemberRole.MODERATOR, MemberRole.MEMBER
CHANGES = {Action.MUTE: mute, Action.UNMUTE: unmute, Action.PROMOTE: promote, Action.DEMOTE: demote}
SHOWN = "member { id role muted status }"
FIELDS = {
    "mute": SHOWN,
    "unmute": SHOWN,
    "promote": SHOWN,
    "demote": SHOWN,
    "kick": "room { id me { id } members { id } }",
}
PRESENCE = "mutation($input: UpdatePresenceInput!) { updatePresence(input: $input) { __typename } }"
JOIN = "mutation($input: JoinRoomInput!) { joinRoom(input: $input) { __typename } }"
ROOM = "query($id: ID!) { room(id: $id) { id } rooms { id } }"

ALLOWED = {
    # what          who        whom
    (Action.MUTE, OWNER, MODERATOR),
    (Action.MUTE, OWNER, MEMBER),
    (Action.MUTE, MODERATOR, MEMBER),
    (Action.UNMUTE, OWNER, MODERATOR),
    (Action.UNMUTE, OWNER, MEMBER),
    (Action.UNMUTE, MODERATOR, MEMBER),
    (Action.KICK, OWNER, MODERATOR),
    (Action.KICK, OWNER, MEMBER),
    (Action.KICK, MODERATOR, MEMBER),
    (Action.PROMOTE, OWNER, MODERATOR),
    (Action.PROMOTE, OWNER, MEMBER),
    (Action.DEMOTE, OWNER, MODERATOR),
    (Action.DEMOTE, OWNER, MEMBER),
}
"""All that is allowed, by DESIGN section 7: nothing else is."""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


@pytest.mark.parametrize(("action", "actor", "subject"), list(product(Action, MemberRole, MemberRole)))
def test_only_a_higher_rank_may_do_what_its_rank_may(action: Action, actor: MemberRole, subject: MemberRole) -> None:
    """A moderator who kicks the owner takes a room away from whoever made it."""
    assert may(action, actor, subject) is ((action, actor, subject) in ALLOWED)


class Friends:
    """A room of an owner, two moderators and two members, and somebody outside."""

    def __init__(self, world: World, people: list[Caller], room: Room) -> None:
        self.world, self.room = world, room
        self.ann, self.bob, self.cid, self.dan, self.eve, self.stranger = people

    def id(self, who: Caller) -> UUID:
        """The person's member ID."""
        return seat(self.room, who).id

    async def now(self, who: Caller) -> Member:
        """The person's seat, as it is now."""
        return seat(await self.world.room(self.room.id), who)

    async def do(self, field: str, actor: Caller | None, subject: object) -> dict[str, Any]:
        """What the API answered to `muteMember` and the like."""
        name = f"{field}Member"
        payload: dict[str, Any] = await self.world.answer(
            f"""mutation($input: MemberActionInput!) {{ {name}(input: $input) {{ __typename
                ... on {name[0].upper()}{name[1:]}Success {{ {FIELDS[field]} }} ... on UserError {{ message }} }} }}""",
            actor,
            input={"memberId": str(subject)},
        )
        return payload

    async def kick(self, actor: Caller, subject: Caller) -> Room:
        """Kicks somebody, past the API."""
        return await self.world.kick(actor, self.id(subject))

    async def leave(self, who: Caller) -> Room:
        """Lets somebody leave, past the API."""
        return await self.world.leave(who, self.room)

    async def join(self, who: Caller) -> Room:
        """Lets somebody in by the invite, past the API."""
        return await self.world.enter(who, self.world.invite_code(self.room))


@pytest.fixture
async def friends(world: World) -> Friends:
    """They sit in this order: Ann owns, Bob and Cid moderate, Dan and Eve take part."""
    people = [await world.user(name) for name in ("Ann", "Bob", "Cid", "Dan", "Eve", "Stranger")]
    room = await world.open_room(*people[:5])
    for moderator in people[1:3]:
        await world.rank(room, moderator, MODERATOR)
    return Friends(world, people, await world.room(room.id))


# --- one acts ---------------------------------------------------------------------------------------------------------------


async def test_the_mutations_do_what_the_table_allows_and_nothing_else(friends: Friends) -> None:
    """The rule is worth nothing where a mutation forgets to ask it."""
    for field, (actor, subject) in product(
        ("mute", "unmute", "promote", "demote"), product((friends.ann, friends.bob, friends.dan), repeat=2)
    ):
        before = await friends.world.room(friends.room.id)
        ranks = seat(before, actor).role, seat(before, subject).role
        allowed = (Action[field.upper()], *ranks) in ALLOWED
        payload = await friends.do(field, actor, friends.id(subject))
        assert payload["__typename"] == (f"{field.capitalize()}MemberSuccess" if allowed else "NotAllowedError")
        if not allowed:
            assert await friends.world.room(friends.room.id) == before
        for who, role in ((friends.bob, MODERATOR), (friends.dan, MEMBER)):
            await friends.world.rank(friends.room, who, role)
    for actor, subject in ((friends.dan, friends.eve), (friends.dan, friends.ann), (friends.bob, friends.ann),
                           (friends.bob, friends.cid), (friends.bob, friends.bob), (friends.ann, friends.ann)):  # fmt: skip
        assert (await friends.do("kick", actor, friends.id(subject)))["__typename"] == "NotAllowedError"
    assert len((await friends.world.room(friends.room.id)).inside) == 5
    for actor, subject in ((friends.bob, friends.eve), (friends.ann, friends.cid), (friends.ann, friends.dan)):
        assert (await friends.do("kick", actor, friends.id(subject)))["__typename"] == "KickMemberSuccess"
    assert [m.user_id for m in (await friends.world.room(friends.room.id)).inside] == [
        friends.ann.user_id,
        friends.bob.user_id,
    ]


@pytest.mark.parametrize(
    ("field", "who", "shown"),
    [
        ("mute", "dan", {"role": "MEMBER", "muted": True}),
        ("unmute", "eve", {"role": "MEMBER", "muted": False}),
        ("promote", "dan", {"role": "MODERATOR", "muted": False}),
        ("demote", "bob", {"role": "MEMBER", "muted": False}),
    ],
)
async def test_a_change_is_told_to_everybody_inside_and_a_repeat_to_nobody(
    friends: Friends, field: str, who: str, shown: dict[str, object]
) -> None:
    """All lists show the same; a lost answer may be asked for again; and a retry must not ring in sixteen tabs."""
    world = friends.world
    await friends.do("mute", friends.ann, friends.id(friends.eve))
    world.inbox.told.clear()
    subject = friends.id(getattr(friends, who))
    for _ in range(2):
        payload = await friends.do(field, friends.ann, subject)
        assert payload["member"] == {"id": str(subject), "status": "ONLINE"} | shown
    update = MemberUpdated(friends.room.id, subject)
    assert world.inbox.told == [(member.user_id, update) for member in friends.room.inside]
    assert len(world.inbox.told) == 5


async def test_moderators_may_be_muted_by_the_owner_and_promotion_does_not_unmute(friends: Friends) -> None:
    """A rank is one thing and a voice another: who gives the first has not given back the second."""
    for _ in range(2):
        await friends.do("mute", friends.ann, friends.id(friends.dan))
        await friends.do("promote", friends.ann, friends.id(friends.dan))
    assert ((await friends.now(friends.dan)).role, (await friends.now(friends.dan)).muted) == (MODERATOR, True)
    assert (await friends.do("unmute", friends.bob, friends.id(friends.dan)))["__typename"] == "NotAllowedError"
    assert (await friends.do("unmute", friends.ann, friends.id(friends.dan)))["member"]["muted"] is False


@pytest.mark.parametrize("field", list(FIELDS))
async def test_outside_of_the_room_there_is_nobody_to_act_on(friends: Friends, field: str) -> None:
    """Strangers, those who left, those who sit elsewhere, made-up and mangled IDs: one answer, and nothing happens."""
    world = friends.world
    elsewhere = await world.open_room(friends.stranger, friends.dan)
    other = await world.user("Fay")
    match = await world.match(friends.ann, other)
    await friends.leave(friends.cid)
    await friends.leave(friends.eve)
    world.inbox.told.clear()
    before = [await world.room(room.id) for room in (friends.room, elsewhere, match)]
    member = friends.id(friends.dan)
    for actor, subject in (
        (friends.stranger, member),
        (friends.cid, member),  # a moderator until they left
        (friends.ann, seat(elsewhere, friends.dan).id),
        (friends.ann, friends.id(friends.eve)),
        (friends.ann, uuid4()),
        (friends.ann, friends.dan.user_id),
        (friends.ann, friends.room.id),
        (friends.ann, str(member).upper()),
        (friends.ann, ""),
        (friends.ann, "\x00"),
        (friends.ann, "\ud800"),
        (friends.ann, "9" * 100_000),
    ):
        assert (await friends.do(field, actor, subject))["__typename"] == "NotFoundError"
    assert (await friends.do(field, friends.ann, seat(match, other).id))["__typename"] == "NotAllowedError"
    assert [await world.room(room.id) for room in (friends.room, elsewhere, match)] == before
    assert world.inbox.told == []
    await world.end(elsewhere)
    assert (await friends.do(field, friends.stranger, seat(elsewhere, friends.dan).id))["__typename"] == "NotFoundError"


@pytest.mark.parametrize("field", list(FIELDS))
async def test_acting_needs_signing_in_and_has_a_rate(friends: Friends, field: str) -> None:
    """Each takes the locks of sixteen people: nobody takes them without end."""
    with pytest.raises(Unauthenticated):
        await friends.do(field, None, friends.id(friends.dan))
    for _ in range(ROOM_CHANGES_BURST):
        await friends.do(field, friends.stranger, "")
    with pytest.raises(RateLimited):
        await friends.do(field, friends.stranger, "")


# --- a kick -----------------------------------------------------------------------------------------------------------------


async def test_a_kick_is_told_once_to_everybody_and_nothing_after_it_to_the_kicked(friends: Friends) -> None:
    """Those who stay see why a seat is empty; the one who is out is told so, and learns nothing of the room any more."""
    world, gone = friends.world, MemberLeft(friends.room.id, friends.id(friends.dan), MemberLeaveReason.KICKED)
    payload = await friends.do("kick", friends.bob, friends.id(friends.dan))
    stayed = [friends.ann, friends.bob, friends.cid, friends.eve]
    assert payload["room"] == {
        "id": str(friends.room.id),
        "me": {"id": str(friends.id(friends.bob))},
        "members": [{"id": str(friends.id(who))} for who in stayed],
    }
    for who in (*stayed, friends.dan):
        assert await world.told(who) == [gone]
    await friends.do("mute", friends.ann, friends.id(friends.eve))
    await world.ask(PRESENCE, friends.eve, input={"roomId": str(friends.room.id), "camera": True})
    await friends.leave(friends.ann)
    assert await world.told(friends.dan) == [gone]
    assert len(await world.told(friends.bob)) == 5
    kicked = await friends.now(friends.dan)
    assert (kicked.kicked, kicked.status, kicked.left_at) == (True, MemberStatus.LEFT, world.clock())


async def test_from_the_kick_on_the_room_does_not_exist_for_the_kicked(friends: Friends) -> None:
    """A kicked member who goes on signaling, or comes back by the old invite, was not kicked."""
    world, room_id = friends.world, friends.room.id

    async def signal(sender: Caller, to: Caller) -> UUID:
        return await world.signals.post(
            sender.user_id,
            friends.id(to),
            HangUp(HangUpReason.ENDED),
            call_id=None,
            client_signal_id=None,
            now=world.clock(),
        )

    await signal(friends.dan, friends.ann)
    await signal(friends.ann, friends.dan)
    await friends.kick(friends.bob, friends.dan)
    for sender, to in ((friends.dan, friends.ann), (friends.ann, friends.dan)):
        with pytest.raises(NotFound):
            await signal(sender, to)
    update = await world.ask(PRESENCE, friends.dan, input={"roomId": str(room_id), "camera": True})
    assert update.data["updatePresence"]["__typename"] == "NotFoundError"
    join = await world.ask(JOIN, friends.dan, input={"inviteCode": world.invite_code(friends.room)})
    assert join.data["joinRoom"]["__typename"] == "NotFoundError"
    assert (await world.ask(ROOM, friends.dan, id=str(room_id))).data == {"room": None, "rooms": []}
    assert (await friends.do("mute", friends.dan, friends.id(friends.eve)))["__typename"] == "NotFoundError"
    with pytest.raises(NotFound):
        await friends.leave(friends.dan)
    assert (await friends.do("kick", friends.bob, friends.id(friends.dan)))["__typename"] == "NotFoundError"
    assert len(await world.told(friends.eve)) == 1


# --- two act at once --------------------------------------------------------------------------------------------------------


async def both(one: Awaitable[object], other: Awaitable[object]) -> tuple[bool, bool]:
    """Which of two that begin at once succeeded; the other was refused, and nothing else went wrong."""
    results = await asyncio.gather(one, other, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, (NotFound, NotAllowed)):
            raise result
    return not isinstance(results[0], BaseException), not isinstance(results[1], BaseException)


async def left_once(friends: Friends, who: Caller, witness: Caller) -> MemberLeaveReason:
    """How the person left, which the witness and they themselves were told once and alike."""
    told = [[event for event in await friends.world.told(at) if isinstance(event, MemberLeft)] for at in (who, witness)]
    (mine,), (theirs,) = ([event for event in events if event.member_id == friends.id(who)] for events in told)
    assert mine == theirs
    return mine.reason


async def test_a_kick_and_a_leaving_at_once_are_one_way_out(friends: Friends) -> None:
    """Whoever is faster decides whether the door stays open; the others are told one thing."""
    kicked, left = await both(friends.kick(friends.ann, friends.dan), friends.leave(friends.dan))
    assert kicked is not left
    reason = await left_once(friends, friends.dan, friends.eve)
    assert reason is (MemberLeaveReason.KICKED if kicked else MemberLeaveReason.LEFT)
    assert (await friends.now(friends.dan)).kicked is kicked


@pytest.mark.parametrize("first", ["kick", "leave"])
async def test_the_slower_of_kick_and_leave_looks_again(friends: Friends, first: str) -> None:
    """What was true while somebody waited for the room is not what counts."""
    dan = friends.dan

    async def change(uow: UnitOfWork) -> None:
        found, kicked = seat(friends.room, dan), first == "kick"
        await uow.rooms.save_member(
            replace(found, status=MemberStatus.LEFT, left_at=friends.world.clock(), kicked=kicked)
        )

    late = friends.leave(dan) if first == "kick" else friends.kick(friends.ann, dan)
    with pytest.raises(NotFound):
        await friends.world.overtaken(friends.room, change, late)
    assert (await friends.now(dan)).kicked is (first == "kick")


async def test_a_kick_and_a_coming_back_at_once_leave_nobody_inside_who_was_kicked(friends: Friends) -> None:
    """The door closes behind somebody, or they were not there to be kicked: never a kicked one inside."""
    for _ in range(5):
        await friends.leave(friends.dan)
        kicked, joined = await both(friends.kick(friends.bob, friends.dan), friends.join(friends.dan))
        now = await friends.now(friends.dan)
        assert joined
        assert (now.kicked, now.inside) == ((True, False) if kicked else (False, True))
        if kicked:
            return


async def test_two_who_kick_the_same_one_at_once_kick_once(friends: Friends) -> None:
    """Two moderators see the same thing."""
    assert sorted(await both(friends.kick(friends.bob, friends.dan), friends.kick(friends.cid, friends.dan))) == [
        False,
        True,
    ]
    assert await left_once(friends, friends.dan, friends.eve) is MemberLeaveReason.KICKED


async def test_who_was_demoted_or_kicked_while_they_waited_has_no_power_left(friends: Friends) -> None:
    """The owner takes a rank away because of what is being done with it: it stops at that moment."""

    async def demoted(uow: UnitOfWork) -> None:
        await uow.rooms.save_member(replace(seat(friends.room, friends.bob), role=MEMBER))

    with pytest.raises(NotAllowed):
        await friends.world.overtaken(friends.room, demoted, friends.kick(friends.bob, friends.dan))

    async def kicked(uow: UnitOfWork) -> None:
        gone = replace(
            seat(friends.room, friends.cid), status=MemberStatus.LEFT, left_at=friends.world.clock(), kicked=True
        )
        await uow.rooms.save_member(gone)

    with pytest.raises(NotFound):
        await friends.world.overtaken(friends.room, kicked, friends.kick(friends.cid, friends.dan))

    async def promoted(uow: UnitOfWork) -> None:
        await uow.rooms.save_member(replace(seat(friends.room, friends.bob), role=MODERATOR))
        await uow.rooms.save_member(replace(seat(friends.room, friends.eve), role=MODERATOR))

    with pytest.raises(NotAllowed):  # The subject rose meanwhile.
        await friends.world.overtaken(friends.room, promoted, friends.kick(friends.bob, friends.eve))
    assert (await friends.now(friends.dan)).inside
    assert (await friends.now(friends.eve)).inside


async def test_the_owner_and_a_moderator_who_kick_each_others_subjects_do_not_wait_in_a_circle(
    friends: Friends,
) -> None:
    """Everybody acts at once: nothing hangs, and whoever was out before could not act any more."""
    async with asyncio.timeout(DEADLINE):
        results = await asyncio.gather(
            friends.kick(friends.ann, friends.bob),
            friends.kick(friends.bob, friends.dan),
            friends.kick(friends.ann, friends.cid),
            friends.kick(friends.cid, friends.eve),
            return_exceptions=True,
        )
    room = await friends.world.room(friends.room.id)
    by_ann, by_bob, also_by_ann, by_cid = (isinstance(result, Room) for result in results)
    assert (by_ann, also_by_ann) == (True, True)
    assert all(isinstance(result, (Room, NotFound)) for result in results)
    assert seat(room, friends.dan).inside is not by_bob
    assert seat(room, friends.eve).inside is not by_cid


async def test_a_promotion_and_a_leaving_at_once_leave_no_rank_behind(friends: Friends) -> None:
    """Somebody who comes back begins as a member: a rank given at the door would be one that nobody sees."""
    world = friends.world
    promotion = promote(world.directory, world.database.transact, friends.ann.user_id, friends.id(friends.dan))
    _, left = await both(promotion, friends.leave(friends.dan))
    assert left
    now = await friends.now(friends.dan)
    assert (now.role, now.inside) == (MEMBER, False)


@pytest.mark.parametrize("action", list(CHANGES))
async def test_who_left_while_somebody_acted_on_them_is_not_found(friends: Friends, action: Action) -> None:
    """A change of an empty seat would come back with whoever takes it again."""
    world = friends.world

    async def gone(uow: UnitOfWork) -> None:
        await uow.rooms.save_member(
            replace(seat(friends.room, friends.dan), status=MemberStatus.LEFT, left_at=world.clock())
        )

    acting = CHANGES[action](world.directory, world.database.transact, friends.ann.user_id, friends.id(friends.dan))
    with pytest.raises(NotFound):
        await friends.world.overtaken(friends.room, gone, acting)


async def test_mute_and_unmute_at_once_end_as_one_of_them(friends: Friends) -> None:
    """Whoever was last is right, and everybody was told."""
    world, dan = friends.world, friends.id(friends.dan)
    ways = [
        change(world.directory, world.database.transact, by.user_id, dan)
        for change, by in ((mute, friends.ann), (unmute, friends.bob))
    ]
    assert await both(*ways) == (True, True)
    told = [event for event in await world.told(friends.eve) if isinstance(event, MemberUpdated)]
    assert len(told) == (1 if (await friends.now(friends.dan)).muted else 2)
