"""A client's key pairs, as far as a server sees them: made and signed by other implementations than the one that checks them."""

from __future__ import annotations

import secrets
from typing import Any

import xeddsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from domain.keys.bundle import KeySuite, OneTimeKeys, PreKey, SignedPreKey
from domain.keys.checking import Publication
from tests.encoding import base64


def curve_key() -> bytes:
    """A new Curve25519 key."""
    return xeddsa.priv_to_curve25519_pub(secrets.token_bytes(32))


def kem_key() -> bytes:
    """A new ML-KEM-1024 key."""
    return MLKEM1024PrivateKey.generate().public_key().public_bytes_raw()


class Keyring:
    """One identity, and what it signs."""

    def __init__(self) -> None:
        self.private = xeddsa.seed_to_priv(secrets.token_bytes(32))
        self.identity = xeddsa.priv_to_curve25519_pub(self.private)

    def sign(self, message: bytes) -> bytes:
        """XEdDSA as the paper has it: the sign of the point is made 0."""
        return xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(self.private, set_sign_bit=False), message)

    def sign_as_libsignal(self, message: bytes) -> bytes:
        """XEdDSA as libsignal has it: the point's own sign stands in the last bit."""
        signature = bytearray(xeddsa.ed25519_priv_sign(self.private, message))
        signature[-1] |= xeddsa.priv_to_ed25519_pub(self.private)[-1] & 0x80
        return bytes(signature)

    def signed(self, key_id: int, key: bytes) -> SignedPreKey:
        """The key with a signature."""
        return SignedPreKey(key_id, key, self.sign(key))

    def one_time(self, pre_keys: int = 0, kem_keys: int = 0, *, first: int = 0) -> OneTimeKeys:
        """So many new one-time keys, with IDs from `first` on."""
        return OneTimeKeys(
            tuple(PreKey(first + number, curve_key()) for number in range(pre_keys)),
            tuple(self.signed(first + number, kem_key()) for number in range(kem_keys)),
        )

    def x3dh(self, pre_keys: int = 0) -> Publication:
        """What a client of X3DH publishes."""
        return Publication(
            KeySuite.X3DH_25519, self.identity, self.signed(1, curve_key()), None, self.one_time(pre_keys)
        )

    def pqxdh(self, pre_keys: int = 0, kem_keys: int = 0) -> Publication:
        """What a client of PQXDH publishes."""
        return Publication(
            KeySuite.PQXDH_25519_MLKEM1024,
            self.identity,
            self.signed(1, curve_key()),
            self.signed(2, kem_key()),
            self.one_time(pre_keys, kem_keys),
        )


def shown(key: PreKey) -> dict[str, Any]:
    """A key as the API takes and gives it."""
    signature = {"signature": base64(key.signature)} if isinstance(key, SignedPreKey) else {}
    return {"keyId": key.key_id, "key": base64(key.key)} | signature


def shown_all(keys: OneTimeKeys) -> dict[str, Any]:
    """One-time keys as fields of an input."""
    return {
        "oneTimePreKeys": [shown(key) for key in keys.pre_keys],
        "oneTimeKemKeys": [shown(key) for key in keys.kem_keys],
    }


def publication_input(offered: Publication) -> dict[str, Any]:
    """`PublishKeysInput`."""
    last_resort = offered.last_resort_kem_key
    return {
        "suite": offered.suite.value,
        "identityKey": base64(offered.identity_key),
        "signedPreKey": shown(offered.signed_pre_key),
        "lastResortKemKey": None if last_resort is None else shown(last_resort),
        **shown_all(offered.one_time),
    }
