"""Which channels are to be told of which change.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
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
    op.drop_table("change_delivery")
