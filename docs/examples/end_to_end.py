"""End-to-end encryption for Parley: X3DH and the Double Ratchet, and messages that can be reported. Knows nothing of the network.

From top to bottom: bytes and franking, what the libraries `X3DH` and `DoubleRatchet` leave open, a session, a device, a
conversation. `encrypted_chat.py` beside it uses them over the API, and docs/ENCRYPTION.md walks through both. All is kept in
memory: a real client stores its device and sessions (`.json` of the libraries' classes) before it sends or shows what came of them.
"""
# ruff: noqa: INP001 - a script's neighbour, not a package

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import doubleratchet
import x3dh
import xeddsa
from doubleratchet.recommended import (
    HashFunction,
    aead_aes_hmac,
    diffie_hellman_ratchet_curve25519,
    kdf_hkdf,
    kdf_separate_hmacs,
)

JSON = dict[str, Any]
OPENING_KEY_BYTES = 32
MOST_SESSIONS = 40
"""With one other person: somebody who begins ever new ones must not fill our memory."""


class Refused(Exception):
    """What arrived is not to be shown: damaged, forged, repeated, or impossible to report."""


class IdentityChanged(Refused):
    """The other side has other keys than before. A new telephone, or somebody in between: the people have to compare numbers."""


# ------------------------------------------------------------------------------------------ bytes and franking


def lp(*parts: bytes | str) -> bytes:
    """The parts, each after its length in 4 bytes, big-endian; text as UTF-8."""
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def split(data: bytes, count: int) -> list[bytes]:
    """What `lp` put together. Raises `Refused` unless it is exactly that many parts."""
    parts = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            raise Refused("cut off")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    if len(parts) != count:
        raise Refused("made of other parts")
    return parts


def base64(value: bytes) -> str:
    """Bytes as the API takes them."""
    return b64encode(value).decode()


def commit(opening_key: bytes, room_id: str, sender_id: str, text: str) -> bytes:
    """The sender's commitment to a text; docs/franking-vectors.json has vectors for it."""
    return hmac.digest(opening_key, lp("parley/frank/v1", room_id, sender_id, text), "sha256")


def safety_number(one: bytes, other: bytes) -> str:
    """Sixty digits for two people to compare by voice: equal on both sides exactly when nobody sits between them."""
    digest = hashlib.sha512(lp("parley-example/safety/v1", *sorted((one, other)))).digest()
    groups = (int.from_bytes(digest[i : i + 5], "big") % 100_000 for i in range(0, 60, 5))
    return " ".join(f"{group:05}" for group in groups)


# ------------------------------------------------------------------------------------------ what the libraries leave open


class KeyAgreement(x3dh.BaseState):
    """X3DH: our identity key, signed pre-key and one-time keys.

    `x3dh.State` would publish a whole new bundle whenever a one-time key was used; Parley's server takes a key out by itself
    when somebody claims it, and asks for more with `PreKeysLow`. So this is the base class, which leaves that to us.
    """

    @staticmethod
    def _encode_public_key(key_format: x3dh.IdentityKeyFormat, pub: bytes) -> bytes:  # noqa: ARG004 - there is one format
        return pub  # The server checks that a signature covers exactly the 32 bytes of the key.


class RootKdf(kdf_hkdf.KDF):
    """Steps the root chain at every change of direction."""

    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"parley-example/root/v1"


class MessageKdf(kdf_separate_hmacs.KDF):
    """Steps the sending and receiving chains at every message."""

    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


class Cipher(aead_aes_hmac.AEAD):
    """Encrypts one message: AES-256-CBC with HMAC-SHA256, under a key that is used once."""

    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"parley-example/message/v1"


class Ratchet(doubleratchet.DoubleRatchet):
    """The Double Ratchet: a new key for each message, and old ones for those that come late."""

    @staticmethod
    def _build_associated_data(associated_data: bytes, header: doubleratchet.Header) -> bytes:
        return lp(associated_data, *_header_parts(header))


RATCHET: JSON = {
    "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
    "root_chain_kdf": RootKdf,
    "message_chain_kdf": MessageKdf,
    "message_chain_constant": b"\x01\x02",
    "dos_protection_threshold": 100,
    "max_num_skipped_message_keys": 1000,
    "aead": Cipher,
}
BROKEN = (
    ValueError,  # of a key or a number that cannot be one, or of what is no UTF-8
    AssertionError,  # of a ratchet key that the other side would not use yet, and
    TypeError,  # the same where Python runs without assertions
    x3dh.KeyAgreementException,
    xeddsa.XEdDSAException,
    doubleratchet.AuthenticationFailedException,
    doubleratchet.DecryptionFailedException,
    doubleratchet.DoSProtectionException,
    doubleratchet.DuplicateMessageException,
)
"""What the libraries raise for a message that was damaged, made up or seen before."""


def _header_parts(header: doubleratchet.Header) -> tuple[bytes, bytes, bytes]:
    numbers = header.previous_sending_chain_length, header.sending_chain_length
    previous, number = (count.to_bytes(4, "big") for count in numbers)
    return header.ratchet_pub, previous, number


# ------------------------------------------------------------------------------------------ a session


@dataclass
class Session:
    """A Double Ratchet with one other device. Its ID, the ephemeral key of X3DH, stands before each of its messages.

    Until the other side has answered, our messages carry the `greeting` too: what it needs to do its half of X3DH, whichever
    of our messages arrives first.
    """

    id: bytes
    associated_data: bytes
    ratchet: Ratchet | tuple[bytes, bytes]
    """Before our first message what it is made from: the shared secret, and the signed pre-key of the other side."""
    greeting: bytes = b""

    async def encrypt(self, payload: bytes) -> bytes:
        """The ciphertext that the API takes: `lp(session, greeting, ratchet key, previous, number, body)`."""
        bound = lp(self.associated_data, self.id, self.greeting)
        if isinstance(self.ratchet, tuple):
            secret, their_key = self.ratchet
            self.ratchet, sealed = await Ratchet.encrypt_initial_message(
                **RATCHET, shared_secret=secret, recipient_ratchet_pub=their_key, message=payload, associated_data=bound
            )
        else:
            sealed = await self.ratchet.encrypt_message(payload, bound)
        return lp(self.id, self.greeting, *_header_parts(sealed.header), sealed.ciphertext)

    async def decrypt(self, greeting: bytes, sealed: doubleratchet.EncryptedMessage) -> bytes:
        """The payload. The ratchet moves only if it is genuine."""
        if isinstance(self.ratchet, tuple):
            raise Refused("an answer to what was never said")
        payload = await self.ratchet.decrypt_message(sealed, lp(self.associated_data, self.id, greeting))
        self.greeting = b""
        return payload


# ------------------------------------------------------------------------------------------ a device


class Device:
    """The private keys of one person. Only what `bundle` and `more_keys` return is published."""

    def __init__(self) -> None:
        self.keys = KeyAgreement.create(
            x3dh.IdentityKeyFormat.CURVE_25519, x3dh.HashFunction.SHA_256, b"parley-example/x3dh/v1"
        )
        self._ids = itertools.count(1)

    @property
    def identity_key(self) -> bytes:
        """What others know us by."""
        return self.keys.bundle.identity_key

    def bundle(self, one_time_keys: int = 100) -> JSON:
        """A `PublishKeysInput`. Publishing again replaces all of it; the server keeps at most 100 one-time keys."""
        for used_or_not in self.keys.bundle.pre_keys:
            self.keys.hide_pre_key(used_or_not)  # Somebody may have claimed it and not written yet.
        mine = self.keys.bundle
        signed = {"key": base64(mine.signed_pre_key), "signature": base64(mine.signed_pre_key_sig)}
        return {
            "suite": "X3DH_25519",
            "identityKey": base64(mine.identity_key),
            "signedPreKey": {"keyId": next(self._ids), **signed},
            **self.more_keys(one_time_keys),
        }

    def more_keys(self, count: int) -> JSON:
        """An `AddOneTimePreKeysInput`."""
        before = self.keys.bundle.pre_keys
        self.keys.generate_pre_keys(count)
        new = self.keys.bundle.pre_keys - before
        return {"oneTimePreKeys": [{"keyId": next(self._ids), "key": base64(key)} for key in new]}


# ------------------------------------------------------------------------------------------ a conversation


@dataclass(frozen=True)
class Opened:
    """A message that was decrypted, and whose commitment opens: with `opening_key` it can be reported."""

    text: str
    opening_key: bytes


class Conversation:
    """What `me` and `peer` say to each other in one room, both by their member IDs."""

    def __init__(self, device: Device, room_id: str, me: str, peer: str) -> None:
        self.device = device
        self.room_id, self.me, self.peer = room_id, me, peer
        self.their_identity: bytes | None = None
        self.sessions: dict[bytes, Session] = {}
        """By ID. There are two when both wrote first at once: either side reads both, and writes in the one that came last."""
        self.current: Session | None = None

    @property
    def safety_number(self) -> str:
        """What the two people compare."""
        if self.their_identity is None:
            raise LookupError("the other side has not introduced itself")
        return safety_number(self.device.identity_key, self.their_identity)

    def check(self, identity_key: bytes) -> None:
        """Raises `IdentityChanged` when the other side was known by another key."""
        if self.their_identity not in {None, identity_key}:
            raise IdentityChanged(f"member {self.peer} has other keys than before")

    def accept(self, identity_key: bytes) -> None:
        """Begins anew with that identity: after the people have compared numbers, not before."""
        self.their_identity, self.current = identity_key, None
        self.sessions.clear()

    async def start(self, bundle: JSON) -> None:
        """Does our half of X3DH with a bundle that was claimed. Raises `IdentityChanged`, or `Refused` for a forged one."""
        identity_key, signed = b64decode(bundle["identityKey"]), bundle["signedPreKey"]
        self.check(identity_key)
        one_time = [b64decode(key["key"]) for key in (bundle["oneTimePreKey"],) if key is not None]
        theirs = x3dh.Bundle(
            identity_key, b64decode(signed["key"]), b64decode(signed["signature"]), frozenset(one_time)
        )
        try:
            secret, associated_data, header = await self.device.keys.get_shared_secret_active(
                theirs, lp(self.room_id, self.me, self.peer), require_pre_key=False
            )
        except BROKEN as error:
            raise Refused(str(error)) from error
        self.their_identity = identity_key
        greeting = lp(header.identity_key, header.signed_pre_key, header.pre_key or b"")
        session = Session(header.ephemeral_key, associated_data, (secret, header.signed_pre_key), greeting)
        self._use(session)

    async def encrypt(self, text: str) -> JSON:
        """`ciphertext` and `commitment` of a `SendMessageInput`. The opening key travels inside of the ciphertext."""
        if self.current is None:
            raise LookupError("claim the other's keys, and start with them")
        opening_key = secrets.token_bytes(OPENING_KEY_BYTES)
        ciphertext = await self.current.encrypt(lp(opening_key, text))
        return {
            "ciphertext": base64(ciphertext),
            "commitment": base64(commit(opening_key, self.room_id, self.me, text)),
        }

    async def decrypt(self, message: JSON) -> Opened:
        """What a `Message` of the other side says. Raises `Refused`; a message that is not theirs changes nothing then."""
        ciphertext = b64decode(message["ciphertext"])
        try:
            opening_key, encoded = split(await self._unseal(ciphertext), 2)
            text = encoded.decode()
        except BROKEN as error:
            raise Refused(f"cannot be decrypted ({type(error).__name__})") from error
        self._check_franking(message, ciphertext, opening_key, text)
        return Opened(text, opening_key)

    def _check_franking(self, message: JSON, ciphertext: bytes, opening_key: bytes, text: str) -> None:
        """Raises `Refused` for a message that could not be reported: somebody who means to threaten would send just those."""
        tag, commitment = message["frankingTag"], message["commitment"]
        if tag is None or commitment is None or len(opening_key) != OPENING_KEY_BYTES:
            raise Refused("there is no commitment")
        if not hmac.compare_digest(commit(opening_key, self.room_id, self.peer, text), b64decode(commitment)):
            raise Refused("the commitment does not open")
        if b64decode(tag["ciphertextHash"]) != hashlib.sha256(ciphertext).digest():
            raise Refused("the tag is of another message")

    async def _unseal(self, ciphertext: bytes) -> bytes:
        session_id, greeting, ratchet_key, previous, number, body = split(ciphertext, 6)
        header = doubleratchet.Header(ratchet_key, int.from_bytes(previous, "big"), int.from_bytes(number, "big"))
        sealed = doubleratchet.EncryptedMessage(header, body)
        session = self.sessions.get(session_id)
        if session is not None:
            payload = await session.decrypt(greeting, sealed)
        elif greeting:
            session, payload = await self._greeted(session_id, greeting, sealed)
        else:
            raise Refused("of a session that nobody began")
        self._use(session)
        return payload

    async def _greeted(
        self, session_id: bytes, greeting: bytes, sealed: doubleratchet.EncryptedMessage
    ) -> tuple[Session, bytes]:
        """Does our half of X3DH, and decrypts. The one-time key is thrown away only if the message is genuine."""
        identity_key, signed_pre_key, one_time = split(greeting, 3)
        self.check(identity_key)
        keys = self.device.keys
        secret, associated_data, own = await keys.get_shared_secret_passive(
            x3dh.Header(identity_key, session_id, signed_pre_key, one_time or None),
            lp(self.room_id, self.peer, self.me),
            require_pre_key=False,
        )
        ratchet, payload = await Ratchet.decrypt_initial_message(
            **RATCHET,
            shared_secret=secret,
            own_ratchet_priv=own.priv,
            message=sealed,
            associated_data=lp(associated_data, session_id, greeting),
        )
        keys.delete_pre_key(one_time)
        self.their_identity = identity_key
        return Session(session_id, associated_data, ratchet), payload

    def _use(self, session: Session) -> None:
        """Writes in it from now on. Of too many sessions the one that was used longest ago is forgotten."""
        self.sessions.pop(session.id, None)
        self.sessions[session.id] = self.current = session
        if len(self.sessions) > MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
