"""Invite rooms, put there or opened as people do it."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from domain.identity import User
from domain.ports import UnitOfWork
from domain.rooms.room import MediaState, Member, MemberRole, MemberStatus, Room, RoomKind
from tests.world.matching import Matching
from tests.world.parts import Who, id_of


class Rooms(Matching):
    """How friends come together."""

    async def open_room(self, owner: Who, *others: Who, capacity: int = 16, name: str = "Friends") -> Room:
        """Puts an invite room there, in which the owner and the others sit in this order; tells nobody."""
        room_id, now, invite = uuid4(), self.clock(), self.invites.new(1)
        users = [await self._account(who) for who in (owner, *others)]
        members = tuple(
            Member(
                id=uuid4(),
                room_id=room_id,
                user_id=user.id,
                display_name=user.display_name,
                role=MemberRole.MEMBER if position else MemberRole.OWNER,
                muted=False,
                status=MemberStatus.ONLINE,
                media=MediaState(),
                typing_until=None,
                position=position,
                joined_at=now,
                left_at=None,
            )
            for position, user in enumerate(users)
        )
        room = Room(room_id, RoomKind.INVITE, None, name, capacity, (), now, None, members, invite)
        await self.database.transact(lambda uow: uow.rooms.add(room, self.invites.digest(room_id, invite)))
        return room

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
