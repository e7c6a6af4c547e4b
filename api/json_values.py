"""How much a JSON text spells, told before it is read.

A mebibyte of `[],[],…` becomes 25 MiB of objects, and to look whether they fit a schema keeps the loop for half a second. As many
bytes in a few strings do neither.
"""

from __future__ import annotations

MAX_VALUES = 10_000
"""Of one request or message. The largest there may be, a key bundle with a hundred one-time keys of each kind, has 900."""


def spells_more(text: bytes, most: int) -> bool:
    """Whether there are more values in it than that, by its commas and opening brackets; it need not be JSON.

    A short text has fewer, which costs nothing to see; what is inside strings is not counted, and costs a few milliseconds to skip.
    """
    if len(text) <= most or _structure(text) <= most:
        return False
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * most + 4:  # A value is at most two strings, with its key.
        return True
    return _structure(b"".join(bare.split(b'"')[::2])) > most


def _structure(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")
