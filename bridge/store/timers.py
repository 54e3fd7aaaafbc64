"""When the incidents of one transaction must be looked at again, and who is told of them besides their routes.

Invariant: written with the change that they follow from, so that no incident is forgotten by a process that dies.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.escalation import Kind, Situation, Standing, Timer, timers_of
from bridge.core.incidents.state_changes import look_at
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Added, Cause, Incident, State
from bridge.core.routing.tree import Route, matched, walk
from bridge.core.storms.digests import channel_of
from bridge.store.tables import added_target, timer

_KEY = ("incident_number", "kind", "key")


class Timers:
    """Reads those of all incidents at once, and writes what is different at the end."""

    def __init__(self, connection: sa.Connection, rules: Rules, tree: Route, now: datetime) -> None:
        self._connection, self._rules, self._tree, self._now = connection, rules, tree, now
        self._stored: dict[int, tuple[Timer, ...]] = {}
        self._timers: dict[int, tuple[Timer, ...]] = {}
        self._added: dict[int, tuple[Added, ...]] = {}
        self._new: list[dict[str, Any]] = []

    def load(self, numbers: Iterable[int]) -> None:
        wanted = list(numbers)
        if not wanted:
            return
        query = sa.select(timer).where(timer.c.incident_number.in_(wanted)).order_by(*(timer.c[name] for name in _KEY))
        for row in self._connection.execute(query).mappings():
            each = Timer(Kind(row["kind"]), row["key"], row["due_at"])
            number = row["incident_number"]
            self._timers[number] = self._stored[number] = (*self._stored.get(number, ()), each)
        self._added |= added_of(self._connection, wanted)

    def added(self, number: int) -> tuple[Added, ...]:
        return self._added.get(number, ())

    def add(self, number: int, added: Iterable[Added]) -> None:
        new = tuple(added)
        self._added[number] = (*self.added(number), *new)
        self._new += [_added_row(number, each) for each in new]

    def forget_added(self, number: int) -> None:
        """It was over: who was told then need not hear of what begins now."""
        if self._added.pop(number, ()):
            self._connection.execute(sa.delete(added_target).where(added_target.c.incident_number == number))

    def acted(self, number: int, steps: Iterable[str]) -> None:
        done = set(steps)
        self._timers[number] = tuple(
            replace(each, due_at=None) if each.kind is Kind.ESCALATION and each.key in done else each
            for each in self._timers.get(number, ())
        )

    def situation(self, found: Incident, rows: Iterable[Mapping[str, Any]], told: int | None = None) -> Situation:
        """told: the newest loud revision; without it, whoever waits for anything is taken to be untold."""
        firing = ((self._rules.canonical(each.labels), True) for each in found.shown)
        own = channel_of(found) is not None  # a digest: those whom it speaks for have timers of their own
        routed = found.state is State.OPEN and not own and _asks_for_timers(self._tree)
        return Situation(
            incident=found,
            matches=tuple(match for match, _ in matched(self._tree, firing, self._now)) if routed else (),
            deliveries=tuple(_standing(row, told) for row in rows) if routed else (),
            timers=self._timers.get(found.number, ()),
            added=self.added(found.number),
            acknowledge_for=self._rules.acknowledge_for,
            calm_at=look_at(found, self._rules.flapping),
        )

    def set(self, known: Situation, *, anew: bool = False, looked: bool = False) -> None:
        """known.timers may be older than what acted() said meanwhile."""
        number = known.incident.number
        timers = self._timers.get(number, ())
        known = known if known.timers is timers else replace(known, timers=timers)
        self._timers[number] = timers_of(known, self._now, anew=anew, looked=looked)

    def write(self) -> None:
        before = {(number, each.kind, each.key): each for number, found in self._stored.items() for each in found}
        after = {(number, each.kind, each.key): each for number, found in self._timers.items() for each in found}
        gone = sorted(key for key in before if key not in after)
        if gone:
            mine = [timer.c[name] == sa.bindparam(f"b_{name}") for name in _KEY]
            self._connection.execute(sa.delete(timer).where(*mine), [_named(key, "b_") for key in gone])
        changed = sorted(key for key, each in after.items() if before.get(key) != each)
        put_timers(self._connection, [{**_named(key), "due_at": after[key].due_at} for key in changed])
        if self._new:
            make = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
            self._connection.execute(make(added_target).on_conflict_do_nothing(), self._new)


def put_timers(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set timers, whether they were there or not."""
    if rows:
        connection.execute(_putting(connection.dialect.name), [dict(row) for row in rows])


def added_of(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, tuple[Added, ...]]:
    """By incident, in the order in which they were added."""
    query = sa.select(added_target).where(added_target.c.incident_number.in_(numbers))
    found: dict[int, tuple[Added, ...]] = {}
    for row in connection.execute(query.order_by(added_target.c.added_at, added_target.c.channel)).mappings():
        each = Added(row["channel"], Cause(row["cause"]), row["key"], row["because"], row["added_at"])
        found[row["incident_number"]] = (*found.get(row["incident_number"], ()), each)
    return found


@functools.lru_cache(maxsize=8)
def _asks_for_timers(tree: Route) -> bool:
    return any(route.fallback or route.escalate for route in walk(tree))


@functools.cache
def _putting(dialect: str) -> sa.Executable:
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(timer)
    return statement.on_conflict_do_update(index_elements=list(_KEY), set_={"due_at": statement.excluded.due_at})


def _named(key: tuple[int, str, str], prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in zip(_KEY, key, strict=True)}


def _added_row(number: int, added: Added) -> dict[str, Any]:
    return {
        "incident_number": number,
        "cause": added.cause.value,
        "key": added.key,
        "channel": added.channel,
        "because": added.because,
        "added_at": added.at,
    }


def _standing(row: Mapping[str, Any], told: int | None) -> Standing:
    return Standing(
        channel=row["channel"],
        firing=row["firing"],
        pending=row["pending"],
        dead=row["dead"],
        held=bool(row["hold_reason"]),
        tried=row["attempts"] > 0,
        wanted_at=row["wanted_at"],
        due_at=row["due_at"],
        error=row["last_error"],
        untold=told is None or not row["sent"] or told > row["sent"],
        failed=row["failed_at"] is not None,
        alone=row["alone"],
    )
