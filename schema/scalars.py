"""The contract's own scalars."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from domain.errors import BadInput


def format_time(value: datetime) -> str:
    """UTC with exactly three decimals: `2026-11-21T09:30:00.000Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(value: object) -> datetime:
    """An RFC 3339 date-time with an offset. Raises `BadInput`."""
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        msg = "A DateTime is written like 2026-11-21T09:30:00.000Z."
        raise BadInput(msg)
    return parsed.astimezone(UTC)


def format_bytes(value: bytes) -> str:
    """Standard, padded base64."""
    return base64.b64encode(value).decode()


def parse_bytes(value: object) -> bytes:
    """Canonical base64: one text for each sequence of bytes. Raises `BadInput`."""
    try:
        parsed = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        parsed = None
    if parsed is None or format_bytes(parsed) != value:
        msg = "Base64 is standard, padded and canonical (RFC 4648 section 4)."
        raise BadInput(msg)
    return parsed


def parse_cursor(value: object) -> str:
    """Any short text: what it means is decided where it is used. Raises `BadInput`."""
    if not isinstance(value, str) or len(value) > 200:  # noqa: PLR2004  # far above the longest that we make
        msg = "A Cursor is a text that this API returned."
        raise BadInput(msg)
    return value


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
        serialize=format_bytes,
        parse_value=parse_bytes,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="An opaque position: in a subscriber's inbox (`Event.cursor`), or in a connection (`edges.cursor`).",
        serialize=str,
        parse_value=parse_cursor,
    ),
}
"""For `StrawberryConfig(scalar_map=SCALARS)`."""
