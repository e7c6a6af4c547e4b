"""Accounts, devices, sessions and refresh tokens in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, RowMapping, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.identity import OperatorRole, RefreshToken, Session, SessionScope, User
from persistence.base import UUIDS, Row, Timestamp
from persistence.heads import HeadRow


class AccountRow(Row, table=True):
    """A user."""

    __tablename__ = "account"
    # Everybody who judges is asked for with every report, and among all accounts they are few.
    __table_args__ = (
        Index("ix_account_operators", "id", postgresql_where=text("operator_role IS NOT NULL")),
        # See `Privacy.abandoned` and `retention`.
        Index("ix_account_created_at", "created_at", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_account_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    display_name: str
    created_at: datetime = Field(sa_type=Timestamp)
    operator_role: str | None = None
    device_id: UUID | None = Field(default=None, foreign_key="device.id", index=True)
    deleted_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When it was deleted: what is left has no name, soon no device (see `retention`), and goes once nothing refers to it."""


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


_USER_COLUMNS = "id, display_name, created_at, operator_role, device_id"
_TOKEN_COLUMNS = "token_hash, session_id, parent_hash, issued_at, expires_at, used_at"  # noqa: S105  # names of columns

_USER = text(f"SELECT {_USER_COLUMNS} FROM account WHERE id = :id AND deleted_at IS NULL")  # noqa: S608  # ours
_USERS = text(f"SELECT {_USER_COLUMNS} FROM account WHERE id = ANY(:ids)").bindparams(  # noqa: S608  # columns of ours
    bindparam("ids", type_=UUIDS)
)
# One look-up by index for each account and question: thousands of accounts take less than others' tables would.
_ABLE = text("""
    SELECT a.id FROM account a
    WHERE a.device_id = :device AND (
        EXISTS (SELECT FROM connection WHERE user_id = a.id)
        OR EXISTS (SELECT FROM ticket WHERE user_id = a.id AND status = 'WAITING')
        OR EXISTS (SELECT FROM member WHERE user_id = a.id AND left_at IS NULL)
        OR EXISTS (SELECT FROM session s JOIN refresh_token t ON t.session_id = s.id
                   WHERE s.user_id = a.id AND s.revoked_at IS NULL AND t.issued_at > :since))
""")
_DEVICE_OF = text("SELECT device_id FROM account WHERE id = :id")
_RENAME = text(
    "UPDATE account SET display_name = :name"  # noqa: S608  # columns of ours
    f" WHERE id = :id AND deleted_at IS NULL RETURNING {_USER_COLUMNS}"
)

# Locked, so that retention does not delete it under the account that is about to be made on it. Exclusively, as everywhere: who
# waits for that stands in a queue, while of those who share a lock the next pass by whoever waits for all of them.
_DEVICE = text("SELECT id FROM device WHERE token_hash = :hash FOR NO KEY UPDATE")
_LOCK_DEVICE = text("SELECT FROM device WHERE id = :id FOR NO KEY UPDATE")

_SESSION = text("SELECT id, user_id, scope, created_at, revoked_at FROM session WHERE id = :id")
_LOCK_SESSION = text(
    "SELECT id FROM session WHERE id = (SELECT session_id FROM refresh_token WHERE token_hash = :hash) FOR UPDATE"
)
_USER_OF = text("""
    WITH holder AS (SELECT s.user_id, a.device_id FROM refresh_token t JOIN session s ON s.id = t.session_id
                    JOIN account a ON a.id = s.user_id WHERE t.token_hash = :hash),
         locked AS (SELECT FROM device WHERE id = (SELECT device_id FROM holder) FOR NO KEY UPDATE)
    SELECT user_id FROM holder LEFT JOIN locked ON true
""")
_TOKEN = text(f"SELECT {_TOKEN_COLUMNS} FROM refresh_token WHERE token_hash = :hash")  # noqa: S608  # columns of ours
_SUCCESSORS = text(f"SELECT {_TOKEN_COLUMNS} FROM refresh_token WHERE parent_hash = :hash")  # noqa: S608  # columns of ours
_USE_TOKEN = text("UPDATE refresh_token SET used_at = :now WHERE token_hash = :hash AND used_at IS NULL")
_RESCOPE = text("UPDATE session SET scope = :scope WHERE id = :id")
_REVOKE = text("UPDATE session SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL")
_REVOKE_ALL = text("UPDATE session SET revoked_at = :now WHERE user_id = :user AND revoked_at IS NULL")
_LIVE = text(
    "SELECT count(*) FROM session AS s WHERE s.user_id = :user_id AND s.revoked_at IS NULL"
    " AND EXISTS (SELECT FROM refresh_token AS t WHERE t.session_id = s.id AND t.expires_at > :now)"
)


class UserRepository:
    """`ports.Users` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, user: User) -> None:
        await self._connection.execute(
            insert(AccountRow).values(
                id=user.id,
                display_name=user.display_name,
                created_at=user.created_at,
                operator_role=user.operator_role and user.operator_role.value,
                device_id=user.device_id,
            )
        )
        # Nobody is attached yet: a user is detached from the first.
        await self._connection.execute(insert(HeadRow).values(user_id=user.id, detached_at=user.created_at))

    async def get(self, user_id: UUID) -> User | None:
        return await self._one(_USER, {"id": user_id})

    async def get_many(self, user_ids: Collection[UUID]) -> Mapping[UUID, User]:
        rows = (await self._connection.execute(_USERS, {"ids": list(user_ids)})).mappings()
        return {row["id"]: _user(row) for row in rows}

    async def able(self, device_id: UUID, since: datetime) -> frozenset[UUID]:
        return frozenset(await self._connection.scalars(_ABLE, {"device": device_id, "since": since}))

    async def device_of(self, user_id: UUID) -> UUID | None:
        found: UUID | None = await self._connection.scalar(_DEVICE_OF, {"id": user_id})
        return found

    async def rename(self, user_id: UUID, display_name: str) -> User | None:
        return await self._one(_RENAME, {"id": user_id, "name": display_name})

    async def _one(self, statement: Any, values: dict[str, Any]) -> User | None:  # noqa: ANN401  # SQLAlchemy's own
        row = (await self._connection.execute(statement, values)).mappings().one_or_none()
        return None if row is None else _user(row)


class DeviceRepository:
    """`ports.Devices` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, token_hash: bytes) -> UUID | None:
        found: UUID | None = await self._connection.scalar(_DEVICE, {"hash": token_hash})
        return found

    async def add(self, device_id: UUID, token_hash: bytes, now: datetime) -> None:
        await self._connection.execute(insert(DeviceRow).values(id=device_id, token_hash=token_hash, created_at=now))

    async def lock(self, device_id: UUID) -> None:
        await self._connection.execute(_LOCK_DEVICE, {"id": device_id})


class SessionRepository:
    """`ports.Sessions` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: Session) -> None:
        await self._connection.execute(
            insert(SessionRow).values(
                id=session.id,
                user_id=session.user_id,
                scope=session.scope.value,
                created_at=session.created_at,
                revoked_at=session.revoked_at,
            )
        )

    async def get(self, session_id: UUID) -> Session | None:
        row = (await self._connection.execute(_SESSION, {"id": session_id})).mappings().one_or_none()
        return None if row is None else _session(row)

    async def user_of(self, token_hash: bytes) -> UUID | None:
        user_id: UUID | None = await self._connection.scalar(_USER_OF, {"hash": token_hash})
        return user_id

    async def lock_by_token(self, token_hash: bytes) -> tuple[Session, RefreshToken] | None:
        session_id = await self._connection.scalar(_LOCK_SESSION, {"hash": token_hash})
        if session_id is None:
            return None
        # Read in later statements: the locking one may have waited, and its snapshot would show a token as unused that the
        # unit before it used.
        session = await self.get(session_id)
        row = (await self._connection.execute(_TOKEN, {"hash": token_hash})).mappings().one_or_none()
        return None if session is None or row is None else (session, RefreshToken(**row))

    async def add_token(self, token: RefreshToken) -> None:
        await self._connection.execute(
            insert(RefreshTokenRow).values(
                token_hash=token.token_hash,
                session_id=token.session_id,
                parent_hash=token.parent_hash,
                issued_at=token.issued_at,
                expires_at=token.expires_at,
                used_at=token.used_at,
            )
        )

    async def use_token(self, token_hash: bytes, now: datetime) -> None:
        await self._connection.execute(_USE_TOKEN, {"hash": token_hash, "now": now})

    async def successors(self, token_hash: bytes) -> Sequence[RefreshToken]:
        rows = (await self._connection.execute(_SUCCESSORS, {"hash": token_hash})).mappings()
        return [RefreshToken(**row) for row in rows]

    async def rescope(self, session_id: UUID, scope: SessionScope) -> None:
        await self._connection.execute(_RESCOPE, {"id": session_id, "scope": scope.value})

    async def revoke(self, session_id: UUID, now: datetime) -> None:
        await self._connection.execute(_REVOKE, {"id": session_id, "now": now})

    async def revoke_all(self, user_id: UUID, now: datetime) -> None:
        await self._connection.execute(_REVOKE_ALL, {"user": user_id, "now": now})

    async def live(self, user_id: UUID, now: datetime) -> int:
        return int(await self._connection.scalar(_LIVE, {"user_id": user_id, "now": now}) or 0)


def _user(row: RowMapping) -> User:
    role = row["operator_role"]
    return User(
        row["id"],
        row["display_name"],
        row["created_at"],
        None if role is None else OperatorRole(role),
        row["device_id"],
    )


def _session(row: RowMapping) -> Session:
    return Session(row["id"], row["user_id"], SessionScope(row["scope"]), row["created_at"], row["revoked_at"])
