"""Change events: stored once however often they are reported, queried by time and by what they concern."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.changes import concerning, plain_id, without_repeats
from bridge.core.cursors import Page, cursor_of, key_in
from bridge.core.facts import ChangeEvent
from bridge.store.database import reading, transaction
from bridge.store.listing import before_key, page_of
from bridge.store.prepared import Prepared
from bridge.store.rows import change_from, change_row
from bridge.store.tables import change, change_delivery
from bridge.store.upserts import insert_into

MOST = 1000  #: changes of one period that are looked through, the newest first
_DELIVER = sa.insert(change_delivery)
_NEWEST_FIRST = (change.c.at.desc(), change.c.id.desc())
CHANGE = "change"


class StoreChanges:
    """See bridge.core.ports.ChangeStore."""

    def __init__(
        self,
        engine: sa.Engine,
        clock: Callable[[], datetime],
        channels: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        """channels: those that get every change event."""
        self._engine, self._clock, self._channels = engine, clock, channels

    def record(self, change: ChangeEvent) -> bool:
        with transaction(self._engine) as connection:
            return bool(write_changes(connection, [change], self._clock(), self._channels()))

    def page_of_changes(self, limit: int = 100, after: str | None = None) -> Page[ChangeEvent]:
        query, before = sa.select(change).order_by(*_NEWEST_FIRST).limit(limit + 1), 0
        counted = sa.select(sa.func.count()).select_from(change)
        with reading(self._engine) as connection:
            total = int(connection.scalar(counted) or 0)
            if after is not None:
                beyond = before_key((change.c.at, change.c.id), key_in(after, CHANGE, datetime, str))
                before = total - int(connection.scalar(counted.where(beyond)) or 0)
                query = query.where(beyond)
            rows = connection.execute(query).mappings()
            listed = [(change_from(row), cursor_of(CHANGE, row["at"], row["id"])) for row in rows]
        return page_of(listed, limit, total, before)

    def changes_for(self, alerts: Iterable[Mapping[str, str]], since: datetime, until: datetime) -> list[ChangeEvent]:
        with reading(self._engine) as connection:
            return read_changes(connection, alerts, since, until)


_BETWEEN = Prepared(
    sa.select(change)
    .where(change.c.at >= sa.bindparam("b_since"), change.c.at <= sa.bindparam("b_until"))
    .order_by(*_NEWEST_FIRST)
    .limit(MOST)
)


def read_changes(
    connection: sa.Connection, alerts: Iterable[Mapping[str, str]], since: datetime, until: datetime
) -> list[ChangeEvent]:
    """See bridge.core.ports.Changes.changes_for."""
    read = [change_from(row) for row in _BETWEEN.rows(connection, {"b_since": since, "b_until": until})]
    return without_repeats(concerning(read, alerts))


def write_changes(
    connection: sa.Connection, reported: Sequence[ChangeEvent], now: datetime, channels: Sequence[str] = ()
) -> set[str]:
    """Inside a transaction; returns the ids of those that were not known before, which the channels get."""
    rows = {row["id"]: row for row in (change_row(each, each.id or plain_id(each), now) for each in reported)}
    if not rows:
        return set()
    ordered = [rows[each] for each in sorted(rows)]  # two writers of the same ones must not wait for each other
    new = set(connection.scalars(_inserting(connection.dialect.name), ordered))
    deliveries = [
        {"change_id": each, "channel": channel, "pending": True, "due_at": now, "attempts": 0, "last_error": ""}
        for each in sorted(new)
        for channel in channels
    ]
    if deliveries:
        connection.execute(_DELIVER, deliveries)
    return new


def forget_changes(connection: sa.Connection, before: datetime) -> None:
    """Those that were recorded before then, however old they were: until then a retry must find them."""
    connection.execute(sa.delete(change).where(change.c.recorded_at < before))


@functools.cache
def _inserting(dialect: str) -> Any:
    return insert_into(change, dialect).on_conflict_do_nothing(index_elements=["id"]).returning(change.c.id)
