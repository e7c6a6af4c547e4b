"""Every table: importing this module fills the metadata that migrations are compared with."""

from __future__ import annotations

from persistence import (
    appeals,
    audit,
    blocks,
    cases,
    chat,
    figures,
    heads,
    identity,
    keys,
    leases,
    limits,
    matchmaking,
    operators,
    presence,
    reports,
    rooms,
    stats,
    suspensions,
)
from persistence.base import Row
from persistence.inbox import ring

__all__ = [
    "appeals",
    "audit",
    "blocks",
    "cases",
    "chat",
    "figures",
    "heads",
    "identity",
    "keys",
    "leases",
    "limits",
    "matchmaking",
    "metadata",
    "operators",
    "presence",
    "reports",
    "ring",
    "rooms",
    "stats",
    "suspensions",
]

metadata = Row.metadata
