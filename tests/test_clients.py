"""The GraphQL clients that front ends use against one running server, with their default settings and as docs/CLIENTS.md and
docs/clients show them: those of Node in tests/clients, and `gql` for Python.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError, TransportServerError

from api.tokens import ACCESS_TOKEN_LIFETIME, SignedTokens, load_secrets
from domain.identity import Session, SessionScope
from tests.acceptance import documents
from tests.acceptance.server import ROOT, Server
from tests.conftest import LivedIn
from tests.gql_person import WAYS, People, take_seats
from tests.guides import fences, modules
from tests.node import environment, installed
from tests.proxy import Proxy, proxy
from tests.waiting import until

CLIENTS = ROOT / "tests" / "clients"
PAGE = ROOT / "docs" / "clients" / "python.md"
DEADLINE = 90.0
"""Seconds for all that a program of Node tries, several of which run at once."""
SOON = timedelta(seconds=3)

BASIC = ("meeting", "failing")
LASTING = (*BASIC, "resuming", "returning", "ending")
PROMISES: dict[str, dict[str, tuple[str, ...]]] = {
    "graphql-ws": {"websocket": LASTING},
    "hurried": {"websocket": ("silent",)},
    "graphql-sse": {"sse": LASTING},
    "apollo": {"websocket": LASTING, "multipart": BASIC, "http": ("persisting",)},
    "urql": {"websocket": LASTING, "sse": BASIC, "multipart": BASIC, "http": ("persisting",)},
}
"""What each client does over each transport: the names of files in tests/clients, which say what that is."""


def expiring(token: str, server: Server) -> str:
    """The same session's token, as the server itself issued it nearly 15 minutes ago: it is good for two or three seconds."""
    claims = jwt.decode(token, options={"verify_signature": False})
    then = datetime.now(UTC) - ACCESS_TOKEN_LIFETIME + SOON
    session = Session(uuid.UUID(claims["sid"]), uuid.UUID(claims["sub"]), SessionScope.FULL, then, None)
    return SignedTokens(load_secrets(None, server.data_dir, production=False)).issue(session, then)[0]


def attempts(client: str) -> list[str]:
    """`TRANSPORT:PROMISE`, as tests/clients/run.mjs is told them."""
    return [f"{transport}:{promise}" for transport, promises in PROMISES[client].items() for promise in promises]


class Run:
    """A client's program, from its start; it tries all of its transports at once."""

    def __init__(self, client: str, server: Server, guide: Path) -> None:
        self._server = server
        self._process = subprocess.Popen(
            ["node", "run.mjs", client, f"{server.url}/graphql", *attempts(client)],
            cwd=CLIENTS,
            env={**environment(), "GUIDE": str(guide)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._failures: dict[str, str | None] = {}
        self._told: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def failure(self, attempt: str) -> str | None:
        """Why a promise is not kept; None when it is."""
        deadline = time.monotonic() + DEADLINE
        with self._news:
            while attempt not in self._failures and self._reader.is_alive():
                if not self._news.wait(deadline - time.monotonic()):
                    return f"nothing after {DEADLINE:.0f} s\n{''.join(self._told)}"
            return self._failures.get(attempt, f"ended without a word of it\n{''.join(self._told)}")

    def stop(self) -> None:
        """However far it is."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._take(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _take(self, line: str) -> None:
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            self._told.append(line)  # Of a library, or of Node itself.
            return
        if "shorten" in told:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{expiring(told['shorten'], self._server)}\n")
            self._process.stdin.flush()
        else:
            self._failures[told["attempt"]] = told["failure"]


@pytest.fixture(scope="module")
def server(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all clients, as `make run` starts it."""
    with Server(lived_in(tmp_path_factory.mktemp("clients") / "parley")) as server:
        yield server


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front end of nothing but what the pages show."""
    folder = tmp_path_factory.mktemp("guide")
    for name, code in modules().items():
        (folder / name).write_text(code)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(installed(CLIENTS) / "node_modules")
    return folder


@pytest.fixture(scope="module")
def runs(server: Server, guide: Path) -> Iterator[dict[str, Run]]:
    """All clients at once: most of their time they wait."""
    runs = {client: Run(client, server, guide) for client in PROMISES}
    yield runs
    for run in runs.values():
        run.stop()


@pytest.mark.parametrize(
    ("client", "attempt"), [(client, attempt) for client in PROMISES for attempt in attempts(client)]
)
def test_a_client_works_as_its_documentation_says(client: str, attempt: str, runs: dict[str, Run]) -> None:
    """Whoever builds a front end brings one of these, expects it to work before they set anything, and copies the rest from us."""
    failure = runs[client].failure(attempt)
    assert failure is None, failure


# ------------------------------------------------------------------------------------------ Python


@pytest.fixture(params=WAYS)
async def people(request: pytest.FixtureRequest, server: Server) -> AsyncIterator[People]:
    """Users of `gql`, by each of its transports."""
    async with People(request.param, f"{server.url}/graphql") as people:
        yield people


async def test_two_people_meet_by_gql(people: People) -> None:
    """Bots, bridges and load tests are written in Python: the whole way of a call, with what a person would send."""
    caller, callee = await take_seats(people)
    sdp = 'v=0\r\ns=naïve "日本語" 🙂\r\n'
    candidates = [{"candidate": "", "sdpMid": None, "sdpMLineIndex": None, "usernameFragment": None}]
    batch = {"candidates": candidates, "endOfCandidates": True}
    for sender, receiver, signal, type_ in (
        (caller, callee, {"offer": {"sdp": sdp}}, "Offer"),
        (callee, caller, {"answer": {"sdp": sdp}}, "Answer"),
        (caller, callee, {"candidates": batch}, "IceCandidates"),
        (callee, caller, {"candidates": batch}, "IceCandidates"),
        (caller, callee, {"hangUp": {"reason": "ENDED"}}, "HangUp"),
    ):
        [content] = signal.values()
        assert await sender.tell(receiver, signal) == [{"__typename": type_, **content}] * 2

    room = caller.matched["room"]["id"]
    assert (await caller.connection.run(documents.SKIP, input={"roomId": room, "requeue": False}))["ticket"] is None
    assert (await caller.events.sees("MatchEnded", "MemberLeft"))["matchEndReason"] == "YOU_SKIPPED"
    assert (await callee.events.sees("MatchEnded", "MemberLeft"))["matchEndReason"] == "PARTNER_LEFT"
    assert await caller.signals.ends()
    assert await callee.signals.ends()


async def test_failures_reach_who_uses_gql(people: People) -> None:
    """A program decides by the code what to do next, whatever its transport."""
    stranger = await people.connect()
    ada = await people.connect(await people.sign_in("Ada"))
    for attempt, code in (
        (partial(stranger.run, "query Unknown { me { shoeSize } }"), "GRAPHQL_VALIDATION_FAILED"),
        (partial(stranger.run, documents.SIGN_IN, input={"displayName": 7}), "BAD_USER_INPUT"),
        (partial(stranger.run, documents.ROOMS), "UNAUTHENTICATED"),
        (stranger.follow(documents.EVENTS).next, "UNAUTHENTICATED"),
        (ada.follow(documents.EVENTS, after="nonsense").next, "BAD_USER_INPUT"),
    ):
        with pytest.raises(TransportQueryError) as failure:
            await attempt()
        assert failure.value.errors is not None
        assert [error["extensions"]["code"] for error in failure.value.errors] == [code]
    outcome = await stranger.run(documents.SIGN_IN, input={"displayName": " "})
    assert (outcome["__typename"], outcome["field"]) == ("InvalidInputError", "displayName")
    with pytest.raises((TransportConnectionFailed, TransportServerError)) as refused:
        await (await people.connect("forged")).follow(documents.EVENTS).next()
    # Of a socket that is closed its users are told no more than that.
    assert getattr(refused.value, "code", 401) == 401


@pytest.fixture
async def bot(server: Server, tmp_path: Path) -> AsyncIterator[Bot]:
    """Of the code in docs/clients/python.md, which reaches the server by a cable."""
    [code] = fences(PAGE, "python")
    (tmp_path / "shown.py").write_text(code)
    shown = runpy.run_path(str(tmp_path / "shown.py"))
    async with proxy(server.port) as (cable, port):
        person = shown["Person"](f"http://127.0.0.1:{port}/graphql")
        await person.sign_in("Ada")
        async with aclosing(person.events()) as events:
            yield Bot(person, events, cable, shown)


@dataclass
class Bot:
    """Somebody as docs/clients/python.md shows them."""

    person: Any
    events: AsyncGenerator[dict[str, Any], None]
    cable: Proxy
    shown: dict[str, Any]

    async def sees(self, kind: str) -> None:
        """The next event, which must be of that kind: nothing is told twice."""
        async with asyncio.timeout(DEADLINE):
            assert (await anext(self.events))["__typename"] == kind

    async def joins(self) -> None:
        """Waits alone."""
        joined = await self.person.run(self.shown["JOIN_QUEUE"], interests=[uuid.uuid4().hex], patience=120)
        assert joined["ticket"]["status"] == "WAITING"


async def test_the_code_for_python_goes_on_after_the_network_broke(bot: Bot) -> None:
    """A bot runs for weeks: it comes back by itself, and nothing is lost or repeated."""
    await bot.sees("MatchSnapshot")
    bot.cable.cut()
    await bot.joins()
    await bot.sees("QueueJoined")
    await bot.person.run(documents.LEAVE)
    await bot.sees("QueueLeft")


async def test_the_code_for_python_goes_on_after_the_token_expired(bot: Bot, server: Server) -> None:
    """Why a socket closed is not told by gql: who uses it comes back with a new token all the same."""
    first, token = bot.person.session["accessToken"], bot.person.token

    async def soon_expired() -> str:
        # Until the first event has come: a machine that stands still may let the first token expire before.
        return await token() if bot.person.cursor else expiring(await token(), server)

    bot.person.token = soon_expired
    await bot.sees("MatchSnapshot")
    coming = asyncio.create_task(bot.sees("QueueJoined"))
    await until(lambda: bot.person.session["accessToken"] != first)
    await bot.joins()
    await coming


async def test_the_code_for_python_says_when_the_session_has_ended(bot: Bot) -> None:
    """Rather than to try for ever."""
    bot.person.session["refreshToken"] = "spent"
    bot.person.renew_at = 0.0
    with pytest.raises(bot.shown["Refused"]):
        await bot.sees("MatchSnapshot")
