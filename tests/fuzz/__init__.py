"""Input that nobody should send: whatever it is, Parley says what is wrong with it, and goes on serving everybody else."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("PARLEY_FUZZ_TIMES", "1"))
"""How many times as many examples as `make test` tries: `make soak` tries more."""


def examples(count: int) -> settings:
    """So many examples, times `TIMES`. Hypothesis measures no times: the machine stalls."""
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
