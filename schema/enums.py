"""The domain's enums as the API shows them: every value has a description. Import from here, so that they are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import strawberry
from strawberry.types.enum import has_enum_definition

from domain.figures import FigureResolution
from domain.identity import OperatorRole, SessionScope
from domain.keys.bundle import KeySuite, OneTimeKeyKind
from domain.matchmaking.ticket import ChatMode, QueueLeaveReason, TicketStatus
from domain.rooms.room import MatchEndReason, MemberLeaveReason, MemberRole, MemberStatus, RoomKind
from domain.safety.appeal import AppealStatus
from domain.safety.case import CaseDecision, CaseStatus
from domain.safety.report import ReportStatus
from domain.safety.suspension import ReportCategory, SuspensionScope
from domain.signaling import HangUpReason

if TYPE_CHECKING:
    from enum import Enum

E = TypeVar("E", bound="Enum")

__all__ = [
    "AppealStatus",
    "CaseDecision",
    "CaseStatus",
    "ChatMode",
    "FigureResolution",
    "HangUpReason",
    "KeySuite",
    "MatchEndReason",
    "MemberLeaveReason",
    "MemberRole",
    "MemberStatus",
    "OneTimeKeyKind",
    "OperatorRole",
    "QueueLeaveReason",
    "ReportCategory",
    "ReportStatus",
    "RoomKind",
    "SessionScope",
    "SuspensionScope",
    "TicketStatus",
]


def describe(kind: type[E], description: str, **values: str) -> None:
    """Registers an enum of the domain with a description of each of its values."""
    names = kind.__members__.keys()
    strawberry.enum(kind, description=description)
    if not has_enum_definition(kind) or values.keys() != names:
        msg = f"{kind.__name__}: describe exactly its values"
        raise TypeError(msg)
    for value in kind.__strawberry_definition__.values:
        value.description = values[value.name]


describe(
    SessionScope,
    "What a session may do.",
    FULL="Everything that the user may do.",
    APPEAL_ONLY=(
        "The account is suspended: only `me`, `stats`, `myReports`, `appealSuspension`, `exportMyData`, `deleteMyAccount`, "
        "`refreshSession` and `signOut` are allowed; all else is FORBIDDEN. Sockets may be opened. Refresh the session when the "
        "suspension has run out: sockets close with 4403 at once when it is lifted, and otherwise with their access token."
    ),
)
describe(
    OperatorRole,
    "What an operator may do.",
    MODERATOR="Judges cases.",
    ADMIN="All that a moderator may, and reads the audit log.",
)
describe(ChatMode, "How two people want to talk.", TEXT="By messages.", AUDIO="By voice.", VIDEO="By camera and voice.")
describe(
    TicketStatus,
    "Where a ticket stands. Every ticket ends MATCHED, CANCELLED or EXPIRED.",
    WAITING="In the queue.",
    MATCHED="It opened a room.",
    CANCELLED="The user left the queue.",
    EXPIRED="The user was not there.",
)
describe(
    QueueLeaveReason,
    "Why a ticket ended without a match.",
    LEFT="The user left the queue.",
    EXPIRED="The user joined and never opened a connection.",
    CONNECTION_LOST="The user's connection was lost for longer than the resume window.",
    SUSPENDED="The user was suspended.",
)
describe(
    RoomKind,
    "How a room came to be.",
    MATCH="Opened by the matchmaker for two people; closes when either leaves or skips.",
    INVITE="Opened by a user, entered with its invite code.",
)
describe(
    MemberRole,
    "Rank in a room; one may act only on a lower one.",
    OWNER="Does what a moderator does, also to moderators; promotes, demotes, and closes the room. An INVITE room has exactly one.",
    MODERATOR="Mutes and kicks members; sees the invite code, and rotates it.",
    MEMBER="Takes part.",
)
describe(
    MemberStatus,
    "Whether a member is there.",
    ONLINE="A connection is open.",
    AWAY="The connection is lost; the seat is held for the resume window.",
    LEFT="Outside: what remains is a tombstone.",
)
describe(
    MemberLeaveReason,
    "Why a member left.",
    LEFT="They chose to.",
    KICKED="A moderator removed them.",
    CONNECTION_LOST="Their connection was lost for longer than the resume window.",
    ROOM_CLOSED="The room was closed.",
)
describe(
    MatchEndReason,
    "Why a match ended.",
    YOU_SKIPPED="The viewer skipped.",
    YOU_LEFT="The viewer left, or could not be reached.",
    PARTNER_LEFT="The partner skipped, left, blocked, reported or was suspended: the difference is not told.",
    PARTNER_LOST="The partner's connection was lost, or they could not be reached.",
    YOU_WERE_SUSPENDED="The viewer was suspended.",
)
describe(
    HangUpReason,
    "Why a side ends a peer connection.",
    ENDED="The call is over.",
    DECLINED="The call is not wanted.",
    BUSY="Another call is under way.",
    FAILED="The connection could not be made or kept.",
)
describe(
    KeySuite,
    "Which key agreement a bundle of keys is for.",
    X3DH_25519="Signal's X3DH: Curve25519 keys of 32 bytes, signatures (XEdDSA) of 64 over exactly the bytes given as `key`.",
    PQXDH_25519_MLKEM1024="Signal's PQXDH: those of X3DH_25519, and signed ML-KEM-1024 keys of 1568 bytes.",
)
describe(
    OneTimeKeyKind,
    "The kinds of keys that are handed out once.",
    CURVE25519="For X25519, in either suite.",
    KEM="For ML-KEM-1024, in PQXDH_25519_MLKEM1024 only.",
)
describe(
    SuspensionScope,
    "What a suspension takes away.",
    MATCHING="Meeting strangers.",
    ALL="Everything: the session becomes APPEAL_ONLY.",
)
describe(
    ReportCategory,
    "What a report is about.",
    CHILD_SAFETY="A child is endangered or sexualised.",
    MINOR_WITH_ADULT="A minor uses the service, or is approached by an adult.",
    SEXUAL_CONTENT="Unwanted sexual content.",
    SEXTORTION="Threats to publish intimate material.",
    VIOLENCE_OR_THREAT="Violence or threats of it.",
    SELF_HARM="Self-harm, or encouragement of it.",
    HATE="Hate against a group of people.",
    HARASSMENT="Harassment of a person.",
    SPAM_OR_SCAM="Advertising or fraud.",
    IMPERSONATION="Pretending to be somebody else.",
    PRIVACY="Private information or recordings of somebody.",
    OTHER="None of the others.",
)
describe(
    AppealStatus,
    "What became of an appeal.",
    OPEN="Nobody has decided yet.",
    UPHELD="The suspension stays.",
    OVERTURNED="The suspension was lifted.",
)
describe(
    CaseStatus,
    "Where a case stands.",
    OPEN="Nobody has it.",
    CLAIMED="An operator has it, until the claim runs out.",
    ACTIONED="Decided: the subject was warned or suspended.",
    DISMISSED="Decided: there was no reason to act.",
    APPEALED="The subject asked for a second look.",
    UPHELD="The appeal was decided: the suspension stays.",
    OVERTURNED="The appeal was decided: the suspension was lifted.",
)
describe(
    CaseDecision,
    "What an operator decides.",
    DISMISS="There is no reason to act.",
    WARN="The subject is told what not to do again, and nothing is taken away.",
    SUSPEND="Something is taken away from the subject, for a while or for good.",
)
describe(
    ReportStatus,
    "What became of a report.",
    RECEIVED="Nobody has decided yet.",
    UPHELD="The reported person was warned or suspended.",
    DISMISSED="An operator found no reason to act, or a decision to act was overturned.",
)
describe(
    FigureResolution,
    "How much time one point of the figures sums up.",
    MINUTE="A minute, as it was recorded.",
    TEN_MINUTES="Ten minutes.",
    HOUR="An hour.",
    DAY="A day of UTC.",
)
