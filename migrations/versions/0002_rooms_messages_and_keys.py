"""Rooms, messages and keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "key_bundle",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(), nullable=False),
        sa.Column("signed_key_id", sa.Integer(), nullable=False),
        sa.Column("signed_key", sa.LargeBinary(), nullable=False),
        sa.Column("signed_signature", sa.LargeBinary(), nullable=False),
        sa.Column("last_resort_key_id", sa.Integer(), nullable=True),
        sa.Column("last_resort_key", sa.LargeBinary(), nullable=True),
        sa.Column("last_resort_signature", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nulls(last_resort_key_id, last_resort_key, last_resort_signature)"
            " = CASE suite WHEN 'X3DH_25519' THEN 3 ELSE 0 END",
            name=op.f("ck_key_bundle_last_resort"),
        ),
        sa.CheckConstraint("suite IN ('X3DH_25519', 'PQXDH_25519_MLKEM1024')", name=op.f("ck_key_bundle_suite")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_key_bundle_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_key_bundle")),
    )
    op.create_table(
        "key_claim",
        sa.Column("claimer_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(), nullable=False),
        sa.Column("signed_key_id", sa.Integer(), nullable=False),
        sa.Column("signed_key", sa.LargeBinary(), nullable=False),
        sa.Column("signed_signature", sa.LargeBinary(), nullable=False),
        sa.Column("last_resort_key_id", sa.Integer(), nullable=True),
        sa.Column("last_resort_key", sa.LargeBinary(), nullable=True),
        sa.Column("last_resort_signature", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pre_key_id", sa.Integer(), nullable=True),
        sa.Column("pre_key", sa.LargeBinary(), nullable=True),
        sa.Column("kem_key_id", sa.Integer(), nullable=True),
        sa.Column("kem_key", sa.LargeBinary(), nullable=True),
        sa.Column("kem_signature", sa.LargeBinary(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["claimer_id"], ["account.id"], name=op.f("fk_key_claim_claimer_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["account.id"], name=op.f("fk_key_claim_owner_id")),
        sa.PrimaryKeyConstraint("claimer_id", "member_id", "request_id", name=op.f("pk_key_claim")),
    )
    op.create_index(op.f("ix_key_claim_claimed_at"), "key_claim", ["claimed_at"], unique=False)
    op.create_index("ix_key_claim_owner_id", "key_claim", ["owner_id", "claimed_at"], unique=False)
    op.create_table(
        "message",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("client_message_id", sa.String(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=True),
        sa.Column("tag_key_id", sa.String(), nullable=True),
        sa.Column("ciphertext_hash", sa.LargeBinary(), nullable=True),
        sa.Column("tag", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nulls(commitment, tag_key_id, ciphertext_hash, tag) IN (0, 4)", name=op.f("ck_message_franking")
        ),
        sa.CheckConstraint("octet_length(ciphertext) BETWEEN 1 AND 65536", name=op.f("ck_message_ciphertext")),
        sa.CheckConstraint("octet_length(commitment) = 32", name=op.f("ck_message_commitment")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_message_room_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["member.id"], name=op.f("fk_message_sender_id")),
        sa.PrimaryKeyConstraint("room_id", "seq", name=op.f("pk_message")),
        sa.UniqueConstraint("id", name=op.f("uq_message_id")),
        sa.UniqueConstraint("sender_id", "client_message_id", name=op.f("uq_message_sender_id_client_message_id")),
    )
    op.create_index(op.f("ix_message_sent_at"), "message", ["sent_at"], unique=False)
    op.create_table(
        "one_time_key",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('CURVE25519', 'KEM')", name=op.f("ck_one_time_key_kind")),
        sa.CheckConstraint("(kind = 'KEM') = (signature IS NOT NULL)", name=op.f("ck_one_time_key_signature")),
        sa.ForeignKeyConstraint(["user_id"], ["key_bundle.user_id"], name=op.f("fk_one_time_key_user_id")),
        sa.PrimaryKeyConstraint("user_id", "kind", "key_id", name=op.f("pk_one_time_key")),
    )
    op.add_column("member", sa.Column("kicked", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "uq_member_owner",
        "member",
        ["room_id"],
        unique=True,
        postgresql_where=sa.text("role = 'OWNER' AND left_at IS NULL"),
    )
    op.add_column("room", sa.Column("invite_version", sa.Integer(), nullable=True))
    op.add_column("room", sa.Column("invite_key_id", sa.String(), nullable=True))
    op.add_column("room", sa.Column("invite_hash", sa.LargeBinary(), nullable=True))
    op.add_column("room", sa.Column("message_seq", sa.BigInteger(), server_default="0", nullable=False))
    op.create_unique_constraint(op.f("uq_room_invite_hash"), "room", ["invite_hash"])
    # Autogeneration overlooks checks of tables that exist already.
    op.create_check_constraint(op.f("ck_room_capacity"), "room", "capacity BETWEEN 2 AND 16")
    op.create_check_constraint(
        op.f("ck_room_invite"),
        "room",
        "(kind = 'INVITE') = (invite_version IS NOT NULL AND invite_key_id IS NOT NULL AND invite_hash IS NOT NULL)",
    )
    op.create_check_constraint(op.f("ck_member_role"), "member", "role IN ('OWNER', 'MODERATOR', 'MEMBER')")
    op.create_check_constraint(op.f("ck_member_kicked"), "member", "left_at IS NOT NULL OR NOT kicked")


def downgrade() -> None:
    """Takes the change back."""
    for table, name in (
        ("member", "ck_member_kicked"),
        ("member", "ck_member_role"),
        ("room", "ck_room_invite"),
        ("room", "ck_room_capacity"),
    ):
        op.drop_constraint(op.f(name), table, type_="check")
    op.drop_constraint(op.f("uq_room_invite_hash"), "room", type_="unique")
    op.drop_column("room", "message_seq")
    op.drop_column("room", "invite_hash")
    op.drop_column("room", "invite_key_id")
    op.drop_column("room", "invite_version")
    op.drop_index(
        "uq_member_owner", table_name="member", postgresql_where=sa.text("role = 'OWNER' AND left_at IS NULL")
    )
    op.drop_column("member", "kicked")
    op.drop_table("one_time_key")
    op.drop_index(op.f("ix_message_sent_at"), table_name="message")
    op.drop_table("message")
    op.drop_index("ix_key_claim_owner_id", table_name="key_claim")
    op.drop_index(op.f("ix_key_claim_claimed_at"), table_name="key_claim")
    op.drop_table("key_claim")
    op.drop_table("key_bundle")
