"""What golden texts were answered: after each deploy, and in incidents.

Revision ID: 0017
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "probe_baseline",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("service", "version", "digest"),
    )
    op.create_table(
        "incident_probe",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number"),
    )
    op.create_table(
        "probe_lease",
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("due_at", t.UtcDateTime(length=32), nullable=False),
        sa.PrimaryKeyConstraint("target"),
    )


def downgrade() -> None:
    for name in ("probe_lease", "incident_probe", "probe_baseline"):
        op.drop_table(name)
