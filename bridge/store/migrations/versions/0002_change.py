"""What was changed: deployments, rollbacks, retrainings, configuration.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("recorded_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("labels", t.Json(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("change_by_time", "change", ["at", "id"], unique=False)
    op.create_table(
        "change_delivery",
        sa.Column("change_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=128), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("due_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("sent_at", t.UtcDateTime(length=32), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("change_id", "channel"),
    )
    op.create_index(
        "change_delivery_pending",
        "change_delivery",
        ["channel", "due_at"],
        unique=False,
        sqlite_where=sa.text("pending"),
        postgresql_where=sa.text("pending"),
    )


def downgrade() -> None:
    for table in ("change_delivery", "change"):
        op.drop_table(table)
