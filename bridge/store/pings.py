"""Whose turn it is to ping the outside.

Invariant: to take the turn is to write, so a store that cannot be written gives none.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.views import Health
from bridge.store.database import transaction
from bridge.store.reading import StoreReader
from bridge.store.tables import outside_ping


class StorePings:
    """Any number of workers may try; each turn is one's."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._reader = engine, StoreReader(engine)

    def take(self, every: timedelta, now: datetime) -> tuple[bool, datetime]:
        """Whether it is this worker's turn, and when the next one is. Raises StoreUnavailable."""
        make = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        first = make(outside_ping).values(id=1, due_at=now).on_conflict_do_nothing(index_elements=["id"])
        # So far ahead it cannot be, unless the clock was set back or the pace was changed. Not just one turn ahead: a
        # worker that waited for another one's transaction has an older `now`.
        due = sa.or_(outside_ping.c.due_at <= now, outside_ping.c.due_at > now + 2 * every)
        with transaction(self._engine) as connection:
            connection.execute(first)
            taken = connection.execute(sa.update(outside_ping).where(due).values(due_at=now + every)).rowcount == 1
            due_at = connection.scalar(sa.select(outside_ping.c.due_at))
        return taken, due_at or now + every

    def health(self, now: datetime) -> Health:
        return self._reader.health(now)
