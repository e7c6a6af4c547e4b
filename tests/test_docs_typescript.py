"""The TypeScript of web/ that runs in Node: its own tests pass, the walk-through in web/example talks through a real server, and
web/core/keys talks with the Python example.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import subprocess
from base64 import b64decode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import xeddsa

from api.xeddsa import first_unsigned
from domain.keys.bundle import SignedPreKey
from tests.acceptance.encryption import end_to_end
from tests.acceptance.server import ROOT, Server
from tests.conftest import LivedIn
from tests.guides import fences
from tests.node import DEADLINE, environment, npm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WEB = ROOT / "web"
TSX = WEB / "node_modules" / ".bin" / "tsx"
VECTORS = WEB / "test" / "keys" / "xeddsa-vectors.json"

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def web() -> Path:
    """The folder of the pages, with its packages. Skips without: `make test` installs them where Node is."""
    if not TSX.exists():
        pytest.skip("install Node 20.19 or newer with npm, and run `make web/node_modules/.stamp`")
    return WEB


@pytest.fixture(scope="module")
def server(lived_in: LivedIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, as `make run` starts it."""
    with Server(lived_in(tmp_path_factory.mktemp("typescript") / "parley")) as server:
        yield server


def test_its_own_tests_pass(web: Path) -> None:
    """Keys, ratchets, groups and franking; that the example's operations fit schema.graphql; and what else is in web/test."""
    assert "fail 0" in npm(web, "test")


def test_the_call_that_the_guide_shows_is_the_one_that_is_checked() -> None:
    """`make check` holds web/example/call.ts to the types of core/signaling.ts, tests/acceptance its operations to the schema."""
    assert fences(ROOT / "docs" / "CLIENTS.md", "ts") == [(WEB / "example" / "call.ts").read_text()]


def test_two_people_talk_through_a_running_server(web: Path, server: Server) -> None:
    """The walk-through of docs/ENCRYPTION.md, as a reader runs it; each line that it prints is checked by itself first."""
    told = npm(web, "run", "example", "--", server.url)
    assert "They compare the new numbers and go on" in told
    assert "White or black" not in server.output()


def test_published_vectors_of_xeddsa_are_right() -> None:
    """Its own tests hold signatures against these vectors: they are what another implementation makes."""
    vectors: list[JSON] = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert {vector["negated"] for vector in vectors} == {True, False}
    for vector in vectors:
        private, message, nonce = (bytes.fromhex(vector[name]) for name in ("privateKey", "message", "random"))
        assert xeddsa.priv_to_curve25519_pub(private).hex() == vector["publicKey"]
        assert bool(xeddsa.priv_to_ed25519_pub(private)[31] >> 7) is vector["negated"]
        signature = xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(private, False), message, nonce)  # noqa: FBT003 - its API
        assert signature.hex() == vector["signature"]


class Refused(Exception):
    """The chat at the other end of the pipe would not show the message."""


class Chat:
    """A chat of web/core/keys in a process of its own, `web/test/keys/pipe.ts`, with the methods of the Python one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._requests, self._answers = process.stdin, process.stdout

    async def bundle(self, one_time_keys: int) -> JSON:
        """What it publishes."""
        return dict(await self._ask("bundle", one_time_keys))

    async def start(self, bundle: JSON) -> None:
        """With claimed keys."""
        await self._ask("start", bundle)

    async def encrypt(self, text: str) -> JSON:
        """What it sends."""
        return dict(await self._ask("encrypt", text))

    async def decrypt(self, message: JSON) -> str:
        """What a message says. Raises `Refused`."""
        return str((await self._ask("decrypt", message))["text"])

    async def safety_number(self) -> str:
        """For people to compare."""
        return str(await self._ask("safetyNumber"))

    async def _ask(self, *command: object) -> Any:  # noqa: ANN401 - JSON of any shape
        self._requests.write(json.dumps(command).encode() + b"\n")
        await self._requests.drain()
        answer = json.loads(await asyncio.wait_for(self._answers.readline(), DEADLINE))
        if isinstance(answer, dict) and "error" in answer:
            raise Refused(answer["error"])
        return answer


@asynccontextmanager
async def browser(web: Path, me: str, peer: str) -> AsyncIterator[Chat]:
    """A chat of `me` with `peer` in the room "room"."""
    process = await asyncio.create_subprocess_exec(
        TSX,
        "test/keys/pipe.ts",
        "room",
        me,
        peer,
        cwd=web,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Chat(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), DEADLINE)


def claimed(published: JSON) -> JSON:
    """What a claim of a published bundle answers."""
    one_time = published["oneTimePreKeys"]
    return {**published, "oneTimePreKey": one_time[0] if one_time else None}


def delivered(sent: JSON) -> JSON:
    """What the server makes of what was sent."""
    digest = hashlib.sha256(b64decode(sent["ciphertext"])).digest()
    return {
        **sent,
        "frankingTag": {"keyId": "key", "ciphertextHash": end_to_end.base64(digest), "tag": end_to_end.base64(digest)},
    }


def damages(sent: JSON) -> Iterator[JSON]:
    """The message with one bit changed: in the length and the last byte of each of its parts."""
    whole = b64decode(sent["ciphertext"])
    at = 0
    for part in end_to_end.split(whole, 6):
        end = at + 4 + len(part)
        for place in (at + 3, end - 1):
            changed = bytearray(whole)
            changed[place] ^= 1
            yield delivered({**sent, "ciphertext": end_to_end.base64(bytes(changed))})
        at = end


@pytest.mark.parametrize("one_time_keys", [0, 1])
@pytest.mark.parametrize("python_starts", [True, False])
async def test_a_browser_and_a_python_program_understand_each_other(
    web: Path, one_time_keys: int, *, python_starts: bool
) -> None:
    """Two programs written apart, one of them on libraries of the protocols, agree on every byte: whoever starts, with and
    without a one-time key, whatever the order in which messages arrive.
    """
    ours = end_to_end.Conversation(end_to_end.Device(), "room", "ours", "theirs")
    order = random.Random(one_time_keys)
    async with browser(web, "theirs", "ours") as theirs:
        if python_starts:
            await ours.start(claimed(await theirs.bundle(one_time_keys)))
            hello = delivered(await ours.encrypt("hello"))
            assert await theirs.decrypt(hello) == "hello"
        else:
            await theirs.start(claimed(ours.device.bundle(one_time_keys)))
            hello = delivered(await theirs.encrypt("hello"))
            assert (await ours.decrypt(hello)).text == "hello"

        underway: list[tuple[bool, JSON, str]] = []
        for number in range(60):
            if underway and order.random() < 0.5:
                to_python, message, text = underway.pop(order.randrange(len(underway)))
                read = (await ours.decrypt(message)).text if to_python else await theirs.decrypt(message)
                assert read == text
            else:
                to_python, text = order.random() < 0.5, f"line {number}, naïve 日本語 🙂"
                sent = await (theirs if to_python else ours).encrypt(text)
                underway.append((to_python, delivered(sent), text))
        for to_python, message, text in underway:
            assert ((await ours.decrypt(message)).text if to_python else await theirs.decrypt(message)) == text
        assert await theirs.safety_number() == ours.safety_number


async def test_each_refuses_what_was_changed_on_its_way_from_the_other(web: Path) -> None:
    """That both authenticate the same bytes is seen by what they refuse: a byte of every part of a message."""
    ours = end_to_end.Conversation(end_to_end.Device(), "room", "ours", "theirs")
    async with browser(web, "theirs", "ours") as theirs:
        await theirs.start(claimed(ours.device.bundle(1)))
        sent = await theirs.encrypt("to Python")
        for damaged in damages(sent):
            with pytest.raises(end_to_end.Refused):
                await ours.decrypt(damaged)
        await ours.decrypt(delivered(sent))
        sent = await ours.encrypt("to the browser")
        for damaged in damages(sent):
            with pytest.raises(Refused):
                await theirs.decrypt(damaged)
        await theirs.decrypt(delivered(sent))


async def test_signatures_made_in_a_browser_are_those_the_server_takes(web: Path) -> None:
    """A signed pre-key is checked when it is published: one in a hundred that fails would be a riddle to a front end."""
    async with browser(web, "theirs", "ours") as theirs:
        for _ in range(16):
            bundle = await theirs.bundle(0)
            signed = bundle["signedPreKey"]
            identity, key, signature = map(b64decode, (bundle["identityKey"], signed["key"], signed["signature"]))
            assert first_unsigned(identity, [SignedPreKey(1, key, signature)]) is None
            assert xeddsa.ed25519_verify(signature, xeddsa.curve25519_pub_to_ed25519_pub(identity, False), key)  # noqa: FBT003
