"""Which pages may use the API."""

from __future__ import annotations

import pytest

from api.origins import Origins


@pytest.mark.parametrize(
    ("origin", "host", "production", "development"),
    [
        (None, "parley.example", True, True),
        ("https://parley.example", "parley.example", True, True),
        ("https://parley.example", "parley.example:443", True, True),
        ("HTTPS://Parley.Example", "parley.example", True, True),
        ("http://parley.example:8000", "parley.example:8000", True, True),
        ("http://parley.example:8001", "parley.example:8000", False, False),
        ("https://talk.example", "parley.example", True, True),
        ("https://talk.example:443", "parley.example", True, True),
        ("http://talk.example", "parley.example", False, False),
        ("https://talk.example:8443", "parley.example", False, False),
        ("https://a.talk.example", "parley.example", False, False),
        ("https://talk.example.evil.example", "parley.example", False, False),
        ("https://talk.example@evil.example", "parley.example", False, False),
        ("null", "parley.example", False, False),
        ("", "parley.example", False, False),
        ("https://", "", False, False),
        ("file://", "parley.example", False, False),
        ("javascript:alert(1)", "parley.example", False, False),
        ("http://localhost:5173", "parley.example", False, True),
        ("http://127.0.0.1:5173", "parley.example", False, True),
        ("http://[::1]:5173", "parley.example", False, True),
        ("http://localhost.evil.example", "parley.example", False, False),
        ("http://localhost:99999", "parley.example", False, False),
        ("http://parley.example", None, False, False),
    ],
)
def test_which_origins_are_allowed(
    origin: str | None, host: str | None, *, production: bool, development: bool
) -> None:
    """Each near miss is a page that would act in its visitor's name."""
    listed = ["https://talk.example"]
    assert Origins.of(listed, development=False).allows(origin, host) is production
    assert Origins.of(listed, development=True).allows(origin, host) is development


def test_a_wrong_entry_is_refused() -> None:
    """A typing error in a setting must not silently lock out a front end, nor let everybody in."""
    for wrong in (
        "*",
        "null",
        "talk.example",
        "https://talk.example/",
        "https://talk.example/app",
        "ftp://talk.example",
    ):
        with pytest.raises(ValueError, match="is not one"):
            Origins.of([wrong], development=False)
