"""Rooms and members in PostgreSQL."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    String,
    TextClause,
    UniqueConstraint,
    bindparam,
    text,
)
from sqlalchemy.engine import Row as ResultRow
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import Field

from domain.matchmaking.ticket import ChatMode
from domain.rooms.room import Invite, MediaState, Member, MemberRole, MemberStatus, Room, RoomKind
from persistence.base import UUIDS, Row, Timestamp


class RoomRow(Row, table=True):
    """A room; who is in it stands in `member`."""

    __tablename__ = "room"
    __table_args__ = (
        Index("ix_room_closed_at", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),  # See `retention`.
        CheckConstraint("kind IN ('MATCH', 'INVITE')", name="kind"),
        CheckConstraint("capacity BETWEEN 2 AND 16", name="capacity"),
        CheckConstraint(
            "(kind = 'INVITE') = (invite_version IS NOT NULL AND invite_key_id IS NOT NULL AND invite_hash IS NOT NULL)",
            name="invite",
        ),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    mode: str | None = None
    name: str | None = None
    capacity: int
    invite_version: int | None = None
    invite_key_id: str | None = None
    invite_hash: bytes | None = Field(default=None, unique=True)
    message_seq: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """The place of the newest message that the room ever had: deleting old ones must not give their places away."""
    shared_interests: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    created_at: datetime = Field(sa_type=Timestamp)
    closed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class MemberRow(Row, table=True):
    """A seat: one row per room and user for ever, so that a member's ID outlives leaving and coming back."""

    __tablename__ = "member"
    __table_args__ = (
        UniqueConstraint("room_id", "user_id"),
        UniqueConstraint("room_id", "position"),
        Index(
            "uq_member_open_match_seat",
            "user_id",
            unique=True,
            postgresql_where=text("room_kind = 'MATCH' AND left_at IS NULL"),
        ),
        Index("ix_member_user_id", "user_id", "joined_at"),
        Index("ix_member_seat", "user_id", "room_id", postgresql_where=text("left_at IS NULL")),
        Index(
            "ix_member_unreached",
            "joined_at",
            postgresql_where=text("room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL"),
        ),
        Index("uq_member_owner", "room_id", unique=True, postgresql_where=text("role = 'OWNER' AND left_at IS NULL")),
        Index("ix_member_typing_until", "typing_until", postgresql_where=text("typing_until IS NOT NULL")),
        CheckConstraint("status IN ('ONLINE', 'AWAY', 'LEFT')", name="status"),
        CheckConstraint("(status = 'LEFT') = (left_at IS NOT NULL)", name="left"),
        CheckConstraint("role IN ('OWNER', 'MODERATOR', 'MEMBER')", name="role"),
        CheckConstraint("left_at IS NOT NULL OR NOT kicked", name="kicked"),
    )

    id: UUID = Field(primary_key=True)
    room_id: UUID = Field(foreign_key="room.id")
    room_kind: str
    user_id: UUID = Field(foreign_key="account.id")
    display_name: str
    role: str
    muted: bool
    status: str
    camera: bool
    microphone: bool
    screen: bool
    typing_until: datetime | None = Field(default=None, sa_type=Timestamp)
    position: int
    joined_at: datetime = Field(sa_type=Timestamp)
    left_at: datetime | None = Field(default=None, sa_type=Timestamp)
    kicked: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    reached_at: datetime | None = Field(default=None, sa_type=Timestamp)
    """When the member first was told of the match, or asked about the room."""


# Everybody who writes several members does it in this order, and closing too: no two can wait for each other.
_MEMBER_ORDER = "room_id, position"

_ROOMS = """
    SELECT r.id, r.kind, r.mode, r.name, r.capacity, r.shared_interests, r.created_at, r.closed_at,
           r.invite_version, r.invite_key_id,
           m.id AS member_id, m.user_id, m.display_name, m.role, m.muted, m.status, m.camera, m.microphone, m.screen,
           m.typing_until, m.position, m.joined_at, m.left_at, m.kicked
    FROM room r JOIN member m ON m.room_id = r.id
"""
"""A row per member: rooms and members of one snapshot, and a room is never without a member."""


def _rooms(condition: str, order: str = "r.id") -> TextClause:
    return text(f"{_ROOMS} WHERE {condition} ORDER BY {order}, m.position")


def _of_ids(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("ids", type_=UUIDS))


BY_ID = _rooms("r.id = :id")
BY_IDS = _rooms("r.id = ANY(:ids)").bindparams(bindparam("ids", type_=UUIDS))
BY_MEMBER = _rooms("r.id = (SELECT room_id FROM member WHERE id = :id)")
OPEN_MATCH = _rooms(
    "r.closed_at IS NULL AND r.id IN"
    " (SELECT room_id FROM member WHERE user_id = :id AND room_kind = 'MATCH' AND left_at IS NULL)"
)
LATEST_MATCH = _rooms(
    "r.id = (SELECT room_id FROM member WHERE user_id = :id AND room_kind = 'MATCH' ORDER BY joined_at DESC LIMIT 1)"
)
HELD = _rooms(
    "r.closed_at IS NULL AND r.id IN (SELECT room_id FROM member WHERE user_id = :id AND left_at IS NULL)",
    order="r.created_at DESC, r.id",
)
BY_INVITE = _rooms("r.closed_at IS NULL AND r.invite_hash = ANY(:hashes)")
# Whoever closes a room takes all seats with it.
HELD_IDS = text("SELECT room_id FROM member WHERE user_id = :id AND left_at IS NULL")
HELD_IDS_OF = text("SELECT DISTINCT room_id FROM member WHERE user_id = ANY(:users) AND left_at IS NULL").bindparams(
    bindparam("users", type_=UUIDS)
)
SEATS = text("SELECT count(*) FROM member WHERE user_id = :id AND room_kind = 'INVITE' AND left_at IS NULL")
ADD_ROOM = text("""
    INSERT INTO room (id, kind, name, capacity, shared_interests, created_at, invite_version, invite_key_id, invite_hash)
    VALUES (:id, 'INVITE', :name, :capacity, '{}', :now, :version, :key_id, :hash)
""")
SET_INVITE = text(
    "UPDATE room SET invite_version = :version, invite_key_id = :key_id, invite_hash = :hash WHERE id = :id"
)
ADD_MEMBER = text("""
    INSERT INTO member (id, room_id, room_kind, user_id, display_name, role, muted, status, camera, microphone, screen,
                        typing_until, position, joined_at, left_at, kicked)
    VALUES (:id, :room_id, 'INVITE', :user_id, :display_name, :role, :muted, :status, :camera, :microphone, :screen,
            :typing_until, :position, :joined_at, :left_at, :kicked)
""")
SAVE_MEMBER = text("""
    UPDATE member SET display_name = :display_name, role = :role, muted = :muted, status = :status, camera = :camera,
                      microphone = :microphone, screen = :screen, typing_until = :typing_until, position = :position,
                      joined_at = :joined_at, left_at = :left_at, kicked = :kicked
    WHERE id = :id
""")
DELETE_MESSAGES = text("DELETE FROM message WHERE room_id = :id")
CLOSE_ROOM = text("UPDATE room SET closed_at = :now WHERE id = :id AND closed_at IS NULL")
CLOSE_SEATS = text(f"""
    UPDATE member SET status = 'LEFT', left_at = :now, typing_until = NULL,
                      camera = FALSE, microphone = FALSE, screen = FALSE
    WHERE id IN (SELECT id FROM member WHERE room_id = :id AND left_at IS NULL ORDER BY {_MEMBER_ORDER}
                 FOR NO KEY UPDATE)
""")  # noqa: S608  # columns of ours
MARK_REACHED = _of_ids(f"""
    UPDATE member SET reached_at = :now
    WHERE id IN (SELECT id FROM member WHERE id = ANY(:ids) AND reached_at IS NULL ORDER BY {_MEMBER_ORDER}
                 FOR NO KEY UPDATE)
""")  # noqa: S608  # columns of ours
UNREACHED = text(
    "SELECT DISTINCT room_id FROM member"
    " WHERE room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL AND joined_at < :since"
)
REACHED = text("SELECT id FROM member WHERE room_id = :id AND reached_at IS NOT NULL")
TYPING_LAPSED = text("SELECT DISTINCT room_id FROM member WHERE typing_until IS NOT NULL AND typing_until <= :now")


class RoomRepository:
    """See `ports.Rooms`. Members are always complete and in the order of joining."""

    def __init__(self, connection: AsyncConnection, touched: set[UUID]) -> None:
        self._connection = connection
        self._touched = touched
        """Where the unit of work collects what the `Directory` has to forget."""

    async def get(self, room_id: UUID) -> Room | None:
        return await self._one(BY_ID, room_id)

    async def get_many(self, room_ids: Iterable[UUID]) -> Sequence[Room]:
        """Those of the rooms that exist, in the order of their IDs, by one query."""
        ids = list(room_ids)
        return _grouped(await self._connection.execute(BY_IDS, {"ids": ids})) if ids else ()

    async def room_of_member(self, member_id: UUID) -> Room | None:
        """The room of the member of that ID, inside or left."""
        return await self._one(BY_MEMBER, member_id)

    async def open_match_of(self, user_id: UUID) -> Room | None:
        return await self._one(OPEN_MATCH, user_id)

    async def latest_match_of(self, user_id: UUID) -> Room | None:
        return await self._one(LATEST_MATCH, user_id)

    async def held_by(self, user_id: UUID) -> Sequence[Room]:
        return _grouped(await self._connection.execute(HELD, {"id": user_id}))

    async def held_ids(self, user_id: UUID) -> frozenset[UUID]:
        return frozenset(await self._connection.scalars(HELD_IDS, {"id": user_id}))

    async def held_ids_of(self, user_ids: Collection[UUID]) -> frozenset[UUID]:
        return frozenset(await self._connection.scalars(HELD_IDS_OF, {"users": list(user_ids)}))

    async def add(self, room: Room, invite_hash: bytes) -> None:
        if room.invite is None:
            msg = "only rooms with an invite are added: matches are opened by `Matching`"
            raise ValueError(msg)
        self._touched.add(room.id)
        await self._connection.execute(
            ADD_ROOM,
            {
                "id": room.id,
                "name": room.name,
                "capacity": room.capacity,
                "now": room.created_at,
                "version": room.invite.version,
                "key_id": room.invite.key_id,
                "hash": invite_hash,
            },
        )
        for member in room.members:
            await self.add_member(member)

    async def by_invite(self, hashes: Collection[bytes]) -> Room | None:
        rooms = _grouped(await self._connection.execute(BY_INVITE, {"hashes": list(hashes)}))
        return rooms[0] if rooms else None

    async def count_seats(self, user_id: UUID) -> int:
        return int(await self._connection.scalar(SEATS, {"id": user_id}) or 0)

    async def set_invite(self, room_id: UUID, invite: Invite, invite_hash: bytes) -> None:
        self._touched.add(room_id)
        await self._connection.execute(
            SET_INVITE, {"id": room_id, "version": invite.version, "key_id": invite.key_id, "hash": invite_hash}
        )

    async def add_member(self, member: Member) -> None:
        self._touched.add(member.room_id)
        await self._connection.execute(
            ADD_MEMBER, _seat_values(member) | {"room_id": member.room_id, "user_id": member.user_id}
        )

    async def save_member(self, member: Member) -> None:
        self._touched.add(member.room_id)
        await self._connection.execute(SAVE_MEMBER, _seat_values(member))

    async def close(self, room_id: UUID, now: datetime) -> None:
        self._touched.add(room_id)
        await self._connection.execute(CLOSE_ROOM, {"id": room_id, "now": now})
        await self._connection.execute(CLOSE_SEATS, {"id": room_id, "now": now})
        await self._connection.execute(DELETE_MESSAGES, {"id": room_id})

    async def mark_reached(self, member_ids: Collection[UUID], now: datetime) -> None:
        # Nobody is shown it, so the directory may keep the room.
        await self._connection.execute(MARK_REACHED, {"ids": list(member_ids), "now": now})

    async def unreached(self, since: datetime) -> Sequence[UUID]:
        return list(await self._connection.scalars(UNREACHED, {"since": since}))

    async def reached(self, room_id: UUID) -> frozenset[UUID]:
        return frozenset(await self._connection.scalars(REACHED, {"id": room_id}))

    async def typing_lapsed(self, now: datetime) -> Sequence[UUID]:
        return list(await self._connection.scalars(TYPING_LAPSED, {"now": now}))

    async def _one(self, statement: TextClause, value: UUID) -> Room | None:
        rooms = _grouped(await self._connection.execute(statement, {"id": value}))
        return rooms[0] if rooms else None


def _seat_values(member: Member) -> dict[str, object]:
    return {
        "id": member.id,
        "display_name": member.display_name,
        "role": member.role.value,
        "muted": member.muted,
        "status": member.status.value,
        "camera": member.media.camera,
        "microphone": member.media.microphone,
        "screen": member.media.screen,
        "typing_until": member.typing_until,
        "position": member.position,
        "joined_at": member.joined_at,
        "left_at": member.left_at,
        "kicked": member.kicked,
    }


def _grouped(rows: Iterable[ResultRow[Any]]) -> Sequence[Room]:
    """The rooms of rows in which all members of a room follow each other."""
    return [_room(list(seats)) for _, seats in groupby(rows, key=lambda row: row.id)]


def _room(rows: Sequence[ResultRow[Any]]) -> Room:
    room = rows[0]
    return Room(
        id=room.id,
        kind=RoomKind(room.kind),
        mode=ChatMode(room.mode) if room.mode is not None else None,
        name=room.name,
        capacity=room.capacity,
        shared_interests=tuple(room.shared_interests),
        created_at=room.created_at,
        closed_at=room.closed_at,
        members=tuple(map(_member, rows)),
        invite=None if room.invite_version is None else Invite(room.invite_version, room.invite_key_id),
    )


def _member(row: ResultRow[Any]) -> Member:
    return Member(
        id=row.member_id,
        room_id=row.id,
        user_id=row.user_id,
        display_name=row.display_name,
        role=MemberRole(row.role),
        muted=row.muted,
        status=MemberStatus(row.status),
        media=MediaState(row.camera, row.microphone, row.screen),
        typing_until=row.typing_until,
        position=row.position,
        joined_at=row.joined_at,
        left_at=row.left_at,
        kicked=row.kicked,
    )
