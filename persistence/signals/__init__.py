"""Relaying signals: what is behind `ports.SignalPost`, in memory and through PostgreSQL."""

from persistence.signals.memory import MemorySignalPost
from persistence.signals.postgres import PostgresSignalPost

__all__ = ["MemorySignalPost", "PostgresSignalPost"]
