"""Signatures of published keys, verified where a hundred of them do not stall the event loop.

XEdDSA is Trevor Perrin, "The XEdDSA and VXEdDSA Signature Schemes", revision 1: the key pair of X25519 signs as Ed25519 does.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.keys.checking import CURVE25519_PRIME, SIGNATURE_BYTES, u_coordinate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.keys.bundle import SignedPreKey

SIGN: Final = 0x80
"""In the last byte of a point: whether its x is odd (RFC 8032, section 5.1.2)."""


class ThreadedKeyVerifier:
    """See `ports.KeyVerifier`. One thread: however many publish at once, they take one core and leave the loop its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")

    async def unsigned(self, identity_key: bytes, keys: Sequence[SignedPreKey]) -> int | None:
        """See `ports.KeyVerifier`."""
        if not keys:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, first_unsigned, identity_key, keys)


def first_unsigned(identity_key: bytes, keys: Sequence[SignedPreKey]) -> int | None:
    """The index of the first key whose signature is not by the identity key over exactly its bytes; None if all are.

    The identity key is not of small order.

    A signature whose last bit is set carries there the sign of the signer's Edwards point, as libsignal's do; XEdDSA's own has the
    bit clear, because its signer makes the sign 0. Taking both is harmless: the two points are a and -a times the base, so whoever
    can sign for one has the private key of the other; and the point is part of what is hashed, so that no signature is good for
    both. `s` at or above the group's order is refused (RFC 8032, section 5.1.7), which is stricter than the paper's 253 bits:
    nobody can change a signature into another of the same key.
    """
    u = u_coordinate(identity_key)
    # The birational map of RFC 7748, section 4.1. The inverse by Fermat is 0 for 0, as the paper has it.
    p = CURVE25519_PRIME
    point = ((u - 1) * pow(u + 1, p - 2, p) % p).to_bytes(32, "little")
    for index, key in enumerate(keys):
        if not _verifies(point, key.key, key.signature):
            return index
    return None


def _verifies(point: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    sign = signature[-1] & SIGN
    signer = Ed25519PublicKey.from_public_bytes(point[:-1] + bytes([point[-1] | sign]))
    try:
        signer.verify(signature[:-1] + bytes([signature[-1] ^ sign]), message)
    except InvalidSignature:
        return False
    return True
