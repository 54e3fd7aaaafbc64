"""Why a dead letter was given up, and when: columns, which were a text's prefix and a line of the timeline.

Both stay null where what was stored does not say.

Revision ID: 0015
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0015"
down_revision = "0014"

#: As core.errors.Reason has them at this revision.
_REASONS = ("network", "server", "rate_limited", "payload", "destination", "credential", "bug")
_DELIVERY = sa.table(
    "delivery",
    sa.column("incident_number", sa.Integer),
    sa.column("channel", sa.String),
    sa.column("recipient", sa.String),
    sa.column("dead", sa.Boolean),
    sa.column("last_error", sa.Text),
    sa.column("dead_reason", sa.String),
    sa.column("dead_at", t.UtcDateTime),
)
_EVENT = sa.table(
    "event",
    sa.column("incident_number", sa.Integer),
    sa.column("at", t.UtcDateTime),
    sa.column("kind", sa.String),
    sa.column("actor", sa.Text),
)


def upgrade() -> None:
    op.add_column("delivery", sa.Column("dead_reason", sa.String(16), nullable=True))
    op.add_column("delivery", sa.Column("dead_at", t.UtcDateTime(length=32), nullable=True))
    dead, event = sa.update(_DELIVERY).where(_DELIVERY.c.dead), _EVENT.c
    given_up = sa.select(sa.func.max(event.at)).where(
        event.incident_number == _DELIVERY.c.incident_number,
        event.kind == "dead",
        event.actor == sa.func.trim(_DELIVERY.c.channel + " " + _DELIVERY.c.recipient),
    )
    op.execute(dead.values(dead_at=given_up.scalar_subquery()))
    for reason in _REASONS:
        known = _DELIVERY.c.last_error.startswith(f"{reason}: ", autoescape=True)
        op.execute(dead.where(known).values(dead_reason=reason))


def downgrade() -> None:
    op.drop_column("delivery", "dead_at")
    op.drop_column("delivery", "dead_reason")
