"""The audits of `graphql-http`, the reference for GraphQL over HTTP, against a running server: those that must, should and may."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.acceptance.server import ROOT, Server
from tests.conftest import LivedIn
from tests.node import environment, installed

AUDITS = ROOT / "tests" / "audits"
DEADLINE = 120.0
"""Seconds for all audits."""

IDS = """
22EB 4655 47DE 80D8 82A3 BF61 78D5 2C94 5A70 9C48 9ABE 03D4 A5BF 423L LKJ0 LKJ1 LKJ2 LKJ3 34A2 13EE 6C00 6C01 6C02 6C03 8161 B8B3
94B0 0220 94B1 0221 94B2 0222 4760 4761 4762 4763 2EA1 28B9 D6D5 6A70 58B0 58B1 58B2 58B3 428F 1B7A B6DC BCF8 B7N8 8764 3E3A 572B
FDE2 7B9B 865D 556A D586 51FE 74FF 5E5B 86EE
""".split()  # noqa: SIM905  # sixty lines otherwise
"""What there is to pass, so that none gets lost with a newer release."""

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def found(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JSON]:
    """What the audits found, by ID, of a server as `make run` starts it."""
    folder = installed(AUDITS)
    with Server(lived_in(tmp_path_factory.mktemp("audits") / "parley")) as server:
        ended = subprocess.run(
            ["node", "run.mjs", f"{server.url}/graphql"],
            check=False,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
        )
    assert ended.returncode == 0, ended.stdout
    return {audit["id"]: audit for audit in json.loads(ended.stdout)}


@pytest.mark.parametrize("id", IDS)
def test_audit_is_passed(found: dict[str, JSON], id: str) -> None:
    """Who knows the specification finds here what it says, also where it leaves a choice."""
    audit = found[id]
    assert audit["status"] == "ok", f"{audit['name']}: {audit['reason']} (status {audit['code']})"


def test_no_audit_is_left_out(found: dict[str, JSON]) -> None:
    """A release with more of them must not pass unseen."""
    assert sorted(found) == sorted(IDS)
