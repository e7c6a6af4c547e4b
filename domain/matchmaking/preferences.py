"""What may be asked for in the queue, brought into the one form in which it is compared."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from domain.characters import DIRECTION_CONTROLS
from domain.errors import InvalidInput
from domain.matchmaking.ticket import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.matchmaking.ticket import ChatMode

MOST_INTERESTS = 10
LONGEST_INTEREST = 40
"""Characters, counted after normalisation."""
LONGEST_RAW_INTEREST = 4 * LONGEST_INTEREST
"""Decomposed text shrinks when it is composed, to a quarter at most in living scripts. What is longer is refused unread:
normalising a long run of combining marks takes quadratic time."""
MOST_LANGUAGES = 10
LONGEST_LANGUAGE = 35
"""Characters: what RFC 5646 section 4.4.1 asks protocols to allow for."""
MOST_PATIENCE = 120
"""Seconds."""

LANGUAGE_TAG = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"  # language, with its extended subtags
    r"(?:-[a-z]{4})?"  # script
    r"(?:-(?:[a-z]{2}|[0-9]{3}))?"  # region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"  # extensions
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"  # private use
    r"|x(?:-[a-z0-9]{1,8})+"
)
"""`Language-Tag` of RFC 5646 section 2.1, in lower case, without the grandfathered tags of irregular form."""
GRANDFATHERED = frozenset(
    (
        *(
            "en-gb-oed",
            "i-ami",
            "i-bnn",
            "i-default",
            "i-enochian",
            "i-hak",
            "i-klingon",
            "i-lux",
            "i-mingo",
            "i-navajo",
        ),
        *("i-pwn", "i-tao", "i-tay", "i-tsu", "sgn-be-fr", "sgn-be-nl", "sgn-ch-de"),
    )
)
"""The `irregular` ones of the same section."""

UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
INVISIBLE = frozenset({"Cf", "Zs", "Mn", "Me"})


def preferences(mode: ChatMode, interests: Sequence[str], languages: Sequence[str], patience: int) -> Preferences:
    """Validated and normalised preferences; duplicates are merged and the order is kept.

    Interests are trimmed, in Unicode form NFKC, and case-folded. Languages are well-formed BCP 47 tags in lower case; tags are
    compared whole, so somebody who speaks any English gives `en` beside `en-GB`, as browsers do.
    Raises `InvalidInput` with the field `interests`, `languages` or `patience`.
    """
    if len(interests) > MOST_INTERESTS:
        raise InvalidInput("interests", f"Give at most {MOST_INTERESTS} interests.")
    if len(languages) > MOST_LANGUAGES:
        raise InvalidInput("languages", f"Give at most {MOST_LANGUAGES} languages.")
    if not 0 <= patience <= MOST_PATIENCE:
        raise InvalidInput("patience", f"Patience is 0 to {MOST_PATIENCE} seconds.")
    return Preferences(
        mode=mode,
        interests=_merged(_interest(text, index) for index, text in enumerate(interests)),
        languages=_merged(_language(tag, index) for index, tag in enumerate(languages)),
        patience=patience,
    )


def _merged(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _interest(text: str, index: int) -> str:
    trimmed = text.strip()
    if len(trimmed) > LONGEST_RAW_INTEREST:
        raise _refused("interests", index, f"is longer than {LONGEST_INTEREST} characters")
    if any(unicodedata.category(c) in UNPRINTABLE or c in DIRECTION_CONTROLS for c in trimmed):
        raise _refused("interests", index, "holds control characters")
    # Folding case can undo the normal form, hence twice (Unicode 16.0, section 3.13.5, toNFKC_Casefold).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", trimmed).casefold()).strip()
    if all(unicodedata.category(c) in INVISIBLE for c in folded):
        raise _refused("interests", index, "is empty")
    if len(folded) > LONGEST_INTEREST:
        raise _refused("interests", index, f"is longer than {LONGEST_INTEREST} characters")
    return folded


def _language(tag: str, index: int) -> str:
    lower = tag.lower() if tag.isascii() and len(tag) <= LONGEST_LANGUAGE else ""
    if lower not in GRANDFATHERED and LANGUAGE_TAG.fullmatch(lower) is None:
        raise _refused(
            "languages", index, f"is not a BCP 47 tag of at most {LONGEST_LANGUAGE} characters, such as `en-GB`"
        )
    return lower


def _refused(field: str, index: int, what: str) -> InvalidInput:
    return InvalidInput(field, f"`{field}[{index}]` {what}.")
