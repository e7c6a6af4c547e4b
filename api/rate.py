"""How often something may happen: a burst, and what comes back of it over time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

_PATTERN = re.compile(r"(\d{1,12})\+(\d{1,12}(?:\.\d{1,6})?)/(\d{0,6})([smh])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
LONGEST_REFILL = timedelta(days=365)
"""A limit that takes longer than this to recover is a mistake, and much longer is more than times can hold."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, and then `count` in each `period`. As text: `256+80/s`, `60+60/10m`, `20+20/h`."""

    burst: float
    count: float
    period: timedelta = timedelta(seconds=1)

    @property
    def a_second(self) -> float:
        """How much comes back in a second."""
        return self.count / self.period.total_seconds()

    @property
    def refill(self) -> timedelta:
        """After how long without use the whole burst is there again."""
        return timedelta(seconds=self.burst / self.a_second)

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises `ValueError`, which says what is wrong with it."""
        found = _PATTERN.fullmatch(text)
        if found is not None:
            burst, count, periods, unit = found.groups()
            seconds = int(periods or 1) * _SECONDS[unit]
            if int(burst) and float(count) and seconds:
                if int(burst) / float(count) * seconds > LONGEST_REFILL.total_seconds():
                    msg = f"must be a rate that brings the whole burst back within {LONGEST_REFILL.days} days"
                    raise ValueError(msg)
                return cls(int(burst), float(count), timedelta(seconds=seconds))
        msg = "must be a burst and what comes back of it over time, like 256+80/s, 60+60/10m or 20+20/h, and nothing in it 0"
        raise ValueError(msg)
