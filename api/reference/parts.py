"""The parts of the reference, as a front-end developer thinks of the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Part:
    """A page. What is named is at home there; any other type is where the nearest root field is that leads to it."""

    slug: str
    title: str
    summary: str
    queries: str = ""
    mutations: str = ""
    subscriptions: str = ""
    types: str = ""

    @property
    def roots(self) -> Iterator[tuple[str, str]]:
        """Kind of operation and name of the root fields."""
        for kind, names in (
            ("query", self.queries),
            ("mutation", self.mutations),
            ("subscription", self.subscriptions),
        ):
            for name in names.split():
                yield kind, name


PARTS = (
    Part(
        "identity",
        "Identity and sessions",
        "Come in by a name, keep the session fresh, leave; what only the viewer sees of themselves.",
        queries="me",
        mutations="signInAnonymously refreshSession updateProfile signOut",
        types="Session User Viewer",
    ),
    Part(
        "matchmaking",
        "Matchmaking",
        "Wait for a stranger who wants the same, meet, go on to the next.",
        queries="ticket",
        mutations="joinQueue leaveQueue skip",
        subscriptions="matchEvents",
        types="Ticket ChatMode",
    ),
    Part(
        "rooms",
        "Rooms and members",
        "The place where people are together: by a match or by an invite code, and who rules it.",
        queries="rooms room roomByInvite",
        mutations=(
            "createRoom joinRoom leaveRoom closeRoom rotateInvite muteMember unmuteMember kickMember promoteMember demoteMember"
        ),
        types="Room Member RoomPreview",
    ),
    Part(
        "presence",
        "Presence",
        "Who is here, who types, and whose camera, microphone or screen is on.",
        mutations="updatePresence",
        subscriptions="presence",
        types="MediaState",
    ),
    Part(
        "signaling",
        "Signaling",
        "Offers, answers and ICE candidates between two members, in order and not lost.",
        queries="iceConfiguration",
        mutations="sendSignal",
        subscriptions="signals",
        types="Signal",
    ),
    Part(
        "chat",
        "Encrypted chat",
        "Messages that the server stores and orders, and cannot read.",
        queries="messages",
        mutations="sendMessage",
        subscriptions="messages",
        types="Message FrankingTag FrankingTagInput",
    ),
    Part(
        "keys",
        "Keys",
        "Key bundles for X3DH and its post-quantum kin: publish, claim, replenish, compare.",
        queries="keys",
        mutations="publishKeys addOneTimePreKeys claimKeyBundle",
        subscriptions="keyEvents",
        types="KeyBundle",
    ),
    Part(
        "events",
        "All events",
        "One subscription and one cursor for everything that happens to the viewer.",
        subscriptions="events",
        types="Event ResyncRequired",
    ),
    Part(
        "safety",
        "Safety",
        "Block, report, and see and contest what was decided about oneself.",
        queries="myReports",
        mutations="blockUser unblockUser reportUser appealSuspension",
        types=(
            "Report Block BlockConnection BlockEdge Suspension SuspensionScope Warning Appeal SuspendedError Suspended Warned"
        ),
    ),
    Part(
        "privacy",
        "Privacy",
        "Take everything that is held about oneself along, or have it deleted.",
        queries="exportMyData",
        mutations="deleteMyAccount",
    ),
    Part(
        "operators",
        "Operators",
        "The queue of cases, decisions, appeals, the audit log and figures over time. For moderators and admins.",
        queries="cases case auditLog figures",
        mutations="signInOperator claimCase decideCase decideAppeal liftSuspension",
        subscriptions="caseEvents",
        types="Case CaseChanged OperatorRole",
    ),
    Part(
        "stats",
        "Statistics",
        "How busy the service is. Open without signing in.",
        queries="stats",
        subscriptions="stats",
    ),
    Part(
        "shared",
        "Shared types",
        "What every part uses: errors, pages, scalars, directives and the three roots.",
        types=(
            "Query Mutation Subscription UserError InvalidInputError NotFoundError NotAllowedError ConflictError PageInfo "
            "ID String Int Float Boolean DateTime Base64 Cursor"
        ),
    ),
)
"""In the order in which a front end needs them. The last takes what no root field leads to."""
