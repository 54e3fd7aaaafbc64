"""Deliveries that were given up: found, and tried again.

Invariant: to replay is to send what is true now, not what was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.cursors import Page, cursor_of, key_in
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.store.database import reading, transaction
from bridge.store.listing import after_key, page_of
from bridge.store.rows import DELIVERY, dead_letter_from
from bridge.store.tables import UNRESOLVED, delivery, incident
from bridge.store.waking import Waker

DEAD = "dead"
#: That of the index delivery_dead.
_ORDER = (delivery.c.changed_at, delivery.c.incident_number, delivery.c.channel, delivery.c.recipient)


class StoreDeadLetters:
    """For commands, the pages and the API."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._waker = engine, Waker(engine)

    def found(self, wanted: DeadLetterFilter, limit: int = 1000) -> list[DeadLetter]:
        """The oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(_query(wanted).limit(limit)).mappings()
            return [dead_letter_from(row) for row in rows]

    def page(self, wanted: DeadLetterFilter, limit: int, after: str | None) -> Page[DeadLetter]:
        """The oldest first. Raises BadCursor."""
        query, before = _query(wanted).limit(limit + 1), 0
        with reading(self._engine) as connection:
            total = _count(connection, *_matching(wanted))
            if after is not None:
                beyond = after_key(_ORDER, key_in(after, DEAD, datetime, int, str, str))
                before = total - _count(connection, *_matching(wanted), beyond)
                query = query.where(beyond)
            rows = connection.execute(query).mappings()
            listed = [
                (dead_letter_from(row), cursor_of(DEAD, *(row[column.name] for column in _ORDER))) for row in rows
            ]
        return page_of(listed, limit, total, before)

    def count(self, wanted: DeadLetterFilter) -> int:
        with reading(self._engine) as connection:
            return _count(connection, *_matching(wanted))

    def replay(self, wanted: DeadLetterFilter, now: datetime) -> int:
        """Try them again, at once; how many there were."""
        with transaction(self._engine) as connection:
            statement = sa.update(delivery).where(*_matching(wanted)).values(_replayed(now))
            count = connection.execute(statement).rowcount
            if count:
                self._waker.within(connection)
        if count:
            self._waker.after_commit()
        return count


def _replayed(now: datetime) -> dict[str, Any]:
    """core.delivery.dead_letters.replay, as one statement for the thousands that a long mistake leaves."""
    unresolved = sa.exists().where(incident.c.number == delivery.c.incident_number, UNRESOLVED)
    return {
        "firing": sa.case((unresolved, delivery.c.firing), else_=sa.false()),
        "pending": True,
        "due_at": now,
        "attempts": 0,
        "shrink": False,
        "failed_at": None,
        "alone": 0,
        "dead": False,
        "dead_reason": None,
        "dead_at": None,
    }


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(delivery).where(*conditions)) or 0)


def _matching(wanted: DeadLetterFilter) -> Iterator[sa.ColumnElement[bool]]:
    yield delivery.c.dead
    if wanted.incident_number is not None:
        yield delivery.c.incident_number == wanted.incident_number
    if wanted.channel is not None:
        yield delivery.c.channel == wanted.channel
    if wanted.reason is not None:
        yield delivery.c.dead_reason == wanted.reason.value


def _query(wanted: DeadLetterFilter) -> sa.Select[Any]:
    return (
        sa.select(*DELIVERY, incident.c.title, incident.c.state, incident.c.severity)
        .join(incident, incident.c.number == delivery.c.incident_number)
        .where(*_matching(wanted))
        .order_by(*_ORDER)
    )
