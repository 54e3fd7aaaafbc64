"""Whose fault a failure is: when a delivery failed last, how often alone, and when anything got through.

Revision ID: 0012
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0012"
down_revision = "0011"
FAILED = "failed_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("delivery", sa.Column("failed_at", t.UtcDateTime(length=32), nullable=True))
    op.add_column("delivery", sa.Column("alone", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("channel_state", sa.Column("succeeded_at", t.UtcDateTime(length=32), nullable=True))
    op.add_column("channel_state", sa.Column("probe_at", t.UtcDateTime(length=32), nullable=True))
    op.create_index(
        "delivery_failed",
        "delivery",
        ["channel", "incident_number"],
        sqlite_where=sa.text(f"pending = 1 AND {FAILED}"),
        postgresql_where=sa.text(f"pending AND {FAILED}"),
    )


def downgrade() -> None:
    op.drop_index("delivery_failed", "delivery")
    op.drop_column("channel_state", "probe_at")
    op.drop_column("channel_state", "succeeded_at")
    op.drop_column("delivery", "alone")
    op.drop_column("delivery", "failed_at")
