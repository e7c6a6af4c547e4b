"""Which signals of a batch may go, in PostgreSQL: seats and receipts, in one statement for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from persistence.inbox.ring import RECEIPTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

SEATS: Final = "SELECT id, user_id, room_id FROM member WHERE id = ANY($1::uuid[])"
# To be run once the heads of all senders and receivers are locked, never in the statement that locks them: that one sees who sat
# where before it waited. A room that is closed has no seats. Each LIMIT makes the planner look by key, one by one: a plan that
# was made while the tables were empty stays with the connection, and receipts are never analysed.
ADMIT: Final = f"""
    WITH standing AS MATERIALIZED (
        SELECT w.*, sender.id AS sender_id, sender.room_id, receipt.signal_id AS known_id
        FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[])
             AS w (place, user_id, receiver_id, client_id, signal_id)
        CROSS JOIN LATERAL (
            SELECT m.room_id FROM member m WHERE m.id = w.receiver_id AND m.left_at IS NULL LIMIT 1
        ) AS receiver
        CROSS JOIN LATERAL (
            SELECT m.id, m.room_id FROM member m
            WHERE m.room_id = receiver.room_id AND m.user_id = w.user_id AND m.left_at IS NULL AND m.id <> w.receiver_id
            LIMIT 1
        ) AS sender
        LEFT JOIN LATERAL (
            SELECT r.signal_id FROM {RECEIPTS.table} r
            WHERE r.sender_id = sender.id AND r.receiver_id = w.receiver_id AND r.client_id = w.client_id
            LIMIT 1
        ) AS receipt ON w.client_id IS NOT NULL
    ), kept AS (
        INSERT INTO {RECEIPTS.table} (slot, sender_id, receiver_id, client_id, signal_id)
        SELECT {RECEIPTS.slot}, sender_id, receiver_id, client_id, signal_id
        FROM standing WHERE client_id IS NOT NULL AND known_id IS NULL
    )
    SELECT place, sender_id, room_id, known_id FROM standing
"""  # noqa: S608  # names of ours


@dataclass(frozen=True, slots=True)
class Seat:
    """Whose seat it is, or was, and in which room: that never changes."""

    user_id: UUID
    room_id: UUID


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user wants to send to a member, under an ID of ours, and perhaps under one of the client's own."""

    user_id: UUID
    receiver_id: UUID
    client_id: str | None
    signal_id: UUID


@dataclass(frozen=True, slots=True)
class Admitted:
    """The seat from which it may go. `known_id` is the signal that was sent under the client's ID before, if there is one."""

    sender_id: UUID
    room_id: UUID
    known_id: UUID | None


class SignalRepository:
    """Authority over signals, and the receipts of those that were taken."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def seats(self, member_ids: Collection[UUID]) -> Mapping[UUID, Seat]:
        """Those of the members that exist, inside or left."""
        rows = (await self._connection.exec_driver_sql(SEATS, (list(member_ids),))).all()
        return {row.id: Seat(row.user_id, row.room_id) for row in rows}

    async def admit(self, wanted: Mapping[int, Wanted]) -> Mapping[int, Admitted]:
        """Those that stand, by the same numbers: both hold different seats in one open room. What is new under a client's ID
        is kept as a receipt for at least 10 minutes; none of them may be there twice. All users concerned are locked.
        """
        asked = wanted.values()
        columns = (
            list(wanted),
            [one.user_id for one in asked],
            [one.receiver_id for one in asked],
            [one.client_id for one in asked],
            [one.signal_id for one in asked],
        )
        rows = (await self._connection.exec_driver_sql(ADMIT, columns)).all()
        return {row.place: Admitted(row.sender_id, row.room_id, row.known_id) for row in rows}
