"""What users do to an incident, each in one transaction: its change, its deliveries, and the answer that is kept.

Invariant: an incident is decided about while its row is locked, so of two users one comes first, and the other learns
who.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa

from bridge.core.escalation import EscalationDecision
from bridge.core.incidents.actions import (
    Action,
    ActionResult,
    Refusal,
    RequestKey,
    Verb,
    acknowledge,
    act,
    add_measurements,
    resolve,
)
from bridge.core.manual_escalation import escalate_now
from bridge.core.model import Change, Incident
from bridge.core.timeline import Entry
from bridge.store import request_keys
from bridge.store.applying import Policy, Writing, complete
from bridge.store.database import transaction
from bridge.store.rows import entry_from, incident_from
from bridge.store.tables import LARGEST, event, incident
from bridge.store.waking import Waker


class StoreActions:
    """Each method returns None when there is no such incident."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy]) -> None:
        self._engine, self._policy, self._waker = engine, policy, Waker(engine)

    def take(self, number: int, action: Action, now: datetime, key: RequestKey | None = None) -> ActionResult | None:
        """Do what a user asks for; with a key, the same request has the same result for a day."""
        with transaction(self._engine) as connection:
            found = _locked(connection, number)
            if found is None:
                return None
            kept = request_keys.claim(connection, key, now, found) if key is not None else None
            if kept is not None:
                return kept
            result = self._taken(connection, found, action, now)
            if key is not None:
                request_keys.keep(connection, key, result)
            if result.why is None:
                self._waker.within(connection)
        if result.why is None:
            self._waker.after_commit()
        return result

    def acknowledge(self, number: int, actor: str, now: datetime) -> Change | None:
        return self._change(number, lambda found: acknowledge(found, actor, now), now)

    def resolve(self, number: int, actor: str, now: datetime) -> Change | None:
        return self._change(number, lambda found: resolve(found, actor, now), now)

    def add_measurements(self, number: int, text: str, now: datetime, *, loud: bool = True) -> Change | None:
        """Update every target that was notified without it."""
        return self._change(number, lambda found: add_measurements(found, text, now, loud=loud), now)

    def _taken(self, connection: sa.Connection, found: Incident, action: Action, now: datetime) -> ActionResult:
        writing = Writing(connection, self._policy(), now)
        writing.load_deliveries([found.number])
        decision = self._decided(writing, found, action, now, _newer(connection, found, action.revision))
        if isinstance(decision, Refusal):
            return ActionResult(found.number, found.state, found.revision, decision.text, decision.why)
        writing.timers.add(found.number, decision.added)
        writing.add(decision.change)
        writing.timers.acted(found.number, decision.acted)  # after the change, which may start the steps over
        writing.write()
        after = decision.change.incident
        text = "; ".join(entry.text for entry in decision.change.entries)
        return ActionResult(after.number, after.state, after.revision, text)

    def _decided(
        self, writing: Writing, found: Incident, action: Action, now: datetime, newer: Sequence[Entry]
    ) -> EscalationDecision | Refusal:
        if action.verb is Verb.ESCALATE:
            known = writing.timers.input_of(found, (), routed=True)
            return escalate_now(known, action, self._policy().channels, now, newer)
        decision = act(found, action, now, newer)
        return decision if isinstance(decision, Refusal) else EscalationDecision(decision)

    def _change(self, number: int, change_of: Callable[[Incident], Change], now: datetime) -> Change | None:
        with transaction(self._engine) as connection:
            found = _locked(connection, number)
            if found is None:
                return None
            change = change_of(found)
            writing = Writing(connection, self._policy(), now)
            writing.load_deliveries([number])
            writing.add(change)
            writing.write()
            self._waker.within(connection)
        self._waker.after_commit()
        return change


def _locked(connection: sa.Connection, number: int) -> Incident | None:
    if not 0 < number <= LARGEST:
        return None
    query = sa.select(incident).where(incident.c.number == number).with_for_update(key_share=True)
    rows = [incident_from(row) for row in connection.execute(query).mappings()]
    return next(iter(complete(connection, rows)), None)


def _newer(connection: sa.Connection, found: Incident, seen: int | None) -> list[Entry]:
    """What changed the incident since the revision that the user saw."""
    if seen is None or seen >= found.revision:
        return []
    mine = (event.c.incident_number == found.number, event.c.revision > seen)
    return [
        entry_from(row) for row in connection.execute(sa.select(event).where(*mine).order_by(event.c.id)).mappings()
    ]
