"""What may be asked for in the queue, and the one form in which it is compared."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from domain.matchmaking.preferences import preferences
from domain.matchmaking.ticket import ChatMode


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["Chess"], ("chess",)),
        (["  Straße  "], ("strasse",)),
        (["CAFE\u0301", "café"], ("café",)),
        (["ﬁlm", "film"], ("film",)),
        (["日本語", "x" * 40], ("日本語", "x" * 40)),
        (["\u00a0go\u3000"], ("go",)),
        (["👩\u200d💻"], ("👩\u200d💻",)),
        (["b", "a", "B"], ("b", "a")),
        ([], ()),
    ],
)
def test_interests_are_compared_in_one_form(given: list[str], kept: tuple[str, ...]) -> None:
    """Two people who love the same thing find each other however their keyboards spell it."""
    assert preferences(ChatMode.TEXT, given, [], 0).interests == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["en-GB", "EN-gb"], ("en-gb",)),
        (
            ["zh-Hant-TW", "sr-Latn", "es-419", "de-CH-1901", "sl-rozaj-biske"],
            ("zh-hant-tw", "sr-latn", "es-419", "de-ch-1901", "sl-rozaj-biske"),
        ),
        (
            ["en-a-myext-b-another", "de-x-private", "x-own", "i-klingon", "und"],
            ("en-a-myext-b-another", "de-x-private", "x-own", "i-klingon", "und"),
        ),
    ],
)
def test_languages_are_tags_in_lower_case(given: list[str], kept: tuple[str, ...]) -> None:
    """What a browser gives as `navigator.languages` is taken as it is."""
    assert preferences(ChatMode.TEXT, [], given, 0).languages == kept


@pytest.mark.parametrize(
    ("interests", "languages", "patience", "field", "says"),
    [
        ([str(i) for i in range(11)], [], 0, "interests", "10"),
        (["ok", ""], [], 0, "interests", "[1]"),
        (["  "], [], 0, "interests", "[0]"),
        (["\u200b\u200d"], [], 0, "interests", "[0]"),
        (["x" * 41], [], 0, "interests", "[0]"),
        (["\ufdfa" * 3], [], 0, "interests", "[0]"),
        (["a" + "\u0301\u0316" * 500_000], [], 0, "interests", "[0]"),
        (["a\x00b"], [], 0, "interests", "[0]"),
        (["a\nb"], [], 0, "interests", "[0]"),
        (["a\u202eb"], [], 0, "interests", "[0]"),
        (["\ud800"], [], 0, "interests", "[0]"),
        ([], ["en"] * 11, 0, "languages", "10"),
        ([], ["en", ""], 0, "languages", "[1]"),
        ([], ["en_GB"], 0, "languages", "[0]"),
        ([], ["e"], 0, "languages", "[0]"),
        ([], [" en"], 0, "languages", "[0]"),
        ([], ["en-"], 0, "languages", "[0]"),
        ([], ["ｅｎ"], 0, "languages", "[0]"),  # noqa: RUF001  # full width
        ([], ["en-x-" + "-".join(["abcdefgh"] * 4)], 0, "languages", "[0]"),
        ([], [], -1, "patience", "120"),
        ([], [], 121, "patience", "120"),
    ],
)
def test_bad_preferences_are_refused_by_name(
    interests: list[str], languages: list[str], patience: int, field: str, says: str
) -> None:
    """A front end can point at the field that it got wrong; nothing unreadable is shown to a partner."""
    with pytest.raises(InvalidInput) as refused:
        preferences(ChatMode.TEXT, interests, languages, patience)
    assert refused.value.field == field
    assert says in str(refused.value)
