"""Invite rooms.

`open_room`, `rank` and `put_out` put into the database what a test needs, and tell nobody; `create`, `look`, `enter`, `rotate`,
`leave`, `close` and `kick` do what people do, with all that is checked and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import text

from domain.identity import Caller, User
from domain.ports import UnitOfWork
from domain.rooms.authority import kick
from domain.rooms.invites import create_room, join_room, preview, rotate_invite
from domain.rooms.leaving import close_room, leave_room
from domain.rooms.room import MediaState, Member, MemberRole, MemberStatus, Room, RoomKind
from tests.seats import a_seat
from tests.waiting import until
from tests.world.matching import Matching
from tests.world.parts import NETWORK, Who, id_of

T = TypeVar("T")

WAITING_FOR_LOCKS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Rooms(Matching):
    """How friends come together."""

    # --- put there ----------------------------------------------------------------------------------------------------------

    async def open_room(self, owner: Who, *others: Who, capacity: int = 16, name: str = "Friends") -> Room:
        """Puts an invite room there, in which the owner and the others sit in this order; tells nobody."""
        room_id, now, invite = uuid4(), self.clock(), self.invites.new(1)
        users = [await self._account(who) for who in (owner, *others)]
        members = tuple(
            a_seat(
                room_id=room_id,
                user_id=user.id,
                display_name=user.display_name,
                role=MemberRole.MEMBER if position else MemberRole.OWNER,
                position=position,
                joined_at=now,
            )
            for position, user in enumerate(users)
        )
        room = Room(room_id, RoomKind.INVITE, None, name, capacity, (), now, None, members, invite)
        await self.database.transact(lambda uow: uow.rooms.add(room, self.invites.digest(room_id, invite)))
        return room

    async def friends(self, *names: str) -> tuple[list[Caller], Room]:
        """New people of these names, in a room of the first of them."""
        people = [await self.user(name) for name in names]
        return people, await self.open_room(*people)

    async def rank(self, room: Room, who: Who, role: MemberRole) -> Member:
        """Gives a seat that is held that role; tells nobody."""

        async def work(uow: UnitOfWork) -> Member:
            current = await uow.lock_room(room.id)
            found = current.held_seat_of(id_of(who)) if current else None
            assert found is not None
            ranked = replace(found, role=role)
            await uow.rooms.save_member(ranked)
            return ranked

        return await self.database.transact(work)

    async def put_out(self, room: Room, who: Who, *, kicked: bool = False) -> None:
        """Takes a seat that is held, and with `kicked` for good; tells nobody."""

        async def work(uow: UnitOfWork) -> None:
            current = await uow.lock_room(room.id)
            found = current.held_seat_of(id_of(who)) if current else None
            assert found is not None
            left = replace(found, status=MemberStatus.LEFT, left_at=self.clock(), media=MediaState(), kicked=kicked)
            await uow.rooms.save_member(left)

        await self.database.transact(work)

    # --- done by people -----------------------------------------------------------------------------------------------------

    async def create(self, who: Who, name: str = "Friends", capacity: int = 16) -> Room:
        """Opens a room."""
        return await self.database.transact(
            lambda uow: create_room(
                uow, self.invites, id_of(who), name=name, capacity=capacity, new_id=uuid4, clock=self.clock
            )
        )

    async def look(self, who: Who, code: str, network: str = NETWORK) -> Room | None:
        """The room that the code leads to."""
        return await preview(
            self.database.read,
            self.limits,
            self.secrets,
            self.invites,
            user_id=id_of(who),
            network=network,
            code=code,
        )

    async def enter(self, who: Who, code: str, network: str = NETWORK) -> Room:
        """Joins the room that the code leads to."""
        return await join_room(
            self.database.transact,
            self.limits,
            self.secrets,
            self.invites,
            user_id=id_of(who),
            network=network,
            code=code,
            new_id=uuid4,
            clock=self.clock,
        )

    async def rotate(self, who: Who, room_id: UUID) -> Room:
        """Makes a new invite code."""
        return await self.database.transact(lambda uow: rotate_invite(uow, self.invites, id_of(who), room_id))

    async def leave(self, who: Who, room: Room) -> Room:
        """Leaves the room."""
        return await self.database.transact(lambda uow: leave_room(uow, id_of(who), room.id, now=self.clock()))

    async def close(self, who: Who, room: Room) -> Room:
        """Closes the room for everybody."""
        return await self.database.transact(lambda uow: close_room(uow, id_of(who), room.id, now=self.clock()))

    async def kick(self, actor: Who, member_id: UUID) -> Room:
        """Puts somebody out of a room."""
        return await kick(self.directory, self.database.transact, id_of(actor), member_id, now=self.clock())

    # --- at the same time ---------------------------------------------------------------------------------------------------

    async def until_blocked(self, count: int = 1) -> None:
        """Returns once so many units of work wait for locks that others hold."""

        async def blocked() -> bool:
            return bool(await connection.scalar(WAITING_FOR_LOCKS) >= count)

        async with self.database.reading() as connection:
            await until(blocked)

    async def overtaken(
        self, room: Room, change: Callable[[UnitOfWork], Awaitable[object]], *attempts: Awaitable[T]
    ) -> list[T]:
        """What the attempts come to when `change` is committed after they began and before they had the room's lock."""

        async def work(uow: UnitOfWork) -> asyncio.Future[list[T]]:
            await uow.lock_room(room.id)
            results = asyncio.gather(*attempts)
            await self.until_blocked(len(attempts))
            await change(uow)
            return results

        return await (await self.database.transact(work))

    # --- looked at ----------------------------------------------------------------------------------------------------------

    def invite_code(self, room: Room) -> str:
        """The code that lets others in."""
        assert room.invite is not None
        code = self.invites.code(room.id, room.invite)
        assert code is not None
        return code

    async def _account(self, who: Who) -> User:
        user = await self.database.read(lambda uow: uow.users.get(id_of(who)))
        assert user is not None
        return user
