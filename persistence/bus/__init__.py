"""The bus between workers: lossy hints in memory, over a server of Redis' protocol, or over PostgreSQL's LISTEN and NOTIFY."""

from persistence.bus.addresses import open_bus
from persistence.bus.memory import MemoryBackend
from persistence.bus.messages import GAP, QUEUE_LIMIT, Bus, Gap, Lagged, Received
from persistence.bus.reliable import ReliableBroadcast

__all__ = [
    "GAP",
    "QUEUE_LIMIT",
    "Bus",
    "Gap",
    "Lagged",
    "MemoryBackend",
    "Received",
    "ReliableBroadcast",
    "open_bus",
]
