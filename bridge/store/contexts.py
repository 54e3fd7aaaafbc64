"""What was learned about each incident: the newest, the last from while it fired, and each fact at its worst."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.context.measurements import Measured, merged
from bridge.core.facts import Context
from bridge.core.incidents.periods import firing_period
from bridge.rendering.context_file import ContextFault, context_of, written
from bridge.store.database import reading, transaction
from bridge.store.rows import incident_from
from bridge.store.tables import incident, incident_context
from bridge.store.upserts import insert_into


class StoreContexts:
    """One row an incident; an older context never replaces a newer one."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(self, contexts: Mapping[int, Context]) -> None:
        """Incidents that are there no more are left out."""
        numbers = sorted(contexts)
        with transaction(self._engine) as connection:
            there = connection.execute(sa.select(incident).where(incident.c.number.in_(numbers))).mappings().all()
            known = _known(connection, numbers, max(context.at for context in contexts.values()))
            rows = []
            for row in there:
                number, period = row["number"], firing_period(incident_from(row))
                before = known.get(number, Measured())
                found = merged(before, contexts[number], period.started_at, period.ended_at)
                rows.append({"incident_number": number, **_row(found, contexts[number].at)})
            if rows:
                connection.execute(_upserting(connection.dialect.name), rows)

    def context(self, number: int, now: datetime) -> Context | None:
        """None, too, for one that another version wrote and this one cannot read."""
        return self.measured(number, now).newest

    def measured(self, number: int, now: datetime) -> Measured:
        """Without what this version cannot read."""
        with reading(self._engine) as connection:
            return _known(connection, [number], now).get(number, Measured())


def _known(connection: sa.Connection, numbers: list[int], now: datetime) -> dict[int, Measured]:
    rows = connection.execute(sa.select(incident_context).where(incident_context.c.incident_number.in_(numbers)))
    return {row.incident_number: _measured(row.data, row.fired, row.peaks, now) for row in rows}


def _measured(newest: str, fired: str | None, peaks: str | None, now: datetime) -> Measured:
    worst = _read(peaks, now)
    return Measured(_read(newest, now), _read(fired, now), worst.facts if worst else ())


def _read(data: str | None, now: datetime) -> Context | None:
    try:
        return None if data is None else context_of(data, now)
    except ContextFault:
        return None


def _row(found: Measured, at: datetime) -> dict[str, Any]:
    newest = found.newest
    return {
        "at": newest.at if newest else at,
        "data": written(newest) if newest else "",
        "fired": written(found.fired) if found.fired else None,
        "peaks": written(Context(found.fired.at, found.peaks)) if found.fired and found.peaks else None,
    }


@functools.cache
def _upserting(dialect: str) -> Any:
    statement = insert_into(incident_context, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["incident_number"],
        set_={"at": new.at, "data": new.data, "fired": new.fired, "peaks": new.peaks},
        where=incident_context.c.at <= new.at,
    )
