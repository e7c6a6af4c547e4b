"""Events as bytes: what the inbox in PostgreSQL keeps. JSON, so that workers of two versions can read each other's events.

Numbers of kinds are never given to another kind. What a version adds to an event must have a default here, and a kind that this
version does not know is passed over.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog

from domain.events import (
    CaseChanged,
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
from domain.keys.bundle import OneTimeKeyKind
from domain.matchmaking.ticket import ChatMode, Preferences, QueueLeaveReason, Ticket, TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason
from domain.safety.case import AccountWarning
from domain.safety.suspension import ReportCategory, Suspension, SuspensionScope
from domain.signaling import Answer, HangUp, HangUpReason, IceCandidate, IceCandidates, Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from domain.events import Event
    from domain.signaling import Signal

    Fields = dict[str, Any]

log = structlog.get_logger(__name__)

KINDS: Final[Mapping[type[Event], int]] = {
    QueueJoined: 0,
    QueueLeft: 1,
    Matched: 2,
    MatchEnded: 3,
    SignalReceived: 4,
    MemberJoined: 5,
    MemberLeft: 6,
    MemberUpdated: 7,
    MessageSent: 8,
    KeysPublished: 9,
    PreKeysLow: 10,
    UserSuspended: 11,
    UserWarned: 12,
    CaseChanged: 13,
}
"""Also the index of the kind in `head.latest`."""


def encode(event: Event) -> bytes:
    """The event, without its kind."""
    if isinstance(event, SignalReceived):
        kind = type(event.signal).__name__
        return orjson.dumps(
            {
                "id": event.id,
                "room_id": event.room_id,
                "sender_id": event.sender_id,
                "call_id": event.call_id,
                "is": kind,
                "signal": event.signal,
            },
            default=str,
        )
    return orjson.dumps(event, default=str)  # The driver's UUIDs are of a class of its own.


def decode(kind: int, payload: bytes) -> Event | None:
    """The event; None for what only a newer version can read, so that it does not keep the events beside it from anybody."""
    make = _DECODERS.get(kind)
    if make is None:
        return None
    try:
        return make(orjson.loads(payload))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("an event could not be read", kind=kind, error=type(error).__name__)
        return None


def _queue_joined(f: Fields) -> Event:
    return QueueJoined(_ticket(f["ticket"]))


def _queue_left(f: Fields) -> Event:
    return QueueLeft(_ticket(f["ticket"]), QueueLeaveReason(f["reason"]))


def _matched(f: Fields) -> Event:
    return Matched(_ticket(f["ticket"]), UUID(f["room_id"]), UUID(f["partner_id"]))


def _match_ended(f: Fields) -> Event:
    return MatchEnded(UUID(f["room_id"]), MatchEndReason(f["reason"]))


def _signal_received(f: Fields) -> Event:
    return SignalReceived(
        UUID(f["id"]), UUID(f["room_id"]), UUID(f["sender_id"]), f["call_id"], _signal(f["is"], f["signal"])
    )


def _member_joined(f: Fields) -> Event:
    return MemberJoined(UUID(f["room_id"]), UUID(f["member_id"]))


def _member_left(f: Fields) -> Event:
    return MemberLeft(UUID(f["room_id"]), UUID(f["member_id"]), MemberLeaveReason(f["reason"]))


def _member_updated(f: Fields) -> Event:
    return MemberUpdated(UUID(f["room_id"]), UUID(f["member_id"]))


def _message_sent(f: Fields) -> Event:
    return MessageSent(UUID(f["room_id"]), UUID(f["message_id"]), f["seq"])


def _keys_published(f: Fields) -> Event:
    return KeysPublished(UUID(f["room_id"]), UUID(f["member_id"]), f["identity_changed"])


def _pre_keys_low(f: Fields) -> Event:
    return PreKeysLow(OneTimeKeyKind(f["kind"]), f["remaining"])


def _user_suspended(f: Fields) -> Event:
    s = f["suspension"]
    return UserSuspended(
        Suspension(
            id=UUID(s["id"]),
            user_id=UUID(s["user_id"]),
            scope=SuspensionScope(s["scope"]),
            reason=s["reason"],
            category=None if s["category"] is None else ReportCategory(s["category"]),
            automated=s["automated"],
            starts_at=datetime.fromisoformat(s["starts_at"]),
            ends_at=_time(s["ends_at"]),
            lifted_at=_time(s["lifted_at"]),
            case_id=None if s.get("case_id") is None else UUID(s["case_id"]),
        )
    )


def _user_warned(f: Fields) -> Event:
    w = f["warning"]
    return UserWarned(
        AccountWarning(
            UUID(w["id"]), UUID(w["user_id"]), UUID(w["case_id"]), w["reason"], datetime.fromisoformat(w["at"])
        )
    )


def _case_changed(f: Fields) -> Event:
    return CaseChanged(UUID(f["case_id"]))


def _signal(kind: str, f: Fields) -> Signal:
    match kind:
        case "Offer":
            return Offer(f["sdp"])
        case "Answer":
            return Answer(f["sdp"])
        case "HangUp":
            return HangUp(HangUpReason(f["reason"]))
        case _:
            candidates = tuple(
                IceCandidate(c["candidate"], c["sdp_mid"], c["sdp_m_line_index"], c["username_fragment"])
                for c in f["candidates"]
            )
            return IceCandidates(candidates, f["end_of_candidates"])


def _ticket(f: Fields) -> Ticket:
    asked = f["preferences"]
    return Ticket(
        id=UUID(f["id"]),
        user_id=UUID(f["user_id"]),
        status=TicketStatus(f["status"]),
        preferences=Preferences(
            ChatMode(asked["mode"]), tuple(asked["interests"]), tuple(asked["languages"]), asked["patience"]
        ),
        enqueued_at=datetime.fromisoformat(f["enqueued_at"]),
        widens_at=datetime.fromisoformat(f["widens_at"]),
        room_id=None if f["room_id"] is None else UUID(f["room_id"]),
    )


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


_DECODERS: Final[Mapping[int, Callable[[Fields], Event]]] = {
    KINDS[kind]: make
    for kind, make in {
        QueueJoined: _queue_joined,
        QueueLeft: _queue_left,
        Matched: _matched,
        MatchEnded: _match_ended,
        SignalReceived: _signal_received,
        MemberJoined: _member_joined,
        MemberLeft: _member_left,
        MemberUpdated: _member_updated,
        MessageSent: _message_sent,
        KeysPublished: _keys_published,
        PreKeysLow: _pre_keys_low,
        UserSuspended: _user_suspended,
        UserWarned: _user_warned,
        CaseChanged: _case_changed,
    }.items()
}
