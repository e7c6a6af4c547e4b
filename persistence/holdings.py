"""What is held about a user, read from every table that says something about them."""

# SQLModel resolves annotations when the class is made, so this module does without `from __future__ import annotations`.
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LISTED: Final = 5_000
"""Things of a kind, the newest first."""
REPORTS_LISTED: Final = 1_000
"""The same of reports, which may have a comment each."""
FULL_BYTES: Final = 4 * 1024 * 1024
"""Of ciphertexts, and of disclosed messages: the newest up to so many bytes are shown, the others only by their length."""

_ACCOUNT = text("""
    SELECT a.id, a.display_name, a.created_at, a.operator_role, d.created_at AS device_known_since,
           t.created_at AS operator_token_made_at, h.detached_at AS last_connection_ended_at, h.hold_until AS seats_held_until
    FROM account a JOIN head h ON h.user_id = a.id LEFT JOIN device d ON d.id = a.device_id
         LEFT JOIN operator_token t ON t.user_id = a.id
    WHERE a.id = :user AND a.deleted_at IS NULL
""")
SECTIONS: Final = {
    "connections": "SELECT connected_at FROM connection WHERE user_id = :user ORDER BY connected_at DESC",
    "sessions": """
        SELECT s.id, s.scope, s.created_at, s.revoked_at, max(t.issued_at) AS renewed_at, max(t.expires_at) AS expires_at
        FROM session s LEFT JOIN refresh_token t ON t.session_id = s.id
        WHERE s.user_id = :user GROUP BY s.id ORDER BY s.created_at DESC
    """,
    "tickets": """
        SELECT id, status, mode, interests, languages, patience, enqueued_at, joined_at, matched_at, room_id
        FROM ticket WHERE user_id = :user ORDER BY joined_at DESC
    """,
    "seats": """
        SELECT m.id AS member_id, m.room_id, r.kind AS room_kind, r.name AS room_name, r.shared_interests, m.display_name,
               m.role, m.muted, m.status, m.camera, m.microphone, m.screen, m.joined_at, m.left_at, m.kicked
        FROM member m JOIN room r ON r.id = m.room_id WHERE m.user_id = :user ORDER BY m.joined_at DESC
    """,
    "messages": f"""
        SELECT m.id, m.room_id, m.client_message_id, m.sent_at, m.commitment, octet_length(m.ciphertext) AS length,
               CASE WHEN sum(octet_length(m.ciphertext)) OVER (ORDER BY m.sent_at DESC, m.id) <= {FULL_BYTES}
                    THEN m.ciphertext END AS ciphertext
        FROM message m JOIN member s ON s.id = m.sender_id WHERE s.user_id = :user ORDER BY m.sent_at DESC, m.id
    """,  # noqa: S608  # a number of ours
    "key_bundle": """
        SELECT suite, identity_key, signed_key_id, signed_key, signed_signature, last_resort_key_id, last_resort_key,
               last_resort_signature, updated_at
        FROM key_bundle WHERE user_id = :user
    """,
    "one_time_keys": "SELECT kind, key_id, key, signature FROM one_time_key WHERE user_id = :user ORDER BY kind, key_id",
    "key_claims": "SELECT member_id, request_id, claimed_at FROM key_claim WHERE claimer_id = :user ORDER BY claimed_at DESC",
    "blocks": "SELECT id, display_name, created_at FROM block WHERE blocker_id = :user ORDER BY created_at DESC",
    "reports": """
        SELECT id, room_id, category, comment, status, weight, verified, created_at
        FROM report WHERE reporter_id = :user ORDER BY created_at DESC, id
    """,
    "disclosed_messages": f"""
        SELECT e.report_id, e.position, e.message_id, e.sent_at, e.finding, octet_length(e.plaintext) AS length,
               CASE WHEN sum(octet_length(e.plaintext)) OVER (ORDER BY r.created_at DESC, r.id, e.position) <= {FULL_BYTES}
                    THEN e.plaintext END AS plaintext
        FROM evidence e JOIN report r ON r.id = e.report_id WHERE r.reporter_id = :user
        ORDER BY r.created_at DESC, r.id, e.position
    """,  # noqa: S608  # a number of ours
    "warnings": "SELECT id, reason, at FROM warning WHERE user_id = :user ORDER BY at DESC",
    "suspensions": """
        SELECT s.id, s.scope, s.reason, s.category, s.automated, s.starts_at, s.ends_at, s.lifted_at, s.lift_reason,
               s.user_id = :user AS of_this_account
        FROM suspension s WHERE s.user_id = :user OR s.device_id = (SELECT device_id FROM account WHERE id = :user)
        ORDER BY s.starts_at DESC
    """,
    "appeals": """
        SELECT id, suspension_id, statement, status, created_at, reason, decided_at
        FROM appeal WHERE user_id = :user ORDER BY created_at DESC
    """,
    "audit_entries": "SELECT at, action, target, details FROM audit_entry WHERE actor_id = :user ORDER BY at DESC, id DESC",
}
"""Per kind, how it is read. Of others they name member IDs only; what operators did names cases and users by ID."""


async def holdings(connection: AsyncConnection, user_id: UUID) -> Mapping[str, Any]:
    """See `ports.Privacy.held`; empty for a deleted account."""
    account = (await connection.execute(_ACCOUNT, {"user": user_id})).mappings().one_or_none()
    if account is None:
        return {}
    found: dict[str, Any] = {"account": dict(account)}
    left_off = []
    for kind, statement in SECTIONS.items():
        most = REPORTS_LISTED if kind == "reports" else LISTED
        limited = text(f"{statement} LIMIT {most + 1}")
        rows = [dict(row) for row in (await connection.execute(limited, {"user": user_id})).mappings()]
        for row in rows:
            if kind == "disclosed_messages" and row["plaintext"] is not None:
                row["plaintext"] = row["plaintext"].decode()
        if len(rows) > most:
            left_off.append(kind)
        found[kind] = rows[:most]
    return found | {"left_off": left_off}
