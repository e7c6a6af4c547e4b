"""What others got wrong, each named after what the user would have suffered (DESIGN section 12), seen through the API."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, Closed, GraphQLFailure, Person, Socket
from tests.acceptance.cluster import Cluster
from tests.acceptance.conftest import Newcomer, meet
from tests.acceptance.server import Server
from tests.stream_client import EVENTS, PAYLOADS, Response, request
from tests.waiting import Stopwatch

RESUME = 4
SETTINGS = {"resume_seconds": RESUME, "rate_limits": "off"}
"""A resume window that is short enough to wait for, and longer than the 3 s after which somebody is shown as AWAY."""

# ------------------------------------------------------------------------------------------ matchmaking


async def test_reconnecting_with_the_same_account_is_not_thrown_out_when_the_old_socket_closes(
    newcomer: Newcomer, interest: str
) -> None:
    """A phone's new socket opens before the old one is known to be dead; closing the old one must not take the new one along."""
    ada, ben = await newcomer("Ada", present=False), await newcomer("Ben")
    old = await ada.connect()
    await ada.arrive()
    await ada.join(interest)
    await old.abort()
    await ben.join(interest)
    assert (await ada.matched()).partner_name == "Ben"


async def test_partner_of_a_leaver_and_the_next_in_line_are_both_still_matched(
    newcomer: Newcomer, interest: str
) -> None:
    """Somebody leaves a match: neither the one left behind nor the next who joins may drop out of the queue for good."""
    ada, ben, cleo = [await newcomer(name) for name in ("Ada", "Ben", "Cleo")]
    seat, _ = await meet(ada, ben, interest)
    await ada.skip(seat.room_id, requeue=False)
    await ben.inbox.until("MatchEnded", matchEndReason="PARTNER_LEFT")
    ben_seat, cleo_seat = await meet(ben, cleo, interest)
    assert (ben_seat.partner_name, cleo_seat.partner_name) == ("Cleo", "Ben")


async def test_head_of_queue_in_cooldown_with_everyone_does_not_block_others(newcomer: Newcomer, interest: str) -> None:
    """The one who waits longest may meet nobody just now; the two behind must not wait for that."""
    ada, ben, cleo = [await newcomer(name) for name in ("Ada", "Ben", "Cleo")]
    for partner in (ben, cleo):
        seat, _ = await meet(ada, partner, interest)
        await ada.skip(seat.room_id, requeue=False)
    await ada.join(interest)
    ben_seat, _ = await meet(ben, cleo, interest)
    assert ben_seat.partner_name == "Cleo"
    assert (await ada.state())["ticket"]["status"] == "WAITING"


async def test_cooldown_survives_a_reconnect(newcomer: Newcomer, interest: str) -> None:
    """Whoever was skipped must not come back by reloading the page."""
    ada, ben, cleo, dan = [await newcomer(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    seat, _ = await meet(ada, ben, interest)
    await ada.skip(seat.room_id, requeue=False)
    for person in (ada, ben):
        await person.leave()
        await person.arrive()
        await person.join(interest)
    # Both wait and are each other's oldest candidate. The next two find them still there, so nothing brought them together.
    await cleo.join(interest)
    assert (await ada.matched()).partner_name == "Cleo"
    await dan.join(interest)
    assert (await ben.matched()).partner_name == "Dan"


async def test_both_skip_at_once_and_both_are_queued_again(newcomer: Newcomer, interest: str) -> None:
    """Two people who do not like each other press the button at the same moment: neither may be left in nothing."""
    for _ in range(5):
        ada, ben = await newcomer("Ada"), await newcomer("Ben")
        seat, _ = await meet(ada, ben, interest)
        answers = await asyncio.gather(ada.skip(seat.room_id), ben.skip(seat.room_id))
        assert [answer["__typename"] for answer in answers] == ["SkipSuccess"] * 2
        for person, answer in zip((ada, ben), answers, strict=True):
            state = await person.state()
            assert (state["ticket"], state["rooms"]) == (answer["ticket"], [])
            await person.run(documents.LEAVE)


async def test_the_first_match_after_many_does_not_hang(newcomer: Newcomer, interest: str) -> None:
    """A lock taken twice hangs a server at its first match; a lock forgotten hangs it at the second."""
    people = [await newcomer(f"Person {number}") for number in range(6)]
    await asyncio.gather(*(person.join(interest) for person in people))
    seats = await asyncio.gather(*(person.matched() for person in people))
    assert sorted(seat.room_id for seat in seats) == sorted([*{seat.room_id for seat in seats}] * 2)


async def test_a_reload_keeps_the_place_in_the_queue(newcomer: Newcomer, interest: str) -> None:
    """After ten minutes of waiting, a flaky network must not send anybody to the end."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    before = (await ada.join(interest))["ticket"]
    await ada.leave()
    await ada.arrive()
    assert (await ada.state())["ticket"] == before
    await ben.join(interest)
    assert (await ada.matched()).partner_name == "Ben"


async def test_nobody_is_matched_with_somebody_who_is_gone(newcomer: Newcomer, interest: str) -> None:
    """The ghost at the head of the queue: everybody who joins would look at a black picture."""
    ada, ben, cleo = [await newcomer(name) for name in ("Ada", "Ben", "Cleo")]
    await ada.join(interest)
    cursor = ada.inbox.cursor
    await ada.leave()
    await _settled(ben)
    ben_seat, _ = await meet(ben, cleo, interest)
    assert ben_seat.partner_name == "Cleo"
    async with asyncio.timeout(RESUME + 10):
        while (await ada.state())["ticket"] is not None:
            await asyncio.sleep(0.2)
    events = await (await ada.connect()).subscribe(documents.EVENTS, after=cursor)
    assert (await events.until("QueueLeft"))["queueLeaveReason"] == "CONNECTION_LOST"


async def _settled(person: Person) -> None:
    """Waits until the server has noticed who is gone: figures are at most a second old, so two equal ones are settled."""
    before = -1
    async with asyncio.timeout(15):
        while (online := (await person.ask(documents.STATS))["stats"]["online"]) != before:
            before = online
            await asyncio.sleep(1.1)


async def test_partner_whose_connection_is_lost_for_good_ends_the_match(newcomer: Newcomer, interest: str) -> None:
    """Whoever talks to a frozen picture is told: first that the other is away, then that it is over."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)
    await ada.leave()
    away = await ben.inbox.until("MemberUpdated")
    assert (away["member"]["id"], away["member"]["status"]) == (seat.member_id, "AWAY")
    assert (await ben.inbox.until("MemberLeft", within=RESUME + 5))["memberLeaveReason"] == "CONNECTION_LOST"
    assert (await ben.inbox.until("MatchEnded"))["matchEndReason"] == "PARTNER_LOST"
    assert (await ben.state())["rooms"] == []


# ------------------------------------------------------------------------------------------ signaling


async def test_signal_to_one_member_reaches_nobody_else(newcomer: Newcomer, interest: str) -> None:
    """SDP shows IP addresses: a private offer that the whole server hears is a leak."""
    ada, ben, cleo, dan = [await newcomer(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    ada_seat, ben_seat = await meet(ada, ben, f"{interest} 1")
    cleo_seat, dan_seat = await meet(cleo, dan, f"{interest} 2")
    await ada.send(ada_seat.partner_id, {"offer": {"sdp": "private"}})
    seats = {ada: ben_seat, cleo: dan_seat, dan: cleo_seat}
    for listener, partner_seat in seats.items():
        partner = {ada: ben, cleo: dan, dan: cleo}[listener]
        await partner.send(partner_seat.partner_id, {"hangUp": {"reason": "ENDED"}})
        first = await listener.inbox.until("SignalReceived")
        assert first["signal"] == {"__typename": "HangUp", "reason": "ENDED"}, f"{listener.name} overheard something"
    assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == "private"


async def test_sender_cannot_be_forged(newcomer: Newcomer, interest: str) -> None:
    """Nobody can send an offer in somebody else's name: there is no such input, and the server stamps the sender."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    for forged in ("from", "sender", "senderId"):
        with pytest.raises(GraphQLFailure) as failure:
            await ada.send(seat.partner_id, {"offer": {"sdp": "forged"}}, **{forged: other_seat.member_id})
        assert failure.value.codes <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
    await ada.send(seat.partner_id, {"offer": {"sdp": "honest"}})
    event = await ben.inbox.until("SignalReceived")
    assert (event["signal"]["sdp"], event["sender"]["id"]) == ("honest", seat.member_id)


async def test_only_one_side_is_told_to_offer(newcomer: Newcomer, interest: str) -> None:
    """Two offers at once (glare) leave both sides waiting for an answer."""
    people = [await newcomer(f"Person {number}") for number in range(6)]
    for one, other in zip(people[::2], people[1::2], strict=True):
        seat, other_seat = await meet(one, other, f"{interest} {one.name}")
        assert [seat.polite, other_seat.polite].count(False) == 1
        for person, of in ((one, seat), (other, other_seat)):
            room = (await person.ask(documents.ROOM, id=of.room_id))["room"]
            shown = {member["id"]: member["polite"] for member in room["members"]}
            assert shown == {of.member_id: False, of.partner_id: of.polite}


async def test_a_stranger_is_somebody_else_in_the_next_match(newcomer: Newcomer, interest: str) -> None:
    """An ID that stays the same lets people follow a stranger from one match to the next."""
    ada, ben, cleo = [await newcomer(name) for name in ("Ada", "Ben", "Cleo")]
    seat, other_seat = await meet(ada, ben, interest)
    await ada.skip(seat.room_id, requeue=False)
    again, _ = await meet(ada, cleo, interest)
    assert again.member_id != seat.member_id
    me = (await ada.ask(documents.ME))["me"]
    assert other_seat.partner_id not in (me["id"], me["user"]["id"])


async def test_after_the_end_a_room_is_a_tombstone(newcomer: Newcomer, interest: str) -> None:
    """Who skipped somebody stays invisible to them, and cannot be reached any more."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    await ada.skip(seat.room_id, requeue=False)
    ended = await ben.inbox.until("MatchEnded")
    assert (ended["room"]["members"], ended["room"]["me"]) == ([], None)
    answer = await ben.send(other_seat.partner_id, {"offer": {"sdp": "too late"}})
    assert answer["__typename"] == "NotFoundError"


async def test_a_client_that_stops_reading_delays_nobody_else(newcomer: Newcomer, interest: str) -> None:
    """A laptop that is shut holds its connection open and takes nothing: a server that waits for it stands still for all."""
    ada, ben, cleo, dan = [await newcomer(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    _, ben_seat = await meet(ada, ben, f"{interest} 1")
    cleo_seat, _ = await meet(cleo, dan, f"{interest} 2")
    frozen = await ada.connect()
    await frozen.subscribe(documents.EVENTS)
    frozen.connection.transport.pause_reading()
    try:
        for _ in range(12):
            await ben.send(ben_seat.partner_id, {"offer": {"sdp": "x" * 60_000}})
        async with asyncio.timeout(12):
            await cleo.send(cleo_seat.partner_id, {"offer": {"sdp": "prompt"}})
            assert (await dan.inbox.until("SignalReceived"))["signal"]["sdp"] == "prompt"
    finally:
        await frozen.abort()


# ------------------------------------------------------------------------------------------ malformed messages

MALFORMED = {
    "an array": "[]",
    "null": "null",
    "a number": "1",
    "a string": '"subscribe"',
    "nothing": "",
    "no JSON": "{",
    "no type": "{}",
    "an unknown type": '{"type":"start","id":"1"}',
    "a type that is no string": '{"type":["subscribe"]}',
    "a numeric ID": '{"id":1,"type":"subscribe","payload":{"query":"{stats{online}}"}}',
    "an unhashable ID": '{"id":[],"type":"subscribe","payload":{"query":"{stats{online}}"}}',
    "no payload": '{"id":"1","type":"subscribe"}',
    "a null payload": '{"id":"1","type":"subscribe","payload":null}',
    "a query that is no string": '{"id":"1","type":"subscribe","payload":{"query":5}}',
    "variables that are no object": '{"id":"1","type":"subscribe","payload":{"query":"{stats{online}}","variables":[]}}',
    "JSON that is nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED)
async def test_one_malformed_message_does_not_kill_the_server(frame: str, api: Api) -> None:
    """One broken client must not throw out everybody: its own socket is closed with the protocol's code, others are served on."""
    bystander = await Socket.open(api.url)
    broken = await Socket.open(api.url)
    await broken.send_text(frame)
    assert (await broken.closed()).code == 4400
    assert "online" in await bystander.run(documents.STATS)
    await bystander.close()


BODIES = {
    "null": b"null",
    "a string": b'"x"',
    "a number": b"5",
    "a batch": b"[]",
    "invalid UTF-8": b'{"query":"\xff"}',
    "no JSON": b"{",
    "JSON that is nested too deeply": b"[" * 100_000,
    "no query": b"{}",
    "a syntax error": b'{"query":"{"}',
    "an unknown field": b'{"query":"{nothing}"}',
    "two megabytes": b'{"query":"' + b" " * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_malformed_request_is_answered_in_json_with_a_code(body: bytes, api: Api) -> None:
    """A front end shows what went wrong from `extensions.code`; an HTML page or a broken connection tells it nothing."""
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    answer = await api.http.post("/graphql", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
    assert codes <= {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}


async def test_a_syntax_error_ends_one_operation_and_not_the_socket(newcomer: Newcomer) -> None:
    """A developer mistypes a query in GraphiQL and keeps the subscriptions of the other tabs."""
    ada = await newcomer("Ada")
    socket = await ada.connect()
    with pytest.raises(GraphQLFailure) as failure:
        await socket.run("subscription {")
    assert failure.value.codes == {"GRAPHQL_PARSE_FAILED"}
    assert "online" in await socket.run(documents.STATS)


async def test_a_page_of_another_site_may_not_open_a_socket(api: Api) -> None:
    """Otherwise any web page that somebody visits could talk to a Parley server in their network."""
    with pytest.raises(Exception, match=r"403|1008"):
        await Socket.open(api.url, origin="https://evil.example")
    own = await Socket.open(api.url, origin="http://localhost:5173")
    assert "online" in await own.run(documents.STATS)
    await own.close()


async def operator(newcomer: Newcomer, server: Server | Cluster, name: str) -> Person:
    """Somebody who judges, made by hand."""
    person = await newcomer(name, present=False)
    connection = await asyncpg.connect(server.dsn)
    try:
        user_id = person.session["user"]["id"]
        await connection.execute("UPDATE account SET operator_role = 'MODERATOR' WHERE id = $1", user_id)
    finally:
        await connection.close()
    return person


async def test_a_suspension_is_told_everywhere_before_it_ends_what_is_open_within_two_seconds(
    newcomer: Newcomer, apis: list[Api], server: Server | Cluster, interest: str
) -> None:
    """Whoever is suspended reads why on every tab, whichever worker holds it, may ask for a second look with what is left to them,
    and has everything back as soon as somebody says that it was wrong.
    """
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    judge, reviewer = [await operator(newcomer, server, name) for name in ("Olive", "Otto")]
    _, seat = await meet(ada, ben, interest)
    await ben.run(documents.REPORT, input={"memberId": seat.partner_id, "category": "HARASSMENT"})
    user_id = ada.session["user"]["id"]
    (edge,) = (await judge.ask(documents.CASES, subjectId=user_id))["cases"]["edges"]
    case_id = edge["node"]["id"]
    await judge.run(documents.CLAIM_CASE, input={"caseId": case_id})
    async with AsyncExitStack() as open_:
        tabs = [ada.inbox]
        streams: list[Response] = []
        for api in {api.url: api for api in apis}.values():
            socket = await Socket.open(api.url, ada.token)
            tabs.append(await socket.subscribe(documents.EVENTS))
            await tabs[-1].until("MatchSnapshot")
            port = httpx.URL(api.base).port
            assert port is not None
            asked = request(port, documents.EVENTS, PAYLOADS if streams else EVENTS, token=ada.token)
            streams.append(await open_.enter_async_context(asked))
            await streams[-1].to(b"MatchSnapshot")
        with Stopwatch() as watch:
            sentence = {"caseId": case_id, "decision": "SUSPEND", "reason": "Be kind.", "duration": {"hours": 24}}
            decided = await judge.run(documents.DECIDE_CASE, input=sentence)
            for tab in tabs:
                await tab.until("Suspended")
                with pytest.raises(Closed) as closed:
                    await tab.next()
                assert closed.value.code == 4403
            for stream in streams:
                assert b'"Suspended"' in await stream.rest()
                assert stream.finished is False
            assert watch.seconds < 2
    await ada.refresh()
    assert ada.session["scope"] == "APPEAL_ONLY"
    socket = await ada.connect()
    with pytest.raises(GraphQLFailure) as forbidden:
        await ada.join(interest)
    assert forbidden.value.codes == {"FORBIDDEN"}
    asked_for = {"suspensionId": decided["case"]["suspension"]["id"], "statement": "It was a joke."}
    appeal = (await ada.run(documents.APPEAL, input=asked_for))["appeal"]
    judgement = {"appealId": appeal["id"], "overturn": True, "reason": "It was."}
    assert (await judge.run(documents.DECIDE_APPEAL, input=judgement))["__typename"] == "NotAllowedError"
    overturned = await reviewer.run(documents.DECIDE_APPEAL, input=judgement)
    assert overturned["case"]["status"] == "OVERTURNED"
    assert (await socket.closed()).code == 4403
    await ada.refresh()
    assert ada.session["scope"] == "FULL"
    await ada.arrive()
    assert (await ada.join(interest))["__typename"] == "JoinQueueSuccess"


async def test_signing_out_closes_every_tab(newcomer: Newcomer) -> None:
    """Signed out means signed out: also in the tab that one forgot on somebody else's computer."""
    ada = await newcomer("Ada")
    other_tab = await ada.connect()
    await ada.run(documents.SIGN_OUT)
    assert (await other_tab.closed()).code == 4401
    with pytest.raises(Closed) as closed:
        await ada.inbox.until("MatchEnded")
    assert closed.value.code == 4401


async def test_signing_out_ends_streams_and_sockets_at_another_worker_within_two_seconds(
    newcomer: Newcomer, apis: list[Api]
) -> None:
    """Whoever signs out cannot know which worker holds the tab that they forgot, nor by which way it hears."""
    ada = await newcomer("Ada", present=False)
    here, there = apis[0], apis[-1]
    port = httpx.URL(there.base).port
    assert port is not None
    async with (
        request(port, documents.EVENTS, token=ada.token) as events,
        request(port, documents.EVENTS, PAYLOADS, token=ada.token) as parts,
    ):
        tab = await Socket.open(there.url, ada.token)
        shown = await tab.subscribe(documents.EVENTS)
        await shown.until("MatchSnapshot")
        await events.to(b"MatchSnapshot")
        await parts.to(b"MatchSnapshot")
        with Stopwatch() as watch:
            await here.run(documents.SIGN_OUT, ada.token)
            assert b"UNAUTHENTICATED" in await events.rest()
            assert b"UNAUTHENTICATED" in await parts.rest()
            assert (await tab.closed()).code == 4401
            assert watch.seconds < 2
    assert events.finished
    assert parts.finished
