"""A wrong that is done to somebody, and its mirror, one that is made up: from the report to the last look, by real processes."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, Closed, GraphQLFailure, Person, Socket
from tests.acceptance.conftest import Newcomer, meet
from tests.acceptance.encryption import Party, end_to_end
from tests.encoding import base64
from tests.stream_client import request
from tests.test_field_authority import ROOTS, Rule, asked  # who may ask for what: there is one table
from tests.waiting import DEADLINE, Stopwatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.client import JSON, Subscription
    from tests.acceptance.cluster import Cluster
    from tests.acceptance.server import Server
    from tests.stream_client import Response

OUT_WITHIN = 2.0
"""Seconds from a decision until every socket of whom it suspends is closed."""
THREAT = "I know your school, \U0001f441. Send one more, or your mother sees the first."
COMMENT = "he says that he knows my school"
REASON = "Threatening somebody who says that they are a child. Our rules, section 2."
STATEMENT = "My little brother had my phone."
OVERTURNED = "The account of the brother is plausible."
ROLES = {"Olive": "moderator", "Otto": "moderator", "Astrid": "admin"}


@pytest.fixture(scope="module")
def tokens(server: Server | Cluster) -> dict[str, str]:
    """Of those who judge, by name: each added from the command line while the server runs, all at once."""
    with ThreadPoolExecutor(len(ROLES)) as pool:
        printed = pool.map(lambda name: server.command("operator", "add", name, "--role", ROLES[name]), ROLES)
        return {name: token.strip() for name, token in zip(ROLES, printed, strict=True)}


@dataclass
class Bench:
    """Those who judge, signed in."""

    olive: Person
    otto: Person
    astrid: Person
    cases: Subscription
    """What Olive is told of cases, from before the test did anything."""

    async def case_about(self, person: Person, **fields: object) -> str:
        """The ID of the case about the person, once Olive was told that it stands so."""
        subject = {"id": person.session["user"]["id"]}
        async with asyncio.timeout(DEADLINE):
            while True:
                case: JSON = (await self.cases.until("CaseChanged"))["case"]
                if case["subject"] == subject and fields.items() <= case.items():
                    return str(case["id"])


@pytest.fixture
async def bench(apis: list[Api], tokens: dict[str, str]) -> AsyncIterator[Bench]:
    """They come in by different doors too."""
    doors = zip(ROLES, (apis[0], apis[-1], apis[0]), strict=True)
    olive, otto, astrid = [await door.sign_in_operator(name, tokens[name]) for name, door in doors]
    socket = await olive.connect()
    begun = await socket.subscribe(documents.EVENTS)
    await begun.until("MatchSnapshot")
    yield Bench(olive, otto, astrid, await socket.subscribe(documents.CASE_EVENTS, after=begun.cursor))
    await olive.leave()


# ------------------------------------------------------------------------------------------ a wrong


async def test_an_offender_is_held_suspended_and_heard_and_all_of_it_is_on_record(
    newcomer: Newcomer, apis: list[Api], bench: Bench, interest: str
) -> None:
    """Whoever is threatened is believed because they can prove it; whoever is suspended is heard by somebody else, and comes back;
    and whoever answers for the service can show who did what.
    """
    victim, offender = await newcomer("Ben"), await newcomer("Mallory")
    report_id = await threatened_and_reported(victim, offender, interest)

    await offender.inbox.until("QueueLeft", queueLeaveReason="SUSPENDED")
    hold = (await offender.inbox.until("Suspended"))["suspension"]
    assert (hold["scope"], hold["automated"]) == ("MATCHING", True)
    assert (await offender.join(interest))["__typename"] == "SuspendedError"
    case_id = await bench.case_about(offender, status="OPEN", priority=0)

    suspension_id = await judged_and_put_out(bench, case_id, offender, apis)
    assert await outcomes(victim) == {report_id: "UPHELD"}
    device = offender.device_token
    again = await apis[0].sign_in("Mallory again", device)
    assert again.session["scope"] == "APPEAL_ONLY"

    await heard(bench, case_id, offender, suspension_id)
    assert await outcomes(victim) == {report_id: "DISMISSED"}
    for person in (offender, again):
        await person.refresh()
        assert person.session["scope"] == "FULL"
    await offender.arrive()
    stranger = await newcomer("Cleo")
    seats = await meet(offender, stranger, interest)
    assert [seat.partner_name for seat in seats] == ["Cleo", "Mallory"]

    await all_on_record(bench, case_id)


async def threatened_and_reported(victim: Person, offender: Person, interest: str) -> str:
    """They talk, encrypted; the victim leaves and reports, while the offender waits for the next one already. The report's ID."""
    seat, _ = await meet(victim, offender, interest)
    parties = [await Party.of(person, (await person.ask(documents.ROOMS))["rooms"][0]) for person in (victim, offender)]
    for party in parties:
        await party.publish()
    here, there = parties
    await there.claim(here)
    await there.say(here, THREAT)
    message = await here.received(there)
    opened = await here.toward(there).decrypt(message)
    assert opened.text == THREAT
    await victim.skip(seat.room_id, requeue=False)
    await offender.inbox.until("MatchEnded")
    await offender.join(f"{interest} of the next one")
    complaint = {"memberId": seat.partner_id, "category": "CHILD_SAFETY", "comment": COMMENT}
    evidence = [disclosed(message, opened.text, opened.opening_key)]
    payload = await victim.run(documents.REPORT, input={**complaint, "evidence": evidence})
    assert payload["report"]["status"] == "RECEIVED"
    return str(payload["report"]["id"])


async def judged_and_put_out(bench: Bench, case_id: str, offender: Person, apis: list[Api]) -> str:
    """Olive takes the case, reads it and suspends; the offender's page, their other tab and their stream are told, and end, at
    whichever worker they are. The suspension's ID.
    """
    claimed = await bench.olive.run(documents.CLAIM_CASE, input={"caseId": case_id})
    assert claimed["case"]["status"] == "CLAIMED"
    case = (await bench.olive.ask(documents.CASE, id=case_id))["case"]
    assert case["subject"] == offender.session["user"]
    (edge,) = case["reports"]["edges"]
    assert edge["node"]["report"] == {"category": "CHILD_SAFETY", "comment": COMMENT, "status": "RECEIVED"}
    (shown,) = edge["node"]["evidence"]
    assert (shown["plaintext"], shown["verified"]) == (THREAT, True)

    tab = await Socket.open(apis[0].url, offender.token)
    other = await tab.subscribe(documents.EVENTS)
    await other.until("MatchSnapshot")
    async with streamed(apis[-1], offender) as stream:
        await stream.to(b"MatchSnapshot")
        verdict = {"caseId": case_id, "decision": "SUSPEND", "reason": REASON, "duration": {"hours": 24}}
        with Stopwatch() as watch:
            decided = await bench.olive.run(documents.DECIDE_CASE, input=verdict)
            for events in (offender.inbox, other):
                told = (await events.until("Suspended", within=DEADLINE))["suspension"]
                assert told["scope"] == "ALL"
                with pytest.raises(Closed) as closed:
                    await events.next()
                assert closed.value.code == 4403
            assert b'"Suspended"' in await stream.rest()
            assert watch.seconds < OUT_WITHIN
    return str(decided["case"]["suspension"]["id"])


async def heard(bench: Bench, case_id: str, offender: Person, suspension_id: str) -> None:
    """What is left to the suspended is to read why, and to ask for a second look; which somebody else takes."""
    await offender.refresh()
    assert offender.session["scope"] == "APPEAL_ONLY"
    await nothing_else_answers(offender)
    suspensions = (await offender.ask(documents.STANDING))["me"]["suspensions"]
    (shown,) = [suspension for suspension in suspensions if suspension["id"] == suspension_id]
    assert (shown["reason"], shown["category"]) == (REASON, None), "the category would tell who reported"
    payload = await offender.run(documents.APPEAL, input={"suspensionId": suspension_id, "statement": STATEMENT})
    await bench.case_about(offender, status="APPEALED")
    judgement = {"appealId": payload["appeal"]["id"], "overturn": True, "reason": OVERTURNED}
    assert (await bench.olive.run(documents.DECIDE_APPEAL, input=judgement))["__typename"] == "NotAllowedError"
    decided = await bench.otto.run(documents.DECIDE_APPEAL, input=judgement)
    assert (decided["case"]["id"], decided["case"]["status"]) == (case_id, "OVERTURNED")
    shown = (await offender.ask(documents.STANDING))["me"]
    assert shown["suspension"] is None
    assert {"status": "OVERTURNED", "reason": OVERTURNED} in [each["appeal"] for each in shown["suspensions"]]


@asynccontextmanager
async def streamed(api: Api, person: Person) -> AsyncIterator[Response]:
    """Their events as a stream over HTTP."""
    port = httpx.URL(api.base).port
    assert port is not None
    async with request(port, documents.EVENTS, token=person.token) as stream:
        yield stream


async def nothing_else_answers(suspended: Person) -> None:
    """Of every field that needs all rights, or those of an operator."""
    socket = await suspended.connect()
    for root, fields in ROOTS.items():
        for name, rule in fields.items():
            if rule not in {Rule.OPEN, Rule.SIGNED_IN}:
                text, variables = asked(root, name)
                with pytest.raises(GraphQLFailure) as refused:
                    await socket.run(text, **variables)
                assert refused.value.codes == {"FORBIDDEN"}, name


async def all_on_record(bench: Bench, case_id: str) -> None:
    """The log has what was done by whom, in order, and nothing that anybody said."""
    judges = {person.name: person.session["user"]["id"] for person in (bench.olive, bench.otto, bench.astrid)}
    edges = (await bench.astrid.ask(documents.AUDIT_LOG))["auditLog"]["edges"]
    entries = [
        (actor and actor["id"], entry["action"], entry["target"], entry["details"])
        for edge in reversed(edges)
        for entry in (edge["node"],)
        for actor in (entry["actor"],)
    ]
    signed_in = [(id, "OPERATOR_SIGNED_IN", f"user:{id}", None) for id in judges.values()]
    added = {(None, "OPERATOR_ADDED", f"user:{judges[name]}", f"role={role.upper()}") for name, role in ROLES.items()}
    assert set(entries[: len(added)]) == added
    case, (appeal,) = f"case:{case_id}", [entry[2] for entry in entries if entry[1] == "APPEAL_DECIDED"]
    began = max(place for place, entry in enumerate(entries) if entry == signed_in[0])
    assert entries[began:] == [
        *signed_in,
        (None, "USER_HELD", case, "rule=EVIDENCE scope=MATCHING minutes=1440"),
        (judges["Olive"], "CASE_CLAIMED", case, None),
        (judges["Olive"], "EVIDENCE_VIEWED", case, None),
        (judges["Olive"], "CASE_DECIDED", case, "decision=SUSPEND scope=ALL hours=24"),
        (judges["Otto"], "APPEAL_DECIDED", appeal, f"case={case_id} outcome=OVERTURNED"),
    ]


async def outcomes(reporter: Person) -> dict[str, str]:
    """What became of their reports, by ID."""
    edges = (await reporter.ask(documents.MY_REPORTS))["myReports"]["edges"]
    return {edge["node"]["id"]: edge["node"]["status"] for edge in edges}


# ------------------------------------------------------------------------------------------ a lie


async def test_forged_evidence_goes_nowhere_and_costs_whoever_forged_it(
    newcomer: Newcomer, bench: Bench, interest: str
) -> None:
    """Were it enough to claim that somebody said something, the button that protects people would be the weapon against them."""
    accused, liar = await newcomer("Ada"), await newcomer("Ben")
    room = await accused.create_room()
    await liar.join_room(room["inviteCode"])
    elsewhere = await said(accused, room["id"], room["me"]["id"], "in another room, jokingly: I'll kill you")
    hers, his = await meet(accused, liar, interest)
    harmless = await said(accused, hers.room_id, hers.member_id, "Hello, Ben.")
    own = await said(liar, his.room_id, his.member_id, "I know where you live.")

    tag = {**harmless["frankingTag"], "tag": base64(secrets.token_bytes(32))}
    forgeries = [{**harmless, "frankingTag": tag}, {**harmless, "plaintext": "I know where you live."}, elsewhere, own]
    complaint = {"memberId": his.partner_id, "category": "CHILD_SAFETY"}
    cut = [harmless, {**harmless, "openingKey": base64(b"short")}]
    refused = await liar.run(documents.REPORT, input={**complaint, "evidence": cut})
    assert (refused["__typename"], refused["field"]) == ("InvalidInputError", "evidence.1.openingKey")
    taken = await liar.run(documents.REPORT, input={**complaint, "evidence": forgeries})
    assert taken["__typename"] == "ReportUserSuccess"

    await accused.inbox.until("MatchEnded", matchEndReason="PARTNER_LEFT")
    strangers = [await newcomer(name) for name in ("Cleo", "Dan")]
    assert [seat.partner_name for seat in await meet(accused, strangers[0], interest)] == ["Cleo", "Ada"]
    case_id = await bench.case_about(accused, status="OPEN")
    assert await judged(bench, case_id, [False] * len(forgeries)) == pytest.approx(0.25)
    standing = (await accused.ask(documents.STANDING))["me"]
    assert standing == {"suspension": None, "suspensions": [], "warnings": []}
    assert await outcomes(liar) == {taken["report"]["id"]: "DISMISSED"}

    seat, _ = await meet(liar, strangers[1], f"{interest} again")
    await liar.run(documents.REPORT, input={"memberId": seat.partner_id, "category": "HARASSMENT"})
    assert await judged(bench, await bench.case_about(strangers[1]), []) == pytest.approx(0.2), "it counts for less now"


async def judged(bench: Bench, case_id: str, verified: list[bool]) -> float:
    """Olive reads the case, in which so much is proved, and dismisses it: how much the reporter's word weighed."""
    await bench.olive.run(documents.CLAIM_CASE, input={"caseId": case_id})
    (edge,) = (await bench.olive.ask(documents.CASE, id=case_id))["case"]["reports"]["edges"]
    assert [shown["verified"] for shown in edge["node"]["evidence"]] == verified
    verdict = {"caseId": case_id, "decision": "DISMISS", "reason": "Nothing of it is proved."}
    decided = await bench.olive.run(documents.DECIDE_CASE, input=verdict)
    assert decided["case"]["status"] == "DISMISSED"
    return float(edge["node"]["weight"])


async def said(person: Person, room_id: str, member_id: str, text: str) -> JSON:
    """What whoever received it could disclose of a message that the person sent, with a commitment that opens."""
    key = secrets.token_bytes(32)
    commitment = end_to_end.commit(key, room_id, member_id, text)
    payload = await person.say(room_id, b"not for reading", str(uuid.uuid4()), commitment)
    return disclosed(payload["edge"]["node"], text, key)


def disclosed(message: JSON, text: str, opening_key: bytes) -> JSON:
    """A `DisclosedMessageInput`."""
    same = {name: message[name] for name in ("commitment", "frankingTag", "sentAt")}
    return {"messageId": message["id"], "plaintext": text, "openingKey": base64(opening_key), **same}
