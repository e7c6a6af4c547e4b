"""The example of docs/ENCRYPTION.md runs, its cryptography refuses what it must, and the page says nothing that is not so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.buckets import MESSAGES_A_SECOND, MESSAGES_BURST
from domain.chat import LONGEST_CIPHERTEXT, MOST_AT_ONCE
from domain.franking import DISCLOSED_WITHIN, LONGEST_PLAINTEXT
from domain.keys.bundle import LOW_MARK
from domain.keys.checking import MOST_ONE_TIME_KEYS
from domain.keys.claiming import CLAIMS_PER_PAIR
from tests.acceptance.client import JSON
from tests.acceptance.encryption import EXAMPLES, end_to_end
from tests.acceptance.server import ROOT, Server, free_port
from tests.conftest import LivedIn
from tests.encoding import base64

PAGE = ROOT / "docs" / "ENCRYPTION.md"
KEYS = ROOT / "web" / "core" / "keys"
VECTORS = json.loads((ROOT / "docs" / "franking-vectors.json").read_text(encoding="utf-8"))
Refused = end_to_end.Refused


# ------------------------------------------------------------------------------------------ it runs


def run(url: str) -> subprocess.CompletedProcess[str]:
    """The example, as the page says to run it."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / "encrypted_chat.py"), url]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)


def test_the_example_tells_its_story_to_the_end(lived_in: LivedIn, tmp_path: Path) -> None:
    """An integrator's first minute: it works as it stands, or nobody reads on."""
    with Server(lived_in(tmp_path / "parley")) as server:
        told = run(server.url)
        assert (told.returncode, told.stderr) == (0, "")
        for line in (
            "Ben reads: Hello Ben, nobody else can read this.",
            "Ben is told that 9 one-time keys are left, and uploads 91 new ones.",
            "Ada reads: Hello Ada, I can. Grüße!",
            "Ada is warned: member ",
            "Ben reads: Nice telephone.",
        ):
            assert line in told.stdout
        read_out, compared, again = re.findall(r"(?:\d{5} ){11}\d{5}", told.stdout)
        assert read_out == compared != again


def test_the_example_says_in_one_sentence_that_there_is_no_server() -> None:
    """Most newcomers run it before they start a server once."""
    url = f"http://127.0.0.1:{free_port()}"
    told = run(url)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == f"No Parley server answers at {url}: start one with `make run` in another terminal.\n"


# ------------------------------------------------------------------------------------------ its cryptography


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_the_example_makes_the_published_commitments(vector: dict[str, Any]) -> None:
    """What integrators copy has to be what the server verifies."""
    opening_key = bytes.fromhex(vector["openingKey"])
    made = end_to_end.commit(opening_key, vector["roomId"], vector["memberId"], vector["plaintext"])
    assert made.hex() == vector["commitment"]


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0\1", b"\0\0\0\1ab", b"\xff\xff\xff\xffab", b""])
def test_what_lp_did_not_make_cannot_be_split(data: bytes) -> None:
    """Whatever a stranger sends is read with it."""
    with pytest.raises(Refused):
        end_to_end.split(data, 1)
    assert end_to_end.split(end_to_end.lp(data, "ä"), 2) == [data, "ä".encode()]


def carried(sealed: JSON) -> JSON:
    """What the server makes of a message, as far as a receiver looks at it."""
    digest = base64(sha256(end_to_end.b64decode(sealed["ciphertext"])).digest())
    return {**sealed, "frankingTag": {"keyId": "new", "ciphertextHash": digest, "tag": base64(bytes(32))}}


async def begun() -> tuple[Any, Any]:
    """Ada's and Ben's sides of a conversation; Ada may write first."""
    ada, ben = end_to_end.Device(), end_to_end.Device()
    bundle = ben.bundle(1)
    here, there = end_to_end.Conversation(ada, "r", "a", "b"), end_to_end.Conversation(ben, "r", "b", "a")
    await here.start({**bundle, "oneTimePreKey": bundle["oneTimePreKeys"][0]})
    return here, there


async def test_a_one_time_key_is_thrown_away_once_it_was_used_and_not_before() -> None:
    """A forged first message must not burn the key of the genuine one; a key that stays would undo forward secrecy."""
    here, there = await begun()
    message = carried(await here.encrypt("hello"))
    parts = end_to_end.split(end_to_end.b64decode(message["ciphertext"]), 6)
    forged = end_to_end.lp(*parts[:5], parts[5][::-1])
    with pytest.raises(Refused):
        await there.decrypt(carried({**message, "ciphertext": base64(forged)}))
    assert len(there.device.keys.bundle.pre_keys) == 1
    assert (await there.decrypt(message)).text == "hello"
    assert there.device.keys.bundle.pre_keys == frozenset()


async def test_of_many_sessions_the_longest_unused_is_forgotten() -> None:
    """Somebody who begins a new session with every message must not fill the other's memory, nor end the one in use."""
    here, there = await begun()
    first = await here.encrypt("first")
    for _ in range(end_to_end.MOST_SESSIONS + 2):
        assert (await there.decrypt(carried(await here.encrypt("in use")))).text == "in use"
        other = end_to_end.Conversation(here.device, "r", "a", "b")
        await other.start({**there.device.bundle(0), "oneTimePreKey": None})
        assert (await there.decrypt(carried(await other.encrypt("anew")))).text == "anew"
    assert len(there.sessions) == end_to_end.MOST_SESSIONS
    assert (await there.decrypt(carried(first))).text == "first"


async def test_an_answer_before_the_first_message_is_refused() -> None:
    """The server knows the session's ID and the key that its first answer comes from: neither makes an answer."""
    here, _ = await begun()
    (session_id,) = here.sessions
    message = end_to_end.lp(session_id, b"", bytes(32), bytes(4), bytes(4), bytes(64))
    with pytest.raises(Refused):
        await here.decrypt({"ciphertext": base64(message)})
    their_key = here.current.ratchet[1]
    await here.encrypt("hello")
    message = end_to_end.lp(session_id, b"", their_key, bytes(4), bytes(4), bytes(64))
    with pytest.raises(Refused):
        await here.decrypt({"ciphertext": base64(message)})


async def test_a_bundle_with_a_forged_signature_is_refused() -> None:
    """The server verifies signatures; whoever does not trust it verifies them too."""
    bundle = end_to_end.Device().bundle(0)
    bundle["signedPreKey"]["key"] = base64(end_to_end.Device().identity_key)
    here = end_to_end.Conversation(end_to_end.Device(), "r", "a", "b")
    with pytest.raises(Refused):
        await here.start({**bundle, "oneTimePreKey": None})
    assert here.their_identity is None


# ------------------------------------------------------------------------------------------ what the page says


def test_every_file_that_the_page_names_is_there() -> None:
    """A link that leads nowhere is the first thing a reader tries."""
    text = PAGE.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    assert targets
    assert [target for target in targets if not (PAGE.parent / target).exists()] == []


def test_every_name_in_the_pages_python_is_in_the_example() -> None:
    """Code in prose grows stale in silence."""
    source = "".join(file.read_text(encoding="utf-8") for file in sorted(EXAMPLES.glob("*.py")))
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for line in filter(str.strip, block.splitlines()):
            assert line.strip() in source, f"the page quotes what is not there: {line}"


def test_every_call_in_the_pages_typescript_is_in_the_module() -> None:
    """A front end is written along the table of calls."""
    text = PAGE.read_text(encoding="utf-8")
    for class_name, file in (("keyring", "keyring.ts"), ("room", "room.ts")):
        source = (KEYS / file).read_text(encoding="utf-8")
        called = set(re.findall(rf"\b{class_name}\.(\w+)(?![\w.])", text)) - {"ts"}
        assert len(called) > 3
        assert [name for name in called if not re.search(rf"^  (?:async )?{name}\(", source, re.MULTILINE)] == []


def test_the_worked_vector_of_the_page_is_the_first_published_one() -> None:
    """Whoever checks by hand starts with the numbers on the page."""
    first, text = VECTORS["vectors"][0], PAGE.read_text(encoding="utf-8")
    for name in ("roomId", "memberId", "openingKey", "commitment"):
        assert first[name] in text


@pytest.mark.parametrize(
    "said",
    [
        f"Keep the retired one for {(DISCLOSED_WITHIN + timedelta(days=1)).days} days",
        f"at most {DISCLOSED_WITHIN.days} days old",
        f"at most {LONGEST_PLAINTEXT // 1024} KiB and is Unicode text",
        f"1 byte to {LONGEST_CIPHERTEXT // 1024} KiB",
        f"fewer than {LOW_MARK} one-time keys",
        f"of each kind | {MOST_ONE_TIME_KEYS} |",
        f"{CLAIMS_PER_PAIR} at once, and in an hour",
        f"{MESSAGES_BURST} at once, then {MESSAGES_A_SECOND:.0f} a second",
        f"a page of `messages` | {MOST_AT_ONCE} |",
    ],
)
def test_the_page_says_the_codes_own_limits(said: str) -> None:
    """Whoever rotates secrets or sizes a buffer goes by the page."""
    assert said in " ".join(PAGE.read_text(encoding="utf-8").split())
