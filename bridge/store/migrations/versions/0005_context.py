"""What was learned about each incident when it was told last.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "incident_context",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number"),
    )


def downgrade() -> None:
    op.drop_table("incident_context")
