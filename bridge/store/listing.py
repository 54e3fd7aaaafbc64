"""Long lists, one page at a time: sorted and cut by the database, and gone on with from the last item's sort key.

Invariant: a key is made of what hardly ever changes, so an item that comes, goes or changes moves no other across a
page's edge. Each page is one query, which reads about as many rows as it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any, TypeVar

import sqlalchemy as sa

from bridge.core.cursors import BadCursor, Page, cursor_of, key_in, kind_of
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident, Severity, State
from bridge.store.filters import Conditions
from bridge.store.rows import incident_from, with_alerts
from bridge.store.suppression import SAME_CHANNEL, SUPPRESSED
from bridge.store.tables import LARGEST, alert, delivery, incident, storm

T = TypeVar("T")
OPEN, RESOLVED, HELD = "open", "resolved", "held"
#: How urgent an open incident is: its place in this list. Each is a stretch of the index incident_by_urgency.
URGENCIES = tuple(product(Severity, (State.OPEN, State.ACKNOWLEDGED)))
ALL = range(len(URGENCIES))
_NEWEST_FIRST = (incident.c.updated_at.desc(), incident.c.number.desc())


def after_key(columns: Sequence[sa.ColumnElement[Any]], key: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The rows beyond this key, all columns ascending."""
    return sa.tuple_(*columns) > sa.tuple_(*(sa.literal(each, c.type) for c, each in zip(columns, key, strict=True)))


def before_key(columns: Sequence[sa.ColumnElement[Any]], key: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The rows beyond this key, all columns descending."""
    return sa.tuple_(*columns) < sa.tuple_(*(sa.literal(each, c.type) for c, each in zip(columns, key, strict=True)))


def open_counts(connection: sa.Connection) -> dict[Severity, tuple[int, int]]:
    """severity -> (open, of which acknowledged), the most severe first."""
    counts = _by_urgency(connection)
    found = {severity: sum(counts.get((severity, state), 0) for state in State) for severity in Severity}
    return {
        severity: (count, counts.get((severity, State.ACKNOWLEDGED), 0)) for severity, count in found.items() if count
    }


def incidents(
    connection: sa.Connection, resolved: bool | None, limit: int, after: str | None, where: Conditions = ()
) -> Page[Incident]:
    """See bridge.core.views.Reader. where: what else must hold of each."""
    pages = {None: _both, True: _resolved, False: _open}
    page = pages[resolved](connection, limit, after, where)
    return replace(page, items=_with_periods(connection, page.items))


def recently_resolved(connection: sa.Connection, limit: int) -> Sequence[Incident]:
    """See bridge.core.views.Reader."""
    query = sa.select(incident).where(incident.c.state == State.RESOLVED.value).order_by(*_NEWEST_FIRST).limit(limit)
    return _with_periods(connection, [incident_from(row) for row in connection.execute(query).mappings()])


def held(connection: sa.Connection, channel: str, now: datetime, limit: int, after: str | None) -> Page[Incident]:
    """See bridge.core.views.Reader."""
    rank, number = sa.func.min(delivery.c.rank).label("rank"), delivery.c.incident_number
    mine = sa.and_(delivery.c.channel == channel, delivery.c.pending, delivery.c.due_at <= now, SUPPRESSED)
    every = sa.select(rank, number).join(storm, SAME_CHANNEL).where(mine).group_by(number).subquery()
    columns = (every.c.rank, every.c.incident_number)
    total = _count(connection, sa.select(sa.func.count()).select_from(every))
    query, before = sa.select(*columns), 0
    if after is not None:
        beyond = after_key(columns, key_in(after, HELD, int, int))
        before = total - _count(connection, sa.select(sa.func.count()).select_from(every).where(beyond))
        query = query.where(beyond)
    keys = connection.execute(query.order_by(*columns).limit(limit + 1)).all()
    found = _incidents(connection, [key[1] for key in keys])
    listed = [(found[key[1]], cursor_of(HELD, *key)) for key in keys if key[1] in found]
    return page_of(listed, limit, total, before)


def _with_periods(connection: sa.Connection, listed: Sequence[Incident]) -> tuple[Incident, ...]:
    """What an older version stored has no times of its own; its alerts have them."""
    older = [each for each in listed if each.began_at is None]
    if not older:
        return tuple(listed)
    mine = alert.c.incident_number.in_([each.number for each in older])
    whole = with_alerts(older, connection.execute(sa.select(alert).where(mine)).mappings())
    known = {each.number: _with_period(each) for each in whole}
    return tuple(known.get(each.number, each) for each in listed)


def _with_period(incident: Incident) -> Incident:
    period = firing_period(incident)
    return replace(incident, began_at=period.started_at, began_exact=period.exact, ended_at=period.ended_at, alerts={})


def _both(connection: sa.Connection, limit: int, after: str | None, where: Conditions) -> Page[Incident]:
    """The resolved ones begin on the page that the open ones end on."""
    if after is not None and kind_of(after) == RESOLVED:
        count, rest = sum(_by_urgency(connection, where).values()), _resolved(connection, limit, after, where)
        return Page(rest.items, count + rest.total, count + rest.before, rest.next)
    first = _open(connection, limit, after, where)
    room = 0 if first.next else limit - len(first.items)
    rest = _resolved(connection, room, None, where)
    begin = cursor_of(RESOLVED, _LATEST, 0) if rest.total else None
    following = first.next or (rest.next if room else begin)
    return Page((*first.items, *rest.items), first.total + rest.total, first.before, following)


def _open(connection: sa.Connection, limit: int, after: str | None, where: Conditions) -> Page[Incident]:
    counts = _by_urgency(connection, where)
    urgency, number = _place(after)
    beginnings = {f"b_{each}": LARGEST if each < urgency else number if each == urgency else 0 for each in ALL}
    most_urgent = _most_urgent(where) if where else _MOST_URGENT
    keys = connection.execute(most_urgent, {**beginnings, "b_limit": limit + 1}).all()
    found = _incidents(connection, [key.number for key in keys])
    listed = [(found[key.number], cursor_of(OPEN, key.urgency, key.number)) for key in keys if key.number in found]
    before = 0
    if after is not None:
        passed = sa.select(sa.func.count()).where(*_as_urgent(urgency), *where, incident.c.number <= number)
        before = sum(counts.get(each, 0) for each in URGENCIES[:urgency]) + _count(connection, passed)
    return page_of(listed, limit, sum(counts.values()), before)


def _place(after: str | None) -> tuple[int, int]:
    """Raises BadCursor."""
    urgency, number = key_in(after, OPEN, int, int) if after is not None else (0, 0)
    if not isinstance(urgency, int) or not isinstance(number, int) or urgency not in ALL:
        raise BadCursor
    return urgency, number


def _as_urgent(urgency: int) -> tuple[sa.ColumnElement[bool], ...]:
    severity, state = URGENCIES[urgency]
    return incident.c.state == state.value, incident.c.severity == severity.value


def _stretch(urgency: int, where: Conditions) -> sa.Select[tuple[int, int]]:
    """The first of one urgency beyond a number. A select of its own, for SQLite takes no LIMIT inside a UNION."""
    query = sa.select(sa.literal(urgency).label("urgency"), incident.c.number).where(*_as_urgent(urgency), *where)
    beyond = incident.c.number > sa.bindparam(f"b_{urgency}", type_=sa.Integer)
    return sa.select(query.where(beyond).order_by(incident.c.number).limit(_LIMIT).subquery())


def _most_urgent(where: Conditions = ()) -> sa.Select[tuple[int, int]]:
    every = sa.union_all(*(_stretch(urgency, where) for urgency in ALL)).subquery()
    return sa.select(every.c.urgency, every.c.number).order_by(every.c.urgency, every.c.number).limit(_LIMIT)


_LIMIT = sa.bindparam("b_limit", type_=sa.Integer)
_MOST_URGENT = _most_urgent()  # built once: that costs more than reading


def _by_urgency(connection: sa.Connection, where: Conditions = ()) -> dict[tuple[Severity, State], int]:
    query = sa.select(incident.c.severity, incident.c.state, sa.func.count())
    unresolved = incident.c.state.in_([State.OPEN.value, State.ACKNOWLEDGED.value])
    rows = connection.execute(query.where(unresolved, *where).group_by(incident.c.severity, incident.c.state))
    return {(Severity(severity), State(state)): count for severity, state, count in rows}


_LATEST = datetime.fromisoformat("9999-12-31T00:00:00+00:00")  #: a cursor before every resolved incident


def _resolved(connection: sa.Connection, limit: int, after: str | None, where: Conditions) -> Page[Incident]:
    ended = sa.and_(incident.c.state == State.RESOLVED.value, *where)
    query, before = sa.select(incident).where(ended), 0
    if after is not None:
        at, number = key = key_in(after, RESOLVED, datetime, int)
        query = query.where(before_key((incident.c.updated_at, incident.c.number), key))
        newer = sa.select(sa.func.count()).where(ended, incident.c.updated_at > at)
        alike = sa.select(sa.func.count()).where(ended, incident.c.updated_at == at, incident.c.number >= number)
        before = _count(connection, newer) + _count(connection, alike)  # in two, for the index has no number
    rows = connection.execute(query.order_by(*_NEWEST_FIRST).limit(limit + 1)).mappings()
    listed = [(incident_from(row), cursor_of(RESOLVED, row["updated_at"], row["number"])) for row in rows]
    total = _count(connection, sa.select(sa.func.count()).where(ended))
    return page_of(listed, limit, total, before)


def _incidents(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, Incident]:
    rows = connection.execute(sa.select(incident).where(incident.c.number.in_(numbers))).mappings()
    return {row["number"]: incident_from(row) for row in rows}


def page_of(listed: Sequence[tuple[T, str]], limit: int, total: int, before: int) -> Page[T]:
    """Of items with their cursors. One more than the page holds was read, which tells whether something follows."""
    shown = listed[:limit]
    following = shown[-1][1] if shown and len(listed) > limit else None
    return Page(tuple(item for item, _ in shown), total, before, following)


def _count(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return int(connection.scalar(query) or 0)
