"""Earlier incidents about the same, found by the keys of their alerts.

Invariant: a lookup reads a bounded number of rows, however many incidents there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident
from bridge.core.recurrence import (
    Earlier,
    EndedIncident,
    Recurrence,
    Subject,
    earlier_numbers,
    earlier_of,
    recurrence_key,
    subjects_of,
)
from bridge.observability import logs
from bridge.store.changes import read_changes
from bridge.store.database import reading, transaction
from bridge.store.prepared import Prepared, among
from bridge.store.rows import ended_from
from bridge.store.snapshots import incidents
from bridge.store.tables import alert, incident

log = logs.get("store")
MOST = 500  #: incidents that are counted
MOST_ALERTS = 2500  #: alerts that are read for them
BATCH = 500  #: alerts whose keys are filled in at a time


@dataclass(frozen=True, slots=True)
class _Ended:
    """Incidents about one subject, the newest first. complete: there are no older ones."""

    incidents: Sequence[EndedIncident]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Counted:
    subject: Subject
    numbers: Sequence[int]  #: the newest first
    complete: bool


class StoreRecurrences:
    """See bridge.core.recurrence."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, asked: Iterable[Incident], window: timedelta, most: int = 1) -> dict[int, Recurrence]:
        """By number, of those that happened before. most: how many of the earlier ones are described."""
        listed = list(asked)
        with reading(self._engine) as connection:
            counted = _counted(connection, listed, window)
            numbers = {number for found in counted.values() for number in found.numbers[:most]}
            earlier = _described(connection, sorted(numbers))
        return {number: _recurrence(found, earlier, window, most) for number, found in counted.items()}

    def fill_in(self) -> int:
        """Store the keys of alerts that a version without them wrote, the newest first; returns how many."""
        with reading(self._engine) as connection:
            numbers = set(connection.scalars(_UNFILLED))
        if not numbers:
            return 0
        with transaction(self._engine) as connection:
            # As those who change an incident lock it; what is being changed has its turn the next time.
            free = connection.scalars(_LOCK, {"numbers": sorted(numbers)}).all()
            rows = connection.execute(_LABELS, {"numbers": free}).all()
            filled = [{"b_number": number, "b_fingerprint": name, "key": _key(text)} for number, name, text in rows]
            if filled:
                connection.execute(_FILL, filled)
            return len(filled)


def _counted(connection: sa.Connection, asked: Collection[Incident], window: timedelta) -> dict[int, _Counted]:
    """Each key is read once: in a storm many incidents have the same."""
    subjects = {each.number: subjects_of(each) for each in asked}
    newest = max(subjects, default=0)
    keys = {subject.key for every in subjects.values() for subject in every}
    ended = {key: _ended(connection, key, newest) for key in sorted(keys)}
    found = ((each, _first_that_recurs(each, subjects[each.number], ended, window)) for each in asked)
    return {each.number: counted for each, counted in found if counted is not None}


def _first_that_recurs(
    asked: Incident, subjects: Sequence[Subject], ended: Mapping[str, _Ended], window: timedelta
) -> _Counted | None:
    since = asked.opened_at - window
    for subject in subjects:
        found = ended[subject.key]
        if numbers := earlier_numbers(found.incidents, asked, window):
            return _Counted(subject, numbers, found.complete or found.incidents[-1].opened_at < since)
    return None


def _ended(connection: sa.Connection, key: str, before: int) -> _Ended:
    rows = _FOUND.rows(connection, {"key": key, "before": before})
    complete = len(rows) < MOST and all(row["read"] < MOST_ALERTS for row in rows[:1])
    return _Ended([ended_from(row) for row in rows if row["resolved_at"] is not None], complete)


def _described(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Earlier]:
    return {number: _with_change(connection, each) for number, each in _readable(connection, numbers).items()}


def _readable(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Incident]:
    """Without any that has been forgotten meanwhile or cannot be read: no other suffers for it."""
    try:
        return incidents(connection, numbers) if numbers else {}
    except DBAPIError:
        raise
    except Exception as fault:
        if len(numbers) > 1:
            return {number: each for one in numbers for number, each in _readable(connection, [one]).items()}
        log.warning("earlier_incident_not_read", incident=numbers[0], fault=str(fault)[:300])
        return {}


def _with_change(connection: sa.Connection, ended: Incident) -> Earlier:
    period = firing_period(ended)
    labels = [each.labels for each in ended.alerts.values()]
    return earlier_of(ended, read_changes(connection, labels, period.started_at, period.ended_at or ended.updated_at))


def _recurrence(found: _Counted, earlier: Mapping[int, Earlier], window: timedelta, most: int) -> Recurrence:
    shown = tuple(earlier[number] for number in takewhile(earlier.__contains__, found.numbers[:most]))
    return Recurrence(len(found.numbers) + 1, window, shown, found.subject.name, at_least=not found.complete)


def _key(labels: str) -> str:
    """Empty for what cannot be read, so that it is not tried for ever."""
    try:
        return recurrence_key(orjson.loads(labels))
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return ""


_RECENT = (
    sa.select(alert.c.incident_number.label("number"))
    .where(alert.c.recurrence == sa.bindparam("key"), alert.c.incident_number < sa.bindparam("before"))
    .order_by(alert.c.incident_number.desc())
    .limit(MOST_ALERTS)
    .cte("recent")
)
_NEWEST = sa.select(_RECENT.c.number).distinct().order_by(_RECENT.c.number.desc()).limit(MOST).subquery("newest")


def _of_incident(column: sa.Column[datetime]) -> sa.Label[datetime]:
    """Looked up one by one: for a join PostgreSQL may rather read every incident."""
    return sa.select(column).where(incident.c.number == _NEWEST.c.number).scalar_subquery().label(column.name)


_FOUND = Prepared(
    sa.select(
        _NEWEST.c.number,
        _of_incident(incident.c.opened_at),
        _of_incident(incident.c.resolved_at),
        sa.select(sa.func.count()).select_from(_RECENT).scalar_subquery().label("read"),
    ).order_by(_NEWEST.c.number.desc())
)
_UNFILLED = (
    sa.select(alert.c.incident_number)
    .where(alert.c.recurrence.is_(None))
    .order_by(alert.c.incident_number.desc())
    .limit(BATCH)
)
_LOCK = (
    sa.select(incident.c.number)
    .where(among(incident.c.number, "numbers"))
    .order_by(incident.c.number)
    .with_for_update(key_share=True, skip_locked=True)
)
_LABELS = (
    sa.select(alert.c.incident_number, alert.c.fingerprint, sa.type_coerce(alert.c.labels, sa.Text))
    .where(alert.c.recurrence.is_(None), among(alert.c.incident_number, "numbers"))
    .limit(BATCH)
)
_FILL = (
    sa.update(alert)
    .where(alert.c.incident_number == sa.bindparam("b_number"), alert.c.fingerprint == sa.bindparam("b_fingerprint"))
    .values(recurrence=sa.bindparam("key"))
)
