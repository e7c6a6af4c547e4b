"""Safety."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("details", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at", "id"], unique=False)
    op.create_index(
        "ix_audit_entry_actor_id",
        "audit_entry",
        ["actor_id", "at"],
        unique=False,
        postgresql_where=sa.text("actor_id IS NOT NULL"),
    )
    op.create_table(
        "block",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("blocker_id <> blocked_id", name=op.f("ck_block_other")),
        sa.ForeignKeyConstraint(["blocked_id"], ["account.id"], name=op.f("fk_block_blocked_id")),
        sa.ForeignKeyConstraint(["blocker_id"], ["account.id"], name=op.f("fk_block_blocker_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_block")),
        sa.UniqueConstraint("blocker_id", "blocked_id", name=op.f("uq_block_blocker_id_blocked_id")),
    )
    op.create_index(op.f("ix_block_blocked_id"), "block", ["blocked_id"], unique=False)
    op.create_index("ix_block_blocker_id", "block", ["blocker_id", "created_at", "id"], unique=False)
    op.create_table(
        "moderation_case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claim_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words_wiped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decision IN ('DISMISS', 'WARN', 'SUSPEND')", name=op.f("ck_moderation_case_decision")),
        sa.CheckConstraint(
            "status <> 'CLAIMED' OR (claimed_by IS NOT NULL AND claim_expires_at IS NOT NULL)",
            name=op.f("ck_moderation_case_claim"),
        ),
        sa.CheckConstraint(
            "status IN ('OPEN', 'CLAIMED', 'ACTIONED', 'DISMISSED', 'APPEALED', 'UPHELD', 'OVERTURNED')",
            name=op.f("ck_moderation_case_status"),
        ),
        sa.CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name=op.f("ck_moderation_case_decided")),
        sa.ForeignKeyConstraint(["claimed_by"], ["account.id"], name=op.f("fk_moderation_case_claimed_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["account.id"], name=op.f("fk_moderation_case_decided_by")),
        sa.ForeignKeyConstraint(["subject_id"], ["account.id"], name=op.f("fk_moderation_case_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moderation_case")),
    )
    op.create_index(
        "ix_moderation_case_claimed_by",
        "moderation_case",
        ["claimed_by"],
        unique=False,
        postgresql_where=sa.text("claimed_by IS NOT NULL"),
    )
    op.create_index(
        "ix_moderation_case_decided_by",
        "moderation_case",
        ["decided_by"],
        unique=False,
        postgresql_where=sa.text("decided_by IS NOT NULL"),
    )
    op.create_index(
        "ix_moderation_case_decided_at",
        "moderation_case",
        ["decided_at"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NOT NULL"),
    )
    op.create_index("ix_moderation_case_queue", "moderation_case", ["priority", "opened_at", "id"], unique=False)
    op.create_index("ix_moderation_case_subject_id", "moderation_case", ["subject_id", "opened_at"], unique=False)
    op.create_index(
        "uq_moderation_case_undecided",
        "moderation_case",
        ["subject_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('OPEN', 'CLAIMED')"),
    )
    op.create_table(
        "operator_token",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_operator_token_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_operator_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_token_token_hash")),
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reporter_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent", sa.Boolean(), server_default="false", nullable=False),
        sa.CheckConstraint("status IN ('RECEIVED', 'UPHELD', 'DISMISSED')", name=op.f("ck_report_status")),
        sa.CheckConstraint("weight > 0 AND weight <= 1", name=op.f("ck_report_weight")),
        sa.ForeignKeyConstraint(["case_id"], ["moderation_case.id"], name=op.f("fk_report_case_id")),
        sa.ForeignKeyConstraint(["reporter_id"], ["account.id"], name=op.f("fk_report_reporter_id")),
        sa.ForeignKeyConstraint(["subject_id"], ["account.id"], name=op.f("fk_report_subject_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint(
            "reporter_id", "subject_id", "room_id", name=op.f("uq_report_reporter_id_subject_id_room_id")
        ),
    )
    op.create_index("ix_report_case_id", "report", ["case_id", "created_at", "id"], unique=False)
    op.create_index("ix_report_created_at", "report", ["created_at"], unique=False)
    op.create_index("ix_report_reporter_id", "report", ["reporter_id", "created_at", "id"], unique=False)
    op.create_index("ix_report_subject_id", "report", ["subject_id", "created_at"], unique=False)
    op.create_table(
        "warning",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["moderation_case.id"], name=op.f("fk_warning_case_id")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_warning_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning")),
    )
    op.create_index(op.f("ix_warning_case_id"), "warning", ["case_id"], unique=False)
    op.create_index("ix_warning_user_id", "warning", ["user_id", "at"], unique=False)
    op.create_table(
        "appeal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("suspension_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'OPEN') = (decided_at IS NULL)", name=op.f("ck_appeal_decided")),
        sa.CheckConstraint("status IN ('OPEN', 'UPHELD', 'OVERTURNED')", name=op.f("ck_appeal_status")),
        sa.ForeignKeyConstraint(["case_id"], ["moderation_case.id"], name=op.f("fk_appeal_case_id")),
        sa.ForeignKeyConstraint(["decided_by"], ["account.id"], name=op.f("fk_appeal_decided_by")),
        sa.ForeignKeyConstraint(["suspension_id"], ["suspension.id"], name=op.f("fk_appeal_suspension_id")),
        sa.ForeignKeyConstraint(["user_id"], ["account.id"], name=op.f("fk_appeal_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint("suspension_id", name=op.f("uq_appeal_suspension_id")),
    )
    op.create_index(
        "ix_appeal_decided_by",
        "appeal",
        ["decided_by"],
        unique=False,
        postgresql_where=sa.text("decided_by IS NOT NULL"),
    )
    op.create_index(op.f("ix_appeal_case_id"), "appeal", ["case_id"], unique=False)
    op.create_index(op.f("ix_appeal_user_id"), "appeal", ["user_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("plaintext", sa.LargeBinary(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finding", sa.String(), nullable=False),
        sa.CheckConstraint("octet_length(plaintext) <= 65536", name=op.f("ck_evidence_plaintext")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_evidence_report_id")),
        sa.PrimaryKeyConstraint("report_id", "position", name=op.f("pk_evidence")),
    )
    op.add_column("account", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_account_device_id"), "account", ["device_id"], unique=False)
    op.create_index(
        "ix_account_operators",
        "account",
        ["id"],
        unique=False,
        postgresql_where=sa.text("operator_role IS NOT NULL"),
    )
    op.create_index(
        "ix_account_created_at",
        "account",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_account_deleted_at",
        "account",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index("ix_ticket_user_id", "ticket", ["user_id"], unique=False)
    op.add_column("suspension", sa.Column("case_id", sa.Uuid(), nullable=True))
    op.add_column("suspension", sa.Column("lifted_by", sa.Uuid(), nullable=True))
    op.add_column("suspension", sa.Column("lift_reason", sa.String(), nullable=True))
    op.create_foreign_key(op.f("fk_suspension_lifted_by"), "suspension", "account", ["lifted_by"], ["id"])
    op.create_index(
        "ix_suspension_lifted_by",
        "suspension",
        ["lifted_by"],
        unique=False,
        postgresql_where=sa.text("lifted_by IS NOT NULL"),
    )
    op.create_check_constraint(op.f("ck_suspension_rules_end"), "suspension", "NOT automated OR ends_at IS NOT NULL")
    op.create_index(op.f("ix_suspension_case_id"), "suspension", ["case_id"], unique=False)
    op.create_foreign_key(op.f("fk_suspension_case_id"), "suspension", "moderation_case", ["case_id"], ["id"])
    # The database itself refuses: also to a superuser's slip, and to a program that is not this one.
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END$$
    """)
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    # Else a session that calls itself a replica would slip past it.
    op.execute("ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only")


def downgrade() -> None:
    """Takes the change back."""
    op.drop_constraint(op.f("fk_suspension_case_id"), "suspension", type_="foreignkey")
    op.drop_index(op.f("ix_suspension_case_id"), table_name="suspension")
    op.drop_index("ix_suspension_lifted_by", table_name="suspension", postgresql_where=sa.text("lifted_by IS NOT NULL"))
    op.drop_constraint(op.f("fk_suspension_lifted_by"), "suspension", type_="foreignkey")
    op.drop_constraint(op.f("ck_suspension_rules_end"), "suspension", type_="check")
    op.drop_column("suspension", "lift_reason")
    op.drop_column("suspension", "lifted_by")
    op.drop_column("suspension", "case_id")
    op.drop_index("ix_ticket_user_id", table_name="ticket")
    op.drop_index("ix_account_deleted_at", table_name="account", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_index("ix_account_created_at", table_name="account", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_index(op.f("ix_account_device_id"), table_name="account")
    op.drop_index("ix_account_operators", table_name="account", postgresql_where=sa.text("operator_role IS NOT NULL"))
    op.drop_column("account", "deleted_at")
    op.drop_table("evidence")
    op.drop_index("ix_appeal_decided_by", table_name="appeal", postgresql_where=sa.text("decided_by IS NOT NULL"))
    op.drop_index(op.f("ix_appeal_user_id"), table_name="appeal")
    op.drop_index(op.f("ix_appeal_case_id"), table_name="appeal")
    op.drop_table("appeal")
    op.drop_index("ix_warning_user_id", table_name="warning")
    op.drop_index(op.f("ix_warning_case_id"), table_name="warning")
    op.drop_table("warning")
    op.drop_index("ix_report_subject_id", table_name="report")
    op.drop_index("ix_report_reporter_id", table_name="report")
    op.drop_index("ix_report_created_at", table_name="report")
    op.drop_index("ix_report_case_id", table_name="report")
    op.drop_table("report")
    op.drop_table("operator_token")
    op.drop_index(
        "uq_moderation_case_undecided",
        table_name="moderation_case",
        postgresql_where=sa.text("status IN ('OPEN', 'CLAIMED')"),
    )
    op.drop_index(
        "ix_moderation_case_decided_by",
        table_name="moderation_case",
        postgresql_where=sa.text("decided_by IS NOT NULL"),
    )
    op.drop_index(
        "ix_moderation_case_claimed_by",
        table_name="moderation_case",
        postgresql_where=sa.text("claimed_by IS NOT NULL"),
    )
    op.drop_index("ix_moderation_case_subject_id", table_name="moderation_case")
    op.drop_index("ix_moderation_case_queue", table_name="moderation_case")
    op.drop_index(
        "ix_moderation_case_decided_at",
        table_name="moderation_case",
        postgresql_where=sa.text("decided_at IS NOT NULL"),
    )
    op.drop_table("moderation_case")
    op.drop_index("ix_block_blocker_id", table_name="block")
    op.drop_index(op.f("ix_block_blocked_id"), table_name="block")
    op.drop_table("block")
    op.drop_index("ix_audit_entry_actor_id", table_name="audit_entry", postgresql_where=sa.text("actor_id IS NOT NULL"))
    op.drop_index("ix_audit_entry_at", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.execute("DROP FUNCTION refuse_change")
