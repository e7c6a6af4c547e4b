"""The contract's own scalars, as clients may write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.errors import BadInput
from schema.scalars import format_time, parse_time


@pytest.mark.parametrize(
    "written",
    [
        "0001-01-01T00:00:00+14:00",  # in UTC before the first year
        "9999-12-31T23:59:59-12:00",  # and behind the last
        "2026-11-21T09:30:00",
        "yesterday",
        1_795_253_400,
        None,
    ],
)
def test_what_is_no_moment_in_utc_is_a_mistake_of_the_client(written: object) -> None:
    """Whoever sends it is told how a time is written, and the server has no fault to look into."""
    with pytest.raises(BadInput):
        parse_time(written)


def test_a_moment_is_read_with_any_offset_and_written_in_utc() -> None:
    """Clients in all time zones speak of the same moment."""
    moment = parse_time("2026-11-21T10:30:00.000+01:00")
    assert moment == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert format_time(moment) == "2026-11-21T09:30:00.000Z"
