"""The contract's own scalars."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from domain.errors import BadInput

LONGEST_CURSOR = 200
"""Characters: far above the longest that we make."""


TIMES_KEPT = 256
"""Times whose text is remembered: what happens in one millisecond is told to many."""


def format_time(value: datetime) -> str:
    """UTC with exactly three decimals: `2026-11-21T09:30:00.000Z`."""
    return _in_utc(value if value.tzinfo is UTC else value.astimezone(UTC))


@lru_cache(TIMES_KEPT)
def _in_utc(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: object) -> datetime:
    """An RFC 3339 date-time with an offset. Raises `BadInput`."""
    parsed = None
    # In UTC it may lie before the year 1, or behind 9999.
    with suppress(ValueError, OverflowError):
        given = datetime.fromisoformat(value) if isinstance(value, str) else None
        parsed = None if given is None or given.tzinfo is None else given.astimezone(UTC)
    if parsed is None:
        msg = "A DateTime is written like 2026-11-21T09:30:00.000Z."
        raise BadInput(msg)
    return parsed


def parse_cursor(value: object) -> str:
    """Any short text: what it means is decided where it is used. Raises `BadInput`."""
    if not isinstance(value, str) or len(value) > LONGEST_CURSOR:
        msg = "A Cursor is a text that this API returned."
        raise BadInput(msg)
    return value


def format_base64(value: bytes) -> str:
    """Standard alphabet, padded (RFC 4648 section 4)."""
    return base64.b64encode(value).decode()


def parse_base64(value: object) -> bytes:
    """Canonical base64: what `format_base64` would give for the bytes, and nothing else. Raises `BadInput`."""
    try:
        raw = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None or format_base64(raw) != value:
        msg = "Base64 is written in the standard alphabet, padded, and canonical (RFC 4648 section 4)."
        raise BadInput(msg)
    return raw


Base64 = NewType("Base64", bytes)
Cursor = NewType("Cursor", str)

SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC, written with exactly three decimals: `2026-11-21T09:30:00.000Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Base64: strawberry.scalar(
        name="Base64",
        description="Bytes in standard, padded, canonical base64 (RFC 4648 section 4).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc4648#section-4",
        serialize=format_base64,
        parse_value=parse_base64,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="An opaque position: in a subscriber's inbox (`Event.cursor`), or in a connection (`edges.cursor`).",
        serialize=str,
        parse_value=parse_cursor,
    ),
}
"""For `StrawberryConfig(scalar_map=SCALARS)`."""
