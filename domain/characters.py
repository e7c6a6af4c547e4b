"""What texts may hold: names, which strangers read, and IDs that clients choose."""

from __future__ import annotations

import unicodedata

from domain.errors import InvalidInput

DIRECTION_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder what stands around them: `\u202egnp.exe` (Unicode TR 36, section 3.2). The marks (LRM, RLM, ALM) do not, and belong
to real names."""
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159")
"""Letters and symbols that show nothing: Hangul fillers, the empty Braille cell, the object placeholder, the null note head."""
LONGEST_CLIENT_ID = 64
"""Characters."""
_LONGEST_FORM = 4
"""Code points that NFC makes one, at most (U+1F82 is such a one): nothing longer needs to be normalised to be refused,
which matters because normalising a long run of combining marks takes the square of its length."""


def name(field: str, text: str, longest: int) -> str:
    """The name in NFC without space around it: 1 to `longest` code points, of which one can be seen. Raises `InvalidInput`.

    Joiners stay, since Persian names and family emoji need them; what breaks lines, reorders text (Unicode TR 36,
    section 3.2) or is no character at all is refused.
    """
    trimmed = text.strip()
    if len(trimmed) <= longest * _LONGEST_FORM:
        if any(c in DIRECTION_CONTROLS or unicodedata.category(c) in _REFUSED_CATEGORIES for c in trimmed):
            raise InvalidInput(field, "A name has no control characters and none that change the direction of text.")
        trimmed = unicodedata.normalize("NFC", trimmed)
    if not 0 < len(trimmed) <= longest:
        raise InvalidInput(field, f"A name is 1 to {longest} characters long.")
    if not any(unicodedata.category(c)[0] in "LNPS" and c not in _BLANK for c in trimmed):
        raise InvalidInput(field, "A name has at least one character that can be seen.")
    return trimmed


def prose(field: str, text: str, longest: int) -> str:
    """What somebody writes for people to read, in NFC without space around it: 1 to `longest` code points. Raises `InvalidInput`.

    Every kind of line break becomes a line feed; other control characters, and what reorders text, are refused as in a name.
    """
    trimmed = "\n".join(text.strip().splitlines())
    if len(trimmed) <= longest * _LONGEST_FORM:
        if any(
            c != "\n" and (c in DIRECTION_CONTROLS or unicodedata.category(c) in _REFUSED_CATEGORIES) for c in trimmed
        ):
            raise InvalidInput(
                field, "No control characters but line breaks, and none that change the direction of text."
            )
        trimmed = unicodedata.normalize("NFC", trimmed)
    if not 0 < len(trimmed) <= longest:
        raise InvalidInput(field, f"1 to {longest} characters.")
    return trimmed


def check_client_id(field: str, text: str) -> None:
    """Raises `InvalidInput` for what cannot be an ID that a client chose itself, for a request or for something of its own: any
    text of 1 to 64 characters can.
    """
    if not 0 < len(text) <= LONGEST_CLIENT_ID:
        raise InvalidInput(field, f"1 to {LONGEST_CLIENT_ID} characters.")
    if not storable(text):
        raise InvalidInput(field, "It holds a NUL character, or half of a surrogate pair.")


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: it has no NUL, and none of the halves of surrogate pairs that JSON can spell."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
