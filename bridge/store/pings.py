"""Which worker pings the outside now."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.views import Health
from bridge.store.database import transaction
from bridge.store.leases import Lease
from bridge.store.reading import StoreReader
from bridge.store.tables import outside_ping

_TURN = Lease(outside_ping.c.id, outside_ping.c.due_at)


class StorePings:
    """Any number of workers may try; one gets each ping."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._reader = engine, StoreReader(engine)

    def acquire_turn(self, every: timedelta, now: datetime) -> tuple[bool, datetime]:
        """Whether this worker pings now, and when the next ping is due. Raises StoreUnavailable."""
        with transaction(self._engine) as connection:
            acquired = _TURN.acquire(connection, 1, every, now)
            due_at = connection.scalar(sa.select(outside_ping.c.due_at))
        return acquired, due_at or now + every

    def health(self, now: datetime) -> Health:
        return self._reader.health(now)
