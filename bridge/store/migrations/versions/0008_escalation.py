"""When an incident is to be looked at again, and who is told of it besides those whom its routes name.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "timer",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", t.UtcDateTime(length=32), nullable=True),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number", "kind", "key"),
    )
    op.create_index("timer_due", "timer", ["due_at"])
    op.create_table(
        "added_target",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=128), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("added_at", t.UtcDateTime(length=32), nullable=False),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number", "cause", "key", "channel"),
    )


def downgrade() -> None:
    op.drop_table("added_target")
    op.drop_table("timer")
