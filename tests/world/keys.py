"""What clients ask of the pre-key server, by its use cases."""

from __future__ import annotations

from uuid import UUID, uuid4

from domain.events import Event, KeysPublished, PreKeysLow
from domain.keys.bundle import ClaimedBundle, KeyBundle, KeyCounts, OneTimeKeys
from domain.keys.checking import Publication
from domain.keys.claiming import claim_key_bundle
from domain.keys.publishing import add_one_time_keys, publish_keys
from domain.ports import Transact
from domain.rooms.room import Room
from tests.world.chat import Chat
from tests.world.parts import Who, id_of


class Keys(Chat):
    """Whose keys are where."""

    async def publish(self, who: Who, offered: Publication, transact: Transact | None = None) -> KeyCounts:
        """Publishes."""
        return await publish_keys(
            transact or self.database.transact,
            self.key_verifier,
            self.throttle,
            user_id=id_of(who),
            offered=offered,
            clock=self.clock,
        )

    async def add_keys(self, who: Who, offered: OneTimeKeys) -> KeyCounts:
        """Adds one-time keys."""
        return await add_one_time_keys(
            self.database.transact,
            self.database.read,
            self.key_verifier,
            self.throttle,
            user_id=id_of(who),
            offered=offered,
        )

    async def claim(self, claimer: Who, member_id: UUID, request_id: str | None = None) -> ClaimedBundle:
        """Claims, by default anew."""
        _, _, claimed = await claim_key_bundle(
            self.database.transact,
            self.database.read,
            self.directory,
            self.limits,
            self.one_by_one,
            reached=self.reached.append,
            claimer_id=id_of(claimer),
            member_id=member_id,
            request_id=uuid4().hex if request_id is None else request_id,
            clock=self.clock,
        )
        return claimed

    async def key_counts(self, who: Who) -> KeyCounts:
        """What is left."""
        return await self.database.read(lambda uow: uow.keys.counts(id_of(who)))

    async def held_keys(self, who: Who) -> OneTimeKeys:
        """The keys that are left."""
        return await self.database.read(lambda uow: uow.keys.held(id_of(who)))

    async def bundle_of(self, who: Who) -> KeyBundle:
        """What is published."""
        return (await self.database.read(lambda uow: uow.keys.of((id_of(who),))))[id_of(who)]

    async def among_friends(self, others: int = 1) -> tuple[UUID, list[UUID], Room]:
        """An owner and others in a room, all there."""
        owner, *rest = await self.people(others + 1)
        return owner, rest, await self.open_room(owner, *rest)


def key_events(told: list[Event]) -> list[Event]:
    """Those about keys."""
    return [event for event in told if isinstance(event, KeysPublished | PreKeysLow)]
