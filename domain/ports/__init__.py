"""What the rules need of the world, as Protocols. The comments state the guarantees that use cases rely on."""

from __future__ import annotations

from domain.ports.figures import Figures
from domain.ports.privacy import Privacy
from domain.ports.realtime import Directory, Hub, Inbox, SignalPost, StatsSource, Transcript, Watch
from domain.ports.safety import Appeals, Audit, Blocks, Cases, Operators, Reports, Suspensions
from domain.ports.services import (
    AccessTokens,
    Clock,
    FrankingKeys,
    Invites,
    KeyVerifier,
    OneByOne,
    RateLimits,
    Secrets,
    Throttle,
)
from domain.ports.work import (
    Bars,
    Connections,
    Devices,
    KeyBundles,
    Matching,
    Messages,
    Rooms,
    Sessions,
    Tickets,
    Transact,
    UnitOfWork,
    Users,
)

__all__ = [
    "AccessTokens",
    "Appeals",
    "Audit",
    "Bars",
    "Blocks",
    "Cases",
    "Clock",
    "Connections",
    "Devices",
    "Directory",
    "Figures",
    "FrankingKeys",
    "Hub",
    "Inbox",
    "Invites",
    "KeyBundles",
    "KeyVerifier",
    "Matching",
    "Messages",
    "OneByOne",
    "Operators",
    "Privacy",
    "RateLimits",
    "Reports",
    "Rooms",
    "Secrets",
    "Sessions",
    "SignalPost",
    "StatsSource",
    "Suspensions",
    "Throttle",
    "Tickets",
    "Transact",
    "Transcript",
    "UnitOfWork",
    "Users",
    "Watch",
]
