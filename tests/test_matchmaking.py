"""Joining, leaving and skipping, and what becomes of people who are not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from domain.errors import AlreadyInMatch, InvalidInput, NotFound, Suspended
from domain.events import Matched, MatchEnded, MemberLeft, QueueJoined, QueueLeft
from domain.identity import Caller, SessionScope
from domain.matchmaking.commit import NewMatch
from domain.matchmaking.losses import end_unreached, expire_ticket
from domain.matchmaking.preferences import preferences
from domain.matchmaking.queue import leave_queue
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, TicketStatus
from domain.rooms import MatchEndReason, MemberLeaveReason, MemberRole, MemberStatus, Room
from domain.safety import SuspensionScope
from persistence.directory import CachedRooms, Directory
from schema.context import Context, Services
from schema.matchmaking import MatchmakingMutation, MatchmakingQuery
from schema.rooms import RoomsQuery
from schema.scalars import SCALARS
from tests.identity_world import Clock
from tests.matching_world import ANYONE, COOLDOWN, Backend, backend

CHESS = Preferences(ChatMode.VIDEO, ("chess",), ("en",), 30)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until the test moves it."""
    return Clock()


@pytest.fixture
async def parley(database_url: str, clock: Clock) -> AsyncIterator[Backend]:
    """A backend on a clock that the test moves."""
    async with backend(database_url, clock) as parts:
        yield parts


async def left(parley: Backend, user_id: UUID) -> TicketStatus | None:
    """How leaving the queue ends the user's ticket."""
    ticket = await parley.transact(lambda uow: leave_queue(uow, user_id, now=parley.clock()))
    return ticket.status if ticket else None


async def unreached(parley: Backend, room: Room) -> bool:
    """Whether the sweep ends the match because of somebody who was not reached."""
    return await parley.transact(lambda uow: end_unreached(uow, room.id, new_id=uuid4, now=parley.clock()))


async def expired(parley: Backend, user_id: UUID) -> QueueLeaveReason | None:
    """Why the sweep ends the user's ticket, and that the sweep sees it by itself."""
    seen = await parley.database.read(lambda uow: uow.tickets.unattended(parley.clock()))
    ticket = await parley.transact(lambda uow: expire_ticket(uow, user_id, now=parley.clock()))
    assert (user_id in seen) == (ticket is not None)
    if ticket is None:
        return None
    assert ticket.status is TicketStatus.EXPIRED
    event = parley.inbox.of(user_id)[-1]
    assert isinstance(event, QueueLeft)
    assert event.ticket == ticket
    return event.reason


# ------------------------------------------------------------------------------------------ preferences


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["Chess"], ("chess",)),
        (["  Straße  "], ("strasse",)),
        (["CAFE\u0301", "café"], ("café",)),
        (["ﬁlm", "film"], ("film",)),
        (["日本語", "x" * 40], ("日本語", "x" * 40)),
        (["\u00a0go\u3000"], ("go",)),
        (["👩\u200d💻"], ("👩\u200d💻",)),
        (["b", "a", "B"], ("b", "a")),
        ([], ()),
    ],
)
def test_interests_are_compared_in_one_form(given: list[str], kept: tuple[str, ...]) -> None:
    """Two people who love the same thing find each other however their keyboards spell it."""
    assert preferences(ChatMode.TEXT, given, [], 0).interests == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["en-GB", "EN-gb"], ("en-gb",)),
        (
            ["zh-Hant-TW", "sr-Latn", "es-419", "de-CH-1901", "sl-rozaj-biske"],
            ("zh-hant-tw", "sr-latn", "es-419", "de-ch-1901", "sl-rozaj-biske"),
        ),
        (
            ["en-a-myext-b-another", "de-x-private", "x-own", "i-klingon", "und"],
            ("en-a-myext-b-another", "de-x-private", "x-own", "i-klingon", "und"),
        ),
    ],
)
def test_languages_are_tags_in_lower_case(given: list[str], kept: tuple[str, ...]) -> None:
    """What a browser gives as `navigator.languages` is taken as it is."""
    assert preferences(ChatMode.TEXT, [], given, 0).languages == kept


@pytest.mark.parametrize(
    ("interests", "languages", "patience", "field", "says"),
    [
        ([str(i) for i in range(11)], [], 0, "interests", "10"),
        (["ok", ""], [], 0, "interests", "[1]"),
        (["  "], [], 0, "interests", "[0]"),
        (["\u200b\u200d"], [], 0, "interests", "[0]"),
        (["x" * 41], [], 0, "interests", "[0]"),
        (["\ufdfa" * 3], [], 0, "interests", "[0]"),
        (["a" + "\u0301\u0316" * 500_000], [], 0, "interests", "[0]"),
        (["a\x00b"], [], 0, "interests", "[0]"),
        (["a\nb"], [], 0, "interests", "[0]"),
        (["a\u202eb"], [], 0, "interests", "[0]"),
        (["\ud800"], [], 0, "interests", "[0]"),
        ([], ["en"] * 11, 0, "languages", "10"),
        ([], ["en", ""], 0, "languages", "[1]"),
        ([], ["en_GB"], 0, "languages", "[0]"),
        ([], ["e"], 0, "languages", "[0]"),
        ([], [" en"], 0, "languages", "[0]"),
        ([], ["en-"], 0, "languages", "[0]"),
        ([], ["ｅｎ"], 0, "languages", "[0]"),  # noqa: RUF001  # full width
        ([], ["en-x-" + "-".join(["abcdefgh"] * 4)], 0, "languages", "[0]"),
        ([], [], -1, "patience", "120"),
        ([], [], 121, "patience", "120"),
    ],
)
def test_bad_preferences_are_refused_by_name(
    interests: list[str], languages: list[str], patience: int, field: str, says: str
) -> None:
    """A front end can point at the field that it got wrong; nothing unreadable is shown to a partner."""
    with pytest.raises(InvalidInput) as refused:
        preferences(ChatMode.TEXT, interests, languages, patience)
    assert refused.value.field == field
    assert says in str(refused.value)


# ------------------------------------------------------------------------------------------ joining and leaving


async def test_joining_again_changes_preferences_and_keeps_the_place(parley: Backend, clock: Clock) -> None:
    """Whoever widens what they ask for does not lose the minutes that they waited already."""
    ada = await parley.person()
    first = await parley.join(ada)
    clock.forward(seconds=7)
    again = await parley.join(ada, CHESS)
    assert (again.id, again.enqueued_at) == (first.id, first.enqueued_at)
    assert again.widens_at == first.enqueued_at + timedelta(seconds=30)
    assert await parley.waiting(ada) == again
    assert parley.inbox.of(ada) == [QueueJoined(first), QueueJoined(again)]


async def test_joining_again_with_the_same_wishes_tells_nothing(parley: Backend, clock: Clock) -> None:
    """A client that asks twice because an answer was lost does not see events that mean nothing."""
    ada = await parley.person()
    first = await parley.join(ada, CHESS)
    clock.forward(seconds=7)
    assert await parley.join(ada, CHESS) == first
    assert parley.inbox.of(ada) == [QueueJoined(first)]


async def test_two_joins_at_once_make_one_ticket(parley: Backend, database_url: str, clock: Clock) -> None:
    """A double click, or two tabs on two workers, does not put a person into the queue twice."""
    async with backend(database_url, clock) as other:
        for ada in await parley.people(5):
            tickets = await asyncio.gather(*(one.join(ada) for one in (parley, other, parley, other)))
            assert len({ticket.id for ticket in tickets}) == 1
            assert len(parley.inbox.of(ada)) + len(other.inbox.of(ada)) == 1


async def test_joining_in_a_match_names_the_room(parley: Backend) -> None:
    """A client that forgot its match is shown the way back into it."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    with pytest.raises(AlreadyInMatch) as refused:
        await parley.join(ada)
    assert refused.value.room == room
    assert await parley.waiting(ada) is None


@pytest.mark.parametrize("scope", SuspensionScope)
async def test_the_suspended_do_not_join(parley: Backend, scope: SuspensionScope) -> None:
    """Who was suspended from meeting strangers meets none."""
    ada = await parley.person()
    suspension = await parley.suspend(ada, scope)
    with pytest.raises(Suspended) as refused:
        await parley.join(ada)
    assert refused.value.suspension == suspension
    assert parley.inbox.of(ada) == []


async def test_leaving_cancels_the_ticket(parley: Backend) -> None:
    """Who leaves is told so in every tab, and leaving twice is no mistake."""
    ada = await parley.person()
    ticket = await parley.join(ada)
    assert await left(parley, ada) is TicketStatus.CANCELLED
    event = parley.inbox.of(ada)[-1]
    assert isinstance(event, QueueLeft)
    assert (event.ticket.id, event.reason) == (ticket.id, QueueLeaveReason.LEFT)
    assert await parley.waiting(ada) is None
    assert await left(parley, ada) is None
    assert len(parley.inbox.of(ada)) == 2


# ------------------------------------------------------------------------------------------ the match


async def test_a_match_opens_a_room_for_two(parley: Backend, clock: Clock) -> None:
    """Both sides find the same room, under the names they chose, and exactly one of them is to offer."""
    ada, bob = await parley.person("Ada"), await parley.person("Bob")
    older = await parley.join(ada, Preferences(ChatMode.AUDIO, ("go", "chess", "tea"), ("en",), 0))
    clock.forward(seconds=1)
    newer = await parley.join(bob, Preferences(ChatMode.AUDIO, ("tea", "go"), ("en",), 5))
    (result,) = await parley.commit((newer, older))
    assert isinstance(result, NewMatch)
    room = await parley.room(result.room_id)
    assert (room.mode, room.capacity, room.name, room.created_at) == (ChatMode.AUDIO, 2, None, clock())
    assert room.shared_interests == ("go", "tea")
    assert [(m.user_id, m.display_name, m.position) for m in room.members] == [(ada, "Ada", 0), (bob, "Bob", 1)]
    assert {(m.role, m.status, m.muted) for m in room.members} == {(MemberRole.MEMBER, MemberStatus.ONLINE, False)}
    first, second = room.members
    assert first.polite_toward(second)
    for user_id, ticket, partner in ((ada, older, second), (bob, newer, first)):
        event = parley.inbox.of(user_id)[-1]
        assert isinstance(event, Matched)
        assert (event.room_id, event.partner_id) == (room.id, partner.id)
        assert (event.ticket.id, event.ticket.status, event.ticket.room_id) == (
            ticket.id,
            TicketStatus.MATCHED,
            room.id,
        )


# ------------------------------------------------------------------------------------------ skipping


async def test_skip_ends_the_match_for_both_and_queues_the_skipper(parley: Backend, clock: Clock) -> None:
    """The main move of the product: on to the next person, with the wishes one had, and not back to the same one."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob, CHESS)
    seat = room.seat_of(ada)
    assert seat is not None
    clock.forward(seconds=9)
    ticket = await parley.skip(ada, room.id)
    assert ticket is not None
    assert (ticket.status, ticket.preferences, ticket.enqueued_at) == (TicketStatus.WAITING, CHESS, clock())
    assert ticket.widens_at == clock() + timedelta(seconds=30)
    assert parley.inbox.of(ada)[2:] == [MatchEnded(room.id, MatchEndReason.YOU_SKIPPED), QueueJoined(ticket)]
    assert parley.inbox.of(bob)[2:] == [
        MemberLeft(room.id, seat.id, MemberLeaveReason.LEFT),
        MatchEnded(room.id, MatchEndReason.PARTNER_LEFT),
    ]
    assert (await parley.room(room.id)).closed_at == clock()
    assert await parley.waiting(bob) is None
    (refused,) = await parley.commit((ticket, await parley.join(bob, CHESS)))
    assert not isinstance(refused, NewMatch)
    assert (refused.reason, refused.until) == ("BARRED", clock() + COOLDOWN)
    clock.forward(minutes=5)
    waits = await parley.waiting(bob)
    assert waits is not None
    (again,) = await parley.commit((ticket, waits))
    assert isinstance(again, NewMatch)


async def test_skip_without_a_new_ticket(parley: Backend) -> None:
    """Who has had enough leaves the match and the queue in one step."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    assert await parley.skip(ada, room.id, requeue=False) is None
    assert await parley.waiting(ada) is None
    assert await parley.open_match(bob) is None


async def test_a_cooldown_of_zero_bars_nobody(parley: Backend) -> None:
    """An operator with ten users may let them meet again at once."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    await parley.skip(ada, room.id, cooldown=timedelta(0))
    await parley.match(ada, bob)


async def test_both_may_skip_at_once(parley: Backend, database_url: str, clock: Clock) -> None:
    """Two people tire of each other in the same second: neither gets an error, and both wait for somebody else."""
    async with backend(database_url, clock) as other:
        for _ in range(10):
            ada, bob = await parley.people(2)
            room = await parley.match(ada, bob)
            one, two = await asyncio.gather(parley.skip(ada, room.id), other.skip(bob, room.id))
            assert one is not None
            assert two is not None
            assert (await parley.waiting(ada), await parley.waiting(bob)) == (one, two)
            (refused,) = await parley.commit((one, two))
            assert getattr(refused, "reason", None) == "BARRED"
            told = parley.inbox.of(ada) + other.inbox.of(ada) + parley.inbox.of(bob) + other.inbox.of(bob)
            assert sum(isinstance(event, MatchEnded) for event in told) == 2


async def test_skip_asked_again_gives_the_same_ticket(parley: Backend, clock: Clock) -> None:
    """The answer was lost on a bad network: the retry does not end in an error or at the end of the queue."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    ticket = await parley.skip(ada, room.id)
    told = len(parley.inbox.told)
    clock.forward(seconds=60)
    assert await parley.skip(ada, room.id) == ticket
    assert await parley.skip(ada, room.id, requeue=False) is None
    assert await parley.waiting(ada) == ticket
    assert len(parley.inbox.told) == told
    bars = await parley.database.read(lambda uow: uow.bars.changed_since(None, [ada]))
    assert [until for *_, until in bars] == [room.created_at + COOLDOWN]


async def test_skip_of_a_match_that_the_partner_left_moves_on(parley: Backend, clock: Clock) -> None:
    """The partner was a moment faster: the skip still does what was meant."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob, CHESS)
    await parley.skip(bob, room.id, requeue=False)
    clock.forward(seconds=59)
    ticket = await parley.skip(ada, room.id)
    assert ticket is not None
    assert ticket.preferences == CHESS


async def test_skip_of_anything_else_is_not_found_and_changes_nothing(
    parley: Backend, database_url: str, clock: Clock
) -> None:
    """A stale tab or a guessing stranger cannot end a match that is not theirs to end."""
    ada, bob, eve = await parley.people(3)
    old = await parley.match(ada, bob)
    await parley.skip(ada, old.id, requeue=False)
    clock.forward(seconds=1)
    new = await parley.match(ada, eve)
    host, guest = await parley.people(2)
    invited = await parley.match(host, guest)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE room SET kind = 'INVITE' WHERE id = $1", invited.id)
    await connection.close()
    told = len(parley.inbox.told)
    for user_id, room_id in (
        (ada, old.id),  # in a newer match
        (bob, new.id),  # never in it
        (eve, old.id),
        (ada, uuid4()),
        (host, invited.id),
    ):
        with pytest.raises(NotFound):
            await parley.skip(user_id, room_id)
    clock.forward(seconds=60)
    with pytest.raises(NotFound):
        await parley.skip(bob, old.id)  # ended 61 seconds ago
    assert len(parley.inbox.told) == told
    assert await parley.open_match(ada) == new
    assert await parley.waiting(bob) is None


async def test_the_suspended_leave_a_match_but_do_not_queue(parley: Backend) -> None:
    """A suspension must not lock somebody into a call that they want to end."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    await parley.suspend(ada)
    told = len(parley.inbox.told)
    with pytest.raises(Suspended):
        await parley.skip(ada, room.id)
    assert len(parley.inbox.told) == told
    assert await parley.open_match(ada) == room
    assert await parley.skip(ada, room.id, requeue=False) is None
    assert await parley.open_match(bob) is None


# ------------------------------------------------------------------------------------------ people who are not there


async def test_who_joins_and_never_attaches_expires(parley: Backend, clock: Clock) -> None:
    """A ghost does not stay in the queue, and somebody whose socket opens a little later is no ghost."""
    ghost, late = await parley.person(attached=False), await parley.person(attached=False)
    await parley.join(ghost)
    await parley.join(late)
    clock.forward(seconds=29)
    assert await expired(parley, ghost) is None
    await parley.attach(late)
    clock.forward(seconds=1)
    assert await expired(parley, ghost) is QueueLeaveReason.EXPIRED
    assert await expired(parley, late) is None


async def test_who_was_away_long_before_joining_has_its_30_seconds(parley: Backend, clock: Clock) -> None:
    """Somebody who comes back after a day may join first and open the socket second."""
    ada = await parley.person()
    await parley.detach(ada)
    clock.forward(days=1)
    await parley.join(ada)
    clock.forward(seconds=29)
    assert await expired(parley, ada) is None
    clock.forward(seconds=1)
    assert await expired(parley, ada) is QueueLeaveReason.EXPIRED


async def test_a_lost_connection_keeps_the_place_for_the_resume_window(parley: Backend, clock: Clock) -> None:
    """A tunnel on the train costs nobody their place; who does not come back is taken out."""
    ada, bob = await parley.people(2)
    ticket = await parley.join(ada)
    await parley.join(bob)
    await parley.detach(ada)
    await parley.detach(bob)
    clock.forward(seconds=19)
    assert await expired(parley, ada) is None
    await parley.attach(ada)
    clock.forward(seconds=1)
    assert await expired(parley, ada) is None
    assert await parley.waiting(ada) == ticket
    assert await expired(parley, bob) is QueueLeaveReason.CONNECTION_LOST


async def test_a_partner_who_was_not_reached_costs_nobody_the_place(parley: Backend, clock: Clock) -> None:
    """Invariant 12: the side that was there is queued again where it stood, in front of those who came after."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob, CHESS)
    original = next(event for event in parley.inbox.of(ada) if isinstance(event, Matched)).ticket
    here, gone = room.seat_of(ada), room.seat_of(bob)
    assert here is not None
    assert gone is not None
    await parley.reach(here.id)
    clock.forward(seconds=4)
    assert not await unreached(parley, room)
    clock.forward(seconds=1)
    assert await unreached(parley, room)
    ticket = await parley.waiting(ada)
    assert ticket is not None
    assert ticket.id != original.id
    assert (ticket.enqueued_at, ticket.widens_at) == (original.enqueued_at, original.widens_at)
    assert parley.inbox.of(ada)[2:] == [
        MemberLeft(room.id, gone.id, MemberLeaveReason.CONNECTION_LOST),
        MatchEnded(room.id, MatchEndReason.PARTNER_LOST),
        QueueJoined(ticket),
    ]
    assert parley.inbox.of(bob)[2:] == [MatchEnded(room.id, MatchEndReason.YOU_LEFT)]
    assert await parley.waiting(bob) is None
    assert not await unreached(parley, room)
    (refused,) = await parley.commit((ticket, await parley.join(bob, CHESS)))
    assert (getattr(refused, "reason", None), getattr(refused, "until", None)) == (
        "BARRED",
        clock() + timedelta(seconds=60),
    )
    assert await parley.skip(ada, room.id) == ticket


async def test_a_match_that_reached_nobody_queues_nobody(parley: Backend, clock: Clock) -> None:
    """Two people who both went away are not matched into the next empty room."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    clock.forward(seconds=5)
    assert await unreached(parley, room)
    for user_id in (ada, bob):
        assert parley.inbox.of(user_id)[-1] == MatchEnded(room.id, MatchEndReason.YOU_LEFT)
        assert await parley.waiting(user_id) is None
        assert await parley.open_match(user_id) is None


async def test_a_match_that_reached_both_goes_on(parley: Backend, clock: Clock) -> None:
    """The sweep never ends a conversation: it looks again under the locks."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    await parley.reach(*(member.id for member in room.members))
    clock.forward(minutes=5)
    assert not await unreached(parley, room)
    assert await parley.open_match(ada) == room


async def test_a_suspended_survivor_is_not_queued(parley: Backend, clock: Clock) -> None:
    """The way round a suspension does not lead through a lost partner."""
    ada, bob = await parley.people(2)
    room = await parley.match(ada, bob)
    seat = room.seat_of(ada)
    assert seat is not None
    await parley.reach(seat.id)
    await parley.suspend(ada)
    clock.forward(seconds=5)
    assert await unreached(parley, room)
    assert await parley.waiting(ada) is None


async def test_a_skip_while_detached_waits_for_the_socket(parley: Backend, clock: Clock) -> None:
    """A skip by plain HTTP puts nobody into a match whose events nobody reads."""
    ada, bob, eve = await parley.people(3)
    room = await parley.match(ada, bob)
    await parley.detach(ada)
    ticket = await parley.skip(ada, room.id)
    assert ticket is not None
    (refused,) = await parley.commit((ticket, await parley.join(eve)))
    assert getattr(refused, "reason", None) == "DETACHED"
    assert ticket.preferences == ANYONE


# ------------------------------------------------------------------------------------------ the API

TICKET = "ticket { id status mode interests languages enqueuedAt widensAt room { id me { displayName } members { displayName } } }"
JOIN = f"""mutation ($input: JoinQueueInput!) {{ joinQueue(input: $input) {{ __typename
  ... on JoinQueueSuccess {{ {TICKET} }} ... on InvalidInputError {{ field message }}
  ... on AlreadyInMatchError {{ room {{ id me {{ displayName }} }} }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
SKIP = f"""mutation ($input: SkipInput!) {{ skip(input: $input) {{ __typename
  ... on SkipSuccess {{ {TICKET} }} ... on NotFoundError {{ message }} ... on SuspendedError {{ suspension {{ id }} }} }} }}"""
LEAVE = f"mutation {{ leaveQueue {{ ... on LeaveQueueSuccess {{ {TICKET} }} }} }}"


@strawberry.type
class Query(MatchmakingQuery, RoomsQuery):
    """What these tests ask."""


SCHEMA = strawberry.Schema(Query, MatchmakingMutation, config=StrawberryConfig(scalar_map={**SCALARS}))


async def ask(parley: Backend, user_id: UUID, operation: str, **given: object) -> Any:  # noqa: ANN401  # JSON
    """What the API answers the user; the only field of it."""
    parts: dict[str, Any] = dict.fromkeys(part.name for part in fields(Services))  # Matchmaking needs no others.
    parts |= {
        "transact": parley.database.transact,
        "read": parley.database.read,
        "clock": parley.clock,
        "new_id": uuid4,
    }
    parts |= {"skip_cooldown": COOLDOWN, "queue_changed": parley.matcher.poke}
    parts |= {"directory": Directory(CachedRooms(), parley.database.reading)}
    caller = Caller(user_id, uuid4(), SessionScope.FULL, parley.clock() + timedelta(minutes=15))
    context = Context(Services(**parts), caller, "203.0.113.7")
    result = await SCHEMA.execute(operation, {"input": given}, context_value=context)
    assert not result.errors
    assert result.data
    (answer,) = result.data.values()
    return answer


async def test_the_api_from_joining_to_skipping(parley: Backend, clock: Clock) -> None:
    """What a front end sends and gets, field by field, with nothing given but what it must."""
    ada, bob = await parley.person("Ada"), await parley.person("Bob")
    joined = await ask(parley, ada, JOIN)
    ticket = joined["ticket"]
    assert joined["__typename"] == "JoinQueueSuccess"
    assert ticket | {"id": None} == {
        "id": None,
        "status": "WAITING",
        "mode": "VIDEO",
        "interests": [],
        "languages": [],
        "enqueuedAt": "2026-11-21T09:30:00.000Z",
        "widensAt": "2026-11-21T09:30:10.000Z",
        "room": None,
    }
    assert await ask(parley, ada, f"{{ {TICKET} }}") == ticket
    changed = await ask(parley, ada, JOIN, mode="TEXT", interests=[" Go "], languages=["en-GB"], patience=120)
    assert (changed["ticket"]["id"], changed["ticket"]["interests"]) == (ticket["id"], ["go"])
    assert changed["ticket"]["languages"] == ["en-gb"]
    assert (await ask(parley, ada, LEAVE))["ticket"]["status"] == "CANCELLED"
    assert (await ask(parley, ada, LEAVE))["ticket"] is None
    assert await ask(parley, ada, f"{{ {TICKET} }}") is None
    room = await parley.match(ada, bob)
    again = await ask(parley, ada, JOIN)
    assert again == {"__typename": "AlreadyInMatchError", "room": {"id": str(room.id), "me": {"displayName": "Ada"}}}
    skipped = await ask(parley, ada, SKIP, roomId=str(room.id))
    assert (skipped["__typename"], skipped["ticket"]["status"]) == ("SkipSuccess", "WAITING")
    assert (await ask(parley, bob, SKIP, roomId=str(room.id), requeue=False))["ticket"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"interests": ["ok", ""]}, "interests"),
        ({"languages": ["english please"]}, "languages"),
        ({"patience": 121}, "patience"),
    ],
)
async def test_the_api_refuses_bad_wishes_and_changes_nothing(
    parley: Backend, given: dict[str, object], field: str
) -> None:
    """A mistake in a form is answered by the name of the field, and the ticket there is stays as it is."""
    ada = await parley.person()
    ticket = await parley.join(ada)
    answer = await ask(parley, ada, JOIN, **given)
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    assert await parley.waiting(ada) == ticket


@pytest.mark.parametrize("room_id", ["", "nonsense", "{00000000-0000-4000-8000-000000000000}", str(uuid4())])
async def test_the_api_knows_no_such_room(parley: Backend, room_id: str) -> None:
    """A malformed ID is answered like one that nobody has."""
    ada = await parley.person()
    assert (await ask(parley, ada, SKIP, roomId=room_id))["__typename"] == "NotFoundError"


async def test_the_api_tells_the_suspended_why(parley: Backend) -> None:
    """Who may not meet anyone learns of the suspension, not of an error."""
    ada = await parley.person()
    suspension = await parley.suspend(ada)
    assert await ask(parley, ada, JOIN) == {"__typename": "SuspendedError", "suspension": {"id": str(suspension.id)}}
