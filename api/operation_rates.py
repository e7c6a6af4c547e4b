"""How many operations a user and a network may begin, looked at before each of them runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from api.buckets import ROUNDING, Buckets
from api.connections.preparing import preparing_of
from api.rate import Rate
from domain.errors import RateLimited
from schema.execution.documents import Rejected, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from schema.execution.documents import Documents, Prepared
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

    def find(
        self,
        engine: Engine,
        text: str | None,
        extensions: Mapping[str, Any] | None,
        operation_name: str | None,
        variables: dict[str, Any] | None,
    ) -> Prepared | Rejected | Unknown:
        """What a request runs, ready for its variables, or why it cannot. Raises `RateLimited`.

        What is not known is given back for `learn`, and then nothing was taken.
        It counts as one operation for each field of its own, so that as many aliases cost as much as so many requests.
        """
        documents = engine.documents
        before = documents.characters
        found = engine.persisted.find(text, extensions)
        if type(found) is Unknown:
            return found
        self.rates.spend(self.user_id, self.network, 1)
        if documents.characters != before:
            self._charge_new(documents.characters - before)
        return self._affordable(engine, found, operation_name, variables)  # type: ignore[arg-type]  # it is known

    async def learn(
        self,
        engine: Engine,
        unknown: Unknown,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        *,
        held: int,
    ) -> Prepared | Rejected:
        """The same of what is not known, once that is prepared. `held` are the bytes of the request, for as long. Raises
        `RateLimited`, also when too much waits already.
        """
        self.rates.spend(self.user_id, self.network, 1)
        make = partial(self._made, engine.documents, unknown.text)
        waiting = preparing_of(asyncio.get_running_loop())
        try:
            outcome = await waiting.outcome(engine.documents, unknown.text, make, (self.network, self.user_id), held)
        except RateLimited:
            self.rates.charge(self.user_id, self.network, -1)
            raise
        return self._affordable(engine, engine.persisted.learned(unknown, outcome), operation_name, variables)

    def _made(self, documents: Documents, text: str) -> Prepared | Rejected:
        before = documents.characters
        outcome = documents.prepare(text)
        self._charge_new(documents.characters - before)
        return outcome

    def _charge_new(self, characters: int) -> None:
        self.rates.charge(self.user_id, self.network, characters / NEW_CHARACTERS)

    def _affordable(
        self, engine: Engine, found: Prepared | Rejected, operation_name: str | None, variables: dict[str, Any] | None
    ) -> Prepared | Rejected:
        if isinstance(found, Rejected):
            return found
        if found.weight > 1:
            try:
                self.rates.spend(self.user_id, self.network, found.weight - 1)
            except RateLimited:
                # It did not begin, and `retryAfter` is for all of it.
                self.rates.charge(self.user_id, self.network, -1)
                raise
        return engine.documents.affordable(found, operation_name, variables) or found
