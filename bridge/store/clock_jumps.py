"""What the clock left behind when it went back: times that lie further ahead than anything sets them.

Without this, a channel that was paused for eight seconds would wait for as long as the clock went back, and a heartbeat
that was seen in the future could not be missed before then.

Invariant: what is deferred on purpose (mute intervals) is not touched, and neither is anything that a clock which is a
little ahead of this one may have written.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.store.tables import (
    UNRESOLVED,
    alert,
    change_delivery,
    channel_state,
    delivery,
    heartbeat,
    incident,
    storm,
    timer,
    worker,
)

#: What is over has no alert whose end is still withheld; its alerts are by far the most.
_OF_UNRESOLVED = alert.c.incident_number.in_(sa.select(incident.c.number).where(UNRESOLVED))


def mend_times(connection: sa.Connection, now: datetime, ahead: timedelta) -> int:
    """Bring what is further than `ahead` in the future back to now; how many rows that were."""
    limit = now + ahead
    mended = _shift_timers(connection, now, limit)
    ours, free = delivery.c.pending, delivery.c.hold_reason == ""
    for column, mine in (
        (delivery.c.due_at, ours & free),
        (delivery.c.wanted_at, ours),
        (delivery.c.changed_at, ours),
        (delivery.c.lease_until, ours),
        (channel_state.c.paused_until, sa.true()),
        (channel_state.c.next_slot_at, sa.true()),
        (channel_state.c.probe_at, sa.true()),
        (channel_state.c.succeeded_at, sa.true()),
        (delivery.c.failed_at, ours),
        (change_delivery.c.due_at, change_delivery.c.pending),
        (heartbeat.c.seen_at, sa.true()),
        (storm.c.since, sa.true()),
        (storm.c.tightened_at, sa.true()),
        (storm.c.calm_since, sa.true()),
        (storm.c.updated_at, sa.true()),
        (incident.c.seen_at, UNRESOLVED),
        (incident.c.updated_at, UNRESOLVED),
        (incident.c.acknowledged_at, UNRESOLVED),
        (incident.c.flapping_since, UNRESOLVED),
        (incident.c.turned_at, UNRESOLVED),
        (alert.c.ended_seen_at, alert.c.held & _OF_UNRESOLVED),
        (storm.c.since, sa.true()),
        (storm.c.tightened_at, sa.true()),
        (storm.c.calm_since, sa.true()),
        (storm.c.updated_at, sa.true()),
    ):
        late = sa.update(column.table).where(mine, column > limit)
        mended += connection.execute(late.values({column.name: now})).rowcount
    # A live worker reports itself again at once, and a dead one must not seem alive until then.
    return mended + connection.execute(sa.delete(worker).where(worker.c.seen_at > limit)).rowcount


def _shift_timers(connection: sa.Connection, now: datetime, limit: datetime) -> int:
    """A timer may be far ahead on purpose: it is moved by as much as its incident's last change is in the future."""
    query = (
        sa.select(timer, incident.c.updated_at)
        .join(incident, incident.c.number == timer.c.incident_number)
        .where(UNRESOLVED, incident.c.updated_at > limit, timer.c.due_at.is_not(None))
    )
    rows = [
        {
            "b_number": row["incident_number"],
            "b_kind": row["kind"],
            "b_key": row["key"],
            "b_due": max(now, row["due_at"] - (row["updated_at"] - now)),
        }
        for row in connection.execute(query).mappings()
    ]
    if rows:
        mine = (
            timer.c.incident_number == sa.bindparam("b_number"),
            timer.c.kind == sa.bindparam("b_kind"),
            timer.c.key == sa.bindparam("b_key"),
        )
        connection.execute(sa.update(timer).where(*mine).values(due_at=sa.bindparam("b_due")), rows)
    return len(rows)
