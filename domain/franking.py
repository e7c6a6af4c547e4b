"""Franking: what makes a report of an encrypted message provable, while the server reads nothing.

The sender commits to the plaintext, the server tags the commitment with who sent it, where and when; a report opens both. After
"Message Franking via Committing Authenticated Encryption" (Grubbs, Lu, Ristenpart, 2017) and Facebook's secret conversations.
docs/ENCRYPTION.md explains it to integrators, docs/franking-vectors.json has the test vectors.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

    from domain.ports import FrankingKeys
    from domain.rooms.room import Member

OPENING_KEY_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32
"""HMAC-SHA256; so are tags, and hashes of ciphertexts are as long."""
LONGEST_PLAINTEXT: Final = 64 * 1024
"""Bytes in UTF-8: what no ciphertext that the server takes can exceed."""
DISCLOSED_WITHIN: Final = timedelta(days=30)
"""After that a message proves nothing any more. A retired tag key is kept a day longer."""
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""By so much the clocks of two workers may differ."""

_COMMITMENT_LABEL = "parley/frank/v1"
_TAG_LABEL = "parley/tag/v1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FrankingTag:
    """The server's word that a message was sent: `tag` under the key `key_id`, over the hash of the ciphertext too."""

    key_id: str
    ciphertext_hash: bytes
    tag: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A message that its receiver discloses, as they gave it: nothing in it is to be believed before `examine`."""

    message_id: UUID
    plaintext: str
    opening_key: bytes
    commitment: bytes
    tag: FrankingTag
    sent_at: datetime
    """With a time zone."""


class Finding(StrEnum):
    """What a disclosure proves: VERIFIED that the subject sent this plaintext, the others nothing, and why not."""

    VERIFIED = "VERIFIED"
    BAD_OPENING_KEY = "BAD_OPENING_KEY"
    """It has not 32 bytes."""
    MALFORMED = "MALFORMED"
    """The plaintext is longer than 64 KiB or not Unicode text, or commitment, hash or tag have not 32 bytes."""
    UNKNOWN_TAG_KEY = "UNKNOWN_TAG_KEY"
    """It was dropped, or never was ours."""
    FORGED_TAG = "FORGED_TAG"
    """The server did not tag this message of this sender, at this time, with this commitment."""
    TOO_OLD = "TOO_OLD"
    """It was sent more than 30 days ago."""
    FROM_THE_FUTURE = "FROM_THE_FUTURE"
    """It was sent more than a minute from now."""
    NOT_A_RECEIVER = "NOT_A_RECEIVER"
    """The reporter never had a seat in the room, or is the sender."""
    NOT_OPENED = "NOT_OPENED"
    """The sender committed to another plaintext, or under another key."""


def lp(*parts: bytes | str) -> bytes:
    """The parts, each after its length in 4 bytes, big-endian; text as UTF-8. No two lists of parts give the same bytes.

    Raises `UnicodeEncodeError` for a lone surrogate.
    """
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def commit(opening_key: bytes, *, room_id: UUID, member_id: UUID, plaintext: str) -> bytes:
    """What the sender, `member_id`, publishes with a ciphertext; the key travels inside of it.

    HMAC-SHA256(kf, lp("parley/frank/v1", roomId, memberId, plaintext)), IDs as the API writes them. Raises `UnicodeEncodeError`
    for a lone surrogate.
    """
    return _mac(opening_key, lp(_COMMITMENT_LABEL, str(room_id), str(member_id), plaintext))


def tag_message(
    keys: FrankingKeys,
    *,
    message_id: UUID,
    room_id: UUID,
    member_id: UUID,
    sent_at: datetime,
    commitment: bytes,
    ciphertext: bytes,
) -> FrankingTag:
    """The server's tag over a message that it takes from `member_id`, under the newest key.

    HMAC-SHA256(K, lp("parley/tag/v1", messageId, roomId, memberId, sentAt, C, SHA-256(ciphertext))), `sentAt` in whole
    milliseconds since 1970 as int64, big-endian.
    """
    key_id, key = keys.newest()
    digest = hashlib.sha256(ciphertext).digest()
    tag = _tag(
        key,
        message_id=message_id,
        room_id=room_id,
        member_id=member_id,
        sent_at=sent_at,
        commitment=commitment,
        ciphertext_hash=digest,
    )
    return FrankingTag(key_id, digest, tag)


def examine(
    disclosure: Disclosure, subject: Member, reporter: Member | None, keys: FrankingKeys, now: datetime
) -> Finding:
    """Whether `subject` sent what is disclosed to `reporter`, whose seat is or was in the room of the subject; None had none.

    The first reason against it, in the order of `Finding`. Takes any value that a stranger can send; tag and commitment are
    compared in constant time.
    """
    return (
        _ill_formed(disclosure)
        or _untagged(disclosure, subject, keys)
        or _untimely(disclosure.sent_at, now)
        or _unreceived(subject, reporter)
        or _unopened(disclosure, subject)
        or Finding.VERIFIED
    )


def _ill_formed(disclosure: Disclosure) -> Finding | None:
    if len(disclosure.opening_key) != OPENING_KEY_BYTES:
        return Finding.BAD_OPENING_KEY
    digests = (disclosure.commitment, disclosure.tag.ciphertext_hash, disclosure.tag.tag)
    if any(len(digest) != COMMITMENT_BYTES for digest in digests):
        return Finding.MALFORMED
    try:
        return Finding.MALFORMED if len(disclosure.plaintext.encode()) > LONGEST_PLAINTEXT else None
    except UnicodeEncodeError:
        return Finding.MALFORMED


def _untagged(disclosure: Disclosure, subject: Member, keys: FrankingKeys) -> Finding | None:
    key = keys.get(disclosure.tag.key_id)
    if key is None:
        return Finding.UNKNOWN_TAG_KEY
    expected = _tag(
        key,
        message_id=disclosure.message_id,
        room_id=subject.room_id,
        member_id=subject.id,
        sent_at=disclosure.sent_at,
        commitment=disclosure.commitment,
        ciphertext_hash=disclosure.tag.ciphertext_hash,
    )
    return None if hmac.compare_digest(expected, disclosure.tag.tag) else Finding.FORGED_TAG


def _untimely(sent_at: datetime, now: datetime) -> Finding | None:
    if now - sent_at > DISCLOSED_WITHIN:
        return Finding.TOO_OLD
    return Finding.FROM_THE_FUTURE if sent_at - now > CLOCKS_DIFFER else None


def _unreceived(subject: Member, reporter: Member | None) -> Finding | None:
    received = reporter and reporter.room_id == subject.room_id and reporter.user_id != subject.user_id
    return None if received else Finding.NOT_A_RECEIVER


def _unopened(disclosure: Disclosure, subject: Member) -> Finding | None:
    opened = commit(
        disclosure.opening_key, room_id=subject.room_id, member_id=subject.id, plaintext=disclosure.plaintext
    )
    return None if hmac.compare_digest(opened, disclosure.commitment) else Finding.NOT_OPENED


def _tag(
    key: bytes,
    *,
    message_id: UUID,
    room_id: UUID,
    member_id: UUID,
    sent_at: datetime,
    commitment: bytes,
    ciphertext_hash: bytes,
) -> bytes:
    milliseconds = (sent_at - _EPOCH) // timedelta(milliseconds=1)
    moment = milliseconds.to_bytes(8, "big", signed=True)
    return _mac(key, lp(_TAG_LABEL, str(message_id), str(room_id), str(member_id), moment, commitment, ciphertext_hash))


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
