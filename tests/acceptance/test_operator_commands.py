"""`python -m api operator`, beside `make run` and without it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from api import logs, operators
from api.cli import main
from api.settings import Settings
from domain.identity import OperatorRole
from tests.acceptance.client import Api, Socket
from tests.acceptance.server import Server
from tests.waiting import Stopwatch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LivedIn

SIGN_IN = """mutation($printed: String!) { signInOperator(input: {token: $printed}) { __typename
  ... on SignInOperatorSuccess { session { accessToken user { id } } } } }"""
OUT_WITHIN = 2.0
"""Seconds after the command has returned within which the sockets of a removed operator are closed."""


@pytest.mark.parametrize(
    "how", [{}, {"workers": 2, "bus_url": "postgresql://"}], ids=["inbox in memory", "two workers"]
)
async def test_operators_come_and_go_while_the_server_runs(
    tmp_path: Path, lived_in: LivedIn, how: dict[str, object]
) -> None:
    """Nobody stops the service to let a moderator in, and whoever is removed is out within two seconds, wherever they are."""
    with Server(lived_in(tmp_path / "parley"), **how) as server:
        settings = Settings(data_dir=server.data_dir)
        user, token = await asyncio.to_thread(operators.add, settings, "Olive", OperatorRole.MODERATOR)
        async with Api(server.url) as api:
            session = (await api.run(SIGN_IN, printed=token))["signInOperator"]["session"]
            assert session["user"]["id"] == str(user.id)
            sockets = [await Socket.open(f"{server.url}/graphql", session["accessToken"]) for _ in range(3)]
            await asyncio.to_thread(operators.remove, settings, user.id)
            with Stopwatch() as watch:
                ends = [await socket.closed() for socket in sockets]
                seconds = watch.seconds
            assert [end.code for end in ends] == [4401] * 3
            assert seconds < OUT_WITHIN
            refused = await api.run(SIGN_IN, printed=token)
            assert refused["signInOperator"]["__typename"] == "NotAllowedError"
        assert "Traceback" not in server.output()


def test_the_commands_need_no_server(
    tmp_path: Path, lived_in: LivedIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first operator may be made before the first start. stdout has what a script wants; a slip is told in a sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(lived_in(tmp_path / "parley")))
    monkeypatch.setattr(logs, "configure", lambda _: None)  # Logging is the whole process's, and so of other tests.

    def typed(*arguments: str) -> tuple[int, list[str], str]:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            code = main(["operator", *arguments])
        finally:
            signal.signal(signal.SIGTERM, handler)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    code, (token,), said = typed("add", "Otto", "--role", "admin")
    operator_id = said.partition("Otto (admin) was added: ")[2][:36]
    assert code == 0
    assert token not in said
    assert "signInOperator" in said
    code, (line,), _ = typed("list")
    assert line.split()[::3] == [operator_id, "Otto"]
    assert line.split()[1] == "ADMIN"
    code, (other,), said = typed("token", operator_id)
    assert (code, other != token, "signInOperator" in said) == (0, True, True)
    assert typed("role", operator_id, "moderator") == (0, [], "parley: Otto is moderator from now on.\n")
    code, lines, said = typed("remove", operator_id)
    assert (code, lines, said.startswith("parley: Otto is no operator any more")) == (0, [], True)
    assert typed("remove", operator_id) == (2, [], "parley: There is no operator with this ID.\n")
    assert typed("add", " ", "--role", "admin") == (2, [], "parley: A name is 1 to 40 characters long.\n")
    assert typed("list") == (0, [], "")
    assert not (tmp_path / "parley" / "postgres" / "postmaster.pid").exists(), "PostgreSQL was left running"
