"""The limits that hold across workers, as they are set: use cases name what they limit, and bring what it is by default."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from api.rate import Rate
from domain.errors import RateLimited
from domain.identity import ACCOUNTS_PER_NETWORK, ACCOUNTS_PERIOD
from domain.keys.claiming import CLAIMS_PER_PAIR, CLAIMS_PERIOD
from domain.privacy.exporting import EXPORTS_OF_USER, EXPORTS_PERIOD
from domain.rooms.invites import GUESSES_OF_NETWORK, GUESSES_OF_USER, GUESSES_PERIOD
from domain.safety.appealing import APPEALS_OF_USER, APPEALS_PERIOD
from domain.safety.blocking import BLOCKS_OF_USER, BLOCKS_PERIOD
from domain.safety.operators import FAILURES_PER_NETWORK, FAILURES_PERIOD
from domain.safety.reporting import REPORTS_OF_NETWORK, REPORTS_OF_USER, REPORTS_PERIOD

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import timedelta

    from domain.ports import RateLimits


class SharedRates(NamedTuple):
    """By what a key begins with, up to its first colon."""

    accounts: Rate = Rate(ACCOUNTS_PER_NETWORK, ACCOUNTS_PER_NETWORK, ACCOUNTS_PERIOD)
    invites: Rate = Rate(GUESSES_OF_USER, GUESSES_OF_USER, GUESSES_PERIOD)
    invites_of_network: Rate = Rate(GUESSES_OF_NETWORK, GUESSES_OF_NETWORK, GUESSES_PERIOD)
    claims: Rate = Rate(CLAIMS_PER_PAIR, CLAIMS_PER_PAIR, CLAIMS_PERIOD)
    blocks: Rate = Rate(BLOCKS_OF_USER, BLOCKS_OF_USER, BLOCKS_PERIOD)
    appeals: Rate = Rate(APPEALS_OF_USER, APPEALS_OF_USER, APPEALS_PERIOD)
    reports: Rate = Rate(REPORTS_OF_USER, REPORTS_OF_USER, REPORTS_PERIOD)
    reports_of_network: Rate = Rate(REPORTS_OF_NETWORK, REPORTS_OF_NETWORK, REPORTS_PERIOD)
    exports: Rate = Rate(EXPORTS_OF_USER, EXPORTS_OF_USER, EXPORTS_PERIOD)
    operator_sign_ins: Rate = Rate(FAILURES_PER_NETWORK, FAILURES_PER_NETWORK, FAILURES_PERIOD)


SHARED = SharedRates()


class ConfiguredRateLimits:
    """`ports.RateLimits` that puts what was set in the place of what was asked. `refusals` counts by limit since the start."""

    def __init__(self, limits: RateLimits, rates: SharedRates) -> None:
        self._limits = limits
        self._rates = rates._asdict()
        self.refusals = Counter(dict.fromkeys(self._rates, 0))

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        burst, period = self._set(key, burst, period)
        await self._counted(key, self._limits.take(key, burst=burst, period=period))

    async def check(self, key: str, *, burst: int, period: timedelta) -> None:
        burst, period = self._set(key, burst, period)
        await self._counted(key, self._limits.check(key, burst=burst, period=period))

    def _set(self, key: str, burst: int, period: timedelta) -> tuple[int, timedelta]:
        rate = self._rates.get(key.partition(":")[0])
        return (burst, period) if rate is None else (int(rate.burst), rate.refill)

    async def _counted(self, key: str, taking: Awaitable[None]) -> None:
        try:
            await taking
        except RateLimited:
            self.refusals[key.partition(":")[0]] += 1
            raise
