"""How much a JSON text spells is told before it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_values import MAX_VALUES, spells_more

TEXTS = st.text(st.sampled_from('a,[{]}"\\ é'), max_size=12)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=25,
)


def counted(value: Any) -> int:  # noqa: ANN401 - JSON
    """Lists and objects, and what comes behind the first in each: the commas and opening brackets of its text."""
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(0, len(inner) - 1) + sum(map(counted, inner))


@given(value=VALUES, most=st.integers(0, 30), ascii_only=st.booleans())
def test_what_is_inside_strings_is_not_counted(value: Any, most: int, *, ascii_only: bool) -> None:  # noqa: ANN401 - JSON
    """A report of a message that holds nothing but commas is a report; brackets behind an escaped quote are still words."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert spells_more(text, most) == (counted(value) > most)


@pytest.mark.parametrize(
    "text", [b"[" + b"[]," * 350_000 + b"[]]", b'["",' * 200_000, b'{"a":0,' * 150_000, b'"a",' * 250_000]
)
def test_a_mebibyte_of_little_things_is_too_much(text: bytes) -> None:
    """Whether or not it is JSON in the end: it is not read."""
    assert spells_more(text, MAX_VALUES)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'"' + b"," * 1_000_000 + b'"', b'"' + b'\\",' * 300_000 + b'"', b"9" * 1_000_000]
)
def test_a_mebibyte_in_one_piece_is_not(text: bytes) -> None:
    """Ciphertexts and offers are long, and one value each."""
    assert not spells_more(text, MAX_VALUES)
