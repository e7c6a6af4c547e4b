"""The end of a cooldown, with one short enough to wait for."""

from __future__ import annotations

import asyncio
import time

from tests.acceptance.conftest import Newcomer, meet
from tests.waiting import DEADLINE, Stopwatch

COOLDOWN = 2.0
SETTINGS = {"skip_cooldown_seconds": int(COOLDOWN), "rate_limits": "off"}


async def test_the_end_of_a_cooldown_matches_those_who_wait(newcomer: Newcomer, interest: str) -> None:
    """In a quiet hour the two who skipped may be the only ones there: nobody joins, nobody leaves, and still they must not wait for
    ever, for nothing but the clock can bring them together.
    """
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)
    skipped_at = time.monotonic()
    with Stopwatch() as watch:
        await asyncio.gather(ada.skip(seat.room_id), ben.skip(seat.room_id))
        again = await ada.matched(within=DEADLINE)
        waited = time.monotonic() - skipped_at
        took = watch.seconds
    assert (await ben.matched()).room_id == again.room_id != seat.room_id
    assert waited >= COOLDOWN * 0.95, f"they met again after {waited:.2f} s of a cooldown of {COOLDOWN} s"
    assert took < COOLDOWN + 2, f"{took:.2f} s: the end of the cooldown went unnoticed"
