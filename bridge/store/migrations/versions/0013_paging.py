"""Long lists a page at a time: open incidents by how urgent they are, and what could not be delivered, in its order.

Revision ID: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index("incident_by_urgency", "incident", ["state", "severity", "number"], unique=False)
    op.create_index(
        "delivery_dead",
        "delivery",
        ["changed_at", "incident_number", "channel", "recipient"],
        unique=False,
        sqlite_where=sa.text("dead = 1"),
        postgresql_where=sa.text("dead"),
    )


def downgrade() -> None:
    op.drop_index("delivery_dead", "delivery")
    op.drop_index("incident_by_urgency", "incident")
