"""Frames of WebSockets (RFC 6455, section 5), as far as they need no state: cut out of the stream, unmasked, written."""

from __future__ import annotations

import struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

WHOLE_TEXT = 0x81
"""The first byte of a text message in one frame."""

_FIRST_BYTES = frozenset({0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A})
"""What a client's frame may begin with where no extension was agreed on: known opcodes, no reserved bits, whole controls."""
_CONTROL = 0x88
_LONGEST_CONTROL = 125
_MASKED = 0x80
_LENGTH_IN_16_BITS, _LENGTH_IN_64_BITS = 126, 127
_MASK_BYTES = 4


FRAMES_AT_ONCE = 64
"""A read of the network may bring 40,000 pings, which to answer takes a second: others get their turn in between. Who relays
signals as fast as they can be taken has a few in each read."""


class Cutter:
    """Cuts what a client sends into whole frames, and looks at nothing else in them.

    A header that no client may send is not waited for: from it on everything goes to whoever says what is wrong with it. Gives at
    most `FRAMES_AT_ONCE`, and then `more` tells that it holds others, for a call with nothing. Beside these it holds at most one
    frame of `longest` bytes and what came with its end.
    """

    __slots__ = ("_held", "_longest", "_missing", "more")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held = bytearray()
        """The beginning of a frame."""
        self._missing = 0
        """Bytes that it lacks at least."""
        self.more = False

    def cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The whole frames that end in `data`, in order; and what begins with a header that no client may send, if one does."""
        if self._held:
            self._held += data
            self._missing -= len(data)
            if self._missing > 0:
                return [], b""
            data = bytes(self._held)
            self._held.clear()
        frames: list[bytes] = []
        at, end = 0, len(data)
        self.more = False
        while at < end:
            if len(frames) == FRAMES_AT_ONCE:
                self._held += data[at:]
                self._missing, self.more = 0, True
                break
            size = self._size(data, at)
            if size < 0:
                return frames, data[at:]
            stop = at + size
            if stop > end:
                self._held += data[at:]
                self._missing = stop - end
                break
            frames.append(data[at:stop] if size < end else data)
            at = stop
        return frames, b""

    def _size(self, data: bytes, at: int) -> int:
        """Bytes of the frame that begins there, or what they are at least; negative if no client may send it."""
        first = data[at]
        if first not in _FIRST_BYTES:
            return -1
        if len(data) < at + 2:
            return 2
        second = data[at + 1]
        length = second & ~_MASKED
        if second < _MASKED or (first >= _CONTROL and length > _LONGEST_CONTROL):
            return -1
        head = 2
        if length >= _LENGTH_IN_16_BITS:
            head = 4 if length == _LENGTH_IN_16_BITS else 10
            if len(data) < at + head:
                return head
            length = int.from_bytes(data[at + 2 : at + head])
            if length > self._longest:
                return -1
        return head + _MASK_BYTES + length


def payload_of(frame: bytes) -> bytes:
    """What a whole frame of a client carries."""
    length = frame[1] & ~_MASKED
    start = 6 if length < _LENGTH_IN_16_BITS else 8 if length == _LENGTH_IN_16_BITS else 14
    return apply_mask(frame[start:], frame[start - _MASK_BYTES : start])


def framed(text: bytes) -> bytes:
    """A text message as a server sends it: in one frame, not masked."""
    size = len(text)
    if size < _LENGTH_IN_16_BITS:
        return bytes((WHOLE_TEXT, size)) + text
    if size < 1 << 16:
        return struct.pack("!BBH", WHOLE_TEXT, _LENGTH_IN_16_BITS, size) + text
    return struct.pack("!BBQ", WHOLE_TEXT, _LENGTH_IN_64_BITS, size) + text
