"""What is due of fallbacks, escalations and old acknowledgements. Any number of workers may watch.

Invariant: an incident is decided about while its row is locked, and its timers change with what they did, or not at
all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bridge.core.delivery.delivery import Delivery
from bridge.core.escalation import evaluate
from bridge.core.incidents.flapping import settle
from bridge.core.model import Change, Incident
from bridge.store.applying import Policy, Writing, complete
from bridge.store.database import reading, transaction
from bridge.store.rows import incident_from
from bridge.store.suppression import Digests
from bridge.store.tables import UNRESOLVED, channel_state, event, incident, timer
from bridge.store.waking import Waker

BATCH = 100  #: incidents in one transaction: others must be able to write in between
ROUNDS = 10  #: transactions in one watch: the worker's other calls must not wait for long


class StoreEscalations:
    """The worker's watch over the timers, by the policy in force."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy]) -> None:
        self._engine, self._policy, self._waker = engine, policy, Waker(engine)
        self._planning: Policy | None = None
        self._planned_to: int | None = 0  # the newest incident that was planned again; None: all were

    def watch(self, now: datetime) -> list[str]:
        """Do what is due; in words, what was done."""
        policy, done = self._policy(), list[str]()
        self._plan_anew(policy, now)
        for _ in range(ROUNDS):
            due = self._due(now)
            done += self._evaluate(policy, due, now) if due else []
            if len(due) < BATCH:
                break
        return done

    def _due(self, now: datetime) -> list[int]:
        query = sa.select(timer.c.incident_number).where(timer.c.due_at <= now)
        soonest = query.group_by(timer.c.incident_number).order_by(sa.func.min(timer.c.due_at), timer.c.incident_number)
        with reading(self._engine) as connection:
            return list(connection.scalars(soonest.limit(BATCH)))

    def _evaluate(self, policy: Policy, numbers: Sequence[int], now: datetime) -> list[str]:
        with transaction(self._engine) as connection:
            found = _locked(connection, numbers, skip=True)
            writing = Writing(connection, policy, now)
            writing.load_deliveries([each.number for each in found])
            failing = set(connection.scalars(sa.select(channel_state.c.channel).where(channel_state.c.failing)))
            loud = _loud(connection, [each.number for each in found])
            calm = [settle(each, policy.rules, now) for each in found]
            done = [text for change in calm for text in _add(writing, change)]
            now_known = [change.incident for change in calm]
            evaluation = _Evaluation(writing, Digests(connection), failing, now)
            done += [text for each in now_known for text in evaluation.act(each, loud.get(each.number, 0))]
            writing.write()
            if done:
                self._waker.within(connection)
        if done:
            self._waker.after_commit()
        return done

    def _plan_anew(self, policy: Policy, now: datetime) -> None:
        """After a start or a reload, a batch at a time: what the new routes ask of incidents that are open already."""
        if policy is not self._planning:
            self._planning, self._planned_to = policy, 0
        if self._planned_to is None:
            return
        with transaction(self._engine) as connection:
            numbers = _open_after(connection, self._planned_to)
            found = _locked(connection, numbers, skip=False)
            writing = Writing(connection, policy, now)
            writing.load_deliveries([each.number for each in found])
            digests = Digests(connection)
            for each in found:
                known = [digests.as_digest(delivery) for delivery in writing.deliveries(each.number)]
                writing.timers.set(writing.timers.input_of(each, known))
            writing.write()
        self._planned_to = max(numbers, default=None)


def _add(writing: Writing, change: Change) -> list[str]:
    """Incidents that flapped and are quiet by now."""
    if change.changed:
        writing.add(change)
    return _texts(change)


def _texts(change: Change) -> list[str]:
    return [f"#{change.incident.number}: {entry.text}" for entry in change.entries]


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What is the same for all incidents of one round."""

    writing: Writing
    digests: Digests
    failing: set[str]
    now: datetime

    def act(self, found: Incident, loud: int) -> list[str]:
        timers, number = self.writing.timers, found.number
        known = timers.input_of(found, self._deliveries(number), loud)
        verdict = evaluate(known, self.failing, self.now)
        timers.acted(number, verdict.acted)
        if not verdict.change.changed:
            timers.set(known, evaluated=True)
            return []
        timers.add(number, verdict.added)
        self.writing.add(verdict.change)
        timers.set(timers.input_of(verdict.change.incident, self._deliveries(number)), evaluated=True)
        return _texts(verdict.change)

    def _deliveries(self, number: int) -> list[Delivery]:
        return [self.digests.as_digest(each) for each in self.writing.deliveries(number)]


def _open_after(connection: sa.Connection, number: int) -> list[int]:
    query = sa.select(incident.c.number).where(UNRESOLVED, incident.c.number > number)
    return list(connection.scalars(query.order_by(incident.c.number).limit(BATCH)))


def _locked(connection: sa.Connection, numbers: Sequence[int], *, skip: bool) -> list[Incident]:
    """With their alerts. skip: what others change just now is checked next time.

    In the order in which webhooks lock them, so that two who want the same ones do not wait for each other.
    """
    query = sa.select(incident).where(incident.c.number.in_(numbers)).order_by(incident.c.key)
    rows = connection.execute(query.with_for_update(skip_locked=skip, key_share=True)).mappings()
    return complete(connection, [incident_from(row) for row in rows])


def _loud(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, int]:
    """By incident, the newest loud revision."""
    newest = sa.select(event.c.incident_number, sa.func.max(event.c.revision))
    query = newest.where(event.c.incident_number.in_(numbers), event.c.loud).group_by(event.c.incident_number)
    return {row[0]: row[1] for row in connection.execute(query)}
