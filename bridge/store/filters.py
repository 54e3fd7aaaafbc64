"""Which incidents a filter lets through, as conditions of SQL.

Invariant: a matcher means what it means in routes: regular expressions are RE2, applied here to the values that there
are, for the databases' own differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from bridge.core.routing.matchers import Matcher
from bridge.core.views import IncidentFilter
from bridge.store.prepared import is_one_of
from bridge.store.tables import UtcDateTime, alert, delivery, incident

Conditions = Sequence[sa.ColumnElement[bool]]


def conditions(connection: sa.Connection, wanted: IncidentFilter) -> Conditions:
    """All of them must hold; none lets every incident through."""
    return [*_plain(wanted), *_times(wanted), *_text(wanted.text), *_labelled(connection, wanted.matchers)]


def _plain(wanted: IncidentFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.severities:
        yield incident.c.severity.in_([each.value for each in wanted.severities])
    if wanted.states:
        yield incident.c.state.in_([each.value for each in wanted.states])
    if wanted.source:
        yield incident.c.source == wanted.source
    if wanted.acknowledged_by:
        yield incident.c.acknowledged_by == wanted.acknowledged_by
    if wanted.channel:
        yield incident.c.number.in_(sa.select(delivery.c.incident_number).where(delivery.c.channel == wanted.channel))


def _times(wanted: IncidentFilter) -> Iterator[sa.ColumnElement[bool]]:
    """Those that were not over yet at `since`, and had begun before `until`."""
    if wanted.since is not None:
        ended = sa.func.coalesce(incident.c.ended_at, incident.c.resolved_at, type_=UtcDateTime())
        yield sa.or_(incident.c.state != "resolved", ended >= wanted.since)
    if wanted.until is not None:
        yield sa.func.coalesce(incident.c.began_at, incident.c.opened_at, type_=UtcDateTime()) < wanted.until


def _text(text: str) -> Iterator[sa.ColumnElement[bool]]:
    """In the title, or in a label's or annotation's name or value."""
    if not text:
        return
    written = orjson.dumps(text).decode()[1:-1]  # as it stands in JSON
    texts = (sa.type_coerce(column, sa.Text) for column in (alert.c.labels, alert.c.annotations))
    found = sa.or_(*(each.icontains(written, autoescape=True) for each in texts))
    alerts = sa.select(alert.c.incident_number).where(found)
    yield sa.or_(incident.c.title.icontains(text, autoescape=True), incident.c.number.in_(alerts))


def _labelled(connection: sa.Connection, matchers: Sequence[Matcher]) -> Iterator[sa.ColumnElement[bool]]:
    """One of the incident's alerts, ended ones included, satisfies all matchers."""
    if matchers:
        satisfied = (_satisfied(connection, each) for each in matchers)
        yield incident.c.number.in_(sa.select(alert.c.incident_number).where(*satisfied))


def _satisfied(connection: sa.Connection, matcher: Matcher) -> sa.ColumnElement[bool]:
    value = _value(connection, matcher.name)
    if matcher.op in ("=", "!="):
        return value == matcher.value if matcher.op == "=" else value != matcher.value
    every = connection.scalars(sa.select(value).select_from(alert).distinct())
    return is_one_of(value, [each for each in every if matcher.accepts(each)])


def _value(connection: sa.Connection, name: str) -> sa.ColumnElement[str]:
    """An alert's label; empty if it has none of that name."""
    labels = sa.type_coerce(alert.c.labels, sa.Text)
    if connection.dialect.name == "postgresql":
        found = sa.cast(labels, postgresql.JSON).op("->>")(sa.literal(name, sa.Text))
        return sa.func.coalesce(found, "", type_=sa.Text())
    each = sa.func.json_each(labels).table_valued("key", "value")
    one = sa.select(each.c.value).where(each.c.key == name).limit(1).scalar_subquery()
    return sa.func.coalesce(one, "", type_=sa.Text())
