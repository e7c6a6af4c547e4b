"""Franking: a report proves what was said, and nobody can prove what was not."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.franking import DerivedFrankingKeys
from api.tokens import RootSecrets
from domain.franking import (
    LONGEST_PLAINTEXT,
    Disclosure,
    Finding,
    FrankingTag,
    commit,
    examine,
    lp,
    tag_message,
)
from domain.ports import FrankingKeys
from domain.rooms.room import Member, MemberStatus
from tests.seats import a_seat

VECTORS = json.loads((Path(__file__).parents[1] / "docs" / "franking-vectors.json").read_text(encoding="utf-8"))
SENT = datetime(2026, 11, 21, 9, 30, 0, 250_000, tzinfo=UTC)
NOW = SENT + timedelta(hours=1)
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
KEYS = DerivedFrankingKeys(RootSecrets((OLD,)))
CIPHERTEXT = b"nobody reads this"
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Evidence:
    """A disclosure, and all that it is examined by."""

    disclosure: Disclosure
    subject: Member
    reporter: Member | None
    now: datetime = NOW
    keys: FrankingKeys = KEYS

    def finding(self) -> Finding:
        """What it proves."""
        return examine(self.disclosure, self.subject, self.reporter, self.keys, self.now)

    def disclosing(self, **changed: Any) -> Evidence:  # noqa: ANN401 - any field of a dataclass
        """The same with another disclosure."""
        return replace(self, disclosure=replace(self.disclosure, **changed))

    def tagged(self, **changed: Any) -> Evidence:  # noqa: ANN401 - the same
        """The same with another tag."""
        return self.disclosing(tag=replace(self.disclosure.tag, **changed))


def honest(
    plaintext: str = "See you at 7?",
    keys: FrankingKeys = KEYS,
    *,
    subject: Member | None = None,
    commitment: bytes | None = None,
) -> Evidence:
    """A message as an honest sender and the server made it, disclosed by its receiver; or with another commitment."""
    subject, opening_key, message_id = subject or a_seat(), b"k" * 32, uuid4()
    commitment = commitment or commit(opening_key, room_id=subject.room_id, member_id=subject.id, plaintext=plaintext)
    tag = tag_message(
        keys,
        message_id=message_id,
        room_id=subject.room_id,
        member_id=subject.id,
        sent_at=SENT,
        commitment=commitment,
        ciphertext=CIPHERTEXT,
    )
    disclosure = Disclosure(message_id, plaintext, opening_key, commitment, tag, SENT)
    return Evidence(disclosure, subject, a_seat(room_id=subject.room_id))


def flipped(value: bytes, bit: int) -> bytes:
    """The value with one bit changed; `bit` counts on from the start as often as it has to."""
    bit %= 8 * len(value)
    return value[: bit // 8] + bytes([value[bit // 8] ^ 1 << bit % 8]) + value[bit // 8 + 1 :]


# ------------------------------------------------------------------------------------------ what is computed


def by_hand(*parts: bytes) -> bytes:
    """`lp` as an integrator would write it."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_published_vectors_follow_from_the_published_description(vector: dict[str, Any]) -> None:
    """An integrator who writes it in another language has only the description and these: they must agree without our code."""
    room, member, message = (vector[name].encode() for name in ("roomId", "memberId", "messageId"))
    opened = by_hand(b"parley/frank/v1", room, member, vector["plaintext"].encode("utf-8"))
    assert opened.hex() == vector["commitmentInput"]
    commitment = hmac.new(bytes.fromhex(vector["openingKey"]), opened, hashlib.sha256).digest()
    assert commitment.hex() == vector["commitment"]
    ciphertext_hash = hashlib.sha256(bytes.fromhex(vector["ciphertext"])).digest()
    assert ciphertext_hash.hex() == vector["ciphertextHash"]
    moment = struct.pack(">q", vector["sentAtMilliseconds"])
    tagged = by_hand(b"parley/tag/v1", message, room, member, moment, commitment, ciphertext_hash)
    assert tagged.hex() == vector["tagInput"]
    assert hmac.new(bytes.fromhex(vector["tagKey"]), tagged, hashlib.sha256).hexdigest() == vector["tag"]


class OneKey:
    """A tag key that is given."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def newest(self) -> tuple[str, bytes]:
        return "vector", self._key

    def get(self, key_id: str) -> bytes | None:
        return self._key if key_id == "vector" else None


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_the_server_computes_the_published_vectors(vector: dict[str, Any]) -> None:
    """A commitment that every client makes by the vectors has to open here, next year too."""
    subject = a_seat(room_id=UUID(vector["roomId"]), id=UUID(vector["memberId"]))
    opening_key, keys = bytes.fromhex(vector["openingKey"]), OneKey(bytes.fromhex(vector["tagKey"]))
    sent_at = datetime.fromisoformat(vector["sentAt"])
    commitment = commit(opening_key, room_id=subject.room_id, member_id=subject.id, plaintext=vector["plaintext"])
    assert commitment.hex() == vector["commitment"]
    tag = tag_message(
        keys,
        message_id=UUID(vector["messageId"]),
        room_id=subject.room_id,
        member_id=subject.id,
        sent_at=sent_at,
        commitment=commitment,
        ciphertext=bytes.fromhex(vector["ciphertext"]),
    )
    assert (tag.ciphertext_hash.hex(), tag.tag.hex()) == (vector["ciphertextHash"], vector["tag"])
    disclosure = Disclosure(UUID(vector["messageId"]), vector["plaintext"], opening_key, commitment, tag, sent_at)
    assert examine(disclosure, subject, a_seat(room_id=subject.room_id), keys, sent_at) is Finding.VERIFIED


@pytest.mark.parametrize("vector", VECTORS["lp"], ids=lambda vector: repr(vector["parts"]))
def test_length_prefixes_are_as_published(vector: dict[str, Any]) -> None:
    """Without them "ab" and "c" would be the same as "a" and "bc", and a plaintext could pretend to be an ID."""
    parts = vector["parts"]
    assert lp(*parts).hex() == vector["bytes"] == by_hand(*(part.encode() for part in parts)).hex()


@given(st.lists(st.binary(max_size=40)), st.lists(st.binary(max_size=40)))
def test_no_two_lists_of_parts_look_alike(one: list[bytes], other: list[bytes]) -> None:
    """A collision would let a sender commit to two plaintexts at once."""
    assert (lp(*one) == lp(*other)) is (one == other)


def test_tag_keys_come_from_the_root_secrets_by_hkdf() -> None:
    """Another derivation after an upgrade would make every tag of the last 30 days worthless."""
    extracted = hmac.digest(bytes(32), OLD[1], "sha256")  # RFC 5869: no salt is 32 zeros
    expected = hmac.digest(extracted, b"parley/franking-tag/v1\x01", "sha256")
    assert KEYS.newest() == ("old", expected)
    assert KEYS.get("old") == expected
    assert KEYS.get("nobody") is None


# ------------------------------------------------------------------------------------------ what is verified


@pytest.mark.parametrize(
    "plaintext",
    ["See you at 7?", "", "Grüße \U0001f44b", "one\0two", "a" * LONGEST_PLAINTEXT, "é" * (LONGEST_PLAINTEXT // 2)],
)
def test_what_was_sent_is_verified(plaintext: str) -> None:
    """Whoever was threatened can prove it, whatever the threat was written in."""
    assert honest(plaintext).finding() is Finding.VERIFIED


def test_who_has_left_the_room_can_still_prove_what_was_said_there() -> None:
    """People leave first and report then."""
    evidence = honest()
    assert evidence.reporter is not None
    left = replace(evidence.reporter, left_at=SENT, status=MemberStatus.LEFT)
    assert replace(evidence, reporter=left).finding() is Finding.VERIFIED
    assert replace(evidence, subject=evidence.subject.tombstone()).finding() is Finding.VERIFIED


@pytest.mark.parametrize("now", [SENT + timedelta(days=30), SENT - timedelta(minutes=1), SENT])
def test_a_message_proves_something_for_thirty_days_by_clocks_a_minute_apart(now: datetime) -> None:
    """Exactly as long as promised; a worker whose clock is behind refuses nothing that another has just tagged."""
    assert replace(honest(), now=now).finding() is Finding.VERIFIED


def test_a_retired_key_verifies_until_it_is_dropped() -> None:
    """Rotating the secrets must not wash everybody's hands."""
    evidence = honest()
    assert evidence.disclosure.tag.key_id == "old"
    rotated = DerivedFrankingKeys(RootSecrets((NEW, OLD)))
    assert replace(evidence, keys=rotated).finding() is Finding.VERIFIED
    assert honest(keys=rotated).disclosure.tag.key_id == "new"
    dropped = DerivedFrankingKeys(RootSecrets((NEW,)))
    assert replace(evidence, keys=dropped).finding() is Finding.UNKNOWN_TAG_KEY


def test_a_key_of_another_id_does_not_verify() -> None:
    """The ID in the evidence is the reporter's word: it only says which key to try."""
    rotated = DerivedFrankingKeys(RootSecrets((NEW, OLD)))
    assert replace(honest(), keys=rotated).tagged(key_id="new").finding() is Finding.FORGED_TAG


# ------------------------------------------------------------------------------------------ what is refused

Fault = Callable[[Evidence], Evidence]
FAULTS: list[tuple[Finding, Fault]] = [
    (Finding.BAD_OPENING_KEY, lambda it: it.disclosing(opening_key=it.disclosure.opening_key[:-1])),
    (Finding.BAD_OPENING_KEY, lambda it: it.disclosing(opening_key=it.disclosure.opening_key + b"\0")),
    (Finding.BAD_OPENING_KEY, lambda it: it.disclosing(opening_key=b"")),
    (Finding.MALFORMED, lambda it: it.disclosing(plaintext="a" * (LONGEST_PLAINTEXT + 1))),
    (Finding.MALFORMED, lambda it: it.disclosing(plaintext="é" * (LONGEST_PLAINTEXT // 2) + "a")),
    (Finding.MALFORMED, lambda it: it.disclosing(plaintext="\ud83d")),
    (Finding.MALFORMED, lambda it: it.disclosing(commitment=b"c" * 31)),
    (Finding.MALFORMED, lambda it: it.tagged(ciphertext_hash=b"h" * 33)),
    (Finding.MALFORMED, lambda it: it.tagged(tag=b"")),
    (Finding.UNKNOWN_TAG_KEY, lambda it: it.tagged(key_id="nobody")),
    (Finding.UNKNOWN_TAG_KEY, lambda it: it.tagged(key_id="\ud83d\0" * 10_000)),
    (Finding.FORGED_TAG, lambda it: it.tagged(tag=flipped(it.disclosure.tag.tag, 0))),
    (Finding.TOO_OLD, lambda it: replace(it, now=SENT + timedelta(days=30) + MILLISECOND)),
    (Finding.FROM_THE_FUTURE, lambda it: replace(it, now=SENT - timedelta(minutes=1) - MILLISECOND)),
    (Finding.NOT_A_RECEIVER, lambda it: replace(it, reporter=None)),
    (Finding.NOT_A_RECEIVER, lambda it: replace(it, reporter=it.subject)),
    (
        Finding.NOT_A_RECEIVER,
        lambda it: replace(it, reporter=a_seat(room_id=it.subject.room_id, user_id=it.subject.user_id)),
    ),
    (Finding.NOT_A_RECEIVER, lambda it: replace(it, reporter=a_seat())),
    (Finding.NOT_OPENED, lambda it: it.disclosing(plaintext=it.disclosure.plaintext + "!")),
    (Finding.NOT_OPENED, lambda it: it.disclosing(opening_key=flipped(it.disclosure.opening_key, 7))),
]
"""Everything that can be wrong with evidence, in the order in which it is looked for."""


@pytest.mark.parametrize(("finding", "fault"), FAULTS)
def test_what_is_wrong_is_named(finding: Finding, fault: Fault) -> None:
    """A moderator sees why evidence does not count: too late is another matter than forged."""
    assert fault(honest()).finding() is finding


def test_every_reason_is_covered() -> None:
    """A reason that nothing leads to is a check that somebody forgot."""
    assert {finding for finding, _ in FAULTS} == set(Finding) - {Finding.VERIFIED}


def test_of_two_faults_the_earlier_is_named() -> None:
    """The costly and the telling checks come last: a forger learns nothing about commitments without a tag of ours."""
    for (first, one), (second, other) in itertools.combinations(FAULTS, 2):
        if first is second or {first, second} == {Finding.TOO_OLD, Finding.FROM_THE_FUTURE}:
            continue
        assert one(other(honest())).finding() is first, (first, second)


def test_a_tag_of_another_message_proves_nothing() -> None:
    """Otherwise one harmless message would stand for every other: of another room, sender, time or ID."""
    room, sender = uuid4(), uuid4()
    one, other = [honest(subject=a_seat(room_id=room, user_id=sender)) for _ in range(2)]
    assert one.disclosing(tag=other.disclosure.tag).finding() is Finding.FORGED_TAG
    assert one.disclosing(message_id=other.disclosure.message_id).finding() is Finding.FORGED_TAG
    assert replace(one, subject=replace(one.subject, id=other.subject.id)).finding() is Finding.FORGED_TAG
    assert one.disclosing(sent_at=SENT + MILLISECOND).finding() is Finding.FORGED_TAG
    elsewhere = uuid4()
    moved = replace(one, subject=replace(one.subject, room_id=elsewhere), reporter=a_seat(room_id=elsewhere))
    assert moved.finding() is Finding.FORGED_TAG


def test_a_commitment_moved_to_another_member_or_room_does_not_open() -> None:
    """A receiver who sends on what they received must not be able to blame it on the first sender, nor take it for their own."""
    quoted = honest()
    for subject in (a_seat(room_id=quoted.subject.room_id), replace(quoted.subject, room_id=uuid4())):
        moved = honest(subject=subject, commitment=quoted.disclosure.commitment)
        assert moved.finding() is Finding.NOT_OPENED


CHANGES: dict[str, Callable[[Evidence, int], Evidence]] = {
    "message ID": lambda it, bit: it.disclosing(message_id=UUID(bytes=flipped(it.disclosure.message_id.bytes, bit))),
    "opening key": lambda it, bit: it.disclosing(opening_key=flipped(it.disclosure.opening_key, bit)),
    "commitment": lambda it, bit: it.disclosing(commitment=flipped(it.disclosure.commitment, bit)),
    "tag": lambda it, bit: it.tagged(tag=flipped(it.disclosure.tag.tag, bit)),
    "hash": lambda it, bit: it.tagged(ciphertext_hash=flipped(it.disclosure.tag.ciphertext_hash, bit)),
    "key ID": lambda it, bit: it.tagged(key_id=flipped(it.disclosure.tag.key_id.encode(), bit).decode("latin-1")),
    "time": lambda it, bit: it.disclosing(sent_at=SENT + MILLISECOND * 2 ** (bit % 40)),
    "sender": lambda it, bit: replace(
        it, subject=replace(it.subject, id=UUID(bytes=flipped(it.subject.id.bytes, bit)))
    ),
    "room": lambda it, bit: replace(
        it, subject=replace(it.subject, room_id=UUID(bytes=flipped(it.subject.room_id.bytes, bit)))
    ),
}


@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 8 * 36))
def test_a_changed_bit_anywhere_is_never_verified(what: str, bit: int) -> None:
    """Evidence is exact or it is none."""
    assert CHANGES[what](honest(), bit).finding() is not Finding.VERIFIED


@given(st.text(max_size=200), st.integers(min_value=0), st.integers(0, 20))
def test_a_changed_character_is_never_verified(plaintext: str, place: int, bit: int) -> None:
    """Not one letter of what somebody said can be exchanged."""
    assume(plaintext)
    place %= len(plaintext)
    changed = ord(plaintext[place]) ^ 1 << bit
    assume(changed <= 0x10FFFF)
    text = plaintext[:place] + chr(changed) + plaintext[place + 1 :]
    assert honest(plaintext).disclosing(plaintext=text).finding() in {Finding.NOT_OPENED, Finding.MALFORMED}


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
"""With NUL and lone surrogates."""
ANY_BYTES = st.binary(max_size=40) | st.binary(min_size=32, max_size=32)


@given(
    st.builds(
        Disclosure,
        st.uuids(),
        ANY_TEXT,
        ANY_BYTES,
        ANY_BYTES,
        st.builds(FrankingTag, ANY_TEXT | st.just("old"), ANY_BYTES, ANY_BYTES),
        st.datetimes(timezones=st.just(UTC)),
    ),
    st.booleans(),
)
def test_whatever_a_stranger_makes_up_is_refused_and_breaks_nothing(disclosure: Disclosure, there: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    """A report comes from anybody: it is answered, not a crash with somebody else's evidence in it."""
    subject = a_seat()
    evidence = Evidence(disclosure, subject, a_seat(room_id=subject.room_id) if there else None)
    assert evidence.finding() is not Finding.VERIFIED
