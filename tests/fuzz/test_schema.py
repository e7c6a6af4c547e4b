"""Whatever the schema allows to be asked is answered as GraphQL has it, and never by a fault of ours (schemathesis)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from tests.fuzz import examples
from tests.fuzz.conftest import SIGN_IN, Victim
from tests.fuzz.texts import STRANGE
from tests.waiting import DEADLINE

CODES = {"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "BAD_USER_INPUT", "RATE_LIMITED", "CONFLICT"}
REFUSED = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}
ROOM = (
    'mutation { createRoom(input: { name: "Fuzz" }) { ... on CreateRoomSuccess { room { id inviteCode me { id } } } } }'
)

schemathesis.graphql.scalar(
    "Base64",
    st.sampled_from((0, 1, 32, 64, 1568))
    .flatmap(lambda size: st.binary(min_size=size, max_size=size))
    .map(lambda raw: nodes.String(base64.b64encode(raw).decode())),
)
schemathesis.graphql.scalar("Cursor", st.text(max_size=50).map(nodes.String))
schemathesis.graphql.scalar(
    "DateTime", st.datetimes().map(lambda at: nodes.String(f"{at.isoformat(timespec='milliseconds')}Z"))
)
SCHEMA = schemathesis.graphql.from_path("schema.graphql")
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}


class Somebody:
    """Signed in, and alone in a room: whoever has nothing can only be told that there is nothing."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(trust_env=False, timeout=DEADLINE, headers={"authorization": ""})
        self._url = url
        self._http.headers["accept"] = "application/graphql-response+json"
        self._sign_in()
        self.room = self.ask(ROOM)["data"]["createRoom"]["room"]

    def ask(self, text: str) -> Any:  # noqa: ANN401 - JSON
        """The answer, which is one of GraphQL."""
        response = self._http.post(self._url, json={"query": text})
        if response.status_code == httpx.codes.UNAUTHORIZED:  # behind `signOut`
            self._sign_in()
            response = self._http.post(self._url, json={"query": text})
        answer = response.json()
        assert response.status_code in ({200} if "data" in answer else {400, 429}), (text, response.status_code, answer)
        assert answer.keys() <= {"data", "errors", "extensions"}, answer
        for error in answer.get("errors", ()):
            assert isinstance(error["message"], str), (text, error)
            assert error["extensions"]["code"] in (CODES if "data" in answer else REFUSED), (text, error)
        return answer

    def _sign_in(self) -> None:
        del self._http.headers["authorization"]
        session = self.ask(SIGN_IN)["data"]["signInAnonymously"]["session"]
        self._http.headers["authorization"] = f"Bearer {session['accessToken']}"

    def close(self) -> None:
        """No more."""
        self._http.close()

    def meaning(self, text: str, chosen: st.DataObject) -> str:
        """The text, with IDs that mean something in the place of some of those that mean nothing."""
        ours = {"roomId": self.room["id"], "id": self.room["id"], "inviteCode": self.room["inviteCode"]}
        ours |= dict.fromkeys(("memberId", "to", "recipientId"), self.room["me"]["id"])

        def put(found: re.Match[str]) -> str:
            name = found[1]
            return f'{name}: "{ours[name]}"' if name in ours and chosen.draw(st.booleans()) else found[0]

        return re.sub(r'\b(\w+): ("(?:[^"\\]|\\.)*"|-?\d+)', put, text)


@pytest.fixture
def somebody(victim: Victim) -> Iterator[Somebody]:
    """A new account, since `signOut` ends a session."""
    person = Somebody(f"{victim.server.url}/graphql")
    yield person
    person.close()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_the_schema_allows_is_answered(victim: Victim, somebody: Somebody, name: str) -> None:
    """Inputs of the right types and any values, well-known IDs among them: an outcome, or an error with a code."""

    @examples(2)
    @given(case=OPERATIONS[name].as_strategy(), chosen=st.data())
    def ask(case: Any, chosen: st.DataObject) -> None:  # noqa: ANN401 - schemathesis has no types
        somebody.ask(somebody.meaning(case.body, chosen))
        victim.is_well()

    ask()


@examples(25)
@given(text=STRANGE, chosen=st.sampled_from(("displayName", "inviteCode", "interests", "name")))
def test_any_text_in_any_place_is_answered(victim: Victim, text: str, chosen: str) -> None:
    """NUL bytes, lone surrogates and marks of direction reach PostgreSQL only where it can take them."""
    queries = {
        "displayName": "mutation($x: String!) { signInAnonymously(input: {displayName: $x}) { __typename } }",
        "inviteCode": "query($x: String!) { roomByInvite(inviteCode: $x) { name } }",
        "interests": "mutation($x: String!) { joinQueue(input: {mode: TEXT, interests: [$x]}) { __typename } }",
        "name": "mutation($x: String!) { createRoom(input: {name: $x}) { __typename } }",
    }
    with httpx.Client(trust_env=False, timeout=DEADLINE, headers={"authorization": f"Bearer {victim.token}"}) as http:
        body = b'{"query": "%b", "variables": {"x": %b}}' % (queries[chosen].encode(), json_of(text))
        response = http.post(f"{victim.server.url}/graphql", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400}, response.text
    assert all(error["extensions"]["code"] in CODES | REFUSED for error in response.json().get("errors", ())), (
        response.text
    )
    victim.is_well()


def json_of(text: str) -> bytes:
    """With escapes, so that a lone surrogate can be sent at all."""
    return json.dumps(text).encode()
