"""`make run`, as people start, stop, crash and misconfigure it."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from api import transparency, web
from api.settings import Settings
from tests.acceptance import documents
from tests.acceptance.client import JSON, Api, Closed, GraphQLFailure, Person, Socket
from tests.acceptance.conftest import meet
from tests.acceptance.server import Server, free_port
from tests.conftest import LivedIn
from tests.waiting import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNREACHABLE = "postgresql://parley:parley@127.0.0.1:{port}/parley"


async def test_accounts_outlive_ctrl_c_and_kill_9_and_nothing_is_left_running(tmp_path: Path) -> None:
    """Whoever tries Parley stops it with Ctrl-C and expects the machine as it was, and their accounts where they were."""
    server = Server(tmp_path / "parley")
    try:
        began = time.monotonic()
        server.start()
        first = time.monotonic() - began
        async with Api(server.url) as api:
            ada = await api.sign_in("Ada")
        assert server.interrupt() == 0
        assert server.none_left(), "PostgreSQL outlived Ctrl-C"

        began = time.monotonic()
        server.start()
        assert time.monotonic() - began < max(10, 2 * first), "the second start finds everything ready"
        async with Api(server.url) as api:
            assert (await _again(ada, api))["user"]["displayName"] == "Ada"
        assert any(process.name() == "postgres" for process in server.leftovers()), "this test would see one"
        server.kill()
        if psutil.LINUX:
            assert server.none_left(), "PostgreSQL outlived kill -9"

        server.start()
        async with Api(server.url) as api:
            assert (await _again(ada, api))["user"]["displayName"] == "Ada"
        assert server.terminate() == 0, "SIGTERM, from a supervisor, is as good as Ctrl-C"
        assert server.none_left(), "something survived kill -9, a start and a stop"
        assert "Traceback" not in server.output()
    finally:
        server.end()


async def _again(person: Person, api: Api) -> dict[str, dict[str, str]]:
    """Signs in with what the browser kept: the refresh token."""
    back = Person(api, person.name, person.session)
    assert (await back.refresh())["__typename"] == "RefreshSessionSuccess"
    person.session = back.session
    me: dict[str, dict[str, str]] = (await back.ask(documents.ME))["me"]
    return me


async def test_ctrl_c_tells_open_sockets_to_come_back(tmp_path: Path) -> None:
    """1012 (service restart) is a code that clients retry: a deployment must not throw people out."""
    server = Server(tmp_path / "parley")
    try:
        server.start()
        async with Api(server.url) as api:
            ada = await api.sign_in("Ada")
            events = await ada.arrive()
            assert server.interrupt() == 0
            with pytest.raises(Closed) as closed:
                await events.next()
        assert closed.value.code == 1012
        assert "Traceback" not in server.output()
    finally:
        server.end()


# ------------------------------------------------------------------------------------------ refusals


@pytest.fixture(scope="module")
def running(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is well, and in the way of others."""
    with Server(lived_in(tmp_path_factory.mktemp("running") / "parley")) as server:
        yield server


MISTAKES: dict[str, tuple[dict[str, object], list[str]]] = {
    "five at once": (
        {
            "port": 70_000,
            "database_url": "mysql://localhost/parley",
            "allowed_origins": "https://example.org/app",
            "skip_cooldown_seconds": "soon",
            "resume_seconds": -1,
        },
        [
            "PARLEY_PORT",
            "PARLEY_DATABASE_URL",
            "PARLEY_ALLOWED_ORIGINS",
            "PARLEY_SKIP_COOLDOWN_SECONDS",
            "PARLEY_RESUME_SECONDS",
        ],
    ),
    "several workers on a bus in memory": ({"workers": 2}, ["PARLEY_WORKERS"]),
    "a bus at no address": ({"bus_url": "redis://localhost:hunter2"}, ["PARLEY_BUS_URL"]),
    "production without secrets": ({"environment": "production"}, ["PARLEY_SECRETS"]),
    "secrets that are none": ({"secrets": "hunter2"}, ["PARLEY_SECRETS"]),
    "TURN without its secret": ({"ice_urls": "turn:turn.example.org"}, ["PARLEY_TURN_SECRET"]),
    "a data directory that is a file": ({"data_dir": "/dev/null"}, ["/dev/null"]),
    "no PostgreSQL there": ({"database_url": UNREACHABLE}, ["PARLEY_DATABASE_URL"]),
}


@pytest.mark.parametrize(("settings", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_sentence_that_names_it(
    settings: dict[str, object], named: list[str], tmp_path: Path
) -> None:
    """A traceback tells a newcomer that the program is broken; a sentence tells them what to change."""
    if settings.get("database_url") == UNREACHABLE:
        settings = {"database_url": UNREACHABLE.format(port=free_port())}
    code, lines = Server(tmp_path / "parley", **settings).refuse()
    assert (code, len(lines)) == (2, len(named)), lines
    for line, name in zip(sorted(lines), sorted(named), strict=True):
        assert name in line
        assert line.endswith(".")
        assert "hunter2" not in line, "a secret is not quoted"


def test_a_busy_port_is_told_in_one_sentence(running: Server, tmp_path: Path) -> None:
    """Something else on port 8000 is the likeliest mishap of a first start."""
    server = Server(tmp_path / "parley", port=running.port)
    code, lines = server.refuse()
    assert (code, len(lines)) == (2, 1), lines
    assert str(running.port) in lines[0]
    assert "PARLEY_PORT" in lines[0]
    assert server.none_left()


def test_a_port_that_is_busy_on_every_interface_is_told_too(tmp_path: Path) -> None:
    """The default listens on every interface, where a listener on one of them is in the way as well."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        server = Server(tmp_path / "parley", host="", port=holder.getsockname()[1])
        code, lines = server.refuse()
    assert (code, len(lines)) == (2, 1), lines


def test_a_second_server_on_the_same_data_is_refused(running: Server) -> None:
    """Two servers with an inbox in memory each would show their users two different worlds."""
    second = Server(running.data_dir)
    second.printed, second.logged = (path.with_suffix(".second") for path in (second.printed, second.logged))
    second.launch()
    try:
        code = second.process.wait(30)
        lines = second.logged.read_text().splitlines() if second.logged.exists() else []
    finally:
        if second.process.poll() is None:  # not `end`, which would stop the database of the first
            second.kill()
    assert (code, len(lines)) == (2, 1), lines
    assert httpx.get(f"{running.url}/readyz", trust_env=False).status_code == 200, "the first goes on"


# ------------------------------------------------------------------------------------------ operation


def test_start_prints_what_to_open_and_what_to_try(running: Server) -> None:
    """The first minute decides whether somebody stays: they need an address, and something to paste."""
    printed = running.printed.read_text()
    assert f"http://localhost:{running.port}" in printed
    assert ("in two tabs" if web.built() else "query") in printed
    assert "Ctrl-C" in printed


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_supervisor_is_told_that_the_server_is_well(running: Server, path: str) -> None:
    """Container platforms restart what does not answer, and send nobody to what is not ready."""
    assert httpx.get(f"{running.url}{path}", trust_env=False).status_code == 200


def test_metrics_are_served_for_prometheus(running: Server) -> None:
    """An operator sees load before users feel it."""
    answer = httpx.get(f"{running.url}/metrics", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert re.search(r"^parley_\w+(\{.*\})? \d", answer.text, re.MULTILINE)


async def test_what_waits_for_those_who_judge_is_told_while_the_server_runs(running: Server) -> None:
    """By the metrics, from the worker that leads; and by the command line beside it, on the same database."""

    async def told() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            return 'parley_cases_undecided{priority="0"} 0.0' in (await http.get(f"{running.url}/metrics")).text

    await until(told)
    month = transparency.Month.of("2026-11")
    period = await asyncio.to_thread(transparency.counted, Settings(data_dir=running.data_dir), month)
    assert (period.reports, period.cases_opened) == ([], 0)


@pytest.fixture(scope="module")
def behind_a_proxy(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes in X-Forwarded-For, and logs all that it ever logs."""
    folder = tmp_path_factory.mktemp("proxied")
    with Server(lived_in(folder / "parley"), log_level="debug", trusted_proxies="127.0.0.1") as server:
        yield server


async def test_creating_accounts_is_limited_per_network(behind_a_proxy: Server) -> None:
    """Without a limit a script makes a million accounts; with one that is too tight a school class cannot come in."""
    body = {"query": documents.SIGN_IN, "variables": {"input": {"displayName": "Ada"}}}
    async with Api(behind_a_proxy.url) as api:

        async def sign_in(address: str) -> JSON:
            answer = await api.http.post("/graphql", json=body, headers={"x-forwarded-for": address})
            return dict(answer.json())

        made = 0
        while "errors" not in (answer := await sign_in("192.0.2.7")) and made < 1000:
            made += 1
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["retryAfter"] > 0
        assert made >= 10
        assert "errors" not in await sign_in("198.51.100.7"), "another network is not to blame"


async def test_a_crash_of_postgresql_is_short_and_says_when_to_try_again(behind_a_proxy: Server) -> None:
    """The database restarts under people who talk: the call goes on, and whoever presses a button just then is told to retry."""
    async with Api(behind_a_proxy.url) as api:
        ada, ben = await api.sign_in("Ada"), await api.sign_in("Ben")
        for person in (ada, ben):
            await person.arrive()
        seat, other_seat = await meet(ada, ben, "crash")
        behind_a_proxy.crash_database()
        await _rename(ada, "Ada the Second")
        assert (await ada.state())["rooms"][0]["id"] == seat.room_id
        await ada.send(seat.partner_id, {"offer": {"sdp": "still here"}})
        assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == "still here"
        await ben.send(other_seat.partner_id, {"answer": {"sdp": "me too"}})
        await ada.inbox.until("SignalReceived")
        assert "ResyncRequired" not in [event["__typename"] for person in (ada, ben) for event in person.inbox.seen]
        for person in (ada, ben):
            await person.leave()


def test_a_server_whose_database_was_killed_stops_and_says_so(tmp_path: Path) -> None:
    """Without its database it serves nobody: a supervisor can only start it again if it ends."""
    with Server(tmp_path / "data") as server:
        postmaster = next(p for p in server.leftovers() if "-D" in p.cmdline())
        postmaster.kill()
        assert server.process.wait(30) == 2
        assert server.logged.read_text().splitlines()[-1].startswith("parley: The database was lost")
        assert server.none_left()
        server.start()


async def _rename(person: Person, name: str) -> None:
    """Tries until the database answers; all that may be told before is when to try again."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await person.run(documents.UPDATE_PROFILE, input={"displayName": name})
            except GraphQLFailure as failure:
                assert failure.codes == {"INTERNAL_SERVER_ERROR"}  # noqa: PT017 - and then it is tried again
                assert failure.errors[0]["extensions"]["retryAfter"] > 0  # noqa: PT017  # the same
                await asyncio.sleep(0.05)
            else:
                return


async def test_the_log_of_a_whole_story_holds_nothing_personal(behind_a_proxy: Server) -> None:
    """Logs are read by many, kept for long and copied elsewhere: what strangers say to each other has no place there."""
    secrets = {"Renamed-Private", "secretinterest", "sdp-of-ada", "candidate:1", "forged-token-of-somebody"}
    async with Api(behind_a_proxy.url) as api:
        api.http.headers["x-forwarded-for"] = "203.0.113.77"
        ada, ben = await api.sign_in("Adalinde-Private"), await api.sign_in("Benedikt-Private")
        for person in (ada, ben):
            secrets |= {person.name, person.token, str(person.session["refreshToken"])}
            await person.arrive()
        seat, _ = await meet(ada, ben, "secretinterest")
        await ada.send(seat.partner_id, {"offer": {"sdp": "v=0 sdp-of-ada"}})
        candidate = {"candidate": "candidate:1 1 udp 1 198.51.100.99 9 typ host", "sdpMid": "0"}
        await ada.send(seat.partner_id, {"candidates": {"candidates": [candidate]}})
        for _ in range(2):
            await ben.inbox.until("SignalReceived")
        await ben.refresh()
        secrets |= {ben.token, str(ben.session["refreshToken"])}
        behind_a_proxy.crash_database()  # errors quote what they failed with, unless somebody sees to it
        await _rename(ada, "Renamed-Private")
        with pytest.raises(Closed):  # what a bad client sends is worth a line, not a quotation
            await Socket.open(api.url, "forged-token-of-somebody")
        await ada.skip(seat.room_id)
        await ben.run(documents.SIGN_OUT)
        for person in (ada, ben):
            await person.leave()
    logged = behind_a_proxy.logged.read_text()
    assert "database unavailable" in logged, "something was logged"
    assert [secret for secret in secrets if secret.casefold() in logged.casefold()] == []
    assert re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", logged) == [], "addresses"
    assert "Traceback" not in logged
