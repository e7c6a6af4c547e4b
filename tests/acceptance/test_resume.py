"""Lost sockets and lost servers: what was acknowledged arrives once, in order, or the client is told that it cannot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.acceptance import documents
from tests.acceptance.client import Person, Socket, Subscription
from tests.acceptance.cluster import Cluster, Deployment
from tests.acceptance.conftest import Newcomer, meet

if TYPE_CHECKING:
    from tests.acceptance.server import Server

SIGNALS = 150

pytestmark = pytest.mark.parametrize("deployment", list(Deployment), indirect=True, scope="module")
"""Whoever comes back may come to another process: a balancer without stickiness is one of the deployments."""


async def test_a_socket_lost_in_the_middle_of_a_negotiation_loses_and_repeats_no_signal(
    newcomer: Newcomer, interest: str
) -> None:
    """A phone that changes from Wi-Fi to mobile data drops its socket in the middle of trickling: one lost candidate may be the
    only one that would have worked, and an answer twice breaks the peer connection.
    """
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    sending = asyncio.create_task(_send_numbered(ben, other_seat.partner_id, SIGNALS))
    heard: list[str] = []
    cursor: str | None = seat.cursor
    for enough in (30, 60, 90, SIGNALS):
        socket = await ada.connect()
        events = await socket.subscribe(documents.EVENTS, after=cursor)
        cursor = await _listen(events, heard, enough) or cursor
        await socket.abort()
    await sending
    assert heard == [str(number) for number in range(SIGNALS)]


async def test_signals_of_a_room_resume_by_themselves(newcomer: Newcomer, interest: str) -> None:
    """A front end that follows `signals(roomId)` and not `events` is owed the same."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    sending = asyncio.create_task(_send_numbered(ben, other_seat.partner_id, SIGNALS))
    heard: list[str] = []
    cursor: str | None = None
    for enough in (40, 80, SIGNALS):
        socket = await ada.connect()
        signals = await socket.subscribe(documents.SIGNALS, roomId=seat.room_id, after=cursor)
        cursor = await _listen(signals, heard, enough) or cursor
        await socket.abort()
    await sending
    assert heard == [str(number) for number in range(SIGNALS)]


async def test_a_client_that_sends_its_first_variables_again_resumes_by_connection_init(
    newcomer: Newcomer, interest: str
) -> None:
    """The graphql-ws client sends the variables of the first subscription after every reconnection, so a front end that puts the
    newest cursor into `connection_init` must not be thrown back to the old one.
    """
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    first_variable = seat.cursor
    await _send_numbered(ben, other_seat.partner_id, 10)
    heard: list[str] = []
    cursor = await _listen(ada.inbox, heard, 10)
    await _send_numbered(ben, other_seat.partner_id, 20, start=10)
    socket = await ada.connect(after=cursor)
    await _listen(await socket.subscribe(documents.EVENTS, after=first_variable), heard, 20)
    assert heard == [str(number) for number in range(20)]


async def test_an_offer_sent_before_the_other_side_listened_is_not_lost(newcomer: Newcomer, interest: str) -> None:
    """The impolite side offers at once; the polite side's page may still be asking for the camera."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    await ben.send(other_seat.partner_id, {"offer": {"sdp": "early\r\n"}})
    signals = await (await ada.connect()).subscribe(documents.SIGNALS, roomId=seat.room_id)
    assert (await signals.next())["signal"] == {"__typename": "Offer", "sdp": "early\r\n"}


async def test_a_match_made_while_the_socket_was_away_is_told_afterwards(newcomer: Newcomer, interest: str) -> None:
    """Whoever reconnects a moment after being matched would otherwise sit in a room without knowing it."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    cursor = ada.inbox.cursor
    seat, _ = await meet(ada, ben, interest)
    events = await (await ada.connect()).subscribe(documents.EVENTS, after=cursor)
    assert (await events.until("Matched"))["room"]["id"] == seat.room_id
    assert [event["__typename"] for event in events.seen] == ["QueueJoined", "Matched"]


async def test_every_tab_is_told_everything(newcomer: Newcomer, interest: str) -> None:
    """Two tabs of one user are both shown the match, whichever of them pressed the button."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    second_tab = await (await ada.connect()).subscribe(documents.EVENTS)
    await second_tab.until("MatchSnapshot")
    seat, _ = await meet(ada, ben, interest)
    assert (await second_tab.until("Matched"))["cursor"] == seat.cursor


async def test_a_killed_server_comes_back_and_people_go_on(
    server: Server | Cluster, newcomer: Newcomer, interest: str
) -> None:
    """After a crash nobody signs in again, nobody loses the person they were talking to, and every client whose inbox was lost with
    the server's memory knows that it has to ask where things stand.
    """
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    sockets = [await person.connect() for person in (ada, ben)]
    server.kill()
    assert [(await socket.closed()).code for socket in sockets] == [1006, 1006]
    server.start()

    state = await ada.state()
    assert state["me"]["user"]["displayName"] == "Ada", "the access token is still good"
    assert [room["id"] for room in state["rooms"]] == [seat.room_id], "the seats are held"
    assert (await ben.refresh())["__typename"] == "RefreshSessionSuccess"

    events = await _resume(ada, seat.cursor, server)
    other_events = await _resume(ben, other_seat.cursor, server)
    await ada.send(seat.partner_id, {"offer": {"sdp": "again\r\n"}})
    assert (await other_events.until("SignalReceived"))["signal"]["sdp"] == "again\r\n"
    await ben.send(other_seat.partner_id, {"answer": {"sdp": "here\r\n"}})
    assert (await events.until("SignalReceived"))["signal"]["sdp"] == "here\r\n"
    for resumed in (events, other_events):
        assert [event["__typename"] for event in resumed.seen].count("ResyncRequired") == server.forgetful


async def test_somebody_who_waits_when_the_server_is_killed_keeps_the_place(
    server: Server | Cluster, newcomer: Newcomer, interest: str
) -> None:
    """A restart must not send everybody to the end of the queue, or leave them waiting in none."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    before = (await ada.join(interest))["ticket"]
    server.kill()
    server.start()
    assert (await ada.state())["ticket"] == before
    await _resume(ada, str(ada.inbox.cursor), server)
    await ben.leave()
    await ben.arrive()
    await ben.join(interest)
    assert (await ben.matched()).partner_name == "Ada"


async def _resume(person: Person, cursor: str, server: Server | Cluster) -> Subscription:
    """Reconnects with a cursor of the server's last life. Kept in PostgreSQL it is as good as ever."""
    events = await (await person.connect()).subscribe(documents.EVENTS, after=cursor)
    if server.forgetful:
        assert (await events.next())["__typename"] == "ResyncRequired"
    return events


async def _send_numbered(sender: Person, to: str, end: int, *, start: int = 0) -> None:
    """Signals whose `callId` counts, over a socket of their own, one after the other."""
    socket: Socket = await sender.connect()
    for number in range(start, end):
        signal = {"candidates": {"candidates": [{"candidate": f"candidate:{number}", "sdpMid": "0"}]}}
        payload = await socket.run(documents.SEND_SIGNAL, input={"to": to, "signal": signal, "callId": str(number)})
        assert payload["__typename"] == "SendSignalSuccess"
    await socket.close()


async def _listen(events: Subscription, heard: list[str], enough: int) -> str | None:
    """Adds the numbers of signals to `heard` until there are `enough`; returns where the reading stopped."""
    while len(heard) < enough:
        event = await events.until("SignalReceived")
        heard.append(event["callId"])
    return events.cursor
