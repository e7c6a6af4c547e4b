"""A worker without its database: real inbox, hub and bus, and Ada's subscriptions over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import strawberry
from strawberry.schema.config import StrawberryConfig

from domain.chat import Message
from domain.errors import Unavailable
from domain.events import (
    Event,
)
from domain.identity import Caller, Session, SessionScope
from domain.matchmaking.ticket import ChatMode, Preferences, Ticket, TicketStatus
from domain.rooms.room import (
    Room,
    RoomKind,
)
from domain.safety.suspension import Suspension
from persistence.bus import open_bus
from persistence.hub import Hub
from persistence.inbox.memory import MemoryInbox
from schema.context import Context, Services
from schema.execution.execute import Engine
from schema.scalars import SCALARS
from schema.subscriptions import RealtimeSubscription
from tests.seats import a_seat
from tests.streams import Stream, begin
from tests.world import START

T = TypeVar("T")

ADA, BEN = uuid4(), uuid4()


@strawberry.type
class Query:
    """A schema needs one."""

    nothing: int = 0


ENGINE = Engine(
    strawberry.Schema(Query, subscription=RealtimeSubscription, config=StrawberryConfig(scalar_map=SCALARS))
)
SHOWN = {
    "MatchSnapshot": "waitingTicket { id } currentRoom { id members { displayName } }",
    "QueueJoined": "ticket { id }",
    "QueueLeft": "ticket { id } queueLeaveReason",
    "Matched": "ticket { id } room { id me { id } } partner { id polite }",
    "MatchEnded": "room { id members { id } me { id } } matchEndReason",
    "SignalReceived": """id room { id } sender { id } callId signal { __typename ... on Offer { sdp }
        ... on IceCandidates { candidates { candidate sdpMid } endOfCandidates } ... on HangUp { reason } }""",
    "PresenceSnapshot": "room { id members { id } }",
    "MemberJoined": "room { id } member { id }",
    "MemberLeft": "room { id } member { id status } memberLeaveReason",
    "MemberUpdated": "room { id } member { id media { camera } typing }",
    "KeysPublished": "room { id } member { id } identityChanged",
    "MessageSent": "room { id } edge { cursor node { id sender { id status } } }",
    "Suspended": "suspension { id }",
}
OF_FIELD = {
    "events": SHOWN.keys(),
    "matchEvents": {"MatchSnapshot", "QueueJoined", "QueueLeft", "Matched", "MatchEnded", "Suspended"},
    "signals": {"SignalReceived"},
    "presence": {"PresenceSnapshot", "MemberJoined", "MemberLeft", "MemberUpdated"},
    "keyEvents": {"KeysPublished"},
}


def a_room() -> Room:
    """A match of Ada and Ben: Ada came first and is polite."""
    room_id = uuid4()
    seats = tuple(
        a_seat(room_id=room_id, user_id=user_id, display_name=f"member {position}", position=position)
        for position, user_id in enumerate((ADA, BEN))
    )
    return Room(room_id, RoomKind.MATCH, ChatMode.VIDEO, None, 2, (), START, None, seats)


def a_ticket(status: TicketStatus = TicketStatus.WAITING) -> Ticket:
    """A ticket of Ada's."""
    return Ticket(uuid4(), ADA, status, Preferences(ChatMode.VIDEO, (), (), 10), START, START)


class FakeDirectory:
    """Rooms in a dict. Counts batches, and can be out of order."""

    def __init__(self) -> None:
        self.known: dict[UUID, Room] = {}
        self.batches: list[set[UUID]] = []
        self.failures = 0
        self.stale: dict[UUID, Room] = {}
        """Rooms as they were a moment ago, before another worker changed them."""

    async def rooms(self, room_ids: Iterable[UUID]) -> Mapping[UUID, Room]:
        ids = set(room_ids)
        self.batches.append(ids)
        if self.failures:
            self.failures -= 1
            raise Unavailable(0.001)
        known = self.known | self.stale
        return {room_id: known[room_id] for room_id in ids if room_id in known}

    async def room(self, room_id: UUID) -> Room | None:
        """As it is now."""
        self.stale.pop(room_id, None)
        return (await self.rooms((room_id,))).get(room_id)


@dataclass
class World:
    """Real inbox, hub and bus; what the database would tell is set by the test."""

    inbox: MemoryInbox
    hub: Hub
    now: datetime = START
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    ticket: Ticket | None = None
    match: Room | None = None
    said: dict[UUID, Message] = field(default_factory=dict)
    revoked: bool = False
    suspensions: tuple[Suspension, ...] = ()
    while_reading: Callable[[], object] = lambda: None
    session_reads: int = 0
    reached: list[UUID] = field(default_factory=list)
    after: str | None = None
    caller: Caller = field(
        default_factory=lambda: Caller(ADA, uuid4(), SessionScope.FULL, START + timedelta(minutes=15))
    )

    def put(self, *events: Event, at: datetime | None = None, user: UUID = ADA) -> None:
        """A commit with these events."""
        self.inbox.deliver([(user, event) for event in events], (), at or self.now)

    def has(self, room: Room) -> Room:
        """The room is like that now."""
        self.directory.known[room.id] = room
        return room

    async def messages(self, message_ids: Iterable[UUID]) -> Mapping[UUID, Message]:
        """`ports.Transcript`."""
        return {message_id: self.said[message_id] for message_id in message_ids if message_id in self.said}

    async def read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """`ports.Transact` over this fake, which is every repository that streams use."""
        uow = type("Uow", (), {"sessions": _Sessions(self), "suspensions": self, "tickets": self, "rooms": self})()
        return await work(uow)

    async def in_force(self, _: UUID, now: datetime) -> Sequence[Suspension]:
        """`ports.Suspensions`."""
        return [suspension for suspension in self.suspensions if suspension.active(now)]

    async def waiting(self, _: UUID) -> Ticket | None:
        """`ports.Tickets`."""
        self.while_reading()
        return self.ticket

    async def open_match_of(self, _: UUID) -> Room | None:
        """`ports.Rooms`."""
        return self.match

    @property
    def context(self) -> Context:
        """A socket of Ada's."""
        parts: dict[str, Any] = dict.fromkeys(part.name for part in fields(Services))
        parts |= {"inbox": self.inbox, "hub": self.hub, "directory": self.directory, "read": self.read}
        parts |= {"transcript": self}
        parts |= {"clock": lambda: self.now, "reached": self.reached.append}
        return Context(Services(**parts), self.caller, "203.0.113.7", self.after)

    async def follow(self, operation: str, *, room: Room | str | None = None, after: str | None = None) -> Stream:
        """A subscription, running."""
        room_id = str(room.id) if isinstance(room, Room) else room
        given = {"roomId": room_id, "after": after}
        arguments = ", ".join(f'{name}: "{value}"' for name, value in given.items() if value is not None)
        fragments = " ".join(f"... on {kind} {{ {SHOWN[kind]} }}" for kind in OF_FIELD[operation])
        selection = f"{{ __typename ... on Event {{ cursor at }} {fragments} }}"
        query = f"subscription {{ {operation}{f'({arguments})' if arguments else ''} {selection} }}"
        return await begin(ENGINE, self.context, query)


class _Sessions:
    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, session_id: UUID) -> Session:
        self._world.session_reads += 1
        return Session(session_id, ADA, SessionScope.FULL, START, START if self._world.revoked else None)


@asynccontextmanager
async def stream_world() -> AsyncIterator[World]:
    """A started worker. Afterwards no stream may have left its watch behind."""
    bus = open_bus("memory://")
    await bus.connect()
    hub = Hub(bus, uuid4())
    made: list[World] = []
    inbox = MemoryInbox(clock=lambda: made[0].now, hint=hub.wake)
    made.append(World(inbox, hub))
    try:
        yield made[0]
    finally:
        await hub.stop()
        await bus.disconnect()
    assert hub.watched == 0
