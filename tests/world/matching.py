"""Waiting, matches and rooms.

`queue`, `match` and `end` put into the database what a test needs, and tell nobody; `join`, `skip`, `commit` and `meet` do what
users and matchers do, with all that is checked and told.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from domain.identity import Caller
from domain.matchmaking.commit import NewMatch, Refused, commit_pairs
from domain.matchmaking.pool import Pair, PoolTicket
from domain.matchmaking.queue import join_queue, skip
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.ports import UnitOfWork
from domain.rooms.room import Member, MemberStatus, Room
from tests.world.parts import COOLDOWN, Who, id_of
from tests.world.people import People

ANYONE = Preferences(ChatMode.TEXT, (), (), 10)


class Matching(People):
    """How people come together."""

    # --- put there ----------------------------------------------------------------------------------------------------------

    async def queue(self, who: Who, *, attached: bool = True) -> Ticket:
        """Lets the user wait."""
        now, wishes = self.clock(), Preferences(ChatMode.VIDEO, (), (), 10)
        ticket = Ticket(uuid4(), id_of(who), TicketStatus.WAITING, wishes, now, now)
        await self.database.transact(lambda uow: uow.tickets.add(ticket, now, attached=attached))
        return ticket

    async def match(self, one: Who, other: Who, *shared: str) -> Room:
        """Opens a match of two, who wait already or not. `one` joins first and is the polite side."""
        first, second = [await self.waiting(who) or await self.queue(who) for who in (one, other)]
        match = NewMatch(uuid4(), first, second, uuid4(), uuid4(), shared)

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((first.user_id, second.user_id))
            await uow.matching.open([match], self.clock())

        await self.database.transact(work)
        return await self.room(match.room_id)

    async def pair(self, *shared: str) -> tuple[Caller, Caller, Room]:
        """Two users with a socket each, in a match."""
        one, other = await self.user("Ada"), await self.user("Bob")
        await self.connect(one)
        await self.connect(other)
        return one, other, await self.match(one, other, *shared)

    async def end(self, room: Room) -> None:
        """Closes the room."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_room(room.id)
            await uow.rooms.close(room.id, self.clock())

        await self.database.transact(work)

    async def bar(self, one: UUID, other: UUID, kind: str = "BLOCK_BY_LOW", until: datetime | None = None) -> None:
        """Keeps two apart, as a block does: under the locks of both."""

        async def work(uow: UnitOfWork) -> None:
            await uow.lock_users((one, other))
            await uow.bars.raise_bar(one, other, kind, until)

        await self.database.transact(work)

    async def reach(self, *member_ids: UUID) -> None:
        """Notes that members were told of their match."""
        await self.database.transact(lambda uow: uow.rooms.mark_reached(member_ids, self.clock()))

    # --- done by users and matchers -----------------------------------------------------------------------------------------

    async def join(self, who: Who, preferences: Preferences = ANYONE) -> Ticket:
        """Joins the queue."""
        return await self.database.transact(
            lambda uow: join_queue(uow, id_of(who), preferences, new_id=uuid4, clock=self.clock)
        )

    async def skip(
        self, who: Who, room_id: UUID, *, requeue: bool = True, cooldown: timedelta = COOLDOWN
    ) -> Ticket | None:
        """Skips the match."""
        return await self.database.transact(
            lambda uow: skip(
                uow, id_of(who), room_id, requeue=requeue, cooldown=cooldown, new_id=uuid4, clock=self.clock
            )
        )

    async def commit(self, *pairs: tuple[Ticket, Ticket]) -> list[NewMatch | Refused]:
        """What a matcher that believes in these pairs achieves."""
        proposed = [Pair(_pooled(one), _pooled(other)) for one, other in pairs]
        return await self.database.transact(lambda uow: commit_pairs(uow, proposed, new_id=uuid4, clock=self.clock))

    async def meet(self, one: Who, other: Who, preferences: Preferences = ANYONE) -> Room:
        """Lets two join, and a matcher commit them."""
        (result,) = await self.commit((await self.join(one, preferences), await self.join(other, preferences)))
        assert isinstance(result, NewMatch), result
        return await self.room(result.room_id)

    # --- looked at ----------------------------------------------------------------------------------------------------------

    async def room(self, room_id: UUID) -> Room:
        """The room as it stands in the database."""
        room = await self.database.read(lambda uow: uow.rooms.get(room_id))
        assert room is not None
        return room

    async def open_match(self, who: Who) -> Room | None:
        """The match in which the user sits."""
        return await self.database.read(lambda uow: uow.rooms.open_match_of(id_of(who)))

    async def waiting(self, who: Who) -> Ticket | None:
        """The user's WAITING ticket."""
        return await self.database.read(lambda uow: uow.tickets.waiting(id_of(who)))

    async def status(self, room: Room, who: Who) -> MemberStatus:
        """How the user stands in the room."""
        return seat(await self.room(room.id), who).status


def seat(room: Room, who: Who) -> Member:
    """The user's seat, held or left."""
    member = room.seat_of(id_of(who))
    assert member is not None
    return member


def _pooled(ticket: Ticket) -> PoolTicket:
    asked = ticket.preferences
    return PoolTicket(
        ticket.id,
        ticket.user_id,
        asked.mode,
        frozenset(asked.interests),
        frozenset(asked.languages),
        ticket.enqueued_at,
        ticket.widens_at,
        attached=True,
    )
