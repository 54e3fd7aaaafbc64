"""How often an incident turns, and which ends are held while it flaps; and when the outside is pinged next.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("incident", sa.Column("begins", t.Json(), nullable=False, server_default="[]"))
    op.add_column("incident", sa.Column("flapping_since", t.UtcDateTime(length=32), nullable=True))
    op.add_column("incident", sa.Column("turns", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("incident", sa.Column("turned_at", t.UtcDateTime(length=32), nullable=True))
    op.add_column("alert", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "outside_ping",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", t.UtcDateTime(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("outside_ping")
    op.drop_column("alert", "held")
    for name in ("turned_at", "turns", "flapping_since", "begins"):
        op.drop_column("incident", name)
