"""Invite codes: read out over a telephone, found by a hash, and nowhere to be found."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.invites import ALPHABET, CODE_LENGTH, InviteCodes
from api.tokens import RootSecrets
from domain.rooms.room import Invite

ROOM = UUID("5f0c4b1e-6f3e-4c3a-9a1b-0f6b8f7f2f11")
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)
CODES = InviteCodes(RootSecrets((OLD,)))
INVITE = CODES.new(1)


def shown(codes: InviteCodes, invite: Invite, room_id: UUID = ROOM) -> str:
    """The code, which is there."""
    code = codes.code(room_id, invite)
    assert code is not None
    return code


def test_a_code_is_a_hundred_bits_in_letters_and_digits_that_nobody_mistakes() -> None:
    """It is read out, written down and typed, and still cannot be guessed."""
    code = shown(CODES, INVITE)
    assert [len(group) for group in code.split("-")] == [5, 5, 5, 5]
    assert set(code) <= set(ALPHABET) | {"-"}
    assert len(set(ALPHABET)) == 32
    assert not set("OILU") & set(ALPHABET)
    assert CODE_LENGTH * 5 == 100


def test_a_code_stays_the_same_after_a_restart() -> None:
    """It is derived and not stored: were it drawn anew, the link in a friend's chat would be dead."""
    assert shown(InviteCodes(RootSecrets((OLD,))), INVITE) == shown(CODES, INVITE)
    assert CODES.digest(ROOM, INVITE) in CODES.digests(shown(CODES, INVITE))


def test_every_room_version_and_secret_has_a_code_of_its_own() -> None:
    """A code leads to one room, and after a rotation to none."""
    other = InviteCodes(RootSecrets((NEW,)))
    codes = {shown(CODES, CODES.new(version), room) for version in range(1, 50) for room in (ROOM, uuid4())}
    codes |= {shown(other, other.new(version)) for version in range(1, 50)}
    assert len(codes) == 147


def test_what_is_stored_does_not_tell_the_code() -> None:
    """Whoever reads the database without the root secret can join nothing, and cannot even try codes against it."""
    code = shown(CODES, INVITE).replace("-", "")
    assert code.encode() not in CODES.digest(ROOM, INVITE)
    assert len(CODES.digest(ROOM, INVITE)) == 32
    assert not set(InviteCodes(RootSecrets((NEW,))).digests(code)) & set(CODES.digests(code))


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: f"  {code}\r\n",
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " "),
        lambda code: code.replace("-", " - "),
        lambda code: code.replace("-", "–"),  # noqa: RUF001  # what phones make of a hyphen
        lambda code: code.replace("-", "\u2011"),
        lambda code: code.replace("-", "\u00a0"),
        lambda code: f"\u200b{code}\ufeff",
        lambda code: code.replace("0", "O").replace("1", "I"),
        lambda code: code.replace("0", "o").replace("1", "l"),
        lambda code: " ".join(code.replace("-", "")),
    ],
)
def test_a_code_is_understood_as_people_type_it(typed: object) -> None:
    """A friend who reads a zero as an O still comes in."""
    assert callable(typed)
    versions = [CODES.new(version) for version in range(1, 30)]
    assert any(set("01") & set(shown(CODES, invite)) for invite in versions)
    for invite in versions:
        assert CODES.digest(ROOM, invite) in CODES.digests(typed(shown(CODES, invite)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-",
        "7QK2M",
        "A" * 19,
        "A" * 21,
        "A" * 1_000_000,
        "\u0301" * 64,
        "U" * 20,
        "é" * 20,
        "\ud800" * 20,
        "\x00" * 20,
        "A" * 19 + "\x00",
        "A" * 19 + "\udc00",
        "\uff21" * 20,
        "٣" * 20,
        "ß" * 20,
        "';DROP TABLE room;--",
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_what_is_no_code_is_looked_up_nowhere(text: str) -> None:
    """Whatever a stranger sends in the place of a code costs no query and breaks nothing."""
    assert CODES.digests(text) == ()


@given(st.text(max_size=80))
def test_nothing_that_can_be_typed_is_a_fault_of_the_server(text: str) -> None:
    """A text is a code or it is not."""
    assert len(CODES.digests(text)) in {0, 1}


def test_an_invite_outlives_a_new_root_secret_and_dies_with_its_own() -> None:
    """Secrets are rotated without anybody's link breaking, and one that leaked can be made worthless."""
    both, only_new = InviteCodes(RootSecrets((NEW, OLD))), InviteCodes(RootSecrets((NEW,)))
    code = shown(CODES, INVITE)
    assert both.code(ROOM, INVITE) == code
    assert both.digest(ROOM, INVITE) == CODES.digest(ROOM, INVITE)
    assert CODES.digest(ROOM, INVITE) in both.digests(code)
    assert both.new(2) == Invite(2, "new")

    assert only_new.code(ROOM, INVITE) is None
    assert CODES.digest(ROOM, INVITE) not in only_new.digests(code)
    with pytest.raises(KeyError):
        only_new.digest(ROOM, INVITE)
