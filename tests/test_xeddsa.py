"""Signatures of published keys, checked against another implementation, and never at the price of everybody's latency."""

from __future__ import annotations

import asyncio
import secrets

import pytest
import xeddsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from api.xeddsa import ThreadedKeyVerifier, first_unsigned
from domain.keys.bundle import SignedPreKey
from domain.keys.checking import CURVE25519_PRIME, SMALL_ORDER
from tests.keyring import Keyring, curve_key, kem_key

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group in which is signed (RFC 8032, section 5.1)."""


def verified(identity: bytes, message: bytes, signature: bytes) -> bool:
    """Whether we take the signature."""
    return first_unsigned(identity, [SignedPreKey(0, message, signature)]) is None


def reference(identity: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the package XEdDSA takes it, in either form."""
    sign = signature[-1] & 0x80
    point = xeddsa.curve25519_pub_to_ed25519_pub(identity, set_sign_bit=bool(sign))
    return xeddsa.ed25519_verify(signature[:-1] + bytes([signature[-1] ^ sign]), point, message)


@given(message=st.binary(max_size=1600))
@settings(max_examples=60, deadline=None)
def test_both_forms_of_signature_are_taken(message: bytes) -> None:
    """Clients of Signal's paper and of libsignal can publish, whichever sign their identity's point happens to have."""
    ring = Keyring()
    assert verified(ring.identity, message, ring.sign(message))
    assert verified(ring.identity, message, ring.sign_as_libsignal(message))


@pytest.mark.parametrize("negative", [False, True])
def test_a_point_of_either_sign_signs_in_libsignals_form(negative: bool) -> None:  # noqa: FBT001  # the case
    """Half of all identities have a point with an odd x: forgetting the bit would refuse just these."""
    ring = Keyring()
    while bool(xeddsa.priv_to_ed25519_pub(ring.private)[-1] & 0x80) is not negative:
        ring = Keyring()
    signature = ring.sign_as_libsignal(b"key")
    assert bool(signature[-1] & 0x80) is negative
    assert verified(ring.identity, b"key", signature)
    assert not verified(ring.identity, b"key", signature[:-1] + bytes([signature[-1] ^ 0x80]))


@given(flipped=st.sets(st.integers(0, 511), min_size=1, max_size=3), libsignal=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_signature_that_was_touched_is_refused(flipped: set[int], libsignal: bool) -> None:  # noqa: FBT001  # drawn
    """No bit of a signature is without meaning: it cannot be changed into another that is good, either."""
    ring, message = Keyring(), secrets.token_bytes(32)
    signature = bytearray(ring.sign_as_libsignal(message) if libsignal else ring.sign(message))
    for bit in flipped:
        signature[bit // 8] ^= 1 << bit % 8
    assert not verified(ring.identity, message, bytes(signature))
    assert not reference(ring.identity, message, bytes(signature))


@given(signature=st.binary(min_size=64, max_size=64), identity=st.binary(min_size=32, max_size=32))
@settings(max_examples=300, deadline=None)
def test_what_nobody_signed_is_refused_as_by_the_reference(signature: bytes, identity: bytes) -> None:
    """Whatever bytes a stranger sends: half of all keys are no point of the curve, and none of it may raise."""
    key = bytes([*identity[:-1], identity[-1] & 0x7F])
    if int.from_bytes(key, "little") >= CURVE25519_PRIME or int.from_bytes(key, "little") in SMALL_ORDER:
        return
    assert not verified(key, b"key", signature)
    assert not reference(key, b"key", signature)


def test_only_the_bytes_and_the_identity_that_were_signed_are_good() -> None:
    """A key of the server's own cannot be put in the place of the one that was signed."""
    ring, other = Keyring(), Keyring()
    signature = ring.sign(b"key")
    assert not verified(ring.identity, b"kez", signature)
    assert not verified(ring.identity, b"\x05key", signature)
    assert not verified(other.identity, b"key", signature)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    """It must be an answer, not a failure of the server."""
    ring = Keyring()
    assert not verified(ring.identity, b"key", (ring.sign(b"key") * 2)[:length])


def test_the_second_form_of_the_same_number_is_refused() -> None:
    """`s` plus the order signs the same and has other bytes: without the check everybody could make a second signature."""
    ring = Keyring()
    signature = ring.sign(b"key")
    doubled = int.from_bytes(signature[32:], "little") + ORDER
    assert doubled < 2**253  # Within what the paper allows, whatever `s` is.
    assert not verified(ring.identity, b"key", signature[:32] + doubled.to_bytes(32, "little"))


def test_the_first_that_is_not_signed_is_named() -> None:
    """A client learns which of its hundred keys is wrong."""
    ring = Keyring()
    keys = [ring.signed(number, curve_key()) for number in range(5)]
    assert first_unsigned(ring.identity, keys) is None
    keys[3] = SignedPreKey(3, keys[3].key, keys[2].signature)
    keys[4] = SignedPreKey(4, keys[4].key, b"")
    assert first_unsigned(ring.identity, keys) == 3


@pytest.mark.parametrize("number", sorted(SMALL_ORDER))
def test_the_listed_points_agree_on_zero(number: int) -> None:
    """The list of RFC 7748, section 6.1 is copied right: with each the secret is zero, whoever it is with."""
    with pytest.raises(ValueError, match="computing shared key"):
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(number.to_bytes(32, "little")))


@given(private=st.binary(min_size=32, max_size=32))
@settings(max_examples=20, deadline=None)
def test_the_highest_bit_of_an_identity_key_is_ignored(private: bytes) -> None:
    """X25519 ignores it (RFC 7748, section 5), and some libraries leave it set."""
    ring = Keyring()
    marked = ring.identity[:-1] + bytes([ring.identity[-1] | 0x80])
    signed = ring.signed(1, private)
    assert first_unsigned(marked, [signed]) is None


async def test_the_loop_goes_on_while_a_hundred_signatures_are_verified() -> None:
    """Everybody's signals pass through this loop: a bundle that somebody publishes must not be felt in anybody's call.

    The loop's turns are counted, not timed: how long the longest is depends on who else has the cores. Verifying in the loop
    would leave it one.
    """
    ring, verifier = Keyring(), ThreadedKeyVerifier()
    keys = [ring.signed(number, kem_key()) for number in range(101)]
    task, turns = asyncio.ensure_future(verifier.unsigned(ring.identity, keys)), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert await task is None
    assert turns > 10, turns
