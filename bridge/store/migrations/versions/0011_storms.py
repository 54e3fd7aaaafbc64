"""Which channels storm, and what is told in their digests only.

Revision ID: 0011
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "storm",
        sa.Column("channel", sa.String(length=128), nullable=False),
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("since", t.UtcDateTime(length=32), nullable=False),
        sa.Column("tightened_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("calm_since", t.UtcDateTime(length=32), nullable=True),
        sa.Column("updated_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("told_count", sa.Integer(), nullable=False),
        sa.Column("told_rank", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )


def downgrade() -> None:
    op.drop_table("storm")
