"""Public keys of users, handed out so that others can start encrypted sessions with them: X3DH and PQXDH."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

CLAIMS_KEPT: Final = timedelta(hours=24)
"""For how long at least a repeated claim gets the same, and no key that was handed out is taken from its owner again."""
LOW_MARK: Final = 10
"""Below so many one-time keys of a kind their owner is told, once, to add some."""


class KeySuite(StrEnum):
    """Which key agreement a bundle is for."""

    X3DH_25519 = "X3DH_25519"
    PQXDH_25519_MLKEM1024 = "PQXDH_25519_MLKEM1024"


class OneTimeKeyKind(StrEnum):
    """The two kinds of keys that are handed out once."""

    CURVE25519 = "CURVE25519"
    KEM = "KEM"


@dataclass(frozen=True, slots=True)
class PreKey:
    """A public key under the ID by which its owner knows it. Unsigned, it is a one-time Curve25519 key."""

    key_id: int
    key: bytes


@dataclass(frozen=True, slots=True)
class SignedPreKey(PreKey):
    """The same with the signature of the identity key over exactly the bytes of `key`."""

    signature: bytes


@dataclass(frozen=True, slots=True)
class OneTimeKeys:
    """Keys that are handed out once: Curve25519 keys, and KEM keys with their signatures."""

    pre_keys: tuple[PreKey, ...] = ()
    kem_keys: tuple[SignedPreKey, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """How many one-time keys of each kind are left."""

    pre_keys: int
    kem_keys: int


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """What a user published, without the one-time keys.

    `updated_at` is when. No two bundles of a user have the same, so it also names the bundle.
    """

    user_id: UUID
    suite: KeySuite
    identity_key: bytes
    signed_pre_key: SignedPreKey
    last_resort_kem_key: SignedPreKey | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ClaimedBundle:
    """A bundle with the one-time keys that were taken for one claimer: None when there were none left."""

    bundle: KeyBundle
    one_time_pre_key: PreKey | None
    one_time_kem_key: SignedPreKey | None
