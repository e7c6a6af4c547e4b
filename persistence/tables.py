"""Every table: importing this module fills the metadata that migrations are compared with."""

from __future__ import annotations

from persistence import chat, heads, identity, keys, leases, limits, matchmaking, presence, rooms, safety, stats
from persistence.base import Row
from persistence.inbox import ring

__all__ = [
    "chat",
    "heads",
    "identity",
    "keys",
    "leases",
    "limits",
    "matchmaking",
    "metadata",
    "presence",
    "ring",
    "rooms",
    "safety",
    "stats",
]

metadata = Row.metadata
