"""What Alertmanagers say when they are asked: which alerts are muted, who asks, and whether it is the right cluster.

Revision ID: 0007
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("alert", sa.Column("muted", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "reconciling",
        sa.Column("source", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.String(length=32)),
        sa.Column("held_until", t.UtcDateTime(length=32)),
        sa.Column("recognised", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("source"),
    )


def downgrade() -> None:
    op.drop_table("reconciling")
    op.drop_column("alert", "muted")
