"""What a person does to an incident: acknowledge, resolve."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from bridge.core.incidents.actions import acknowledge, add_measurements, resolve
from bridge.core.model import Change, Incident
from bridge.store.applying import Policy, Writing, complete
from bridge.store.database import transaction
from bridge.store.rows import incident_from
from bridge.store.tables import incident
from bridge.store.waking import Waker


class StoreActions:
    """Each method returns what changed, or None when there is no such incident."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy]) -> None:
        self._engine, self._policy, self._waker = engine, policy, Waker(engine)

    def acknowledge(self, number: int, actor: str, now: datetime) -> Change | None:
        return self._change(number, lambda found: acknowledge(found, actor, now), now)

    def resolve(self, number: int, actor: str, now: datetime) -> Change | None:
        return self._change(number, lambda found: resolve(found, actor, now), now)

    def add_measurements(self, number: int, text: str, now: datetime, *, loud: bool = True) -> Change | None:
        """Update every target that was notified without it."""
        return self._change(number, lambda found: add_measurements(found, text, now, loud=loud), now)

    def _change(self, number: int, act: Callable[[Incident], Change], now: datetime) -> Change | None:
        with transaction(self._engine) as connection:
            query = sa.select(incident).where(incident.c.number == number).with_for_update(key_share=True)
            rows = [incident_from(row) for row in connection.execute(query).mappings()]
            found = next(iter(complete(connection, rows)), None)
            if found is None:
                return None
            change = act(found)
            writing = Writing(connection, self._policy(), now)
            writing.load_deliveries([number])
            writing.add(change)
            writing.write()
            self._waker.within(connection)
        self._waker.after_commit()
        return change
