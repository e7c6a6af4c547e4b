"""Figures about the whole service that anyone may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over all workers; `median_wait_seconds` over the last hour, None without a match in it."""

    online: int
    waiting: int
    in_call: int
    open_rooms: int
    matches_last_hour: int
    median_wait_seconds: float | None
