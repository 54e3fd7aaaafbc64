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
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.changes import CHANGE_RULES, ChangeRule
from bridge.core.delivery.planning import plan
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Change, ChannelSpec, Incident, Wish
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import Storm, StormLimits
from bridge.core.storms.digests import channel_of, wishes_of
from bridge.core.timeline import Entry, EntryKind
from bridge.store.collapsing import is_collapsed, under_way
from bridge.store.numbers import Numbers
from bridge.store.rows import alert_row, entry_row, incident_from, incident_row, with_alerts
from bridge.store.settling import ENDED, is_ended_untold
from bridge.store.tables import alert, delivery, event, incident
from bridge.store.timers import Timers


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about incidents; swapped as a whole when it is reloaded."""

    rules: Rules
    tree: Route
    channels: Mapping[str, ChannelSpec]
    changes: tuple[ChangeRule, ...] = CHANGE_RULES  #: which alerts tell of changes
    change_channels: tuple[str, ...] = ()  #: who is told of every change
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


def untold(connection: sa.Connection, numbers: Iterable[int]) -> set[int]:
    """Which incidents some channel has yet to be told of."""
    wanted = list(numbers)
    return set(connection.scalars(_UNTOLD, {"numbers": wanted})) if wanted else set()


class Writing:
    """Collects the rows of many changes, to write each table once: ten times cheaper than row by row."""

    def __init__(self, connection: sa.Connection, policy: Policy, now: datetime) -> None:
        self._connection, self._policy, self._now = connection, policy, now
        self._alerts: dict[tuple[int, str], dict[str, Any]] = {}
        self._entries: list[dict[str, Any]] = []
        self._opened: dict[int, Incident] = {}
        self._latest: dict[int, Incident] = {}
        self._numbers = Numbers(connection)
        self._new: dict[tuple[int, str, str], dict[str, Any]] = {}
        self._known: dict[tuple[int, str, str], dict[str, Any]] = {}
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
            self._known[(row["incident_number"], row["channel"], row["recipient"])] = dict(row)
        self.timers.load(wanted)

    def deliveries(self, number: int) -> list[dict[str, Any]]:
        """As they are, or will be when this is written."""
        return [row for key, row in {**self._known, **self._new}.items() if key[0] == number]

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
            self._alerts[(found.number, each.fingerprint)] = alert_row(found.number, each)
        self._entries += [entry_row(found.number, entry) for entry in change.entries]
        if change.changed:
            self._want(replace(change, incident=found))
        elif change.entries and found.flapping:  # it turned, which nobody is told; when it may be calm is another time
            self.timers.set(self.timers.situation(found, self.deliveries(found.number)))
        return found

    def write(self) -> None:
        self._write_incidents()
        self._upsert(alert, list(self._alerts.values()), ("incident_number", "fingerprint"))
        if self._entries:
            self._connection.execute(_NOTE, self._entries)
        self._upsert(delivery, list(self._new.values()), ("incident_number", "channel", "recipient"))
        self.timers.write()

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

    def _want(self, change: Change) -> None:
        policy, number = self._policy, change.incident.number
        if change.reopened:
            self.timers.forget_added(number)
        added = self.timers.added(number)
        if channel_of(change.incident) is not None:
            wishes = wishes_of(change, policy.channels)
        else:
            wishes = plan(change, policy.tree, policy.rules.canonical, policy.channels, self._now, added)
        wished = {(number, wish.target.channel, wish.target.recipient): wish for wish in wishes}
        for key, wish in wished.items():
            before = self._new.get(key) or self._known.get(key)
            if before is not None or wish.firing:
                row = self._row(key, change, wish, before)
                if row is not None:
                    self._new[key] = row
        self._carry_on(change, wished)
        rows = [row for key in wished if (row := self._new.get(key) or self._known.get(key))]
        self.timers.set(self.timers.situation(change.incident, rows), anew=change.awakened)

    def _carry_on(self, change: Change, wished: Mapping[tuple[int, str, str], Wish]) -> None:
        """Targets that were told, or may have been, and that routing (reloaded meanwhile) names no more see the end."""
        for key, before in self._known.items():
            if key[0] != change.incident.number or key in wished or key[1] not in self._policy.channels:
                continue
            if change.incident.shown and not change.incident.resolved:
                continue
            if before["sent"] or before["pending"] or before["in_flight"]:
                self._new[key] = {**before, **self._wanting(change, False, before)}
            elif before["firing"]:  # a dead letter: replayed, it must not tell of what is over
                self._new[key] = {**before, "firing": False}

    def _row(
        self, key: tuple[int, str, str], change: Change, wish: Wish, before: Mapping[str, Any] | None
    ) -> dict[str, Any] | None:
        """The delivery as it should be now; None when this target has nothing new to show."""
        if before is not None and not wish.firing and is_ended_untold({**before, "firing": False}):
            return self._ended_untold(key, change, before)
        spec = self._policy.channels[wish.target.channel]
        if change.ends_only and (before is None or wish.firing or not before["firing"]):
            return None
        turned = before is not None and before["firing"] != wish.firing
        worth = spec.edits or wish.loud or turned or before is None
        silent = not wish.firing and not spec.send_resolved
        if before is not None and (not worth or silent):
            return {**before, "firing": wish.firing, "pending": before["pending"] and not silent}
        base = dict(before) if before is not None else _fresh(key, self._now)
        base.update(self._wanting(change, wish.firing, base))
        base["hold_reason"] = wish.hold_reason or ""
        if wish.hold_reason:
            base["due_at"] = wish.hold_until or _NEVER
        return base

    def _ended_untold(
        self, key: tuple[int, str, str], change: Change, before: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Skip the resolve if the trigger was never delivered."""
        if not before["firing"]:
            return None
        storm = self._storms.get(key[1])
        held = storm is not None and is_collapsed(before, storm)
        text = f"ended while it was held back: told in the digest #{storm.number} at most" if storm and held else ENDED
        whom = f"{key[1]} {key[2]}".strip()
        self._entries.append(
            entry_row(key[0], Entry(self._now, EntryKind.SKIPPED, whom, text, change.incident.revision))
        )
        ended = {"firing": False, "pending": False, "dead": False, "hold_reason": "", "changed_at": self._now}
        return {**before, **ended, "wanted": change.incident.revision}

    @functools.cached_property
    def _storms(self) -> Mapping[str, Storm]:
        return under_way(self._connection)

    def _wanting(self, change: Change, firing: bool, before: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "rank": change.incident.severity.rank,
            "firing": firing,
            "wanted": change.incident.revision,
            "pending": True,
            "dead": False,  # something new to tell is a reason to try a dead letter's target again
            "wanted_at": before["wanted_at"] if before["pending"] else self._now,
            "changed_at": self._now,
            "due_at": before["due_at"] if before["pending"] and not before["hold_reason"] else self._now,
        }

    def _upsert(self, table: sa.Table, rows: list[dict[str, Any]], key: tuple[str, ...]) -> None:
        if rows:
            self._connection.execute(_upserting(table, key, self._connection.dialect.name), rows)


@functools.cache  # built anew, a statement costs as much as writing twenty rows with it
def _upserting(table: sa.Table, key: tuple[str, ...], dialect: str) -> sa.Executable:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    # Columns of a delivery that belong to the worker (lease, attempts, sent, ...) are never overwritten here.
    mine = _PLANNED if table is delivery else tuple(c.name for c in table.columns if c.name not in key)
    excluded = statement.excluded
    values: dict[str, Any] = {name: excluded[name] for name in mine}
    if table is delivery:  # a worker took it since it was read here: whatever it tells must be followed up
        taken = sa.and_(delivery.c.in_flight, sa.not_(excluded.in_flight))
        shown = delivery.c.sent >= excluded.wanted  # or settled it: the same revision must not be sent again
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
_DELIVERIES = sa.select(delivery).where(delivery.c.incident_number.in_(_NUMBERS))
_UNTOLD = sa.select(delivery.c.incident_number).where(delivery.c.incident_number.in_(_NUMBERS), delivery.c.pending)
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
_PLANNED = ("rank", "firing", "wanted", "pending", "dead", "wanted_at", "changed_at", "due_at", "hold_reason")
_NEVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


def _fresh(key: tuple[int, str, str], now: datetime) -> dict[str, Any]:
    number, channel, recipient = key
    return {
        "incident_number": number,
        "channel": channel,
        "recipient": recipient,
        "sent": 0,
        "pending": False,
        "dead": False,
        "hold_reason": "",
        "wanted_at": now,
        "due_at": now,
        "lease": None,
        "lease_until": None,
        "in_flight": False,
        "attempted_at": None,
        "attempts": 0,
        "shrink": False,
        "handle": {},
        "frozen": None,
        "frozen_revision": None,
        "last_error": "",
        "refused": "",
        "sent_at": None,
        "failed_at": None,
        "alone": 0,
    }
