"""What use cases are handed beside the data: the time, limits, tokens, codes and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime, timedelta
    from uuid import UUID

    from domain.identity import Caller, Session
    from domain.keys.bundle import SignedPreKey
    from domain.rooms.room import Invite


class Clock(Protocol):
    """The present: UTC, timezone-aware, whole milliseconds (JavaScript truncates microseconds)."""

    def __call__(self) -> datetime: ...


class RateLimits(Protocol):
    """Limits that hold across workers (GCRA)."""

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        """Takes one out of `burst` that refill over `period`. Raises `RateLimited` and takes nothing when none is left."""

    async def check(self, key: str, *, burst: int, period: timedelta) -> None:
        """Raises `RateLimited` when none is left, and takes nothing: for what costs only when it fails."""


class Throttle(Protocol):
    """Limits of the hot paths, kept by this process alone: nothing is stored and nothing waits. Raises `RateLimited`, and then
    nothing was taken.
    """

    def signal(self, sender_id: UUID, size: int) -> None:
        """Takes one signal of `size` bytes out of what that member (or stranger) may send: a batch is one signal."""

    def presence(self, user_id: UUID) -> None:
        """Takes one change of presence out of what the user may make."""

    def queue(self, user_id: UUID) -> None:
        """Takes one joining, leaving or skipping out of what the user may do."""

    def room(self, user_id: UUID) -> None:
        """Takes one making, entering, leaving or ruling of rooms out of what the user may do."""

    def list_rooms(self, user_id: UUID, count: int) -> None:
        """Takes so many rooms in a list out of what the user may be shown."""

    def message(self, user_id: UUID, size: int) -> None:
        """Takes one message of `size` bytes out of what the user may send."""

    def keys(self, user_id: UUID, signatures: int) -> None:
        """Takes one writing of keys, with so many signatures to verify, out of what the user may do."""

    def publication(self, user_id: UUID) -> None:
        """Takes one bundle out of what the user may publish."""

    def history(self, user_id: UUID, size: int) -> None:
        """Takes `size` bytes of messages out of what the user may read; a negative `size` gives back what was not read."""

    def socket(self, user_id: UUID) -> None:
        """Takes one socket out of those that the user may open."""

    def refresh(self, network: str) -> None:
        """Takes one attempt to renew a session out of what a network may make, whether its token is good or not."""

    def renewal(self, session_id: UUID) -> None:
        """Takes one renewal out of what a session may have."""


class AccessTokens(Protocol):
    """Signed, short-lived tokens that name a session."""

    def issue(self, session: Session, now: datetime) -> tuple[str, datetime]:
        """A token and when it expires."""

    def verify(self, token: str, now: datetime) -> Caller:
        """Raises `TokenExpired` for one of ours that has expired, `TokenRefused` for anything else."""


class Invites(Protocol):
    """Invite codes: derived from the room and its `Invite`, so that they can be shown again while only a keyed hash is stored."""

    def new(self, version: int) -> Invite:
        """An invite of that version, made with the newest root secret."""

    def code(self, room_id: UUID, invite: Invite) -> str | None:
        """The code that lets others in; None once the root secret that it is made with is gone."""

    def digest(self, room_id: UUID, invite: Invite) -> bytes:
        """The keyed hash by which the room is found. Raises `KeyError` once the root secret is gone."""

    def digests(self, code: str) -> Sequence[bytes]:
        """What the hash of that code, as a person may have typed it, can be: one per root secret; none for what is no code."""


class FrankingKeys(Protocol):
    """Keys of the server's tags, by ID."""

    def newest(self) -> tuple[str, bytes]:
        """The one that makes new tags."""

    def get(self, key_id: str) -> bytes | None:
        """The key of that ID; None for one that is not known any more, or never was."""


class KeyVerifier(Protocol):
    """Checks of signatures, which cost too much for the event loop, and do not hold it."""

    async def unsigned(self, identity_key: bytes, keys: Sequence[SignedPreKey]) -> int | None:
        """The index of the first key whose signature (XEdDSA) is not by the identity key over exactly its bytes; None if all are.

        The identity key is not of small order.
        """


class OneByOne(Protocol):
    """Lets what has the same key follow each other within this process. It holds no connection while it waits."""

    def turn(self, key: Hashable) -> AbstractAsyncContextManager[None]:
        """The turn of whoever opens the context, in the order of asking."""


class Secrets(Protocol):
    """Opaque tokens that clients hold and the database knows only by a keyed hash."""

    def new(self) -> str:
        """At least 256 random bits, URL-safe."""

    def digest(self, purpose: str, token: str) -> bytes:
        """HMAC-SHA256 of the token under a key of that purpose."""
