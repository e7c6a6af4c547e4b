"""Bytes in JSON."""

from __future__ import annotations

from base64 import b64encode


def base64(value: bytes) -> str:
    """Bytes as the API takes and gives them."""
    return b64encode(value).decode()
