"""What every resolver is given: who asks, and the ports that use cases need. Nothing here belongs to one operation alone:
a socket has one context for all its operations, so it holds factories, never a session of the database.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import strawberry

from domain.chat import MOST_AT_ONCE
from domain.errors import Forbidden, PageTooLarge, Unauthenticated
from domain.identity import SessionScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from uuid import UUID

    from domain.identity import Caller
    from domain.ports import (
        AccessTokens,
        Clock,
        Directory,
        FrankingKeys,
        Hub,
        Inbox,
        Invites,
        KeyVerifier,
        OneByOne,
        RateLimits,
        Secrets,
        SignalPost,
        StatsSource,
        Throttle,
        Transact,
        Transcript,
    )


OPEN_FIELDS = frozenset({"__typename", "stats", "signInAnonymously", "signInOperator", "refreshSession"})
"""Root fields for which nobody needs to be signed in, so that an expired token beside them does no harm."""


@dataclass(frozen=True, slots=True)
class IceSettings:
    """STUN and TURN URLs; TURN ones get time-limited credentials made with `turn_secret`."""

    urls: tuple[str, ...]
    turn_secret: str | None


@dataclass(frozen=True, slots=True)
class Services:
    """The ports, made once per process."""

    transact: Transact
    read: Transact
    inbox: Inbox
    hub: Hub
    directory: Directory
    signals: SignalPost
    transcript: Transcript
    stats: StatsSource
    limits: RateLimits
    throttle: Throttle
    tokens: AccessTokens
    secrets: Secrets
    invites: Invites
    franking: FrankingKeys
    key_verifier: KeyVerifier
    one_by_one: OneByOne
    clock: Clock
    new_id: Callable[[], UUID]
    ice: IceSettings
    skip_cooldown: timedelta
    reached: Callable[[UUID], None]
    """Notes that a member (by ID) was told of its match or asked about its room. Cheap; written in batches."""
    queue_changed: Callable[[], None]
    """Tells the matcher that somebody may have begun to wait: call it after the commit. Cheap, coalesced, and may be lost: the
    matcher looks by itself too."""
    page_refused: Callable[[], None]
    """Counts that a page was asked for that is too large."""
    largest_page: int = MOST_AT_ONCE
    """Edges of a connection at once."""

    @contextmanager
    def paging(self) -> Iterator[int]:
        """The edges that a page may have; `PageTooLarge`, raised within, is counted."""
        try:
            yield self.largest_page
        except PageTooLarge:
            self.page_refused()
            raise


@dataclass(frozen=True, slots=True)
class Context:
    """One per HTTP request or socket."""

    services: Services
    caller: Caller | None
    network: str
    """What rate limits know of where a request comes from: an IPv4 address or an IPv6 /64. Never logged, never stored in clear."""
    after: str | None = None
    """The cursor of `connection_init`."""

    @property
    def viewer(self) -> Caller:
        """Whoever is signed in with full rights. Raises `Unauthenticated` or `Forbidden`."""
        caller = self.signed_in
        if caller.scope is not SessionScope.FULL:
            raise Forbidden
        return caller

    @property
    def signed_in(self) -> Caller:
        """Whoever is signed in, suspended or not. Raises `Unauthenticated`."""
        if self.caller is None:
            raise Unauthenticated
        return self.caller


Info = strawberry.Info[Context, None]
