"""Deliveries that were given up: found, and tried again.

Invariant: to replay is to send what is true now, not what was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.cursors import Page, cursor_of, key_in
from bridge.core.delivery.dead_letters import DeadLetter, Which, parted
from bridge.core.timeline import EntryKind
from bridge.store.database import reading, transaction
from bridge.store.listing import after_key, page_of
from bridge.store.tables import delivery, event, incident
from bridge.store.waking import Waker

DEAD = "dead"
#: That of the index delivery_dead.
_ORDER = (delivery.c.changed_at, delivery.c.incident_number, delivery.c.channel, delivery.c.recipient)


class StoreDeadLetters:
    """For people: from a shell, the pages and the API."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._waker = engine, Waker(engine)

    def found(self, which: Which, limit: int = 1000) -> list[DeadLetter]:
        """The oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(_query(which).limit(limit)).mappings()
            return [_letter(row) for row in rows]

    def page(self, which: Which, limit: int, after: str | None) -> Page[DeadLetter]:
        """The oldest first. Raises BadCursor."""
        query, before = _query(which).limit(limit + 1), 0
        with reading(self._engine) as connection:
            total = _count(connection, *_chosen(which))
            if after is not None:
                beyond = after_key(_ORDER, key_in(after, DEAD, datetime, int, str, str))
                before = total - _count(connection, *_chosen(which), beyond)
                query = query.where(beyond)
            rows = connection.execute(query).mappings()
            listed = [(_letter(row), cursor_of(DEAD, *(row[column.name] for column in _ORDER))) for row in rows]
        return page_of(listed, limit, total, before)

    def count(self, which: Which) -> int:
        with reading(self._engine) as connection:
            return _count(connection, *_chosen(which))

    def replay(self, which: Which, now: datetime) -> int:
        """Try them again, at once; how many there were."""
        values: dict[str, Any] = {"dead": False, "pending": True, "due_at": now, "shrink": False, "attempts": 0}
        values |= {"failed_at": None, "alone": 0}
        # a channel that no route names any more did not hear of the end
        lasting = sa.exists().where(incident.c.number == delivery.c.incident_number, incident.c.state != "resolved")
        values["firing"] = sa.case((lasting, delivery.c.firing), else_=sa.false())
        with transaction(self._engine) as connection:
            count = connection.execute(sa.update(delivery).where(*_chosen(which)).values(**values)).rowcount
            if count:
                self._waker.within(connection)
        if count:
            self._waker.after_commit()
        return count


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(delivery).where(*conditions)) or 0)


def _chosen(which: Which) -> Iterator[sa.ColumnElement[bool]]:
    yield delivery.c.dead
    if which.incident_number is not None:
        yield delivery.c.incident_number == which.incident_number
    if which.channel is not None:
        yield delivery.c.channel == which.channel
    if which.reason is not None:
        yield delivery.c.last_error.startswith(f"{which.reason.value}: ", autoescape=True)


def _query(which: Which) -> sa.Select[Any]:
    whom = sa.func.trim(delivery.c.channel + " " + delivery.c.recipient)
    same = (
        event.c.incident_number == delivery.c.incident_number,
        event.c.kind == EntryKind.DEAD.value,
        event.c.actor == whom,
    )
    since = sa.select(sa.func.max(event.c.at, type_=event.c.at.type)).where(*same).scalar_subquery()
    return (
        sa.select(delivery, incident.c.title, incident.c.state, incident.c.severity, since.label("since"))
        .join(incident, incident.c.number == delivery.c.incident_number)
        .where(*_chosen(which))
        .order_by(*_ORDER)
    )


def _letter(row: sa.RowMapping) -> DeadLetter:
    reason, detail = parted(row["last_error"])
    return DeadLetter(
        incident_number=row["incident_number"],
        title=row["title"],
        state=row["state"],
        severity=row["severity"],
        channel=row["channel"],
        recipient=row["recipient"],
        since=row["since"] or row["changed_at"],
        attempts=row["attempts"],
        reason=reason,
        detail=detail,
        refused=row["refused"],
    )
