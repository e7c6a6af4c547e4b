"""How results are laid out in a stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framing:
    """A media type for several results, one after the other."""

    name: str
    """As metrics have it."""
    media_type: str
    opening: bytes
    """Comes first, so that the client knows that it is connected."""
    before: bytes
    after: bytes
    heartbeat: bytes
    """Says nothing, between two results."""
    closing: bytes
    """There is nothing more to come; a stream that ends without it was cut, and its client comes back."""
    envelope: int | None = None
    """Where `before` tells a length, as %d: how much longer than the result it is."""

    def framed(self, encoded: bytes) -> bytes:
        """One result, given as JSON."""
        before = self.before if self.envelope is None else self.before % (len(encoded) + self.envelope)
        return before + encoded + self.after

    def only(self, encoded: bytes) -> bytes:
        """A whole stream of one result."""
        return self.opening + self.framed(encoded) + self.closing
