"""Public keys of users in PostgreSQL: bundles, one-time keys, and what was handed out."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from persistence.base import Row, Timestamp


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
    __table_args__ = (CheckConstraint("kind IN ('CURVE25519', 'KEM')", name="kind"),)

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


class KeyBundleRepository:
    """See `ports.KeyBundles`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
