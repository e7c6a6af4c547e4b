"""Figures over time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "minute_figures",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("online", sa.Integer(), nullable=True),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("in_call", sa.Integer(), nullable=True),
        sa.Column("open_rooms", sa.Integer(), nullable=True),
        sa.Column("matches", sa.Integer(), nullable=False),
        sa.Column("median_wait_seconds", sa.Float(), nullable=True),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("dismissals", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("suspensions", sa.Integer(), nullable=False),
        sa.Column("holds", sa.Integer(), nullable=False),
        sa.Column("appeals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_minute_figures")),
    )
    # Counted every minute from now on.
    op.create_index("ix_appeal_created_at", "appeal", ["created_at"], unique=False)


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_appeal_created_at", table_name="appeal")
    op.drop_table("minute_figures")
