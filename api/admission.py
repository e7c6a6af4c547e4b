"""Who makes a request: the access token, and whether its session still is what the token says."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from api.gate import TokenRefused
from domain.identity import SessionScope, present_scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from domain.identity import Caller
    from domain.ports import AccessTokens, Clock, Transact

KNOWN_FOR_SECONDS = 1.0
"""For how long a session's standing is believed: what another worker revoked acts here within 2 s."""
KNOWN_SESSIONS = 10_000
"""How many standings are kept, the least recently used dropped first: about 4 MB."""


@dataclass(frozen=True, slots=True)
class _Known:
    scope: SessionScope | None
    control_version: int
    until: float


class Admission:
    """`gate.Gate` over access tokens and the database.

    A revocation or suspension acts at once in the worker that made it, since it raises the user's `control_version`, and
    after `KNOWN_FOR_SECONDS` everywhere else.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        read: Transact,
        control_version: Callable[[UUID], int],
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._read = read
        self._control_version = control_version
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    async def admit(self, authorization: str | None) -> Caller | None:
        """See `Gate`. Nobody signed in is None or an empty value: what Apollo's documented auth link sends without a token.

        The caller's scope is the lesser of the token's and the present one. Raises `Unavailable` when the database does
        not answer.
        """
        if authorization is None or not authorization.strip():
            return None
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise TokenRefused("An Authorization value is `Bearer` and an access token.")
        caller = self._tokens.verify(token.strip(), self._clock())
        known = self._known.get(caller.session_id)
        if known is None or known.until <= self._monotonic() or self._moved(caller, known):
            known = await self._look(caller)
        else:
            self._known.move_to_end(caller.session_id)
        admitted = _limited(caller, known.scope)
        if admitted is None:
            raise TokenRefused("The session has ended: sign in again.")
        return admitted

    async def standing(self, caller: Caller) -> Caller | None:
        """The caller of a live socket as the database knows them now; None once the session is revoked.

        For a socket that re-checks after `control_version` moved. A `scope` that differs from the socket's, lesser or greater, asks
        for fresh tokens (4403), None for the end (4401).
        """
        scope = (await self._look(caller)).scope
        return None if scope is None else replace(caller, scope=scope)

    def _moved(self, caller: Caller, known: _Known) -> bool:
        return self._control_version(caller.user_id) != known.control_version

    async def _look(self, caller: Caller) -> _Known:
        # The version first: what commits while the database is asked then shows as moved. The time first as well.
        version, until = self._control_version(caller.user_id), self._monotonic() + KNOWN_FOR_SECONDS
        scope = await self._read(lambda uow: present_scope(uow, caller.session_id, self._clock()))
        known = self._known[caller.session_id] = _Known(scope, version, until)
        self._known.move_to_end(caller.session_id)
        while len(self._known) > KNOWN_SESSIONS:
            self._known.popitem(last=False)
        return known


def _limited(caller: Caller, present: SessionScope | None) -> Caller | None:
    if present is None:
        return None
    return caller if present is SessionScope.FULL else replace(caller, scope=SessionScope.APPEAL_ONLY)
