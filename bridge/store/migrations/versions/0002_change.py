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


def downgrade() -> None:
    op.drop_table("change")
