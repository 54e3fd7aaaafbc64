"""The first schema: incidents, their alerts and timeline, deliveries, channels, workers.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from bridge.store import tables as t

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "channel_state",
        sa.Column("channel", sa.String(length=128), nullable=False),
        sa.Column("paused_until", t.UtcDateTime(length=32), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=False),
        sa.Column("failing", sa.Boolean(), nullable=False),
        sa.Column("next_slot_at", t.UtcDateTime(length=32), nullable=True),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_table(
        "incident",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("dedup_key", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("group_labels", t.Json(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("opened_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("updated_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("seen_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("resolved_at", t.UtcDateTime(length=32), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", t.UtcDateTime(length=32), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("external_url", sa.Text(), nullable=False),
        sa.Column("truncated", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("incident_by_key", "incident", ["key", "number"], unique=False)
    op.create_index("incident_by_state", "incident", ["state", "updated_at"], unique=False)
    op.create_index(
        "incident_one_open",
        "incident",
        ["key"],
        unique=True,
        sqlite_where=sa.text("state != 'resolved'"),
        postgresql_where=sa.text("state != 'resolved'"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("seen_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("started_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "alert",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("labels", t.Json(), nullable=False),
        sa.Column("annotations", t.Json(), nullable=False),
        sa.Column("starts_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("ends_at", t.UtcDateTime(length=32), nullable=True),
        sa.Column("generator_url", sa.Text(), nullable=False),
        sa.Column("ended_seen_at", t.UtcDateTime(length=32), nullable=True),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number", "fingerprint"),
    )
    op.create_table(
        "delivery",
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=128), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.Column("wanted_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("changed_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("due_at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("hold_reason", sa.Text(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", t.UtcDateTime(length=32), nullable=True),
        sa.Column("in_flight", sa.Boolean(), nullable=False),
        sa.Column("attempted_at", t.UtcDateTime(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("shrink", sa.Boolean(), nullable=False),
        sa.Column("handle", t.Json(), nullable=False),
        sa.Column("frozen", sa.LargeBinary(), nullable=True),
        sa.Column("frozen_revision", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.Column("sent_at", t.UtcDateTime(length=32), nullable=True),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_number", "channel", "recipient"),
    )
    op.create_index(
        "delivery_pending",
        "delivery",
        ["channel", "rank", "wanted_at"],
        unique=False,
        sqlite_where=sa.text("pending"),
        postgresql_where=sa.text("pending"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident_number", sa.Integer(), nullable=False),
        sa.Column("at", t.UtcDateTime(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("loud", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["incident_number"], ["incident.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("event_by_incident", "event", ["incident_number", "id"], unique=False)


def downgrade() -> None:
    for table in ("event", "delivery", "alert", "worker", "incident", "channel_state"):
        op.drop_table(table)
