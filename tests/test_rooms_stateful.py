"""Invite rooms under everything that people do in them, in any order and at once: what must hold is looked at after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain import presence
from domain.errors import DomainError, Muted, NotAllowed, NotFound, RoomFull
from domain.identity import Caller
from domain.ports import UnitOfWork
from domain.rooms import authority
from domain.rooms.authority import Action, may
from domain.rooms.room import MemberRole, MemberStatus, Room
from tests.waiting import DEADLINE
from tests.world import World, open_world

T = TypeVar("T")
USERS: Final = 6
ROOMS: Final = 2
CAPACITY: Final = 4
"""Less than there are users, so that rooms fill."""
REFUSALS: Final = (NotFound, NotAllowed, RoomFull, Muted)
SEEN: Final = "query($a: ID!, $b: ID!) { rooms { id } a: room(id: $a) { id } b: room(id: $b) { id } }"

users = st.integers(0, USERS - 1)
places = st.integers(0, ROOMS - 1)
actions = st.sampled_from([*Action, Action.KICK])
anybody = st.sampled_from([False, False, False, True])
"""Whether it is anybody of the six, or somebody inside of the room, with whom more happens."""
deeds = st.one_of(
    st.tuples(st.sampled_from(["join", "leave", "close", "rotate", "speak"]), users, places),
    st.tuples(st.sampled_from(["crash", "reconnect", "lose"]), users),
    st.tuples(st.just("act"), actions, users, users, places),
)
"""What somebody does, as the name of a method of the machine and its arguments."""


class RoomsMachine(RuleBasedStateMachine):
    """Six people and two rooms at a time, on a real database. Rooms that closed are watched as long as the machine runs."""

    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        super().__init__()
        self.runner = runner
        self.world = world
        self.people: list[Caller] = []
        self.places: list[Room | None] = [None] * ROOMS
        self.all_rooms: list[UUID] = []
        self.codes: dict[UUID, list[str]] = {}
        """Every code that a room ever had, the newest last."""
        self.kicked: set[tuple[UUID, UUID]] = set()
        """Rooms, and whom a kick succeeded against."""
        self.looks = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does it in the loop of the machine's world."""
        return self.runner.run(work)

    # ---------------------------------------------------------------------------------- what people do

    async def create(self, who: int, place: int) -> None:
        """Opens a room where none is open."""
        room = await self.world.create(self.people[who], capacity=CAPACITY)
        self.places[place] = room
        self.all_rooms.append(room.id)
        self.codes[room.id] = [self.world.invite_code(room)]

    async def join(self, who: int, place: int, code: int = -1) -> None:
        """Comes in by a code of the room, by default the newest."""
        room, person = self.places[place], self.people[who]
        if room is not None:
            joined = await self.world.enter(person, self.codes[room.id][code])
            assert joined.holds(person.user_id)
            assert (room.id, person.user_id) not in self.kicked

    async def leave(self, who: int, place: int) -> None:
        """Leaves a room."""
        room = self.places[place]
        if room is not None:
            await self.world.leave(self.people[who], room)

    async def close(self, who: int, place: int) -> None:
        """Closes a room."""
        room = self.places[place]
        if room is not None:
            await self.world.close(self.people[who], room)

    async def rotate(self, who: int, place: int) -> None:
        """Makes a new invite."""
        room = self.places[place]
        if room is not None:
            rotated = await self.world.rotate(self.people[who], room.id)
            self.codes[room.id].append(self.world.invite_code(rotated))

    async def speak(self, who: int, place: int) -> None:
        """Sends a message."""
        room = self.places[place]
        if room is not None:
            await self.world.say(self.people[who], room.id)

    async def act(self, action: Action, actor: int, subject: int, place: int) -> None:
        """One member does something to another."""
        room, world = self.places[place], self.world
        if room is None:
            return
        user_id, of = self.people[actor].user_id, self.people[subject].user_id
        seat = (await world.room(room.id)).seat_of(of)
        member_id = uuid4() if seat is None else seat.id
        if action is Action.KICK:
            await world.kick(user_id, member_id)
            self.kicked.add((room.id, of))
        else:
            await getattr(authority, action.name.lower())(world.directory, world.database.transact, user_id, member_id)

    async def crash(self, who: int) -> None:
        """Loses the connection."""
        await self.world.detach(self.people[who])

    async def reconnect(self, who: int) -> None:
        """Is back."""
        await self.world.attach(self.people[who])

    async def lose(self, who: int) -> None:
        """What the sweep does about somebody who is gone, if they are gone for long enough."""
        user_id, now = self.people[who].user_id, self.world.clock()
        await self.world.database.transact(lambda uow: presence.show_away(uow, user_id, now=now))
        await self.world.database.transact(lambda uow: presence.lose(uow, user_id, now=now))

    def room_at(self, place: int) -> Room:
        """The open room at that place: those whose room was closed come together in another one, three of them."""
        room = self.places[place]
        if room is None:

            async def come_together() -> None:
                await self.create(place, place)
                for guest in (place + 1, place + 2):
                    await self.join(guest, place)

            self.run(come_together())
            room = self.places[place]
            assert room is not None
        return room

    def insider(self, room: Room, which: int) -> int:
        """One of those inside of the open room."""
        return self.number_of(room.inside[which % len(room.inside)].user_id)

    def number_of(self, user_id: UUID) -> int:
        """Which of the six it is."""
        return next(number for number, person in enumerate(self.people) if person.user_id == user_id)

    async def tried(self, deed: Awaitable[None]) -> DomainError | None:
        """How it was refused, None when it succeeded."""
        try:
            await deed
        except REFUSALS as refusal:
            return refusal
        return None

    # ---------------------------------------------------------------------------------- rules

    @initialize()
    def begin(self) -> None:
        """Six people, all there, three of them in a room."""

        async def arrive() -> None:
            for number in range(USERS):
                self.people.append(await self.world.user(f"Person {number}"))
                await self.world.attach(self.people[number])

        self.run(arrive())
        self.room_at(0)

    @rule(who=users, place=places, code=st.integers(0, 3))
    def somebody_joins(self, who: int, place: int, code: int) -> None:
        """By the newest code or an old one: only the newest of an open room admits."""
        room = self.room_at(place)
        codes, person = self.codes[room.id], self.people[who]
        before = self.run(self.world.room(room.id))
        refusal = self.run(self.tried(self.join(who, place, code % len(codes))))
        if code % len(codes) < len(codes) - 1 or (room.id, person.user_id) in self.kicked:
            assert isinstance(refusal, NotFound)
        elif len(before.inside) < CAPACITY or before.holds(person.user_id):
            assert refusal is None
        else:
            assert isinstance(refusal, RoomFull)

    @rule(who=users, place=places)
    def somebody_leaves(self, who: int, place: int) -> None:
        """Whoever is or was inside may."""
        room = self.room_at(place)
        seat = self.run(self.world.room(room.id)).seat_of(self.people[who].user_id)
        refusal = self.run(self.tried(self.leave(who, place)))
        assert isinstance(refusal, NotFound) is (seat is None or seat.kicked)

    @rule(place=places, stay=st.integers(0, 2))
    def an_evening_ends(self, place: int, stay: int) -> None:
        """All but so many leave, in the order of joining: the owner first."""
        inside = self.run(self.world.room(self.room_at(place).id)).inside
        for member in inside[: max(0, len(inside) - stay)]:
            self.run(self.leave(self.number_of(member.user_id), place))

    @rule(action=actions, actor=users, subject=users, place=places, anybody=anybody)
    def somebody_acts(self, action: Action, actor: int, subject: int, place: int, *, anybody: bool) -> None:
        """Succeeds exactly when both are inside and the ranks allow it. Whoever is kicked tries to come back at once."""
        room = self.room_at(place)
        before = self.run(self.world.room(room.id))
        if not anybody:
            actor, subject = self.insider(before, actor), self.insider(before, subject)
        one, other = (before.held_seat_of(self.people[who].user_id) for who in (actor, subject))
        refusal = self.run(self.tried(self.act(action, actor, subject, place)))
        if one is None or other is None:
            assert isinstance(refusal, NotFound)
        else:
            assert isinstance(refusal, NotAllowed) is not may(action, one.role, other.role)
        if action is Action.KICK and refusal is None:
            assert isinstance(self.run(self.tried(self.join(subject, place))), NotFound)

    @rule(who=users, place=places)
    def somebody_makes_a_new_invite(self, who: int, place: int) -> None:
        """The owner or a moderator."""
        self.room_at(place)
        self.run(self.tried(self.rotate(who, place)))

    @rule(who=users, place=places)
    def somebody_closes(self, who: int, place: int) -> None:
        """The owner may."""
        room = self.room_at(place)
        seat = self.run(self.world.room(room.id)).held_seat_of(self.people[who].user_id)
        refusal = self.run(self.tried(self.close(who, place)))
        assert (refusal is None) is (seat is not None and seat.role is MemberRole.OWNER)

    @rule(who=users, place=places)
    def somebody_speaks(self, who: int, place: int) -> None:
        """Those inside may who are not muted."""
        self.room_at(place)
        self.run(self.tried(self.speak(who, place)))

    @rule(who=users)
    def somebody_crashes(self, who: int) -> None:
        """A connection is lost."""
        self.run(self.crash(who))

    @rule(who=users)
    def somebody_reconnects(self, who: int) -> None:
        """A connection is opened."""
        self.run(self.reconnect(who))
        for room in self.run(self.world.database.read(lambda uow: uow.rooms.get_many(self.all_rooms))):
            seat = room.held_seat_of(self.people[who].user_id)
            assert seat is None or seat.status is MemberStatus.ONLINE

    @rule(seconds=st.sampled_from([3, 10, 20, 60]))
    def time_passes(self, seconds: int) -> None:
        """And presence looks at everybody."""
        self.world.clock.forward(seconds=seconds)
        for who, person in enumerate(self.people):
            if person.user_id not in self.world.connections:
                self.run(self.lose(who))

    @rule(several=st.lists(deeds, min_size=2, max_size=4))
    def several_act_at_once(self, several: list[tuple[Any, ...]]) -> None:
        """Whoever is first: nothing hangs, nothing fails, and what must hold holds."""
        for place in range(ROOMS):
            self.room_at(place)

        async def together() -> None:
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*(self.tried(getattr(self, name)(*args)) for name, *args in several))

        self.run(together())

    # ---------------------------------------------------------------------------------- what must hold

    @precondition(lambda self: self.people)
    @invariant()
    def every_room_is_as_it_must_be(self) -> None:
        """One owner while it is open, nobody and nothing in it once it is closed, and it is there for those inside only."""
        self.run(self._look())

    async def _look(self) -> None:
        rooms, said, held = await self.world.database.read(self._state)
        known = await self.world.directory.rooms(self.all_rooms)
        for room in rooms:
            assert known[room.id] == room, "the directory decides who sees what"
            assert len({member.position for member in room.members}) == len(room.members)
            assert not [member for member in room.inside if (room.id, member.user_id) in self.kicked]
            if room.open:
                (owner,) = (member for member in room.inside if member.role is MemberRole.OWNER)
                assert not owner.muted
                assert len(room.inside) <= CAPACITY
            else:
                assert not [member for member in room.members if member.inside]
                assert room.id not in said
        for person in self.people:
            assert held[person] == {room.id for room in rooms if room.holds(person.user_id)}
        now = {room.id: room for room in rooms if room.open}
        self.places = [None if place is None else now.get(place.id) for place in self.places]
        for room in now.values():  # Two who made a new code at once do not know which came last.
            code = self.world.invite_code(room)
            self.codes[room.id] = [*(other for other in self.codes[room.id] if other != code), code]
        self.looks += 1
        await self._look_through_the_api(self.people[self.looks % USERS], rooms)

    async def _state(self, uow: UnitOfWork) -> tuple[Sequence[Room], set[UUID], Mapping[Caller, set[UUID]]]:
        """All rooms, those that have messages, and which of them each person holds a seat in."""
        rooms = await uow.rooms.get_many(self.all_rooms)
        said = {room.id for room in rooms if await uow.messages.after(room.id, 0, 1)}
        held = {person: {room.id for room in await uow.rooms.held_by(person.user_id)} for person in self.people}
        return rooms, said, held

    async def _look_through_the_api(self, person: Caller, rooms: Sequence[Room]) -> None:
        """One person a time: it is the slowest way to look."""
        mine = {str(room.id) for room in rooms if room.holds(person.user_id)}
        looked_at = [str(room.id) for room in rooms][-2:]
        seen = (await self.world.ask(SEEN, person, a=looked_at[0], b=looked_at[-1])).data
        assert {room["id"] for room in seen["rooms"]} == mine
        assert [seen["a"], seen["b"]] == [
            {"id": room_id} if room_id in mine else None for room_id in (looked_at[0], looked_at[-1])
        ]


def test_no_sequence_of_what_people_do_breaks_a_room(database_url: str) -> None:
    """A room without an owner cannot be moderated; one over capacity, or seen from outside, is a breach of what was promised."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        world = runner.run(stack.enter_async_context(open_world(database_url)))

        class Machine(RoomsMachine):
            """On that world: Hypothesis makes one machine an example."""

            def __init__(self) -> None:
                super().__init__(runner, world)

        try:
            run_state_machine_as_test(
                Machine,
                # A failure is shown as it was found: making it smaller takes minutes on a real database.
                settings=settings(
                    max_examples=10, stateful_step_count=30, deadline=None, phases=(Phase.reuse, Phase.generate)
                ),
            )
        finally:
            runner.run(stack.aclose())
