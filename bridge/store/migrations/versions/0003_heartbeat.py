"""When each heartbeat was heard last.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("seen_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
