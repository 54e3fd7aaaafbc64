"""What was learned about each incident, the newest only: for the pages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.facts import Context
from bridge.rendering.context_file import ContextFault, context_of, written
from bridge.store.database import reading, transaction
from bridge.store.tables import incident, incident_context


class StoreContexts:
    """One row an incident; an older context never replaces a newer one."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def keep(self, contexts: Mapping[int, Context]) -> None:
        rows = [
            {"incident_number": number, "at": contexts[number].at, "data": written(contexts[number])}
            for number in sorted(contexts)
        ]
        with transaction(self._engine) as connection:
            there = sa.select(incident.c.number).where(incident.c.number.in_(list(contexts)))
            known = set(connection.scalars(there))
            if kept := [row for row in rows if row["incident_number"] in known]:
                connection.execute(_upserting(connection.dialect.name), kept)

    def context(self, number: int, now: datetime) -> Context | None:
        """None, too, for one that another version wrote and this one cannot read."""
        query = sa.select(incident_context.c.data).where(incident_context.c.incident_number == number)
        with reading(self._engine) as connection:
            data = connection.scalar(query)
        try:
            return None if data is None else context_of(data, now)
        except ContextFault:
            return None


@functools.cache
def _upserting(dialect: str) -> Any:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(incident_context)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["incident_number"],
        set_={"at": new.at, "data": new.data},
        where=incident_context.c.at <= new.at,
    )
