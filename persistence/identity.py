"""Accounts, devices, sessions and refresh tokens in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from persistence.base import Row, Timestamp


class AccountRow(Row, table=True):
    """A user."""

    __tablename__ = "account"

    id: UUID = Field(primary_key=True)
    display_name: str
    created_at: datetime = Field(sa_type=Timestamp)
    operator_role: str | None = None
    device_id: UUID | None = Field(default=None, foreign_key="device.id", index=True)


class DeviceRow(Row, table=True):
    """A device, known by the keyed hash of the token that it was given."""

    __tablename__ = "device"

    id: UUID = Field(primary_key=True)
    token_hash: bytes = Field(unique=True)
    created_at: datetime = Field(sa_type=Timestamp)


class SessionRow(Row, table=True):
    """A family of refresh tokens."""

    __tablename__ = "session"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="account.id", index=True)
    scope: str
    created_at: datetime = Field(sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)


class RefreshTokenRow(Row, table=True):
    """A single-use refresh token; never the token itself."""

    __tablename__ = "refresh_token"

    token_hash: bytes = Field(primary_key=True)
    session_id: UUID = Field(foreign_key="session.id", index=True)
    parent_hash: bytes | None = Field(default=None, index=True)
    issued_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime = Field(sa_type=Timestamp, index=True)
    used_at: datetime | None = Field(default=None, sa_type=Timestamp)
