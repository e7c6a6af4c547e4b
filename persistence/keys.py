"""Public keys of users in PostgreSQL: bundles, one-time keys, and what was handed out."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, LargeBinary, bindparam, text
from sqlalchemy.engine import Row as ResultRow
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.keys.bundle import (
    ClaimedBundle,
    KeyBundle,
    KeyCounts,
    KeySuite,
    OneTimeKeyKind,
    OneTimeKeys,
    PreKey,
    SignedPreKey,
)
from persistence.base import UUIDS, Row, Timestamp


class KeyBundleRow(Row, table=True):
    """What a user published, without the one-time keys."""

    __tablename__ = "key_bundle"
    __table_args__ = (
        CheckConstraint("suite IN ('X3DH_25519', 'PQXDH_25519_MLKEM1024')", name="suite"),
        CheckConstraint(
            "num_nulls(last_resort_key_id, last_resort_key, last_resort_signature)"
            " = CASE suite WHEN 'X3DH_25519' THEN 3 ELSE 0 END",
            name="last_resort",
        ),
    )

    user_id: UUID = Field(primary_key=True, foreign_key="account.id")
    suite: str
    identity_key: bytes
    signed_key_id: int
    signed_key: bytes
    signed_signature: bytes
    last_resort_key_id: int | None = None
    last_resort_key: bytes | None = None
    last_resort_signature: bytes | None = None
    updated_at: datetime = Field(sa_type=Timestamp)


class OneTimeKeyRow(Row, table=True):
    """A key that is handed out once: taking it deletes the row."""

    __tablename__ = "one_time_key"
    __table_args__ = (
        CheckConstraint("kind IN ('CURVE25519', 'KEM')", name="kind"),
        CheckConstraint("(kind = 'KEM') = (signature IS NOT NULL)", name="signature"),
    )

    user_id: UUID = Field(primary_key=True, foreign_key="key_bundle.user_id")
    kind: str = Field(primary_key=True)
    key_id: int = Field(primary_key=True)
    key: bytes
    signature: bytes | None = None


class KeyClaimRow(Row, table=True):
    """What a claimer was given: the whole bundle as it was, so that a retry gets the same, and no key twice."""

    __tablename__ = "key_claim"
    __table_args__ = (Index("ix_key_claim_owner_id", "owner_id", "claimed_at"),)

    claimer_id: UUID = Field(primary_key=True, foreign_key="account.id")
    member_id: UUID = Field(primary_key=True)
    """The member whose bundle it is, as the claimer named them."""
    request_id: str = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="account.id")
    suite: str
    identity_key: bytes
    signed_key_id: int
    signed_key: bytes
    signed_signature: bytes
    last_resort_key_id: int | None = None
    last_resort_key: bytes | None = None
    last_resort_signature: bytes | None = None
    updated_at: datetime = Field(sa_type=Timestamp)
    pre_key_id: int | None = None
    pre_key: bytes | None = None
    kem_key_id: int | None = None
    kem_key: bytes | None = None
    kem_signature: bytes | None = None
    claimed_at: datetime = Field(sa_type=Timestamp, index=True)


_BUNDLE = """suite, identity_key, signed_key_id, signed_key, signed_signature,
           last_resort_key_id, last_resort_key, last_resort_signature, updated_at"""
_BUNDLE_VALUES = """:suite, :identity_key, :signed_key_id, :signed_key, :signed_signature,
            :last_resort_key_id, :last_resort_key, :last_resort_signature, :updated_at"""

OF = text(f"SELECT user_id, {_BUNDLE} FROM key_bundle WHERE user_id = ANY(:ids)").bindparams(  # noqa: S608  # columns of ours
    bindparam("ids", type_=UUIDS)
)
REPLACE = text(f"""
    INSERT INTO key_bundle (user_id, {_BUNDLE}) VALUES (:user_id, {_BUNDLE_VALUES})
    ON CONFLICT (user_id) DO UPDATE SET
        ({_BUNDLE}) = ROW ({_BUNDLE_VALUES})
""")  # noqa: S608  # columns of ours
CLEAR = text("DELETE FROM one_time_key WHERE user_id = :user_id")
ADD = text(
    "INSERT INTO one_time_key (user_id, kind, key_id, key, signature) VALUES (:user_id, :kind, :key_id, :key, :signature)"
)
HELD = text("SELECT kind, key_id, key, signature FROM one_time_key WHERE user_id = :user_id ORDER BY key_id")
COUNTS = text("""
    SELECT count(*) FILTER (WHERE kind = 'CURVE25519'), count(*) FILTER (WHERE kind = 'KEM')
    FROM one_time_key WHERE user_id = :user_id
""")
# A key that another transaction is taking is passed over, not waited for. The subquery stands by itself and runs once: as part of
# the DELETE the planner may run it again for another row, and delete two.
TAKE = text("""
    WITH chosen AS MATERIALIZED (
        SELECT user_id, kind, key_id FROM one_time_key WHERE user_id = :user_id AND kind = :kind
        ORDER BY key_id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM one_time_key WHERE (user_id, kind, key_id) IN (SELECT user_id, kind, key_id FROM chosen)
    RETURNING key_id, key, signature
""")
HANDED_OUT = text("""
    SELECT pre_key AS key FROM key_claim WHERE owner_id = :owner_id AND pre_key = ANY(:keys)
    UNION SELECT kem_key FROM key_claim WHERE owner_id = :owner_id AND kem_key = ANY(:keys)
""").bindparams(bindparam("keys", type_=ARRAY(LargeBinary)))
SPENT = text("SELECT pre_key_id, kem_key_id FROM key_claim WHERE owner_id = :owner_id AND updated_at = :updated_at")
CLAIMED = text(f"""
    SELECT owner_id AS user_id, {_BUNDLE}, pre_key_id, pre_key, kem_key_id, kem_key, kem_signature FROM key_claim
    WHERE claimer_id = :claimer_id AND member_id = :member_id AND request_id = :request_id
""")  # noqa: S608  # columns of ours
NOTE_CLAIM = text(f"""
    INSERT INTO key_claim (claimer_id, member_id, request_id, owner_id, {_BUNDLE},
                           pre_key_id, pre_key, kem_key_id, kem_key, kem_signature, claimed_at)
    VALUES (:claimer_id, :member_id, :request_id, :user_id, {_BUNDLE_VALUES},
            :pre_key_id, :pre_key, :kem_key_id, :kem_key, :kem_signature, :now)
""")  # noqa: S608  # columns of ours


class KeyBundleRepository:
    """See `ports.KeyBundles`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, user_ids: Collection[UUID]) -> Mapping[UUID, KeyBundle]:
        rows = await self._connection.execute(OF, {"ids": list(user_ids)})
        return {row.user_id: _bundle(row) for row in rows}

    async def replace(self, bundle: KeyBundle, keys: OneTimeKeys) -> None:
        await self._connection.execute(CLEAR, {"user_id": bundle.user_id})
        await self._connection.execute(REPLACE, _values(bundle))
        await self.add(bundle.user_id, keys)

    async def add(self, user_id: UUID, keys: OneTimeKeys) -> None:
        rows = [
            {"user_id": user_id, "kind": kind.value, "key_id": key.key_id, "key": key.key, "signature": signature}
            for kind, key, signature in (
                *((OneTimeKeyKind.CURVE25519, key, None) for key in keys.pre_keys),
                *((OneTimeKeyKind.KEM, key, key.signature) for key in keys.kem_keys),
            )
        ]
        if rows:
            await self._connection.execute(ADD, rows)

    async def held(self, user_id: UUID) -> OneTimeKeys:
        rows = list(await self._connection.execute(HELD, {"user_id": user_id}))
        return OneTimeKeys(
            tuple(PreKey(row.key_id, row.key) for row in rows if row.kind == OneTimeKeyKind.CURVE25519),
            tuple(SignedPreKey(row.key_id, row.key, row.signature) for row in rows if row.kind == OneTimeKeyKind.KEM),
        )

    async def counts(self, user_id: UUID) -> KeyCounts:
        pre_keys, kem_keys = (await self._connection.execute(COUNTS, {"user_id": user_id})).one()
        return KeyCounts(pre_keys, kem_keys)

    async def handed_out(self, user_id: UUID, keys: Collection[bytes]) -> frozenset[bytes]:
        if not keys:
            return frozenset()
        return frozenset(await self._connection.scalars(HANDED_OUT, {"owner_id": user_id, "keys": list(keys)}))

    async def spent_ids(self, bundle: KeyBundle) -> tuple[frozenset[int], frozenset[int]]:
        values = {"owner_id": bundle.user_id, "updated_at": bundle.updated_at}
        rows = list(await self._connection.execute(SPENT, values))
        return (
            frozenset(row.pre_key_id for row in rows if row.pre_key_id is not None),
            frozenset(row.kem_key_id for row in rows if row.kem_key_id is not None),
        )

    async def take_pre_key(self, user_id: UUID) -> PreKey | None:
        row = await self._take(user_id, OneTimeKeyKind.CURVE25519)
        return None if row is None else PreKey(row.key_id, row.key)

    async def take_kem_key(self, user_id: UUID) -> SignedPreKey | None:
        row = await self._take(user_id, OneTimeKeyKind.KEM)
        return None if row is None else SignedPreKey(row.key_id, row.key, row.signature)

    async def _take(self, user_id: UUID, kind: OneTimeKeyKind) -> ResultRow[Any] | None:
        return (await self._connection.execute(TAKE, {"user_id": user_id, "kind": kind.value})).one_or_none()

    async def claimed(self, claimer_id: UUID, member_id: UUID, request_id: str) -> ClaimedBundle | None:
        values = {"claimer_id": claimer_id, "member_id": member_id, "request_id": request_id}
        row = (await self._connection.execute(CLAIMED, values)).one_or_none()
        if row is None:
            return None
        return ClaimedBundle(
            _bundle(row),
            None if row.pre_key_id is None else PreKey(row.pre_key_id, row.pre_key),
            None if row.kem_key_id is None else SignedPreKey(row.kem_key_id, row.kem_key, row.kem_signature),
        )

    async def note_claim(
        self, claimer_id: UUID, member_id: UUID, request_id: str, claimed: ClaimedBundle, now: datetime
    ) -> None:
        pre_key, kem_key = claimed.one_time_pre_key, claimed.one_time_kem_key
        await self._connection.execute(
            NOTE_CLAIM,
            _values(claimed.bundle)
            | {
                "claimer_id": claimer_id,
                "member_id": member_id,
                "request_id": request_id,
                "pre_key_id": pre_key and pre_key.key_id,
                "pre_key": pre_key and pre_key.key,
                "kem_key_id": kem_key and kem_key.key_id,
                "kem_key": kem_key and kem_key.key,
                "kem_signature": kem_key and kem_key.signature,
                "now": now,
            },
        )


def _values(bundle: KeyBundle) -> dict[str, object]:
    last_resort = bundle.last_resort_kem_key
    return {
        "user_id": bundle.user_id,
        "suite": bundle.suite.value,
        "identity_key": bundle.identity_key,
        "signed_key_id": bundle.signed_pre_key.key_id,
        "signed_key": bundle.signed_pre_key.key,
        "signed_signature": bundle.signed_pre_key.signature,
        "last_resort_key_id": last_resort and last_resort.key_id,
        "last_resort_key": last_resort and last_resort.key,
        "last_resort_signature": last_resort and last_resort.signature,
        "updated_at": bundle.updated_at,
    }


def _bundle(row: ResultRow[Any]) -> KeyBundle:
    return KeyBundle(
        user_id=row.user_id,
        suite=KeySuite(row.suite),
        identity_key=row.identity_key,
        signed_pre_key=SignedPreKey(row.signed_key_id, row.signed_key, row.signed_signature),
        last_resort_kem_key=None
        if row.last_resort_key_id is None
        else SignedPreKey(row.last_resort_key_id, row.last_resort_key, row.last_resort_signature),
        updated_at=row.updated_at,
    )
