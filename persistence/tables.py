"""Every table: importing this module fills the metadata that migrations are compared with."""

from __future__ import annotations

from persistence import chat, heads, identity, keys, limits, matchmaking, presence, rooms, safety
from persistence.base import Row

__all__ = ["chat", "heads", "identity", "keys", "limits", "matchmaking", "metadata", "presence", "rooms", "safety"]

metadata = Row.metadata
