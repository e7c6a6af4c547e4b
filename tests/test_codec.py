"""Events as bytes: what is read is what was written, by whichever version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import (
    CaseChanged,
    Event,
    KeysPublished,
    Matched,
    MatchEnded,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    MessageSent,
    PreKeysLow,
    QueueJoined,
    QueueLeft,
    SignalReceived,
    UserSuspended,
    UserWarned,
)
from domain.inbox import ALL_KINDS
from domain.keys.bundle import OneTimeKeyKind
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, Ticket, TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason
from domain.safety.case import AccountWarning
from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope
from domain.signaling import Answer, HangUp, HangUpReason, IceCandidate, IceCandidates, Offer
from persistence.inbox.codec import KINDS, decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
"""Whatever a client may say: emoji, control characters, even NUL, which payloads of bytes can hold."""
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive here
NUMBERS = st.integers(0, 2**63 - 1)

TEXTS = st.lists(TEXT, max_size=10).map(tuple)
IDS = st.uuids()
CANDIDATES = st.builds(
    IceCandidates,
    st.lists(
        st.builds(
            IceCandidate,
            candidate=TEXT,
            sdp_mid=st.none() | TEXT,
            sdp_m_line_index=st.none() | st.integers(0, 65535),
            username_fragment=st.none() | TEXT,
        ),
        max_size=64,
    ).map(tuple),
    end_of_candidates=st.booleans(),
)
SIGNALS = (
    st.builds(Offer, TEXT) | st.builds(Answer, TEXT) | CANDIDATES | st.builds(HangUp, st.sampled_from(HangUpReason))
)


TICKETS = st.builds(
    Ticket,
    id=IDS,
    user_id=IDS,
    status=st.sampled_from(TicketStatus),
    preferences=st.builds(
        Preferences, mode=st.sampled_from(ChatMode), interests=TEXTS, languages=TEXTS, patience=st.integers(0, 120)
    ),
    enqueued_at=TIMES,
    widens_at=TIMES,
    room_id=st.none() | IDS,
)
SUSPENSIONS = st.builds(
    Suspension,
    id=IDS,
    user_id=IDS,
    scope=st.sampled_from(SuspensionScope),
    reason=TEXT,
    category=st.none() | st.sampled_from(ReportCategory),
    automated=st.booleans(),
    starts_at=TIMES,
    ends_at=st.none() | TIMES,
    lifted_at=st.none() | TIMES,
    case_id=st.none() | IDS,
)
EVENTS: dict[type[Event], st.SearchStrategy[Event]] = {
    QueueJoined: st.builds(QueueJoined, TICKETS),
    QueueLeft: st.builds(QueueLeft, TICKETS, st.sampled_from(QueueLeaveReason)),
    Matched: st.builds(Matched, TICKETS, IDS, IDS),
    MatchEnded: st.builds(MatchEnded, IDS, st.sampled_from(MatchEndReason)),
    SignalReceived: st.builds(SignalReceived, IDS, IDS, IDS, st.none() | TEXT, SIGNALS),
    MemberJoined: st.builds(MemberJoined, IDS, IDS),
    MemberLeft: st.builds(MemberLeft, IDS, IDS, st.sampled_from(MemberLeaveReason)),
    MemberUpdated: st.builds(MemberUpdated, IDS, IDS),
    MessageSent: st.builds(MessageSent, IDS, IDS, NUMBERS),
    KeysPublished: st.builds(KeysPublished, IDS, IDS, st.booleans()),
    PreKeysLow: st.builds(PreKeysLow, st.sampled_from(OneTimeKeyKind), NUMBERS),
    UserSuspended: st.builds(UserSuspended, SUSPENSIONS),
    UserWarned: st.builds(UserWarned, st.builds(AccountWarning, IDS, IDS, IDS, TEXT, TIMES)),
    CaseChanged: st.builds(CaseChanged, IDS),
}
ANY_EVENT = st.one_of(list(EVENTS.values()))


@given(ANY_EVENT)
def test_what_is_read_is_what_was_written(event: Event) -> None:
    """A partner gets the session description byte for byte, and a client the very ticket that it had."""
    assert decode(KINDS[type(event)], encode(event)) == event


def test_every_kind_of_event_has_a_number_of_its_own_for_ever() -> None:
    """A kind without a number could not be told; one whose number changed would be read as another by a worker beside it."""
    assert set(KINDS) == set(get_args(Event)) == set(ALL_KINDS) == set(EVENTS)
    assert sorted(KINDS.values()) == list(range(len(KINDS)))
    assert {kind.__name__: number for kind, number in KINDS.items()} == {
        "QueueJoined": 0,
        "QueueLeft": 1,
        "Matched": 2,
        "MatchEnded": 3,
        "SignalReceived": 4,
        "MemberJoined": 5,
        "MemberLeft": 6,
        "MemberUpdated": 7,
        "MessageSent": 8,
        "KeysPublished": 9,
        "PreKeysLow": 10,
        "UserSuspended": 11,
        "UserWarned": 12,
        "CaseChanged": 13,
    }


@given(ANY_EVENT)
def test_what_a_newer_version_adds_is_passed_over(event: Event) -> None:
    """While a release rolls out, old workers read what new ones write."""
    fields: dict[str, Any] = orjson.loads(encode(event)) | {"added_later": {"x": 1}}
    assert decode(KINDS[type(event)], orjson.dumps(fields)) == event


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (999, b"{}"),
        (3, orjson.dumps({"room_id": UUID(int=1), "reason": "A_REASON_OF_TOMORROW"})),
        (3, b"{}"),
        (3, b"[]"),
        (3, b"\x00 no JSON"),
        (3, orjson.dumps({"room_id": 5, "reason": "YOU_LEFT"})),
        (3, orjson.dumps({"room_id": None, "reason": "YOU_LEFT"})),
        (8, orjson.dumps({"room_id": "x", "message_id": "y", "seq": 1})),
    ],
)
def test_what_cannot_be_read_keeps_nothing_else_from_anybody(kind: int, payload: bytes) -> None:
    """One event that this version cannot read is passed over: read in one query with others, it would stop all of them for ever."""
    assert decode(kind, payload) is None


def test_signals_are_small() -> None:
    """What an event takes beside its text: thousands are written a second."""
    ids = UUID(int=1), UUID(int=2), UUID(int=3)
    assert len(encode(SignalReceived(*ids, None, Offer("x" * 5000)))) < 5300
    assert len(encode(MessageSent(*ids[:2], 2**40))) < 150
    assert len(encode(MatchEnded(ids[0], MatchEndReason.PARTNER_LEFT))) < 100
