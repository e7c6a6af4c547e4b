"""Many workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "figures",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("online", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("in_call", sa.Integer(), nullable=False),
        sa.Column("open_rooms", sa.Integer(), nullable=False),
        sa.Column("matches_last_hour", sa.Integer(), nullable=False),
        sa.Column("median_wait_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figures")),
    )
    op.create_table(
        "inbox_event",
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "seq", "slot", name=op.f("pk_inbox_event")),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "signal_receipt",
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sender_id", sa.Uuid(), nullable=False),
        sa.Column("receiver_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("sender_id", "receiver_id", "client_id", "slot", name=op.f("pk_signal_receipt")),
        postgresql_partition_by="LIST (slot)",
    )
    # Their rows are short-lived and never changed: vacuum and compression would be work for nothing.
    op.execute("ALTER TABLE inbox_event ALTER COLUMN payload SET STORAGE EXTERNAL")
    for table, partitions in (("inbox_event", 6), ("signal_receipt", 4)):
        for slot in range(partitions):
            op.execute(
                f"CREATE TABLE {table}_{slot} PARTITION OF {table} FOR VALUES IN ({slot}) WITH (autovacuum_enabled = false)"
            )
    op.add_column("head", sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("head", sa.Column("latest", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False))
    op.add_column("head", sa.Column("workers", sa.ARRAY(sa.UUID()), server_default="{}", nullable=False))
    op.add_column("head", sa.Column("control_version", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("ALTER TABLE head SET (fillfactor = 60)")


def downgrade() -> None:
    """Takes the change back."""
    op.execute("ALTER TABLE head RESET (fillfactor)")
    op.drop_column("head", "control_version")
    op.drop_column("head", "workers")
    op.drop_column("head", "latest")
    op.drop_column("head", "seq")
    op.drop_table("signal_receipt")
    op.drop_table("lease")
    op.drop_table("inbox_event")
    op.drop_table("figures")
