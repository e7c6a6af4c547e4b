"""A real server at its most talkative: what people said, and who they are, is in no log and in no metric."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, GraphQLFailure, Person
from tests.acceptance.cluster import Deployment
from tests.acceptance.conftest import Newcomer, meet
from tests.acceptance.server import Server
from tests.encoding import base64
from tests.waiting import DEADLINE

SETTINGS = {"log_level": "debug", "trusted_proxies": "127.0.0.1"}
NETWORK = "203.0.113.77"
MARKS = (
    "Quokkaname",
    "quokkainterest",
    "quokkaciphertext",
    "quokkacomment",
    "quokkaplaintext",
    "quokkasdp",
    "quokkaroom",
)
NAME, INTEREST, CIPHERTEXT, COMMENT, PLAINTEXT, SDP, ROOM = MARKS
DELETE = "mutation { deleteMyAccount { __typename ... on DeleteMyAccountSuccess { deletedAt } } }"
EXPORT = "{ exportMyData }"
REPORT = "mutation($input: ReportUserInput!) { reportUser(input: $input) { __typename } }"


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    """One process: what is written down does not depend on how many there are."""
    return Deployment.SINGLE


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    """A client whose network is not that of the machine."""
    async with Api(server.url) as api:
        api.http.headers["x-forwarded-for"] = NETWORK
        yield api


async def test_nothing_of_what_people_said_is_in_logs_or_metrics_and_who_deletes_the_account_is_out_at_once(
    api: Api, server: Server, newcomer: Newcomer
) -> None:
    """An operator who looks for a fault must not come across a conversation; nor must whoever steals the logs."""
    signed_in = (await api.run(documents.SIGN_IN, input={"displayName": NAME}))["signInAnonymously"]
    person, other = Person(api, NAME, signed_in["session"]), await newcomer("Other")
    await person.arrive()
    socket = await person.connect()
    await person.create_room(ROOM)
    seat, _ = await meet(person, other, INTEREST)
    await person.send(seat.partner_id, {"offer": {"sdp": SDP}})
    await person.say(seat.room_id, CIPHERTEXT.encode(), str(uuid4()))
    with pytest.raises(GraphQLFailure):
        await person.ask(f'{{ room(id: "{PLAINTEXT}") {{ {COMMENT} }} }}')
    with pytest.raises(GraphQLFailure):
        await api.run("{ me { createdAt } }", token=PLAINTEXT)
    forged = {
        "messageId": str(uuid4()),
        "plaintext": PLAINTEXT,
        "openingKey": base64(b"k" * 32),
        "commitment": base64(b"c" * 32),
        "frankingTag": {"keyId": INTEREST, "ciphertextHash": base64(b"h" * 32), "tag": base64(b"t" * 32)},
        "sentAt": "2026-11-21T09:30:00.000Z",
    }
    about = {"memberId": seat.partner_id, "category": "HARASSMENT", "comment": COMMENT, "evidence": [forged]}
    assert (await person.run(REPORT, input=about))["__typename"] == "ReportUserSuccess"
    document = json.loads((await person.ask(EXPORT))["exportMyData"])
    assert (document["account"]["display_name"], document["reports"][0]["comment"]) == (NAME, COMMENT)

    assert (await person.run(DELETE))["__typename"] == "DeleteMyAccountSuccess"
    async with asyncio.timeout(DEADLINE):
        await socket.connection.wait_closed()
    assert socket.connection.close_code == 4401
    with pytest.raises(GraphQLFailure) as refused:
        await person.ask(DELETE)
    assert refused.value.codes == {"UNAUTHENTICATED"}
    assert (await person.refresh())["__typename"] == "NotAllowedError"

    metrics = (await api.http.get("/metrics")).text
    written = server.output() + metrics
    tokens = (person.token, person.session["refreshToken"], signed_in["deviceToken"])
    assert [mark for mark in (*MARKS, *tokens, NETWORK, base64(CIPHERTEXT.encode())) if mark in written] == []
    assert "parley_" in metrics
    assert "Parley is ready" in server.output(), "there is something to look through"
    await person.leave()


async def test_the_leader_erases_what_is_left_lying_around_and_says_nothing(server: Server) -> None:
    """The jobs that delete ran once at the start: none of them failed."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        assert (await http.get("/readyz")).status_code == 200
    assert "failed" not in server.output()
