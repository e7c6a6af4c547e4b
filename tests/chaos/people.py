"""What the people of a chaos run do: meet strangers and part again, or sit together in a room; and how it is written down."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.acceptance import documents
from tests.acceptance.client import GraphQLFailure
from tests.chaos.ledger import Kind, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.acceptance.client import JSON
    from tests.chaos.client import Client
    from tests.chaos.ledger import Item, Wrongs

SIGNAL_PAUSE, MESSAGE_SHARE = 3.0, 0.25
"""Seconds between two things that somebody sends, on average; and the part of them that are messages."""
SDP: Final = "a=candidate-free line of a browser's offer, sixty-six characters..\r\n" * 80
"""5.4 KB, as Chromium offers audio and video. One signal in ten is as long."""
COMPLAINTS: Final = 0.3
"""The part of all partings from anybody at all that are a report or a block."""
ORDERLY: Final = 0.5
"""The part of all partings before which everything said in the room has been heard."""
LATEST: Final = 100.0
"""Seconds after which what nobody hinders counts as waiting for ever: longer than any fault and its healing on a busy machine. With
three times as many busy processes as cores 82 were seen, after which everything had come.
"""
LATEST_OF_ALL: Final = 5.0
"""The same once something is wrong already: a run that has failed need not take long."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody sits: the room, their own member ID, and those of the others."""

    room: str
    me: str
    others: tuple[str, ...]


@dataclass
class Town:
    """What all people share."""

    ledger: Ledger
    wrongs: Wrongs
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nobody is to begin anything new."""
    done: Counter[str] = field(default_factory=Counter)
    tickets: dict[str, str | None] = field(default_factory=dict)
    """How every ticket that somebody was told of ended; None while it waits."""
    partners: dict[str, str] = field(default_factory=dict)
    """By the ID of a member of a match, that of the other."""
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When somebody began to wait for a partner, and when they had one."""
    refusals: list[tuple[Person, str]] = field(default_factory=list)
    """Rooms that were said to be closed to somebody, and to whom: which must end for them."""

    @property
    def patience(self) -> float:
        """Seconds after which something counts as waiting for ever."""
        return LATEST_OF_ALL if self.wrongs else LATEST


class Person:
    """Somebody who follows their inbox and writes down what it tells. What they do otherwise is up to the class below it."""

    def __init__(self, client: Client, town: Town) -> None:
        self.client = client
        self.town = town
        self.seats: dict[str, Seat] = {}
        """By room."""
        self.ended: set[str] = set()
        """Rooms in which a seat was theirs."""
        self.ticket: str | None = None
        """The ticket that waits."""
        self.waiting_since: float | None = None
        self._moved = asyncio.Event()
        client.on_event = self._take

    async def until(self, condition: Callable[[], object], within: float | None = None) -> bool:
        """Waits for what events can change, as long as the town is patient; whether it came true in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.town.patience if within is None else within):
                while not condition():
                    self._moved.clear()
                    await self._moved.wait()
        return bool(condition())

    async def live(self) -> None:
        """What they do until the town closes. Returns when nothing of theirs is under way."""
        raise NotImplementedError

    async def say_goodbye(self) -> None:
        """Ends what they sit in and wait for. Waits until their inbox tells of something that came after all else."""
        await self._queue_and_leave(f"goodbye {self.client.name}")

    async def talk(self, seat: Seat) -> None:
        """Sends one thing, and waits for the answer."""
        if self.client.chances.random() < MESSAGE_SHARE:
            await self._say(seat)
        else:
            await self._signal(seat)

    async def act(self, document: str, **variables: object) -> JSON | None:
        """The payload, if it is a success. What a race with the other side explains is none, and no wrong either."""
        try:
            payload = await self.client.ask(document, **variables)
        except GraphQLFailure as failure:
            self.town.wrongs.add("refused", f"{self.client.name}: {failure.errors}")
            return None
        kind = payload["__typename"]
        self.town.done[kind] += 1
        if kind == "AlreadyInMatchError":
            room = payload["room"]["id"]
            if not await self.until(lambda: room in self.seats or room in self.ended):
                self.town.wrongs.add("in a match, and told of nothing", f"{self.client.name}: {payload}")
        return payload if kind.endswith("Success") else None

    async def join(self, preferences: JSON) -> None:
        """Joins the queue, and waits until their own inbox says so too."""
        payload = await self.act(documents.JOIN, input=preferences)
        if payload is not None and not await self.until(lambda: payload["ticket"]["id"] in self.town.tickets):
            self.town.wrongs.add("joined, and told of nothing", f"{self.client.name}: {payload['ticket']}")

    async def leave_queue(self) -> None:
        """Leaves the queue, and waits until the ticket that waited has ended, in whichever way."""
        ticket = self.ticket
        left = await self.act(documents.LEAVE)
        if left is not None and ticket is not None and not await self.until(lambda: self.town.tickets[ticket]):
            self.town.wrongs.add("left the queue, and the ticket waits", f"{self.client.name}: {ticket}")

    async def _queue_and_leave(self, topic: str) -> None:
        await self.join({"mode": "TEXT", "interests": [topic], "patience": 120})
        await self.leave_queue()

    async def pause(self, seconds: float) -> None:
        """About so long, unless the town closes."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.town.closing.wait(), self.client.chances.uniform(0.5, 1.5) * seconds)

    async def _signal(self, seat: Seat) -> None:
        to = self.client.chances.choice(seat.others)
        item = self.town.ledger.ask(Kind.SIGNAL, seat.room, seat.me, (to,), time.monotonic())
        text = f"chaos {item.number}"
        signal: JSON = {"candidates": {"candidates": [{"candidate": text, "sdpMid": "0"}]}}
        if self.client.chances.random() < 0.1:
            signal = {"offer": {"sdp": f"{text}\r\n{SDP}"}}
        await self._send(item, documents.SEND_SIGNAL, {"to": to, "signal": signal, "clientSignalId": f"s{item.number}"})

    async def _say(self, seat: Seat) -> None:
        item = self.town.ledger.ask(Kind.MESSAGE, seat.room, seat.me, (seat.me, *seat.others), time.monotonic())
        text = base64.b64encode(str(item.number).encode()).decode()
        fields = {"roomId": seat.room, "clientMessageId": f"m{item.number}", "ciphertext": text}
        await self._send(item, documents.SEND_MESSAGE, fields)

    async def _send(self, item: Item, document: str, fields: JSON) -> None:
        try:
            payload = await self.client.ask(document, input=fields)
        except GraphQLFailure as failure:
            self.town.wrongs.add("refused", f"{item}: {failure.errors}")
            item.refused = True
            return
        match payload["__typename"]:
            case "SendSignalSuccess":
                item.acknowledged_at, item.id = time.monotonic(), payload["id"]
            case "SendMessageSuccess":
                item.acknowledged_at, item.id = time.monotonic(), payload["edge"]["node"]["id"]
            case "NotFoundError" | "SuspendedError":
                item.refused = True
                self.town.refusals.append((self, item.room))
            case other:
                item.refused = True
                self.town.wrongs.add("refused", f"{item}: {other}")

    # ---------------------------------------------------------------------------------------- what they are told

    def _take(self, event: JSON) -> None:
        match event["__typename"]:
            case "QueueJoined":
                self._waits(event["ticket"]["id"])
            case "QueueLeft":
                self._ticket_ended(event["ticket"]["id"], str(event["queueLeaveReason"]))
            case "Matched":
                self._matched(event)
            case "MatchEnded":
                self.town.done[f"match ended: {event['matchEndReason']}"] += 1
                self._seat_ended(event["room"]["id"])
            case "MemberLeft":
                seat = self.seats.get(event["room"]["id"])
                if seat is not None and seat.me == event["member"]["id"]:
                    self._seat_ended(seat.room)
            case "SignalReceived":
                self._heard_signal(event)
            case "MessageSent":
                self._heard_message(event)
        self._moved.set()

    def _waits(self, ticket: str) -> None:
        if self.town.tickets.setdefault(ticket, None) is None:
            if self.ticket != ticket:
                self.waiting_since = time.monotonic()
            self.ticket = ticket

    def _ticket_ended(self, ticket: str, how: str) -> None:
        before = self.town.tickets.get(ticket, "NEVER TOLD")
        if before is not None:
            self.town.wrongs.add("ticket ended that did not wait", f"{ticket} of {self.client.name}: {before}, {how}")
        self.town.tickets[ticket] = how
        self.town.done[f"ticket ended: {how}"] += 1
        if self.ticket == ticket:
            self.ticket = None

    def _matched(self, event: JSON) -> None:
        room, ticket = event["room"], event["ticket"]["id"]
        now = time.monotonic()
        if self.waiting_since is not None and self.ticket == ticket:
            self.town.waits.append((self.waiting_since, now))
        self._ticket_ended(ticket, "MATCHED")
        if room["id"] in self.ended:
            self.town.wrongs.add("matched after the end", f"{self.client.name} in {room}")
        if room["me"] is not None:  # Else the match has ended by the time that they are told of it; that comes next.
            partner = event["partner"]["id"]
            self.town.partners |= {partner: room["me"]["id"], room["me"]["id"]: partner}
            self.sit(Seat(room["id"], room["me"]["id"], (partner,)))

    def sit(self, seat: Seat) -> None:
        """That seat is theirs."""
        self.seats[seat.room] = seat
        self._moved.set()

    def _seat_ended(self, room: str) -> None:
        self.seats.pop(room, None)
        self.ended.add(room)
        self.town.ledger.left(room)

    def _heard_signal(self, event: JSON) -> None:
        signal, room = event["signal"], event["room"]["id"]
        text = signal["sdp"].partition("\r\n")[0] if "sdp" in signal else signal["candidates"][0]["candidate"]
        me = self._member_in(room, event["sender"]["id"])
        if me is None:
            self.town.wrongs.add("told of a room that is not theirs", f"{self.client.name}: {event}")
            return
        number = int(text.removeprefix("chaos "))
        sender, id = event["sender"]["id"], event["id"]
        self.town.ledger.receive(
            Kind.SIGNAL, number, room=room, sender=sender, receiver=me, id=id, now=time.monotonic()
        )

    def _heard_message(self, event: JSON) -> None:
        room, node = event["room"]["id"], event["edge"]["node"]
        me = self._member_in(room, node["sender"]["id"])
        if me is None:
            self.town.wrongs.add("told of a room that is not theirs", f"{self.client.name}: {event}")
            return
        number = int(base64.b64decode(node["ciphertext"]))
        if node["clientMessageId"] != f"m{number}":
            self.town.wrongs.add("changed", f"{self.client.name}: {event}")
        sender, id = node["sender"]["id"], node["id"]
        self.town.ledger.receive(
            Kind.MESSAGE, number, room=room, sender=sender, receiver=me, id=id, now=time.monotonic()
        )

    def _member_in(self, room: str, sender: str) -> str | None:
        """Their own ID there; for a match that had ended when they were told of it, by what the partner was told."""
        seat = self.seats.get(room)
        return self.town.partners.get(sender) if seat is None else seat.me


class Roamer(Person):
    """Meets one stranger after the other. With an interest of their own, they hold out for the one who shares it."""

    def __init__(self, client: Client, town: Town, *, interests: Iterable[str], stays: float) -> None:
        super().__init__(client, town)
        self._preferences: JSON = {"mode": "AUDIO", "interests": list(interests), "patience": 120 if interests else 0}
        self._stays = stays

    @property
    def seat(self) -> Seat | None:
        """Where the match that they are in has put them."""
        return next(iter(self.seats.values()), None)

    async def live(self) -> None:
        await self.pause(1.0)
        while not self.town.closing.is_set():
            if self.seat is None and self.ticket is None:
                await self.join(self._preferences)
            if await self.until(
                lambda: self.seat is not None or self.ticket is None or self.town.closing.is_set(), 2.0
            ):
                seat = self.seat
                if seat is not None and not self.town.closing.is_set():
                    await self._meet(seat)
                elif self.ticket is None:  # Suspended: nobody presses a button all the time that only says so.
                    await self.pause(1.0)
            elif self.client.chances.random() < 0.02:
                await self.leave_queue()
                await self.pause(1.0)

    @property
    def free(self) -> bool:
        """Whether anybody will do."""
        return not self._preferences["interests"]

    def waits_for(self, seconds: float) -> bool:
        """Whether they have been waiting longer than that."""
        return self.ticket is not None and time.monotonic() - (self.waiting_since or 0.0) > seconds

    async def say_goodbye(self) -> None:
        await self.leave_queue()
        await self.part(requeue=False)
        await super().say_goodbye()

    async def part(self, *, requeue: bool) -> None:
        """Ends the match, and waits until their own inbox says so too."""
        seat = self.seat
        if seat is not None:
            await self._end(seat, documents.SKIP, {"roomId": seat.room, "requeue": requeue})

    async def complain(self, seat: Seat) -> None:
        """Reports or blocks the partner, which ends the match, and waits until their own inbox says so too."""
        (partner,) = seat.others
        if self.client.chances.random() < 0.5:
            await self._end(seat, documents.REPORT, {"memberId": partner, "category": "HARASSMENT"})
        else:
            await self._end(seat, documents.BLOCK, {"memberId": partner})

    async def _end(self, seat: Seat, document: str, fields: JSON) -> None:
        await self.act(document, input=fields)
        # Also after NotFound: a first attempt may have queued them, and a newer match begun, before its answer was lost.
        if not await self.until(lambda: seat.room in self.ended):
            self.town.wrongs.add("parted, and the match goes on", f"{self.client.name}: {seat}")

    async def _meet(self, seat: Seat) -> None:
        ends = time.monotonic() + self._stays * self.client.chances.uniform(0.5, 1.5)
        while seat.room in self.seats and not self.town.closing.is_set() and time.monotonic() < ends:
            await self.talk(seat)
            await self.pause(SIGNAL_PAUSE)
        if self.town.closing.is_set() or seat.room not in self.seats:
            return
        if self.client.chances.random() < ORDERLY:
            await self._hear_all(seat)
        if self.free and self.client.chances.random() < COMPLAINTS:
            await self.complain(seat)
        else:
            await self.part(requeue=self.client.chances.random() < 0.7)

    async def _hear_all(self, seat: Seat) -> None:
        """Waits until everything that was said in the room has been heard there; it may end meanwhile."""
        began = time.monotonic()
        while seat.room in self.seats and self.town.ledger.missing(seat.room):
            if time.monotonic() - began > self.town.patience:
                self.town.wrongs.add("never heard", self.town.ledger.missing(seat.room)[0][0])
                return
            await asyncio.sleep(0.1)


class Friend(Person):
    """Sits in a room with friends, and stays."""

    async def live(self) -> None:
        while not self.town.closing.is_set():
            for seat in tuple(self.seats.values()):
                await self.talk(seat)
            await self.pause(SIGNAL_PAUSE)

    def _seat_ended(self, room: str) -> None:
        super()._seat_ended(room)
        self.town.wrongs.add(
            "seat lost", f"{self.client.name} in {room}, away for at most the longest time that is told"
        )


async def befriend(friends: list[Friend]) -> None:
    """Puts them into a room of their own. Nothing fails meanwhile."""
    made = (await friends[0].client.ask(documents.CREATE_ROOM, input={"name": "Friends", "capacity": len(friends)}))[
        "room"
    ]
    members = [made["me"]["id"]]
    for guest in friends[1:]:
        joined = await guest.client.ask(documents.JOIN_ROOM, input={"inviteCode": made["inviteCode"]})
        members.append(joined["room"]["me"]["id"])
    for me, friend in zip(members, friends, strict=True):
        friend.sit(Seat(made["id"], me, tuple(other for other in members if other != me)))
