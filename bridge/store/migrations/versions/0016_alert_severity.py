"""The severity of each alert, as the configured label and aliases say it.

Revision ID: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("alert", sa.Column("severity", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("alert", "severity")
