"""Sign-in tokens of operators in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.identity import OperatorRole, User
from domain.safety.operators import Operator
from persistence.base import UUIDS, Row, Timestamp

SIGN_INS_OVERLAP = timedelta(minutes=1)
"""A sign-in is stamped before it is committed, by a clock that may be moved meanwhile."""
Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class OperatorTokenRow(Row, table=True):
    """The token with which an operator signs in, by its keyed hash: one per operator."""

    __tablename__ = "operator_token"

    user_id: UUID = Field(foreign_key="account.id", primary_key=True)
    token_hash: bytes = Field(unique=True)
    created_at: datetime = Field(sa_type=Timestamp)


_IDS = text("SELECT id FROM account WHERE operator_role IS NOT NULL ORDER BY id")
_LISTED = text("""
    SELECT a.id, a.display_name, a.created_at, a.operator_role, a.device_id, t.created_at AS token_at
    FROM account a LEFT JOIN operator_token t ON t.user_id = a.id
    WHERE a.operator_role IS NOT NULL ORDER BY a.created_at, a.id
""")
_WATCHED = text("""
    SELECT h.user_id, h.seq, h.control_version, bool_or(wanted.present) AS present
    FROM (
        SELECT id, true AS present FROM account WHERE operator_role IS NOT NULL
        UNION ALL SELECT actor_id, true FROM audit_entry WHERE at >= :since AND action = 'OPERATOR_SIGNED_IN'
        UNION ALL SELECT known, false FROM unnest(:known) AS known
    ) AS wanted JOIN head h ON h.user_id = wanted.id
    GROUP BY h.user_id
""").bindparams(bindparam("known", type_=UUIDS), bindparam("since", type_=Timestamp()))
_SET_TOKEN = text("""
    INSERT INTO operator_token (user_id, token_hash, created_at) VALUES (:user, :hash, :now)
    ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at
""")
_BY_TOKEN = text("SELECT user_id FROM operator_token WHERE token_hash = :hash")
_FORGET_TOKEN = text("DELETE FROM operator_token WHERE user_id = :user")
_SET_ROLE = text("UPDATE account SET operator_role = :role WHERE id = :user")
_RELEASE = text("""
    UPDATE moderation_case SET status = 'OPEN', claimed_by = NULL, claim_expires_at = NULL
    WHERE claimed_by = :user AND status = 'CLAIMED' RETURNING id
""")


class OperatorRepository:
    """`ports.Operators` in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def ids(self) -> Sequence[UUID]:
        return list(await self._connection.scalars(_IDS))

    async def listed(self) -> Sequence[Operator]:
        rows = (await self._connection.execute(_LISTED)).mappings()
        return [_operator(row) for row in rows]

    async def set_token(self, user_id: UUID, token_hash: bytes, now: datetime) -> None:
        await self._connection.execute(_SET_TOKEN, {"user": user_id, "hash": token_hash, "now": now})

    async def by_token(self, token_hash: bytes) -> UUID | None:
        found: UUID | None = await self._connection.scalar(_BY_TOKEN, {"hash": token_hash})
        return found

    async def set_role(self, user_id: UUID, role: OperatorRole) -> None:
        await self._connection.execute(_SET_ROLE, {"user": user_id, "role": role.value})

    async def remove(self, user_id: UUID) -> None:
        await self._connection.execute(_FORGET_TOKEN, {"user": user_id})
        await self._connection.execute(_SET_ROLE, {"user": user_id, "role": None})

    async def release_cases(self, user_id: UUID) -> Sequence[UUID]:
        return sorted(await self._connection.scalars(_RELEASE, {"user": user_id}))


def _operator(row: RowMapping) -> Operator:
    role = OperatorRole(row["operator_role"])
    user = User(row["id"], row["display_name"], row["created_at"], role, row["device_id"])
    return Operator(user, role, row["token_at"])


class OperatorWatch:
    """What the command line did about operators beside a server that keeps its inbox in memory, which hears only of its own units.

    The command line writes control versions and events where several workers would look, and nobody else does here. `reading` is
    `Database.reading`; `renew` is told of those to whom something happened, and looks at them anew.
    """

    def __init__(
        self, reading: Reading, renew: Callable[[Iterable[UUID]], None], clock: Callable[[], datetime]
    ) -> None:
        self._reading = reading
        self._renew = renew
        self._clock = clock
        self._looked_at: datetime | None = None
        self._seen: dict[UUID, tuple[int, int]] = {}
        """Of operators, and of who signed in as one lately: the end of the inbox, and the control version, in the tables."""

    async def look(self) -> None:
        """Call once a second, for the first time before anybody is served.

        Who came since the last call had an empty inbox and version 0; also who is no operator any more, but signed in meanwhile.
        """
        now = self._clock()
        values = {"known": list(self._seen), "since": (self._looked_at or now) - SIGN_INS_OVERLAP}
        async with self._reading() as connection:
            rows = (await connection.execute(_WATCHED, values)).all()
        found = {row.user_id: (row.seq, row.control_version) for row in rows}
        if self._looked_at is not None:
            moved = [user_id for user_id, place in found.items() if self._seen.get(user_id, (0, 0)) != place]
            if moved:
                self._renew(moved)
        self._looked_at = now
        self._seen = {row.user_id: found[row.user_id] for row in rows if row.present}
