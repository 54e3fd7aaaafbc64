"""Writing changes: incidents, their alerts and timeline, and what each delivery now has to show.

Invariant: called inside one transaction, so that an incident never exists without its deliveries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from bridge.core.replacing import replace
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import Storm, StormLimits
from bridge.core.storms.digests import channel_of, digest_states, skip_reason
from bridge.core.timeline import Entry, EntryKind
from bridge.store.numbers import Numbers
from bridge.store.prepared import Prepared, among
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
from bridge.store.upserts import inserting


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
    rows = _NEWEST.rows(connection, {"keys": sorted(keys)})
    return {found.key: found for found in complete(connection, [incident_from(row) for row in rows])}


def complete(connection: sa.Connection, incidents: Sequence[Incident]) -> list[Incident]:
    """The same incidents with their alerts."""
    if not incidents:
        return []
    numbers = [found.number for found in incidents]
    return with_alerts(incidents, _ALERTS.rows(connection, {"numbers": numbers}))


def with_pending(connection: sa.Connection, numbers: Iterable[int]) -> set[int]:
    """Which incidents have something to send."""
    wanted = list(numbers)
    return set(_WAITING.scalars(connection, {"numbers": wanted})) if wanted else set()


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
        for row in _DELIVERIES.rows(self._connection, {"numbers": wanted}):
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
        _PUT_ALERTS.run_many(self._connection, alerts)
        NOTE.run_many(self._connection, [entry_row(*each) for each in self._entries])
        planned = sorted(self._planned.values(), key=lambda each: each.key)  # as those who settle lock them
        _PLAN.run_many(self._connection, [delivery_row(each) for each in planned])
        self.timers.write()

    def _known(self, number: int) -> dict[Target, Delivery]:
        return self._deliveries.setdefault(number, {})

    def _keep(self, delivery: Delivery) -> None:
        self._known(delivery.incident_number)[delivery.target] = delivery

    def _write_incidents(self) -> None:
        opened = [{**incident_row(found), "number": found.number} for found in self._opened.values()]
        _OPEN.run_many(self._connection, opened)
        _CHANGE.run_many(
            self._connection, [{**incident_row(found), "n": found.number} for found in self._latest.values()]
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


def _putting_alerts(dialect: str) -> sa.Executable:
    statement, key = inserting(alert)(dialect), ("incident_number", "fingerprint")
    values = {column.name: statement.excluded[column.name] for column in alert.columns if column.name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=values)


def _planning(dialect: str) -> sa.Executable:
    """What belongs to the worker (lease, attempts, sent, ...) is never overwritten: it may have changed meanwhile."""
    statement = inserting(delivery, without=("frozen",))(dialect)
    excluded = statement.excluded
    values: dict[str, Any] = {name: excluded[name] for name in _PLANNED}
    # Decided here, for the row is not locked before: a try that began since it was read must be followed up, and a
    # revision that was sent since then is not sent again.
    taken = sa.and_(delivery.c.in_flight, sa.not_(excluded.in_flight))
    shown = delivery.c.sent >= excluded.wanted
    values["pending"] = sa.or_(sa.and_(excluded.pending, sa.not_(shown)), taken)
    return statement.on_conflict_do_update(index_elements=["incident_number", "channel", "recipient"], set_=values)


_PLANNED = (
    "rank", "firing", "wanted", "pending", "dead", "dead_reason", "dead_at", "wanted_at", "changed_at", "due_at",
    "hold_reason",
)  # fmt: skip
_PUT_ALERTS, _PLAN = Prepared(_putting_alerts), Prepared(_planning)
_OPEN = Prepared(inserting(incident))
_KEPT = ("number", "uid", "key")  #: of an incident, for ever
_CHANGE = Prepared(
    sa.update(incident)
    .where(incident.c.number == sa.bindparam("n"))
    .values({column.name: sa.bindparam(column.name) for column in incident.columns if column.name not in _KEPT})
)
NOTE = Prepared(inserting(event, without=("id",)))
_ALERTS = Prepared(sa.select(alert).where(among(alert.c.incident_number, "numbers")))
_DELIVERIES = Prepared(sa.select(*DELIVERY).where(among(delivery.c.incident_number, "numbers")))
_WAITING = Prepared(
    sa.select(delivery.c.incident_number).where(among(delivery.c.incident_number, "numbers"), delivery.c.pending)
)
_NEWEST_NUMBERS = (
    sa.select(sa.func.max(incident.c.number)).where(among(incident.c.key, "keys")).group_by(incident.c.key)
)
# key_share: a worker that notes what it delivered refers to the incident, and must not wait for this (nor, holding
# a delivery that is wanted here, this for it)
_NEWEST = Prepared(
    sa.select(incident)
    .where(incident.c.number.in_(_NEWEST_NUMBERS))
    .order_by(incident.c.key)
    .with_for_update(key_share=True)
)
