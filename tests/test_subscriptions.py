"""The streams of the inbox: what they begin with, what they tell, and when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.chat import Message
from domain.events import (
    Event,
    Matched,
    MatchEnded,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MessageSent,
    QueueJoined,
    QueueLeft,
    SignalReceived,
    UserSuspended,
)
from domain.identity import SessionScope
from domain.inbox import Position
from domain.matchmaking.ticket import QueueLeaveReason
from domain.rooms.room import (
    MatchEndReason,
    MemberLeaveReason,
)
from domain.safety.suspension import Suspension, SuspensionScope
from domain.signaling import HangUp, IceCandidate, IceCandidates, Offer
from persistence.inbox.memory import RETENTION
from schema.cursors import inbox_cursor, inbox_position, message_cursor
from schema.subscriptions import RealtimeSubscription
from tests.stream_world import ADA, World, a_room, a_ticket, stream_world
from tests.world import START


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A started worker."""
    async with stream_world() as made:
        yield made


# ------------------------------------------------------------------------------------------ where streams begin


@pytest.mark.parametrize("operation", ["events", "matchEvents"])
async def test_it_begins_with_where_the_viewer_stands(world: World, operation: str) -> None:
    """One event tells a front end which screen to show, and that nothing is missed from here on."""
    room = a_room()
    world.ticket, world.match = a_ticket(), room
    world.put(QueueJoined(world.ticket))  # told in the snapshot, not again
    stream = await world.follow(operation)
    snapshot = await stream.next()
    assert snapshot["__typename"] == "MatchSnapshot"
    assert snapshot["waitingTicket"] == {"id": str(world.ticket.id)}
    assert snapshot["currentRoom"] == {
        "id": str(room.id),
        "members": [{"displayName": "member 0"}, {"displayName": "member 1"}],
    }
    world.has(room)
    world.put(MatchEnded(room.id, MatchEndReason.PARTNER_LEFT))
    ended = await stream.next()
    assert ended["__typename"] == "MatchEnded"
    assert inbox_position(ended["cursor"]).seq == inbox_position(snapshot["cursor"]).seq + 1
    await stream.close()


async def test_what_happens_while_the_state_is_read_is_told(world: World) -> None:
    """Being matched in the moment of connecting does not leave a user in front of a spinner."""
    room = world.has(a_room())
    world.while_reading = lambda: world.put(Matched(a_ticket(), room.id, room.members[1].id))
    stream = await world.follow("matchEvents")
    assert await stream.kinds(2) == ["MatchSnapshot", "Matched"]
    await stream.close()


async def test_every_event_shows_what_it_is_about(world: World) -> None:
    """All kinds come through `events`, in the order of the commits, with state as it is now for the viewer."""
    room, ticket = world.has(a_room()), a_ticket()
    ada, ben = room.members
    suspension = Suspension(uuid4(), ADA, SuspensionScope.ALL, "Be kind.", None, False, START, None, None)  # noqa: FBT003  # a column
    signal_id = uuid4()
    candidates = IceCandidates((IceCandidate("", "0"),), end_of_candidates=True)
    stream = await world.follow("events")
    await stream.next()
    world.put(
        QueueJoined(ticket),
        QueueLeft(ticket, QueueLeaveReason.LEFT),
        Matched(ticket, room.id, ben.id),
        SignalReceived(signal_id, room.id, ben.id, "call", Offer("v=0\r\n")),
        SignalReceived(uuid4(), room.id, ben.id, None, candidates),
        SignalReceived(uuid4(), room.id, ben.id, None, HangUp()),
        MemberJoined(room.id, ben.id),
        MemberUpdated(room.id, ben.id),
        MemberLeft(room.id, ben.id, MemberLeaveReason.LEFT),
        MatchEnded(room.id, MatchEndReason.PARTNER_LEFT),
        UserSuspended(suspension),
    )
    world.directory.batches.clear()
    told = [await stream.next() for _ in range(11)]
    assert world.directory.batches == [{room.id}], "one batch of rooms for the whole page"
    seqs = [inbox_position(event.pop("cursor")).seq for event in told]
    assert seqs == list(range(seqs[0], seqs[0] + 11))
    assert {event.pop("at") for event in told} == {"2026-11-21T09:30:00.000Z"}
    ticket_seen, room_seen, ben_seen = {"id": str(ticket.id)}, {"id": str(room.id)}, {"id": str(ben.id)}
    assert told == [
        {"__typename": "QueueJoined", "ticket": ticket_seen},
        {"__typename": "QueueLeft", "ticket": ticket_seen, "queueLeaveReason": "LEFT"},
        {
            "__typename": "Matched",
            "ticket": ticket_seen,
            "room": {"id": str(room.id), "me": {"id": str(ada.id)}},
            "partner": {"id": str(ben.id), "polite": True},
        },
        {
            "__typename": "SignalReceived",
            "id": str(signal_id),
            "room": room_seen,
            "sender": ben_seen,
            "callId": "call",
            "signal": {"__typename": "Offer", "sdp": "v=0\r\n"},
        },
        {
            "__typename": "SignalReceived",
            "id": told[4]["id"],
            "room": room_seen,
            "sender": ben_seen,
            "callId": None,
            "signal": {
                "__typename": "IceCandidates",
                "candidates": [{"candidate": "", "sdpMid": "0"}],
                "endOfCandidates": True,
            },
        },
        {
            "__typename": "SignalReceived",
            "id": told[5]["id"],
            "room": room_seen,
            "sender": ben_seen,
            "callId": None,
            "signal": {"__typename": "HangUp", "reason": "ENDED"},
        },
        {"__typename": "MemberJoined", "room": room_seen, "member": ben_seen},
        {
            "__typename": "MemberUpdated",
            "room": room_seen,
            "member": {"id": str(ben.id), "media": {"camera": False}, "typing": False},
        },
        {
            "__typename": "MemberLeft",
            "room": room_seen,
            "member": {"id": str(ben.id), "status": "ONLINE"},  # The directory of this test does not know that he left.
            "memberLeaveReason": "LEFT",
        },
        {
            "__typename": "MatchEnded",
            "room": {
                "id": str(room.id),
                "members": [{"id": str(m.id)} for m in room.members],
                "me": {"id": str(ada.id)},
            },
            "matchEndReason": "PARTNER_LEFT",
        },
        {"__typename": "Suspended", "suspension": {"id": str(suspension.id)}},
    ]
    await stream.close()


async def test_a_message_is_shown_to_those_inside_while_it_is_there(world: World) -> None:
    """After leaving, or once the message was deleted, its event is passed over: what it held is nobody's any more."""
    room = world.has(a_room())
    ben = room.members[1]
    messages = [Message(uuid4(), room.id, n, ben.id, str(n), b"sealed", None, None, START) for n in (1, 2, 3)]
    world.said = {m.id: m for m in messages}
    stream = await world.follow("events")
    await stream.next()
    del world.said[messages[1].id]
    world.put(*(MessageSent(room.id, m.id, m.seq) for m in messages))
    for message in (messages[0], messages[2]):
        event = await stream.next()
        assert inbox_position(event.pop("cursor")).seq == message.seq
        assert event == {
            "__typename": "MessageSent",
            "at": "2026-11-21T09:30:00.000Z",
            "room": {"id": str(room.id)},
            "edge": {
                "cursor": message_cursor(room.id, message.seq),
                "node": {"id": str(message.id), "sender": {"id": str(ben.id), "status": "ONLINE"}},
            },
        }
    world.has(replace(room, members=(replace(room.members[0], left_at=START), ben)))
    world.put(MessageSent(room.id, messages[0].id, 1), MessageSent(uuid4(), messages[0].id, 1), QueueJoined(a_ticket()))
    assert await stream.kinds(1) == ["QueueJoined"]
    await stream.close()


async def test_typing_that_lapses_is_not_remembered(world: World) -> None:
    """A partner who stopped writing is not shown as writing by the next event, although the room is the same."""
    room = a_room()
    typing = replace(room.members[1], typing_until=START + timedelta(seconds=6))
    room = world.has(replace(room, members=(room.members[0], typing)))
    stream = await world.follow("presence", room=room)
    await stream.next()
    world.put(MemberUpdated(room.id, typing.id))
    assert (await stream.next())["member"]["typing"] is True
    world.now += timedelta(seconds=7)
    world.put(MemberUpdated(room.id, typing.id))
    assert (await stream.next())["member"]["typing"] is False
    await stream.close()


async def test_an_event_of_a_room_that_is_gone_is_left_out(world: World) -> None:
    """A deleted room does not break the stream of everybody who was in it."""
    stream = await world.follow("events")
    await stream.next()
    world.put(MatchEnded(uuid4(), MatchEndReason.YOU_LEFT), QueueJoined(a_ticket()))
    assert await stream.kinds(1) == ["QueueJoined"]
    await stream.close()


async def test_the_matcher_learns_that_a_match_was_delivered(world: World) -> None:
    """A user whose `Matched` never left the server is not kept in a match with nobody; one who saw it is not thrown out."""
    room = world.has(a_room())
    world.match = room
    info = type("Info", (), {"context": world.context})
    result = await RealtimeSubscription().match_events(info)
    snapshot = await anext(result)
    world.put(Matched(a_ticket(), room.id, room.members[1].id))
    matched = await anext(result)
    assert world.reached == []
    snapshot.on_delivered()
    assert world.reached == [room.members[0].id]
    matched.on_delivered()
    assert world.reached == [room.members[0].id] * 2
    await result.aclose()


# ------------------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("operation", ["events", "matchEvents"])
async def test_a_cursor_goes_on_without_loss_or_repeat(world: World, operation: str) -> None:
    """After a lost connection a client is told what it missed, and only that."""
    stream = await world.follow(operation)
    cursor = (await stream.next())["cursor"]
    for _ in range(3):
        tickets = [a_ticket() for _ in range(2)]
        world.put(*map(QueueJoined, tickets))
        seen = await stream.next()
        assert seen["ticket"]["id"] == str(tickets[0].id)
        await stream.close()
        stream = await world.follow(operation, after=seen["cursor"])
        rest = await stream.next()
        assert rest["ticket"]["id"] == str(tickets[1].id)
        cursor = rest["cursor"]
    assert inbox_position(cursor).seq == 6
    await stream.close()


@pytest.mark.parametrize("operation", ["events", "matchEvents", "signals"])
async def test_a_cursor_from_before_a_restart_asks_for_a_resync_and_goes_on(world: World, operation: str) -> None:
    """When the server was restarted the client is told to look again, instead of waiting for what is gone."""
    room = world.has(a_room())
    old = inbox_cursor(Position(1, 5))
    stream = await world.follow(operation, room=room if operation == "signals" else None, after=old)
    resync = await stream.next()
    assert resync["__typename"] == "ResyncRequired"
    event: Event = QueueJoined(a_ticket())
    if operation == "signals":
        event = SignalReceived(uuid4(), room.id, room.members[1].id, None, HangUp())
    world.put(event)
    assert inbox_position((await stream.next())["cursor"]).seq == inbox_position(resync["cursor"]).seq + 1
    await stream.close()


async def test_a_reader_that_is_too_slow_is_told_so(world: World) -> None:
    """A frozen tab that comes back knows that it missed something."""
    stream = await world.follow("events")
    await stream.next()
    world.put(QueueJoined(a_ticket()))
    world.now += RETENTION
    assert await stream.kinds(1) == ["ResyncRequired"]
    world.put(QueueJoined(a_ticket()))
    assert await stream.kinds(1) == ["QueueJoined"]
    world.inbox.renew([ADA])
    assert await stream.kinds(1) == ["ResyncRequired"]
    await stream.close()


async def test_the_cursor_of_the_connection_wins_for_events_only(world: World) -> None:
    """graphql-ws sends its first variables again after a reconnection: without this, everything would be told twice."""
    start = await world.inbox.end(ADA)
    tickets = [a_ticket() for _ in range(2)]
    world.put(*map(QueueJoined, tickets))
    first, later = inbox_cursor(start), inbox_cursor(Position(start.epoch, 1))
    world.after = later
    stream = await world.follow("events", after=first)
    assert (await stream.next())["ticket"]["id"] == str(tickets[1].id)
    await stream.close()
    stream = await world.follow("matchEvents", after=first)
    assert (await stream.next())["ticket"]["id"] == str(tickets[0].id)
    await stream.close()
    world.after = None
    for operation in ("events", "matchEvents"):
        stream = await world.follow(operation, after="bm90IG91cnM")
        assert await stream.failed() == "BAD_USER_INPUT"


# ------------------------------------------------------------------------------------------ authority


async def test_a_session_that_was_revoked_is_told_no_more(world: World) -> None:
    """Whoever signs out on a lost phone stops that phone, even if its socket is still open."""
    stream = await world.follow("events")
    await stream.next()
    world.put(QueueJoined(a_ticket()))
    assert await stream.kinds(1) == ["QueueJoined"]
    assert world.session_reads == 1
    world.inbox.deliver((), [ADA], START)
    world.put(QueueJoined(a_ticket()))
    assert await stream.kinds(1) == ["QueueJoined"], "another change of what the user may do ends nothing"
    assert world.session_reads == 2
    world.revoked = True
    world.inbox.deliver([(ADA, QueueJoined(a_ticket()))], [ADA], START)
    assert await stream.failed() == "UNAUTHENTICATED"
    late = await world.follow("events")
    assert await late.failed() == "UNAUTHENTICATED"


async def test_streams_need_full_rights(world: World) -> None:
    """A suspended user, and nobody at all, are refused before anything is told."""
    world.caller = replace(world.caller, scope=SessionScope.APPEAL_ONLY)
    room = world.has(a_room())
    for operation in ("events", "matchEvents", "signals", "presence"):
        stream = await world.follow(operation, room=room if operation in {"signals", "presence"} else None)
        assert await stream.failed() == "FORBIDDEN"


async def test_an_outage_of_the_database_does_not_end_a_stream(world: World) -> None:
    """When PostgreSQL is restarted, open streams go on afterwards with nothing lost."""
    room = world.has(a_room())
    stream = await world.follow("events")
    await stream.next()
    world.directory.failures = 3
    world.put(MatchEnded(room.id, MatchEndReason.YOU_LEFT))
    assert await stream.kinds(1) == ["MatchEnded"]
    await stream.close()
