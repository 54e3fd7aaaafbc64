"""Incidents as one transaction sees them, with their loud entries and notes: what messages are made of.

Invariant: read while nothing can change them. On SQLite a writing transaction is alone. PostgreSQL shows each statement
of a transaction a state of its own (READ COMMITTED), so an incident is locked before it is read: what changes one locks
it first, and its deliveries after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bridge.core.model import Incident
from bridge.core.timeline import Entry, EntryKind
from bridge.observability import logs
from bridge.store.applying import complete
from bridge.store.database import reading
from bridge.store.prepared import Prepared, among
from bridge.store.rows import entry_from, incident_from
from bridge.store.tables import event, incident

log = logs.get("store")

# A claim waits for no incident: it has locked deliveries that the incident's writer may be waiting for.
_LOCK = Prepared(
    sa.select(incident.c.number)
    .where(among(incident.c.number, "numbers"))
    .order_by(incident.c.number)
    .with_for_update(read=True, skip_locked=True)
)
_INCIDENTS = Prepared(sa.select(incident).where(among(incident.c.number, "numbers")))
_SHOWN = sa.or_(event.c.loud, event.c.kind == EntryKind.NOTED.value)
_NEWS = Prepared(sa.select(event).where(among(event.c.incident_number, "numbers"), _SHOWN).order_by(event.c.id))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One incident with its alerts, its loud entries and its notes."""

    incident: Incident
    news: tuple[Entry, ...] = ()


def lock(connection: sa.Connection, numbers: Iterable[int]) -> set[int]:
    """Which of these incidents no writer changes just now, nor can before this transaction ends."""
    wanted = set(numbers)
    if connection.dialect.name == "sqlite":  # where this transaction is the only one that writes
        return wanted
    return set(_LOCK.scalars(connection, {"numbers": sorted(wanted)}))


class Unreadable(Exception):
    """What is stored of one of these incidents cannot be read (a spoilt row, a bad page): the transaction is spoilt."""

    def __init__(self, numbers: Iterable[int]) -> None:
        super().__init__("an incident cannot be read")
        self.numbers = sorted(numbers)


def snapshots(connection: sa.Connection, numbers: Iterable[int]) -> Mapping[int, Snapshot]:
    """Of incidents that lock() gave. Raises Unreadable."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    try:
        return _read(connection, wanted)
    except Exception as fault:
        if _is_away(fault):
            raise
        raise Unreadable(wanted) from fault


def unreadable(engine: sa.Engine, numbers: Iterable[int]) -> set[int]:
    """Which of these incidents cannot be read. Raises StoreUnavailable when the database goes meanwhile."""
    found = set()
    for number in numbers:
        try:
            with reading(engine) as connection:
                _read(connection, [number])
        except Exception as fault:
            if _is_away(fault.__cause__ or fault):
                raise
            log.error("incident_not_read", incident=number, fault=str(fault.__cause__ or fault)[:300])
            found.add(number)
    return found


def incidents(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Incident]:
    """With their alerts."""
    rows = _INCIDENTS.rows(connection, {"numbers": numbers})
    return {found.number: found for found in complete(connection, [incident_from(row) for row in rows])}


def _read(connection: sa.Connection, numbers: Sequence[int]) -> Mapping[int, Snapshot]:
    news: dict[int, list[Entry]] = {}
    for row in _NEWS.rows(connection, {"numbers": numbers}):
        news.setdefault(row["incident_number"], []).append(entry_from(row))
    found = incidents(connection, numbers)
    return {number: Snapshot(each, tuple(news.get(number, ()))) for number, each in found.items()}


def _is_away(fault: BaseException) -> bool:
    return isinstance(fault, DBAPIError) and fault.connection_invalidated
