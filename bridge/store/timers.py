"""When the incidents of one transaction must be evaluated again, and which channels are notified besides their routes.

Invariant: written with the change that they follow from, so that no incident is forgotten by a process that dies.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.delivery import Delivery
from bridge.core.escalation import EscalationInput, Kind, Timer, timers_of
from bridge.core.incidents.state_changes import next_check_at
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Added, Incident, State
from bridge.core.routing.tree import Route, matched, walk
from bridge.core.storms.digests import channel_of
from bridge.store.prepared import Prepared, among
from bridge.store.rows import added_from, added_row, timer_from, timer_row
from bridge.store.tables import added_target, timer
from bridge.store.upserts import inserting

_KEY = ("incident_number", "kind", "key")


class Timers:
    """Reads those of all incidents at once, and writes what is different at the end."""

    def __init__(self, connection: sa.Connection, rules: Rules, tree: Route, now: datetime) -> None:
        self._connection, self._rules, self._tree, self._now = connection, rules, tree, now
        self._stored: dict[int, tuple[Timer, ...]] = {}
        self._timers: dict[int, tuple[Timer, ...]] = {}
        self._added: dict[int, tuple[Added, ...]] = {}
        self._new: list[tuple[int, Added]] = []

    def load(self, numbers: Iterable[int]) -> None:
        wanted = list(numbers)
        if not wanted:
            return
        for row in _TIMERS.rows(self._connection, {"numbers": wanted}):
            number = row["incident_number"]
            self._timers[number] = self._stored[number] = (*self._stored.get(number, ()), timer_from(row))
        self._added |= added_of(self._connection, wanted)

    def added(self, number: int) -> tuple[Added, ...]:
        return self._added.get(number, ())

    def add(self, number: int, added: Iterable[Added]) -> None:
        new = tuple(added)
        self._added[number] = (*self.added(number), *new)
        self._new += [(number, each) for each in new]

    def forget_added(self, number: int) -> None:
        """It was over: channels that were added then need not be notified of what begins now."""
        if self._added.pop(number, ()):
            self._connection.execute(sa.delete(added_target).where(added_target.c.incident_number == number))

    def acted(self, number: int, steps: Iterable[str]) -> None:
        done = set(steps)
        self._timers[number] = tuple(
            replace(each, due_at=None) if each.kind is Kind.ESCALATION and each.key in done else each
            for each in self._timers.get(number, ())
        )

    def input_of(
        self, found: Incident, deliveries: Iterable[Delivery], loud: int | None = None, *, routed: bool | None = None
    ) -> EscalationInput:
        """loud: see EscalationInput. routed: whether the routes are asked; None: if timers follow from them."""
        firing = ((self._rules.canonical(each.labels), True) for each in found.shown)
        own = channel_of(found) is not None  # a digest: the incidents that it stands for have timers of their own
        if routed is None:
            routed = found.state is State.OPEN and not own and _asks_for_timers(self._tree)
        return EscalationInput(
            incident=found,
            matches=tuple(match for match, _ in matched(self._tree, firing, self._now)) if routed else (),
            deliveries=tuple(deliveries) if routed else (),
            timers=self._timers.get(found.number, ()),
            added=self.added(found.number),
            acknowledge_for=self._rules.acknowledge_for,
            quiet_at=next_check_at(found, self._rules.flapping),
            loud=loud,
        )

    def set(self, known: EscalationInput, *, anew: bool = False, evaluated: bool = False) -> None:
        """known.timers may be older than what acted() said meanwhile."""
        number = known.incident.number
        timers = self._timers.get(number, ())
        known = known if known.timers is timers else replace(known, timers=timers)
        self._timers[number] = timers_of(known, self._now, anew=anew, evaluated=evaluated)

    def write(self) -> None:
        before = {(number, each.kind, each.key): each for number, found in self._stored.items() for each in found}
        after = {(number, each.kind, each.key): each for number, found in self._timers.items() for each in found}
        gone = sorted(key for key in before if key not in after)
        _REMOVE.run_many(self._connection, [_bound(key) for key in gone])
        changed = sorted(key for key, each in after.items() if before.get(key) != each)
        put_timers(self._connection, [(key[0], after[key]) for key in changed])
        _ADD.run_many(self._connection, [added_row(*each) for each in self._new])


def put_timers(connection: sa.Connection, timers: Sequence[tuple[int, Timer]]) -> None:
    """Set timers, each with its incident's number, whether they were there or not."""
    _PUT.run_many(connection, [timer_row(*each) for each in timers])


def added_of(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, tuple[Added, ...]]:
    """By incident, in the order in which they were added."""
    found: dict[int, tuple[Added, ...]] = {}
    for row in _ADDED.rows(connection, {"numbers": numbers}):
        found[row["incident_number"]] = (*found.get(row["incident_number"], ()), added_from(row))
    return found


@functools.lru_cache(maxsize=8)
def _asks_for_timers(tree: Route) -> bool:
    return any(route.fallback or route.escalate for route in walk(tree))


def _putting(dialect: str) -> sa.Executable:
    statement = inserting(timer)(dialect)
    return statement.on_conflict_do_update(index_elements=list(_KEY), set_={"due_at": statement.excluded.due_at})


def _bound(key: tuple[int, Kind, str]) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in zip(_KEY, key, strict=True)}


_TIMERS = Prepared(
    sa.select(timer).where(among(timer.c.incident_number, "numbers")).order_by(*(timer.c[name] for name in _KEY))
)
_ADDED = Prepared(
    sa.select(added_target)
    .where(among(added_target.c.incident_number, "numbers"))
    .order_by(added_target.c.added_at, added_target.c.channel)
)
_ADD = Prepared(lambda dialect: inserting(added_target)(dialect).on_conflict_do_nothing())
_PUT = Prepared(_putting)
_REMOVE = Prepared(sa.delete(timer).where(*(timer.c[name] == sa.bindparam(f"b_{name}") for name in _KEY)))
