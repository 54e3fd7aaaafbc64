"""Where a user acted, and the answers to requests with an Idempotency-Key.

Revision ID: 0019
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("event", sa.Column("place", sa.String(16), nullable=True))
    op.create_table(
        "request_key",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("answer", t.Json(), nullable=True),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("request_key_by_time", "request_key", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("request_key")
    op.drop_column("event", "place")
