"""Accounts, devices, sessions and the single-use tokens that renew them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class SessionScope(StrEnum):
    """What a session may do."""

    FULL = "FULL"
    APPEAL_ONLY = "APPEAL_ONLY"


class OperatorRole(StrEnum):
    """What an operator may do: an ADMIN may do all that a MODERATOR may."""

    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class User:
    """An account. Others never see it: they see a Member."""

    id: UUID
    display_name: str
    created_at: datetime
    operator_role: OperatorRole | None
    device_id: UUID | None


@dataclass(frozen=True, slots=True)
class Session:
    """A family of refresh tokens that descend from one sign-in; access tokens carry its ID as `sid`."""

    id: UUID
    user_id: UUID
    scope: SessionScope
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A single-use token of a session, known by its keyed hash; `parent_hash` is the token that it succeeded."""

    token_hash: bytes
    session_id: UUID
    parent_hash: bytes | None
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, as a verified access token says."""

    user_id: UUID
    session_id: UUID
    scope: SessionScope
    expires_at: datetime
