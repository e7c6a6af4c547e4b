"""The present, as everything in Parley reads it."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """UTC in whole milliseconds: what the API shows is exactly what is stored, and JavaScript truncates microseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
