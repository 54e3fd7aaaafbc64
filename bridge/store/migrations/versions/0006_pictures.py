"""Pictures of incidents, and the key that signs the links to them.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "picture",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("alt", sa.Text(), nullable=False),
        sa.Column("created_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("picture_by_incident", "picture", ["incident_number", "created_at"], unique=False)
    op.create_index("picture_by_time", "picture", ["created_at"], unique=False)
    op.create_table(
        "signing_key",
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("purpose"),
    )


def downgrade() -> None:
    op.drop_table("signing_key")
    op.drop_table("picture")
