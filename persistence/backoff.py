"""How long to wait before the next attempt."""

from __future__ import annotations

import random


def backoff(attempt: int, longest: float) -> float:
    """Seconds before the next attempt, counted from 0: 0.1, doubling to `longest`, half of it at random, so that those who failed
    together do not come back as one.
    """
    return min(longest, 0.1 * 2.0 ** min(attempt, 10)) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
