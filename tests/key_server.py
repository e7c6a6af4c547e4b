"""What clients ask of the pre-key server, by its use cases."""

from __future__ import annotations

from uuid import UUID, uuid4

from domain.events import Event, KeysPublished, PreKeysLow
from domain.keys.bundle import (
    ClaimedBundle,
    KeyBundle,
    KeyCounts,
    OneTimeKeys,
)
from domain.keys.checking import Publication
from domain.keys.claiming import claim_key_bundle
from domain.keys.publishing import add_one_time_keys, publish_keys
from domain.rooms.leaving import leave_room
from domain.rooms.room import Room
from tests.world import World
from tests.world.parts import Who, id_of


async def publish(world: World, who: Who, offered: Publication) -> KeyCounts:
    """Publishes."""
    return await publish_keys(
        world.database.transact,
        world.key_verifier,
        world.throttle,
        user_id=id_of(who),
        offered=offered,
        clock=world.clock,
    )


async def add(world: World, who: Who, offered: OneTimeKeys) -> KeyCounts:
    """Adds one-time keys."""
    return await add_one_time_keys(
        world.database.transact,
        world.database.read,
        world.key_verifier,
        world.throttle,
        user_id=id_of(who),
        offered=offered,
    )


async def claim(world: World, claimer: Who, member_id: UUID, request_id: str | None = None) -> ClaimedBundle:
    """Claims, by default anew."""
    _, _, claimed = await claim_key_bundle(
        world.database.transact,
        world.database.read,
        world.directory,
        world.limits,
        world.one_by_one,
        reached=world.reached.append,
        claimer_id=id_of(claimer),
        member_id=member_id,
        request_id=uuid4().hex if request_id is None else request_id,
        clock=world.clock,
    )
    return claimed


async def counts(world: World, who: Who) -> KeyCounts:
    """What is left."""
    return await world.database.read(lambda uow: uow.keys.counts(id_of(who)))


async def held(world: World, who: Who) -> OneTimeKeys:
    """The keys that are left."""
    return await world.database.read(lambda uow: uow.keys.held(id_of(who)))


async def leave(world: World, who: Who, room: Room) -> None:
    """Leaves the room."""
    await world.database.transact(lambda uow: leave_room(uow, id_of(who), room.id, now=world.clock()))


async def bundle_of(world: World, who: Who) -> KeyBundle:
    """What is published."""
    return (await world.database.read(lambda uow: uow.keys.of((id_of(who),))))[id_of(who)]


async def among_friends(world: World, others: int = 1) -> tuple[UUID, list[UUID], Room]:
    """An owner and others in a room, all there."""
    owner, *rest = await world.people(others + 1)
    return owner, rest, await world.open_room(owner, *rest)


def key_events(told: list[Event]) -> list[Event]:
    """Those about keys."""
    return [event for event in told if isinstance(event, KeysPublished | PreKeysLow)]
