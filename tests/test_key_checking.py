"""What may be published: every mistake is named by its field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from api.buckets import LocalThrottle, NoThrottle
from api.xeddsa import ThreadedKeyVerifier
from domain.errors import InvalidInput, RateLimited
from domain.keys.bundle import (
    OneTimeKeys,
    PreKey,
    SignedPreKey,
)
from domain.keys.checking import CURVE25519_PRIME, SMALL_ORDER, Publication
from domain.keys.publishing import publish_keys
from domain.ports import Throttle
from tests.keyring import Keyring, curve_key, kem_key
from tests.world import Clock

NOBODY = UUID(int=0)
VERIFIER = ThreadedKeyVerifier()


def encoded(number: int) -> bytes:
    """A number as a Curve25519 key."""
    return number.to_bytes(32, "little")


RING = Keyring()
X3DH, PQXDH = RING.x3dh(2), RING.pqxdh(2, 3)
SIGNED, KEM, LAST = PQXDH.signed_pre_key, PQXDH.one_time.kem_keys[2], PQXDH.last_resort_kem_key
assert LAST is not None
BAD_CURVE_KEYS = [
    b"",
    bytes(31),
    b"\x05" + curve_key(),
    *map(encoded, sorted(SMALL_ORDER)),
    encoded(CURVE25519_PRIME),
    encoded(CURVE25519_PRIME + 1),
    encoded(1 + 2**255),
]
BAD_KEM_KEYS = [b"", kem_key()[:-1], b"\x08" + kem_key()]
BAD_SIGNATURES = [b"", SIGNED.signature[:-1], bytes(64), KEM.signature]
BAD_IDS = [-1, 2**31]


def with_pre_keys(*keys: PreKey) -> Publication:
    """These one-time keys behind two good ones."""
    return replace(PQXDH, one_time=OneTimeKeys((*PQXDH.one_time.pre_keys, *keys), PQXDH.one_time.kem_keys))


def with_kem_key(key: SignedPreKey) -> Publication:
    """That KEM key behind two good ones."""
    return replace(PQXDH, one_time=OneTimeKeys(PQXDH.one_time.pre_keys, (*PQXDH.one_time.kem_keys[:2], key)))


REFUSED: list[tuple[Publication, str]] = [
    *((replace(X3DH, identity_key=bad), "identityKey") for bad in BAD_CURVE_KEYS),
    *((replace(X3DH, signed_pre_key=RING.signed(1, bad)), "signedPreKey.key") for bad in BAD_CURVE_KEYS),
    *((with_pre_keys(PreKey(9, bad)), "oneTimePreKeys.2.key") for bad in BAD_CURVE_KEYS),
    *((replace(PQXDH, last_resort_kem_key=RING.signed(1, bad)), "lastResortKemKey.key") for bad in BAD_KEM_KEYS),
    *((with_kem_key(RING.signed(9, bad)), "oneTimeKemKeys.2.key") for bad in BAD_KEM_KEYS),
    *(
        (replace(X3DH, signed_pre_key=replace(SIGNED, signature=bad)), "signedPreKey.signature")
        for bad in BAD_SIGNATURES
    ),
    *(
        (replace(PQXDH, last_resort_kem_key=replace(LAST, signature=bad)), "lastResortKemKey.signature")
        for bad in BAD_SIGNATURES
    ),
    *(
        (with_kem_key(replace(KEM, key=kem_key(), signature=bad)), "oneTimeKemKeys.2.signature")
        for bad in BAD_SIGNATURES
    ),
    *((replace(X3DH, signed_pre_key=replace(SIGNED, key_id=bad)), "signedPreKey.keyId") for bad in BAD_IDS),
    *((replace(PQXDH, last_resort_kem_key=replace(LAST, key_id=bad)), "lastResortKemKey.keyId") for bad in BAD_IDS),
    *((with_pre_keys(PreKey(bad, curve_key())), "oneTimePreKeys.2.keyId") for bad in BAD_IDS),
    *((with_kem_key(replace(KEM, key_id=bad)), "oneTimeKemKeys.2.keyId") for bad in BAD_IDS),
    (with_pre_keys(PreKey(1, curve_key())), "oneTimePreKeys.2.keyId"),
    (with_kem_key(RING.signed(1, kem_key())), "oneTimeKemKeys.2.keyId"),
    (with_pre_keys(replace(PQXDH.one_time.pre_keys[0], key_id=9)), "oneTimePreKeys.2.key"),
    (with_kem_key(replace(PQXDH.one_time.kem_keys[0], key_id=9)), "oneTimeKemKeys.2.key"),
    (with_pre_keys(PreKey(9, PQXDH.identity_key)), "oneTimePreKeys.2.key"),
    (with_pre_keys(PreKey(9, SIGNED.key)), "oneTimePreKeys.2.key"),
    (with_kem_key(replace(LAST, key_id=9)), "oneTimeKemKeys.2.key"),
    (replace(X3DH, one_time=RING.one_time(101)), "oneTimePreKeys"),
    (replace(PQXDH, one_time=OneTimeKeys(kem_keys=(KEM,) * 101)), "oneTimeKemKeys"),
    (replace(X3DH, last_resort_kem_key=LAST), "lastResortKemKey"),
    (replace(X3DH, one_time=OneTimeKeys(kem_keys=(KEM,))), "oneTimeKemKeys"),
    (replace(PQXDH, last_resort_kem_key=None), "lastResortKemKey"),
]


async def publish_in_vain(offered: Publication, throttle: Throttle) -> InvalidInput:
    """Why it is refused; without a database, because nothing is asked of one."""

    async def transact(work: object) -> Any:  # noqa: ANN401  # never returns
        raise AssertionError(work)

    with pytest.raises(InvalidInput) as refused:
        await publish_keys(transact, VERIFIER, throttle, user_id=NOBODY, offered=offered, clock=Clock())
    return refused.value


@pytest.mark.parametrize(("offered", "field"), REFUSED, ids=[f"{n}-{field}" for n, (_, field) in enumerate(REFUSED)])
async def test_a_bundle_that_is_not_in_order_is_refused_at_its_field(offered: Publication, field: str) -> None:
    """Whoever claims it could not use it, or not safely; and its publisher learns which of two hundred keys it was."""
    assert (await publish_in_vain(offered, NoThrottle())).field == field


async def test_signatures_are_limited_before_they_are_verified() -> None:
    """Each costs 0.1 ms of a core that everybody shares, whatever it is worth."""
    bad, throttle = replace(PQXDH, signed_pre_key=replace(SIGNED, signature=bytes(64))), LocalThrottle(lambda: 0.0)
    for _ in range(200):  # Of five signatures each.
        await publish_in_vain(bad, throttle)
    with pytest.raises(RateLimited):
        await publish_in_vain(bad, throttle)
