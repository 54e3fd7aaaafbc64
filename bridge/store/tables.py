"""The tables. Times are UTC with their zone; JSON is text, so that one code path serves SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = sa.MetaData()
LARGEST = 2**31 - 1  #: of an Integer on PostgreSQL, which refuses to compare one with more
#: As SQLAlchemy writes it for SQLite, which uses a partial index only for a query that repeats its condition.
_PENDING = sa.text("pending = 1")
_FAILED = sa.text("pending = 1 AND failed_at IS NOT NULL")


class UtcDateTime(TypeDecorator[datetime]):
    """timestamptz on PostgreSQL; on SQLite ISO text of fixed width with its zone, so that it sorts as time does."""

    impl = sa.String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.DateTime(timezone=True) if postgres else sa.String(32))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A JSON value as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value, default=dict).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


incident = sa.Table(
    "incident",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uid", sa.String(32), nullable=False, unique=True),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("dedup_key", sa.String(64), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("group_labels", Json, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("resolved_by", sa.Text),
    sa.Column("acknowledged_at", UtcDateTime),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("external_url", sa.Text, nullable=False, default=""),
    sa.Column("truncated", sa.Integer, nullable=False, default=0),
    sa.Column("begins", Json, nullable=False, server_default="[]"),  # when it began to fire, the latest times
    sa.Column("flapping_since", UtcDateTime),
    sa.Column("turns", sa.Integer, nullable=False, server_default="0"),  # while it flaps
    sa.Column("turned_at", UtcDateTime),
    sa.Column("began_at", UtcDateTime),  # by the alerts' own times: see core.periods
    sa.Column("began_exact", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("ended_at", UtcDateTime),
    sa.Index("incident_by_key", "key", "number"),
    sa.Index("incident_by_state", "state", "updated_at"),
    sa.Index("incident_by_urgency", "state", "severity", "number"),
    sqlite_autoincrement=True,  # a number that was said aloud is never used again
)
# Two writers cannot open two incidents for one group: the loser tries again and finds the winner's.
sa.Index(
    "incident_one_open",
    incident.c.key,
    unique=True,
    sqlite_where=incident.c.state != "resolved",
    postgresql_where=incident.c.state != "resolved",
)

#: An index finds those few among all that there ever were; `!= 'resolved'` with a parameter would read every incident.
UNRESOLVED = incident.c.state.in_(["open", "acknowledged"])

alert = sa.Table(
    "alert",
    metadata,
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("annotations", Json, nullable=False),
    sa.Column("starts_at", UtcDateTime, nullable=False),
    sa.Column("ends_at", UtcDateTime),
    sa.Column("generator_url", sa.Text, nullable=False, default=""),
    sa.Column("severity", sa.String(16)),  # none: written by a version that did not store it
    sa.Column("ended_seen_at", UtcDateTime),
    sa.Column("muted", sa.Text, nullable=False, server_default=""),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),  # its end, while the incident flaps
    sa.Column("recurrence", sa.String(16)),  # see core.recurrence; none: written by a version that did not store it
    sa.Index("alert_by_recurrence", "recurrence", "incident_number"),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("loud", sa.Boolean, nullable=False),
    sa.Column("place", sa.String(16)),  # where a user acted; none: no user did
    sa.Index("event_by_incident", "incident_number", "id"),
)

request_key = sa.Table(  # an action that was asked for with an Idempotency-Key, and its answer
    "request_key",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # SHA-256 of the user and the key
    sa.Column("request", sa.String(64), nullable=False),  # SHA-256 of what was asked for
    sa.Column("answer", Json),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("request_key_by_time", "at"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("channel", sa.String(128), primary_key=True),
    sa.Column("recipient", sa.String(320), primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),  # of the incident's severity: the order of claims
    sa.Column("firing", sa.Boolean, nullable=False),
    sa.Column("wanted", sa.Integer, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),  # wanted > sent, and neither dead nor muted for ever
    sa.Column("dead", sa.Boolean, nullable=False),
    sa.Column("wanted_at", UtcDateTime, nullable=False),  # the oldest change that the target does not show
    sa.Column("changed_at", UtcDateTime, nullable=False),  # the newest
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("hold_reason", sa.Text, nullable=False, default=""),
    sa.Column("lease", sa.String(32)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("in_flight", sa.Boolean, nullable=False),  # a try may have arrived without our knowing
    sa.Column("attempted_at", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("shrink", sa.Boolean, nullable=False),
    sa.Column("handle", Json, nullable=False),
    sa.Column("frozen", sa.LargeBinary),
    sa.Column("frozen_revision", sa.Integer),
    sa.Column("last_error", sa.Text, nullable=False, default=""),
    sa.Column("refused", sa.Text, nullable=False, default=""),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("dead_reason", sa.String(16)),  # of a dead letter; null: unknown
    sa.Column("dead_at", UtcDateTime),
    sa.Column("failed_at", UtcDateTime),  # when the try began that failed last, for a reason that may be its own
    sa.Column("alone", sa.Integer, nullable=False, server_default="0"),  # failed so often while others got through
)
sa.Index(
    "delivery_pending",
    delivery.c.channel,
    delivery.c.rank,
    delivery.c.wanted_at,
    sqlite_where=_PENDING,
    postgresql_where=delivery.c.pending,
)
sa.Index(
    "delivery_failed",
    delivery.c.channel,
    delivery.c.incident_number,
    sqlite_where=_FAILED,
    postgresql_where=sa.and_(delivery.c.pending, delivery.c.failed_at.is_not(None)),
)

sa.Index(
    "delivery_dead",
    delivery.c.changed_at,
    delivery.c.incident_number,
    delivery.c.channel,
    delivery.c.recipient,
    sqlite_where=sa.text("dead = 1"),
    postgresql_where=delivery.c.dead,
)

timer = sa.Table(
    "timer",
    metadata,
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("due_at", UtcDateTime),  # null: it has acted
    sa.Index("timer_due", "due_at"),
)

added_target = sa.Table(
    "added_target",
    metadata,
    sa.Column("incident_number", sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("cause", sa.String(16), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("channel", sa.String(128), primary_key=True),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
)

change = sa.Table(
    "change",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Index("change_by_time", "at", "id"),
)

change_delivery = sa.Table(
    "change_delivery",
    metadata,
    sa.Column("change_id", sa.ForeignKey("change.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("channel", sa.String(128), primary_key=True),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),  # while a worker sends it: when another may try
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False, default=""),
    sa.Column("sent_at", UtcDateTime),
)
sa.Index(
    "change_delivery_pending",
    change_delivery.c.channel,
    change_delivery.c.due_at,
    sqlite_where=_PENDING,
    postgresql_where=change_delivery.c.pending,
)

channel_state = sa.Table(
    "channel_state",
    metadata,
    sa.Column("channel", sa.String(128), primary_key=True),
    sa.Column("paused_until", UtcDateTime),
    sa.Column("pause_reason", sa.Text, nullable=False, default=""),
    sa.Column("failing", sa.Boolean, nullable=False, default=False),  # what is sent are probes, until one succeeds
    sa.Column("next_slot_at", UtcDateTime),  # pacing: when the next send is allowed
    sa.Column("succeeded_at", UtcDateTime),  # when anything got through last
    sa.Column("probe_at", UtcDateTime),  # while it fails: when a delivery that failed before may be tried again
)

storm = sa.Table(  # a row while the channel storms
    "storm",
    metadata,
    sa.Column("channel", sa.String(128), primary_key=True),
    sa.Column("incident_number", sa.Integer, nullable=False),  # of the digest
    sa.Column("rank", sa.Integer, nullable=False),  # unnotified deliveries from here on are in the digest only
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("tightened_at", UtcDateTime, nullable=False),
    sa.Column("calm_since", UtcDateTime),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Column("told_count", sa.Integer, nullable=False),
    sa.Column("told_rank", sa.Integer, nullable=False),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
)

heartbeat = sa.Table(
    "heartbeat",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("missing", sa.Boolean, nullable=False),
)

outside_ping = sa.Table(
    "outside_ping",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # there is one row
    sa.Column("due_at", UtcDateTime, nullable=False),  # the worker that moves it on pings
)

incident_context = sa.Table(
    "incident_context",
    metadata,
    sa.Column("incident_number", sa.Integer, sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("fired", sa.Text),  # the last one that was measured while the incident fired
    sa.Column("peaks", sa.Text),  # and each fact at its worst
)

reconciling = sa.Table(
    "reconciling",
    metadata,
    sa.Column("source", sa.String(63), primary_key=True),
    sa.Column("holder", sa.String(32)),  # the worker that asks this source's Alertmanagers
    sa.Column("held_until", UtcDateTime),
    sa.Column("recognised", sa.Text, nullable=False, server_default=""),  # addresses that were proved to be its own
)
