"""How many operations a user and a network may begin, looked at before each of them runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from api.buckets import ROUNDING, Buckets
from api.rate import Rate
from domain.errors import RateLimited
from schema.execution.documents import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from schema.execution.documents import Prepared
    from schema.execution.execute import Engine

OF_USER = Rate(2_000, 200)
"""Signals alone have 80 a second, and their own limit."""
OF_NETWORK = Rate(20_000, 2_000)
"""A school of a thousand in calls of two minutes begins 160 a second. What strangers ask for counts here alone."""
NEW_CHARACTERS = 64
"""So many characters of a document that was not known count as one operation more: to prepare 64 KiB takes 20 ms, a known one a
microsecond, and a front end sends each of its own once in the life of a worker."""


class Rates(Protocol):
    """Operations that each user, and each network, may begin: queries, mutations and subscriptions alike."""

    def spend(self, user_id: UUID | None, network: str, cost: float) -> None:
        """Takes `cost` from both. Raises `RateLimited`, and then nothing was taken."""

    def charge(self, user_id: UUID | None, network: str, cost: float) -> None:
        """Takes `cost` for work that is done already, also what is not there: whoever owes waits for longer."""


class OperationRates:
    """`Rates` of this process. What somebody does who is signed in counts for the network too: a thousand accounts make its share
    no larger.
    """

    def __init__(
        self, of_user: Rate = OF_USER, of_network: Rate = OF_NETWORK, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._users = Buckets(of_user.burst, of_user.a_second, monotonic)
        self._networks = Buckets(of_network.burst, of_network.a_second, monotonic)

    @property
    def refusals(self) -> Mapping[str, int]:
        """How many were refused since the start, by limit."""
        return {"operations_of_user": self._users.refused, "operations_of_network": self._networks.refused}

    def spend(self, user_id: UUID | None, network: str, cost: float) -> None:
        # By its number: to hash a UUID takes 0.1 µs each time.
        wait = self._users.spend(user_id.int, cost) if user_id is not None else 0.0
        if wait <= ROUNDING:
            wait = self._networks.spend(network, cost)
            if wait > ROUNDING and user_id is not None:
                self._users.take(user_id.int, -cost)
        if wait > ROUNDING:
            raise RateLimited(wait)

    def charge(self, user_id: UUID | None, network: str, cost: float) -> None:
        self._networks.take(network, cost)
        if user_id is not None:
            self._users.take(user_id.int, cost)


class NoRates:
    """`Rates` with `PARLEY_RATE_LIMITS=off`."""

    def spend(self, user_id: UUID | None, network: str, cost: float) -> None:
        """Anything goes."""

    def charge(self, user_id: UUID | None, network: str, cost: float) -> None:
        """Anything goes."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Whose operations those of a request or a socket are, and what they cost: one for all of a socket."""

    rates: Rates
    user_id: UUID | None
    network: str

    def prepare(
        self,
        engine: Engine,
        text: str | None,
        extensions: Mapping[str, Any] | None,
        operation_name: str | None,
        variables: dict[str, Any] | None,
    ) -> Prepared | Rejected:
        """What a request runs, ready for its variables, or why it cannot. Raises `RateLimited`.

        It counts as one operation for each field of its own, so that as many aliases cost as much as so many requests.
        """
        documents = engine.documents
        known = documents.characters
        self.rates.spend(self.user_id, self.network, 1)
        prepared = engine.persisted.prepare(text, extensions)
        if documents.characters != known:
            self.rates.charge(self.user_id, self.network, (documents.characters - known) / NEW_CHARACTERS)
        if isinstance(prepared, Rejected):
            return prepared
        if prepared.weight > 1:
            try:
                self.rates.spend(self.user_id, self.network, prepared.weight - 1)
            except RateLimited:
                # It did not begin, and `retryAfter` is for all of it.
                self.rates.charge(self.user_id, self.network, -1)
                raise
        return documents.affordable(prepared, operation_name, variables) or prepared
