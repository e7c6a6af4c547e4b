"""What may be published: keys of the right length that are points, under IDs of their own, signed by the identity key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.errors import InvalidInput
from domain.keys.bundle import KeySuite, OneTimeKeys, SignedPreKey

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from domain.keys.bundle import PreKey
    from domain.ports import KeyVerifier

MOST_ONE_TIME_KEYS: Final = 100
"""Of each kind."""
CURVE_KEY_BYTES: Final = 32
KEM_KEY_BYTES: Final = 1568
SIGNATURE_BYTES: Final = 64
HIGHEST_KEY_ID: Final = 2**31 - 1
CURVE25519_PRIME: Final = 2**255 - 19
"""RFC 7748, section 4.1."""
SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        CURVE25519_PRIME - 1,
    }
)
"""The points with which X25519 agrees on zero, whatever the other side's key (RFC 7748, section 6.1; the list is that of
https://cr.yp.to/ecdh.html, without its seven that `u_coordinate` makes one of these)."""

PRE_KEYS: Final = "oneTimePreKeys"
KEM_KEYS: Final = "oneTimeKemKeys"


@dataclass(frozen=True, slots=True)
class Publication:
    """What somebody would publish."""

    suite: KeySuite
    identity_key: bytes
    signed_pre_key: SignedPreKey
    last_resort_kem_key: SignedPreKey | None
    one_time: OneTimeKeys

    @property
    def signatures(self) -> int:
        """How many signatures there are to verify."""
        return 1 + (self.last_resort_kem_key is not None) + len(self.one_time.kem_keys)


def check_publication(offered: Publication) -> None:
    """Raises `InvalidInput` for what can be seen without arithmetic: suite, numbers, lengths, IDs, points, and repeated keys."""
    kem_keys = offered.one_time.kem_keys
    if offered.suite is KeySuite.X3DH_25519:
        if offered.last_resort_kem_key is not None:
            raise InvalidInput("lastResortKemKey", "X3DH_25519 has no KEM keys.")
        check_kem_allowed(offered.suite, kem_keys)
    elif offered.last_resort_kem_key is None:
        raise InvalidInput("lastResortKemKey", "PQXDH needs one, for when the one-time KEM keys are used up.")
    _check_curve_key("identityKey", offered.identity_key)
    _check_signed("signedPreKey", offered.signed_pre_key)
    _check_curve_key("signedPreKey.key", offered.signed_pre_key.key)
    if offered.last_resort_kem_key is not None:
        _check_kem_key("lastResortKemKey", offered.last_resort_kem_key)
    check_one_time_keys(offered.one_time)
    check_once(
        offered.one_time, lasting_keys(offered.identity_key, offered.signed_pre_key, offered.last_resort_kem_key)
    )


def check_one_time_keys(keys: OneTimeKeys) -> None:
    """Raises `InvalidInput` for what can be seen of one-time keys by themselves without arithmetic."""
    for field, several in ((PRE_KEYS, keys.pre_keys), (KEM_KEYS, keys.kem_keys)):
        if len(several) > MOST_ONE_TIME_KEYS:
            raise InvalidInput(field, f"At most {MOST_ONE_TIME_KEYS}.")
    for number, pre_key in enumerate(keys.pre_keys):
        _check_id(f"{PRE_KEYS}.{number}", pre_key.key_id)
        _check_curve_key(f"{PRE_KEYS}.{number}.key", pre_key.key)
    for number, kem_key in enumerate(keys.kem_keys):
        _check_kem_key(f"{KEM_KEYS}.{number}", kem_key)
    _check_distinct(PRE_KEYS, keys.pre_keys)
    _check_distinct(KEM_KEYS, keys.kem_keys)


def check_kem_allowed(suite: KeySuite, kem_keys: Collection[SignedPreKey]) -> None:
    """Raises `InvalidInput` for one-time KEM keys in a suite without them."""
    if kem_keys and suite is KeySuite.X3DH_25519:
        raise InvalidInput(KEM_KEYS, "X3DH_25519 has no KEM keys.")


def lasting_keys(
    identity_key: bytes, signed_pre_key: SignedPreKey, last_resort_kem_key: SignedPreKey | None
) -> frozenset[bytes]:
    """The keys of a bundle that everybody is given."""
    lasting = {identity_key, signed_pre_key.key}
    return frozenset(lasting if last_resort_kem_key is None else lasting | {last_resort_kem_key.key})


def check_once(keys: OneTimeKeys, lasting: Collection[bytes]) -> None:
    """Raises `InvalidInput` for a one-time key that is handed out to everybody as well."""
    for field, several in ((PRE_KEYS, keys.pre_keys), (KEM_KEYS, keys.kem_keys)):
        for number, key in enumerate(several):
            if key.key in lasting:
                raise InvalidInput(f"{field}.{number}.key", "It is in the bundle as a key that everybody is given.")


async def verify_publication(verifier: KeyVerifier, offered: Publication) -> None:
    """Raises `InvalidInput` for signatures that are not the identity key's. Check it first.

    Whether the numbers of a KEM key are below the modulus is for whoever encapsulates to check (FIPS 203, section 7.2).
    """
    named = [("signedPreKey", offered.signed_pre_key)]
    if offered.last_resort_kem_key is not None:
        named.append(("lastResortKemKey", offered.last_resort_kem_key))
    await _verify(verifier, offered.identity_key, [*named, *_named(offered.one_time)])


async def verify_one_time_keys(verifier: KeyVerifier, identity_key: bytes, keys: OneTimeKeys) -> None:
    """The same for one-time keys that are added to a bundle with that identity key."""
    await _verify(verifier, identity_key, _named(keys))


async def _verify(verifier: KeyVerifier, identity_key: bytes, named: Sequence[tuple[str, SignedPreKey]]) -> None:
    unsigned = await verifier.unsigned(identity_key, [key for _, key in named])
    if unsigned is not None:
        raise InvalidInput(
            f"{named[unsigned][0]}.signature",
            "It is not the identity key's signature (XEdDSA) over the bytes of `key`.",
        )


def _named(keys: OneTimeKeys) -> list[tuple[str, SignedPreKey]]:
    return [(f"{KEM_KEYS}.{number}", key) for number, key in enumerate(keys.kem_keys)]


def u_coordinate(key: bytes) -> int:
    """What X25519 makes of a public key: the highest bit is ignored, the rest is reduced by the prime (RFC 7748, section 5)."""
    return (int.from_bytes(key, "little") & (2**255 - 1)) % CURVE25519_PRIME


def _check_curve_key(field: str, key: bytes) -> None:
    if len(key) != CURVE_KEY_BYTES:
        raise InvalidInput(
            field, f"A Curve25519 key has {CURVE_KEY_BYTES} bytes; no byte for its type goes before them."
        )
    if u_coordinate(key) in SMALL_ORDER:
        raise InvalidInput(field, "The key is a point of small order: every secret with it would be zero.")


def _check_kem_key(field: str, key: SignedPreKey) -> None:
    _check_signed(field, key)
    if len(key.key) != KEM_KEY_BYTES:
        raise InvalidInput(
            f"{field}.key", f"An ML-KEM-1024 key has {KEM_KEY_BYTES} bytes; no byte for its type goes before them."
        )


def _check_signed(field: str, key: SignedPreKey) -> None:
    _check_id(field, key.key_id)
    if len(key.signature) != SIGNATURE_BYTES:
        raise InvalidInput(f"{field}.signature", f"A signature has {SIGNATURE_BYTES} bytes.")


def _check_id(field: str, key_id: int) -> None:
    if not 0 <= key_id <= HIGHEST_KEY_ID:
        raise InvalidInput(f"{field}.keyId", f"Between 0 and {HIGHEST_KEY_ID}.")


def _check_distinct(field: str, keys: Sequence[PreKey]) -> None:
    ids: set[int] = set()
    seen: set[bytes] = set()
    for number, key in enumerate(keys):
        if key.key_id in ids:
            raise InvalidInput(f"{field}.{number}.keyId", "Another key of the list has this ID.")
        if key.key in seen:
            raise InvalidInput(f"{field}.{number}.key", "It is in the list twice.")
        ids.add(key.key_id)
        seen.add(key.key)
