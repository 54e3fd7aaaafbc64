"""Writing changes: incidents, their alerts and timeline, and what each delivery now has to show.

Invariant: called inside one transaction, so that an incident never exists without its deliveries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.changes import CHANGE_RULES, ChangeRule
from bridge.core.delivery.delivery import Delivery, DesiredState, Key
from bridge.core.delivery.desired_states import desired_states
from bridge.core.delivery.planning import plan
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, Change, ChannelSpec, Incident, Target
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import Storm, StormLimits
from bridge.core.storms.digests import channel_of, digest_states, skip_reason
from bridge.core.timeline import Entry, EntryKind
from bridge.store.numbers import Numbers
from bridge.store.rows import (
    DELIVERY,
    alert_row,
    delivery_from,
    delivery_row,
    entry_row,
    incident_from,
    incident_row,
    with_alerts,
)
from bridge.store.suppression import under_way
from bridge.store.tables import alert, delivery, event, incident
from bridge.store.timers import Timers
from bridge.store.upserts import insert_into


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about incidents; swapped as a whole when it is reloaded."""

    rules: Rules
    tree: Route
    channels: Mapping[str, ChannelSpec]
    changes: tuple[ChangeRule, ...] = CHANGE_RULES  #: which alerts report changes
    change_channels: tuple[str, ...] = ()  #: channels that are notified of every change
    heartbeats: tuple[Heartbeat, ...] = ()
    storms: Mapping[str, StormLimits] = field(default_factory=dict)  #: by channel; one without an entry never storms


def newest_by_key(connection: sa.Connection, keys: Iterable[str]) -> dict[str, Incident]:
    """The newest incident of each group, with its alerts; locked against other writers on PostgreSQL."""
    rows = connection.execute(_NEWEST, {"keys": sorted(keys)}).mappings()
    return {found.key: found for found in complete(connection, [incident_from(row) for row in rows])}


def complete(connection: sa.Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """The same incidents with their alerts."""
    if not incidents:
        return []
    numbers = [found.number for found in incidents]
    return with_alerts(incidents, connection.execute(_ALERTS, {"numbers": numbers}).mappings())


def with_pending(connection: sa.Connection, numbers: Iterable[int]) -> set[int]:
    """Which incidents have something to send."""
    wanted = list(numbers)
    return set(connection.scalars(_WAITING, {"numbers": wanted})) if wanted else set()


class Writing:
    """Collects the rows of many changes, to write each table once: ten times cheaper than row by row."""

    def __init__(self, connection: sa.Connection, policy: Policy, now: datetime) -> None:
        self._connection, self._policy, self._now = connection, policy, now
        self._alerts: dict[tuple[int, str], Alert] = {}
        self._entries: list[tuple[int, Entry]] = []
        self._opened: dict[int, Incident] = {}
        self._latest: dict[int, Incident] = {}
        self._numbers = Numbers(connection)
        self._deliveries: dict[int, dict[Target, Delivery]] = {}
        self._planned: dict[Key, Delivery] = {}
        self.timers = Timers(connection, policy.rules, policy.tree, now)

    def expect(self, opened: int) -> None:
        """So many incidents will be opened, or about so many."""
        self._numbers.draw(opened)

    def load_deliveries(self, numbers: Iterable[int]) -> None:
        """Before the changes, for all of them at once; and their timers."""
        wanted = list(numbers)
        if not wanted:  # most batches of a storm are new incidents only
            return
        for row in self._connection.execute(_DELIVERIES, {"numbers": wanted}).mappings():
            self._keep(delivery_from(row))
        self.timers.load(wanted)

    def deliveries(self, number: int) -> list[Delivery]:
        """As they are, or will be when this is written."""
        return list(self._known(number).values())

    def add(self, change: Change) -> Incident:
        """Take one change in; the returned incident has its number."""
        found = change.incident
        if change.opened:
            found = replace(found, number=self._numbers.next())
        if change.opened or found.number in self._opened:
            self._opened[found.number] = found
        else:
            self._latest[found.number] = found
        for each in change.touched:
            self._alerts[(found.number, each.fingerprint)] = each
        self._entries += [(found.number, entry) for entry in change.entries]
        if change.changed:
            self._plan(replace(change, incident=found))
        elif change.entries and found.flapping:  # it is only noted, and moves the end of the quiet period
            self.timers.set(self.timers.input_of(found, self.deliveries(found.number)))
        return found

    def write(self) -> None:
        self._write_incidents()
        alerts = [alert_row(number, each) for (number, _), each in self._alerts.items()]
        self._upsert(alert, alerts, ("incident_number", "fingerprint"))
        if self._entries:
            self._connection.execute(_NOTE, [entry_row(*each) for each in self._entries])
        planned = sorted(self._planned.values(), key=lambda each: each.key)  # as those who settle lock them
        self._upsert(delivery, [delivery_row(each) for each in planned], ("incident_number", "channel", "recipient"))
        self.timers.write()

    def _known(self, number: int) -> dict[Target, Delivery]:
        return self._deliveries.setdefault(number, {})

    def _keep(self, delivery: Delivery) -> None:
        self._known(delivery.incident_number)[delivery.target] = delivery

    def _write_incidents(self) -> None:
        if self._opened:
            opened = [{**incident_row(found), "number": found.number} for found in self._opened.values()]
            self._connection.execute(_OPEN, opened)
        rows = [{**incident_row(found), "n": found.number} for found in self._latest.values()]
        if rows:
            changing = tuple(column for column in rows[0] if column not in ("n", "uid", "key"))
            self._connection.execute(
                _updating(changing), [{name: row[name] for name in (*changing, "n")} for row in rows]
            )

    def _plan(self, change: Change) -> None:
        number = change.incident.number
        if change.reopened:
            self.timers.forget_added(number)
        desired, known = self._desired(change), self._known(number)
        for each in plan(change, desired, known, self._policy.channels, self._now):
            before = known.get(each.target)
            if before is not None and before.firing and each.is_skipped:
                self._note_skipped(before, each)
            self._planned[each.key] = each
            self._keep(each)
        routed = [known[state.target] for state in desired if state.target in known]
        self.timers.set(self.timers.input_of(change.incident, routed), anew=change.awakened)

    def _desired(self, change: Change) -> tuple[DesiredState, ...]:
        policy = self._policy
        if channel_of(change.incident) is not None:
            return digest_states(change, policy.channels)
        added = self.timers.added(change.incident.number)
        return desired_states(change, policy.tree, policy.rules.canonical, policy.channels, self._now, added)

    def _note_skipped(self, before: Delivery, skipped: Delivery) -> None:
        text = skip_reason(before, self._storms.get(before.target.channel))
        entry = skipped.entry(EntryKind.SKIPPED, text, self._now)
        self._entries.append((skipped.incident_number, entry))

    @functools.cached_property
    def _storms(self) -> Mapping[str, Storm]:
        return under_way(self._connection)

    def _upsert(self, table: sa.Table, rows: list[dict[str, Any]], key: tuple[str, ...]) -> None:
        if rows:
            self._connection.execute(_upserting(table, key, self._connection.dialect.name), rows)


@functools.cache  # building a statement costs as much as writing twenty rows with it
def _upserting(table: sa.Table, key: tuple[str, ...], dialect: str) -> sa.Executable:
    statement = insert_into(table, dialect)
    # What belongs to the worker (lease, attempts, sent, ...) is never overwritten: it may have changed meanwhile.
    mine = _PLANNED if table is delivery else tuple(c.name for c in table.columns if c.name not in key)
    excluded = statement.excluded
    values: dict[str, Any] = {name: excluded[name] for name in mine}
    # Decided here, for the row is not locked before: a try that began since it was read must be followed up, and a
    # revision that was sent since then is not sent again.
    if table is delivery:
        taken = sa.and_(delivery.c.in_flight, sa.not_(excluded.in_flight))
        shown = delivery.c.sent >= excluded.wanted
        values["pending"] = sa.or_(sa.and_(excluded.pending, sa.not_(shown)), taken)
    return statement.on_conflict_do_update(index_elements=list(key), set_=values)


@functools.cache
def _updating(columns: tuple[str, ...]) -> sa.Executable:
    statement = sa.update(incident).where(incident.c.number == sa.bindparam("n"))
    return statement.values({column: sa.bindparam(column) for column in columns})


_OPEN = sa.insert(incident)
_NOTE = sa.insert(event)
_NUMBERS: sa.BindParameter[list[int]] = sa.bindparam("numbers", expanding=True)
_ALERTS = sa.select(alert).where(alert.c.incident_number.in_(_NUMBERS))
_DELIVERIES = sa.select(*DELIVERY).where(delivery.c.incident_number.in_(_NUMBERS))
_WAITING = sa.select(delivery.c.incident_number).where(delivery.c.incident_number.in_(_NUMBERS), delivery.c.pending)
_NEWEST_NUMBERS = (
    sa.select(sa.func.max(incident.c.number))
    .where(incident.c.key.in_(sa.bindparam("keys", expanding=True)))
    .group_by(incident.c.key)
)
# key_share: a worker that notes what it delivered refers to the incident, and must not wait for this (nor, holding
# a delivery that is wanted here, this for it)
_NEWEST = (
    sa.select(incident)
    .where(incident.c.number.in_(_NEWEST_NUMBERS))
    .order_by(incident.c.key)
    .with_for_update(key_share=True)
)
_PLANNED = (
    "rank", "firing", "wanted", "pending", "dead", "dead_reason", "dead_at", "wanted_at", "changed_at", "due_at",
    "hold_reason",
)  # fmt: skip
