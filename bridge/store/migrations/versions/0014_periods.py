"""From when to when an incident fired by its alerts' times, and what was measured meanwhile.

Revision ID: 0014
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("incident", sa.Column("began_at", t.UtcDateTime(length=32), nullable=True))
    op.add_column("incident", sa.Column("began_exact", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("incident", sa.Column("ended_at", t.UtcDateTime(length=32), nullable=True))
    op.add_column("incident_context", sa.Column("fired", sa.Text(), nullable=True))
    op.add_column("incident_context", sa.Column("peaks", sa.Text(), nullable=True))


def downgrade() -> None:
    for name in ("peaks", "fired"):
        op.drop_column("incident_context", name)
    for name in ("ended_at", "began_exact", "began_at"):
        op.drop_column("incident", name)
