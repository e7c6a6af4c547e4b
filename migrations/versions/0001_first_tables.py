"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_device_token_hash")),
    )
    op.create_table(
        "pair_bar",
        sa.Column("low_id", sa.Uuid(), nullable=False),
        sa.Column("high_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('COOLDOWN', 'LOST', 'BLOCK_BY_LOW', 'BLOCK_BY_HIGH')", name=op.f("ck_pair_bar_kind")
        ),
        sa.CheckConstraint("low_id < high_id", name=op.f("ck_pair_bar_ordered")),
        sa.PrimaryKeyConstraint("low_id", "high_id", "kind", name=op.f("pk_pair_bar")),
    )
    op.create_index("ix_pair_bar_changed_at", "pair_bar", ["changed_at"], unique=False)
    op.create_index(op.f("ix_pair_bar_high_id"), "pair_bar", ["high_id"], unique=False)
    op.create_index("ix_pair_bar_until", "pair_bar", ["until"], unique=False)
    op.create_table(
        "rate_limit",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limit")),
    )
    op.create_index(op.f("ix_rate_limit_full_at"), "rate_limit", ["full_at"], unique=False)
    op.create_table(
        "room",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("shared_interests", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('MATCH', 'INVITE')", name=op.f("ck_room_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
    )
    op.create_index(
        "ix_room_closed_at", "room", ["closed_at"], unique=False, postgresql_where=sa.text("closed_at IS NOT NULL")
    )
    op.create_table(
        "worker",
        sa.Column("incarnation", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("incarnation", name=op.f("pk_worker")),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operator_role", sa.String(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_account_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_table(
        "connection",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("worker", sa.Uuid(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_connection_user_id")),
        sa.ForeignKeyConstraint(["worker"], ["worker.incarnation"], name=op.f("fk_connection_worker")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection")),
    )
    op.create_index(op.f("ix_connection_user_id"), "connection", ["user_id"], unique=False)
    op.create_index(op.f("ix_connection_worker"), "connection", ["worker"], unique=False)
    op.create_table(
        "head",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("detached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_head_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_head")),
    )
    op.create_index(
        "ix_head_hold_until", "head", ["hold_until"], unique=False, postgresql_where=sa.text("detached_at IS NOT NULL")
    )
    op.create_table(
        "member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("room_kind", sa.String(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("camera", sa.Boolean(), nullable=False),
        sa.Column("microphone", sa.Boolean(), nullable=False),
        sa.Column("screen", sa.Boolean(), nullable=False),
        sa.Column("typing_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'LEFT') = (left_at IS NOT NULL)", name=op.f("ck_member_left")),
        sa.CheckConstraint("status IN ('ONLINE', 'AWAY', 'LEFT')", name=op.f("ck_member_status")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_member_room_id")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_member_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint("room_id", "position", name=op.f("uq_member_room_id_position")),
        sa.UniqueConstraint("room_id", "user_id", name=op.f("uq_member_room_id_user_id")),
    )
    op.create_index(
        "ix_member_typing_until",
        "member",
        ["typing_until"],
        unique=False,
        postgresql_where=sa.text("typing_until IS NOT NULL"),
    )
    op.create_index("ix_member_user_id", "member", ["user_id", "joined_at"], unique=False)
    op.create_index(
        "ix_member_seat", "member", ["user_id", "room_id"], unique=False, postgresql_where=sa.text("left_at IS NULL")
    )
    op.create_index(
        "ix_member_unreached",
        "member",
        ["joined_at"],
        unique=False,
        postgresql_where=sa.text("room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL"),
    )
    op.create_index(
        "uq_member_open_match_seat",
        "member",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("room_kind = 'MATCH' AND left_at IS NULL"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_user_id"), "session", ["user_id"], unique=False)
    op.create_table(
        "suspension",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("automated", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('MATCHING', 'ALL')", name=op.f("ck_suspension_scope")),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_suspension_device_id")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_suspension_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspension")),
    )
    op.create_index(op.f("ix_suspension_device_id"), "suspension", ["device_id"], unique=False)
    op.create_index(op.f("ix_suspension_user_id"), "suspension", ["user_id"], unique=False)
    op.create_table(
        "ticket",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("interests", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("patience", sa.Integer(), nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("widens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("attended", sa.Boolean(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("(status = 'MATCHED') = (room_id IS NOT NULL)", name=op.f("ck_ticket_room_of_match")),
        sa.CheckConstraint("status IN ('WAITING', 'MATCHED', 'CANCELLED', 'EXPIRED')", name=op.f("ck_ticket_status")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_ticket_room_id")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_ticket_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
    )
    op.create_index("ix_ticket_changed_at", "ticket", ["changed_at"], unique=False)
    op.create_index(
        "ix_ticket_matched_at",
        "ticket",
        ["matched_at"],
        unique=False,
        postgresql_where=sa.text("matched_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_ticket_room_id"), "ticket", ["room_id"], unique=False)
    op.create_index(
        "uq_ticket_waiting_user", "ticket", ["user_id"], unique=True, postgresql_where=sa.text("status = 'WAITING'")
    )
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("parent_hash", sa.LargeBinary(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_refresh_token_session_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_expires_at"), "refresh_token", ["expires_at"], unique=False)
    op.create_index(op.f("ix_refresh_token_parent_hash"), "refresh_token", ["parent_hash"], unique=False)
    op.create_index(op.f("ix_refresh_token_session_id"), "refresh_token", ["session_id"], unique=False)


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index(op.f("ix_refresh_token_session_id"), table_name="refresh_token")
    op.drop_index(op.f("ix_refresh_token_parent_hash"), table_name="refresh_token")
    op.drop_index(op.f("ix_refresh_token_expires_at"), table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_index("uq_ticket_waiting_user", table_name="ticket", postgresql_where=sa.text("status = 'WAITING'"))
    op.drop_index(op.f("ix_ticket_room_id"), table_name="ticket")
    op.drop_index("ix_ticket_matched_at", table_name="ticket", postgresql_where=sa.text("matched_at IS NOT NULL"))
    op.drop_index("ix_ticket_changed_at", table_name="ticket")
    op.drop_table("ticket")
    op.drop_index(op.f("ix_suspension_user_id"), table_name="suspension")
    op.drop_index(op.f("ix_suspension_device_id"), table_name="suspension")
    op.drop_table("suspension")
    op.drop_index(op.f("ix_session_user_id"), table_name="session")
    op.drop_table("session")
    op.drop_index(
        "uq_member_open_match_seat",
        table_name="member",
        postgresql_where=sa.text("room_kind = 'MATCH' AND left_at IS NULL"),
    )
    op.drop_index(
        "ix_member_unreached",
        table_name="member",
        postgresql_where=sa.text("room_kind = 'MATCH' AND left_at IS NULL AND reached_at IS NULL"),
    )
    op.drop_index("ix_member_seat", table_name="member", postgresql_where=sa.text("left_at IS NULL"))
    op.drop_index("ix_member_user_id", table_name="member")
    op.drop_index("ix_member_typing_until", table_name="member", postgresql_where=sa.text("typing_until IS NOT NULL"))
    op.drop_table("member")
    op.drop_index("ix_head_hold_until", table_name="head", postgresql_where=sa.text("detached_at IS NOT NULL"))
    op.drop_table("head")
    op.drop_index(op.f("ix_connection_worker"), table_name="connection")
    op.drop_index(op.f("ix_connection_user_id"), table_name="connection")
    op.drop_table("connection")
    op.drop_table("account")
    op.drop_table("worker")
    op.drop_index("ix_room_closed_at", table_name="room", postgresql_where=sa.text("closed_at IS NOT NULL"))
    op.drop_table("room")
    op.drop_index(op.f("ix_rate_limit_full_at"), table_name="rate_limit")
    op.drop_table("rate_limit")
    op.drop_index("ix_pair_bar_until", table_name="pair_bar")
    op.drop_index(op.f("ix_pair_bar_high_id"), table_name="pair_bar")
    op.drop_index("ix_pair_bar_changed_at", table_name="pair_bar")
    op.drop_table("pair_bar")
    op.drop_table("device")
