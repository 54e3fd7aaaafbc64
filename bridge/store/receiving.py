"""What a webhook's groups do to the store: incidents, changes that alerts report, heartbeats.

Invariant: called inside one transaction; an exception leaves nothing of it behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from bridge.core.changes import changes_in
from bridge.core.heartbeats import split
from bridge.core.incidents.transitions import receive
from bridge.core.model import Change, Group, Incident
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.core.timeline import EntryKind
from bridge.store.applying import Policy, Writing, newest_by_key, with_pending
from bridge.store.changes import write_changes
from bridge.store.tables import heartbeat


def receive_groups(connection: sa.Connection, policy: Policy, groups: Sequence[Group], now: datetime) -> list[Accepted]:
    """What came of each group, in their order."""
    parted = [split(group, policy.heartbeats) for group in groups]
    record_heartbeats(connection, {name for _, names in parted for name in names}, now)
    receiving = _Receiving(connection, policy, [group for group, _ in parted], now)
    accepted = [
        Accepted(0, WebhookOutcome.HEARTBEAT) if names and not group.alerts else receiving.take(group)
        for group, names in parted
    ]
    receiving.writing.write()
    reported = _record_changes(connection, policy, groups, now)
    return [replace(each, changes=kinds) if kinds else each for each, kinds in zip(accepted, reported, strict=True)]


def record_heartbeats(connection: sa.Connection, names: set[str], now: datetime) -> None:
    """A heartbeat that no worker expects yet is no row yet; the worker makes it."""
    if names:
        seen = sa.update(heartbeat).where(heartbeat.c.name.in_(sorted(names)), heartbeat.c.seen_at < now)
        connection.execute(seen.values(seen_at=now))


class _Receiving:
    """One batch: what was known before it, and what it writes."""

    def __init__(self, connection: sa.Connection, policy: Policy, groups: Sequence[Group], now: datetime) -> None:
        self._policy, self._now = policy, now
        keys = {group.key for group in groups}
        self._known = newest_by_key(connection, keys)
        self.writing = Writing(connection, policy, now)
        self.writing.expect(len(keys) - len(self._known))
        self.writing.load_deliveries([found.number for found in self._known.values()])
        self._late = with_pending(connection, [found.number for found in self._known.values() if found.resolved])

    def take(self, group: Group) -> Accepted:
        before = self._known.get(group.key)
        unnotified_end = before is not None and before.number in self._late
        uid = secrets.token_hex(8)
        change = receive(before, group, self._now, self._policy.rules, uid, unnotified_end=unnotified_end)
        if change is None:
            return Accepted(0, WebhookOutcome.IGNORED)
        after: Incident = self.writing.add(change)
        self._known[group.key] = after
        return Accepted(after.number, _outcome(change))


def _record_changes(
    connection: sa.Connection, policy: Policy, groups: Sequence[Group], now: datetime
) -> list[tuple[str, ...]]:
    """Store the changes that the alerts report; returns for each group the kinds that were not known before."""
    reported = [changes_in(group, policy.changes) for group in groups]
    every = [change for changes in reported for change in changes]
    new = write_changes(connection, every, now, policy.change_channels)
    kinds: list[tuple[str, ...]] = []
    for changes in reported:
        kinds.append(tuple(change.kind for change in changes if change.id in new))
        new -= {change.id for change in changes}
    return kinds


#: In this order: what says most about what a group did.
_TELLING = (EntryKind.OPENED, EntryKind.ENDED, EntryKind.REOPENED, EntryKind.RESOLVED, EntryKind.REMINDER)


def _outcome(change: Change) -> WebhookOutcome:
    kinds = {entry.kind for entry in change.entries}
    if kind := next((kind for kind in _TELLING if kind in kinds), None):
        return WebhookOutcome(kind.value)
    return WebhookOutcome.CHANGED if change.entries else WebhookOutcome.DUPLICATE
