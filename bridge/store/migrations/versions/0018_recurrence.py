"""By which earlier incidents are found that were about the same. Null until a worker has filled it in.

Revision ID: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("alert", sa.Column("recurrence", sa.String(16), nullable=True))
    op.create_index("alert_by_recurrence", "alert", ["recurrence", "incident_number"], unique=False)


def downgrade() -> None:
    op.drop_index("alert_by_recurrence", "alert")
    op.drop_column("alert", "recurrence")
