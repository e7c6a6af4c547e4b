"""Public keys: publishing them, claiming those of others, and looking at those of a room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from domain import errors
from domain.characters import LONGEST_CLIENT_ID
from domain.following import seat_in
from domain.keys import bundle as keys
from domain.keys.bundle import CLAIMS_KEPT
from domain.keys.checking import (
    CURVE_KEY_BYTES,
    HIGHEST_KEY_ID,
    KEM_KEY_BYTES,
    MOST_ONE_TIME_KEYS,
    SIGNATURE_BYTES,
    Publication,
)
from domain.keys.claiming import CLAIMS_PER_PAIR, claim_key_bundle
from domain.keys.publishing import add_one_time_keys, key_bundles, publish_keys
from schema.context import Info
from schema.enums import KeySuite
from schema.errors import InvalidInputError, NoKeysError, NotFoundError, answers
from schema.ids import known_id
from schema.inputs import given
from schema.rooms import Member
from schema.scalars import Base64

if TYPE_CHECKING:
    from uuid import UUID

    from domain.rooms import room as rooms

CURVE_KEY = f"{CURVE_KEY_BYTES} bytes, little-endian, no point of small order (RFC 7748); without a byte for its type."
SIGNATURE = f"{SIGNATURE_BYTES} bytes: XEdDSA by the identity key over exactly the bytes of `key`."
KEY_ID = f"0 to {HIGHEST_KEY_ID}; no other key of the list has it."
PRE_KEYS = f"Curve25519 keys for one claimer each: at most {MOST_ONE_TIME_KEYS}, all different."
KEM_KEYS = f"ML-KEM-1024 keys for one claimer each: at most {MOST_ONE_TIME_KEYS}, all different; none for X3DH_25519."
DAY = f"within {CLAIMS_KEPT // timedelta(hours=1)} hours"


@strawberry.type(description="A one-time Curve25519 key.")
class PreKey:
    """See `domain.keys.bundle.PreKey`."""

    key_id: int = strawberry.field(description="How its owner finds the private key; name it in the first message.")
    key: Base64 = strawberry.field(description=f"{CURVE_KEY_BYTES} bytes.")

    @classmethod
    def of(cls, key: keys.PreKey) -> PreKey:
        """The API's form of a key."""
        return cls(key_id=key.key_id, key=Base64(key.key))


@strawberry.type(
    description=(
        "A key with a signature of its owner's identity key. The server has verified it, and so should whoever uses it: then they "
        "need not trust the server."
    )
)
class SignedPreKey:
    """See `domain.keys.bundle.SignedPreKey`."""

    key_id: int = strawberry.field(description="How its owner finds the private key; name it in the first message.")
    key: Base64 = strawberry.field(
        description=f"{CURVE_KEY_BYTES} bytes of Curve25519, or {KEM_KEY_BYTES} of ML-KEM-1024."
    )
    signature: Base64 = strawberry.field(description=SIGNATURE)

    @classmethod
    def of(cls, key: keys.SignedPreKey) -> SignedPreKey:
        """The API's form of a key."""
        return cls(key_id=key.key_id, key=Base64(key.key), signature=Base64(key.signature))


@strawberry.type(
    description=(
        "What others need to start an encrypted session with a member. It belongs to the account and not to the room: people who "
        "meet again, in whatever room, can tell by the identity key. A client whose user does not want to be recognised from one "
        "match to the next publishes a bundle with a new identity key before each."
    )
)
class KeyBundle:
    """See `domain.keys.bundle.KeyBundle` and `ClaimedBundle`."""

    member: Member = strawberry.field(description="Whose keys they are.")
    suite: KeySuite = strawberry.field(description="The key agreement that they are for.")
    identity_key: Base64 = strawberry.field(
        description=f"A Curve25519 key of {CURVE_KEY_BYTES} bytes. Show people a safety number made of both sides' keys."
    )
    signed_pre_key: SignedPreKey = strawberry.field(description="A Curve25519 key that everybody is given.")
    last_resort_kem_key: SignedPreKey | None = strawberry.field(
        description="The KEM key to use when `oneTimeKemKey` is null, which everybody is given; null for X3DH_25519."
    )
    one_time_pre_key: PreKey | None = strawberry.field(
        description=(
            "A Curve25519 key for this claimer alone. Null once they are used up, which the protocol allows, and outside of claims."
        )
    )
    one_time_kem_key: SignedPreKey | None = strawberry.field(
        description="A KEM key for this claimer alone. Null once they are used up, for X3DH_25519, and outside of claims."
    )
    updated_at: datetime = strawberry.field(description="When the bundle was published.")

    @classmethod
    def of(
        cls, claimed: keys.ClaimedBundle, member: rooms.Member, room: rooms.Room, viewer_id: UUID, now: datetime
    ) -> KeyBundle:
        """The API's form of a bundle, with the one-time keys that the viewer was given."""
        bundle, pre_key, kem_key = claimed.bundle, claimed.one_time_pre_key, claimed.one_time_kem_key
        last_resort = bundle.last_resort_kem_key
        return cls(
            member=Member.of(member, room, viewer_id, now),
            suite=bundle.suite,
            identity_key=Base64(bundle.identity_key),
            signed_pre_key=SignedPreKey.of(bundle.signed_pre_key),
            last_resort_kem_key=None if last_resort is None else SignedPreKey.of(last_resort),
            one_time_pre_key=None if pre_key is None else PreKey.of(pre_key),
            one_time_kem_key=None if kem_key is None else SignedPreKey.of(kem_key),
            updated_at=bundle.updated_at,
        )


@strawberry.input(description="A one-time Curve25519 key.")
class PreKeyInput:
    key_id: int = strawberry.field(description=KEY_ID)
    key: Base64 = strawberry.field(description=CURVE_KEY)

    def pre_key(self) -> keys.PreKey:
        """The domain's form."""
        return keys.PreKey(self.key_id, self.key)


@strawberry.input(description="A key signed by the identity key: Curve25519 as `signedPreKey`, ML-KEM-1024 elsewhere.")
class SignedPreKeyInput:
    key_id: int = strawberry.field(description=KEY_ID)
    key: Base64 = strawberry.field(
        description=(
            f"For `signedPreKey` a Curve25519 key: {CURVE_KEY} For `lastResortKemKey` and `oneTimeKemKeys` an encapsulation key of "
            f"ML-KEM-1024: {KEM_KEY_BYTES} bytes (FIPS 203), without a byte for its type."
        )
    )
    signature: Base64 = strawberry.field(
        description=(
            f"{SIGNATURE} libsignal's form, with the sign of the signer's point in the last bit, is taken too."
        )
    )

    def signed_pre_key(self) -> keys.SignedPreKey:
        """The domain's form."""
        return keys.SignedPreKey(self.key_id, self.key, self.signature)


def _one_time(pre_keys: list[PreKeyInput], kem_keys: list[SignedPreKeyInput]) -> keys.OneTimeKeys:
    return keys.OneTimeKeys(tuple(key.pre_key() for key in pre_keys), tuple(key.signed_pre_key() for key in kem_keys))


@strawberry.input(description="A bundle, and the one-time keys to hand out with it.")
class PublishKeysInput:
    suite: KeySuite = strawberry.field(default=KeySuite.X3DH_25519, description="The key agreement that they are for.")
    identity_key: Base64 = strawberry.field(description=CURVE_KEY)
    signed_pre_key: SignedPreKeyInput = strawberry.field(
        description="The medium-term Curve25519 key: publish a new one about every week."
    )
    last_resort_kem_key: SignedPreKeyInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="Required for PQXDH_25519_MLKEM1024, to be left out for X3DH_25519.",
    )
    one_time_pre_keys: list[PreKeyInput] = strawberry.field(default_factory=list, description=PRE_KEYS)
    one_time_kem_keys: list[SignedPreKeyInput] = strawberry.field(default_factory=list, description=KEM_KEYS)

    def publication(self) -> Publication:
        """The domain's form."""
        last_resort = given(self.last_resort_kem_key)
        return Publication(
            self.suite,
            self.identity_key,
            self.signed_pre_key.signed_pre_key(),
            None if last_resort is None else last_resort.signed_pre_key(),
            _one_time(self.one_time_pre_keys, self.one_time_kem_keys),
        )


@strawberry.type
class _Held:
    """What a change of one's own keys answers."""

    one_time_pre_key_count: int = strawberry.field(description="How many one-time Curve25519 keys are held now.")
    one_time_kem_key_count: int = strawberry.field(description="How many one-time KEM keys are held now.")

    @classmethod
    def of(cls, held: keys.KeyCounts) -> Self:
        """The API's form of how many are left."""
        return cls(one_time_pre_key_count=held.pre_keys, one_time_kem_key_count=held.kem_keys)


@strawberry.type(description="The bundle is what others are given from now on.")
class PublishKeysSuccess(_Held):
    pass


PublishKeysPayload = Annotated[
    PublishKeysSuccess | InvalidInputError,
    strawberry.union("PublishKeysPayload", description="What `publishKeys` answers."),
]


@strawberry.input(
    description=(
        f"One-time keys for the bundle that there is. With those that are left, at most {MOST_ONE_TIME_KEYS} of each kind."
    )
)
class AddOneTimePreKeysInput:
    one_time_pre_keys: list[PreKeyInput] = strawberry.field(default_factory=list, description=PRE_KEYS)
    one_time_kem_keys: list[SignedPreKeyInput] = strawberry.field(default_factory=list, description=KEM_KEYS)


@strawberry.type(description="The keys will be handed out, each to one claimer.")
class AddOneTimePreKeysSuccess(_Held):
    pass


AddOneTimePreKeysPayload = Annotated[
    AddOneTimePreKeysSuccess | InvalidInputError | NoKeysError,
    strawberry.union("AddOneTimePreKeysPayload", description="What `addOneTimePreKeys` answers."),
]


@strawberry.input(description="Whose keys to take.")
class ClaimKeyBundleInput:
    member_id: strawberry.ID = strawberry.field(description="Another member of an open room that both are in.")
    request_id: strawberry.ID = strawberry.field(
        description=(
            f"Makes a retry safe: the viewer gets the same bundle for the same ID and member {DAY}. 1 to {LONGEST_CLIENT_ID} "
            "characters; anything else is BAD_USER_INPUT."
        )
    )


@strawberry.type(description="The keys are the viewer's to use: its one-time keys are given to nobody else.")
class ClaimKeyBundleSuccess:
    bundle: KeyBundle = strawberry.field(
        description="With a one-time key of each kind of the suite, as long as there are any."
    )


ClaimKeyBundlePayload = Annotated[
    ClaimKeyBundleSuccess | NotFoundError | NoKeysError,
    strawberry.union("ClaimKeyBundlePayload", description="What `claimKeyBundle` answers."),
]


@strawberry.type
class KeysQuery:
    """`keys`."""

    @strawberry.field(
        description=(
            "The bundles of the members of a room who published one, the viewer's own too, in the order of joining and without "
            "one-time keys: for comparing identity keys, not for starting sessions. Null for a room that the viewer is not in."
        )
    )
    async def keys(
        self, info: Info, room_id: Annotated[strawberry.ID, strawberry.argument(description="The room's ID.")]
    ) -> list[KeyBundle] | None:
        services, viewer = info.context.services, info.context.viewer
        try:
            known = known_id(room_id)
            looked_at, _ = await seat_in(services.directory, known, viewer.user_id)
            found = await services.read(lambda uow: key_bundles(uow, looked_at))
            # Again, because the keys may be newer than the look before them: somebody kicked meanwhile is shown nothing.
            room, seat = await seat_in(services.directory, known, viewer.user_id)
        except errors.NotFound:
            return None
        services.reached(seat.id)
        now = services.clock()
        return [
            KeyBundle.of(keys.ClaimedBundle(bundle, None, None), member, room, viewer.user_id, now)
            for member, bundle in found
        ]


@strawberry.type
class KeysMutation:
    """`publishKeys`, `addOneTimePreKeys`, `claimKeyBundle`."""

    @strawberry.mutation(
        description=(
            "Replaces the viewer's bundle and all of its one-time keys, and tells the rooms that the viewer is in. One-time keys "
            f"that were handed out {DAY} are left out, so that a retry hands none out twice. The bundle belongs to the "
            "account: a client whose user does not want to be recognised from one match to the next publishes a new one, with a "
            "new identity key, before each. More than 60 bundles at once and then one in 2 seconds, or than 1000 signatures at "
            "once and then 10 a second, are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.InvalidInput)
    async def publish_keys(
        self, info: Info, input: Annotated[PublishKeysInput, strawberry.argument(description="The keys.")]
    ) -> PublishKeysPayload:
        services, viewer = info.context.services, info.context.viewer
        held = await publish_keys(
            services.transact,
            services.key_verifier,
            services.throttle,
            user_id=viewer.user_id,
            offered=input.publication(),
            clock=services.clock,
        )
        return PublishKeysSuccess.of(held)

    @strawberry.mutation(
        description=(
            "Adds one-time keys to the viewer's bundle. A key that is held under the same ID already, or was handed out "
            f"{DAY}, is left out without a word: a retry is safe. Another key under such an ID is refused. Signatures count "
            "as for `publishKeys`."
        )
    )
    @answers(errors.InvalidInput, errors.NoKeys)
    async def add_one_time_pre_keys(
        self, info: Info, input: Annotated[AddOneTimePreKeysInput, strawberry.argument(description="The keys.")]
    ) -> AddOneTimePreKeysPayload:
        services, viewer = info.context.services, info.context.viewer
        held = await add_one_time_keys(
            services.transact,
            services.read,
            services.key_verifier,
            services.throttle,
            user_id=viewer.user_id,
            offered=_one_time(input.one_time_pre_keys, input.one_time_kem_keys),
        )
        return AddOneTimePreKeysSuccess.of(held)

    @strawberry.mutation(
        description=(
            "Takes one one-time key of each kind of the member for good, with the rest of the bundle. The same `requestId` gets "
            f"the same again {DAY}. More than {CLAIMS_PER_PAIR} bundles of one person at once, and then {CLAIMS_PER_PAIR} an hour, "
            "are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.NotFound, errors.NoKeys)
    async def claim_key_bundle(
        self, info: Info, input: Annotated[ClaimKeyBundleInput, strawberry.argument(description="Whose keys.")]
    ) -> ClaimKeyBundlePayload:
        services, viewer = info.context.services, info.context.viewer
        room, member, claimed = await claim_key_bundle(
            services.transact,
            services.read,
            services.directory,
            services.limits,
            services.one_by_one,
            reached=services.reached,
            claimer_id=viewer.user_id,
            member_id=known_id(input.member_id),
            request_id=input.request_id,
            clock=services.clock,
        )
        return ClaimKeyBundleSuccess(bundle=KeyBundle.of(claimed, member, room, viewer.user_id, services.clock()))
