"""What the pages, the API, the commands and /metrics read. Never writes, never waits for a writer on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.context.measurements import Measured
from bridge.core.cursors import Page
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.delivery.delivery import Delivery
from bridge.core.delivery.status import status_of
from bridge.core.facts import Context
from bridge.core.model import Incident, Severity
from bridge.core.recurrence import Recurrence
from bridge.core.timeline import Entry
from bridge.core.views import EVERY, DeliveryView, Health, IncidentFilter
from bridge.store import listing
from bridge.store.applying import complete
from bridge.store.contexts import StoreContexts
from bridge.store.database import reading
from bridge.store.dead_letters import StoreDeadLetters
from bridge.store.filters import conditions
from bridge.store.recurrences import StoreRecurrences
from bridge.store.rows import DELIVERY, delivery_from, entry_from, incident_from
from bridge.store.suppression import SAME_CHANNEL, SUPPRESSED
from bridge.store.tables import (
    LARGEST,
    UNRESOLVED,
    alert,
    channel_state,
    delivery,
    event,
    heartbeat,
    incident,
    storm,
    worker,
)
from bridge.store.timers import added_of

EARLIER_SHOWN = 5
DIGEST = sa.case((SUPPRESSED, storm.c.incident_number)).label("digest")
_TROUBLE = sa.case((channel_state.c.failing, channel_state.c.pause_reason), else_="").label("trouble")


class StoreReader:
    """See bridge.core.ports.Reader."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return reading(self._engine)

    def page_of_incidents(
        self,
        *,
        resolved: bool | None = None,
        limit: int = 100,
        after: str | None = None,
        wanted: IncidentFilter = EVERY,
    ) -> Page[Incident]:
        with self._reading() as connection:
            where = conditions(connection, wanted)
            return listing.incidents(connection, resolved, limit, after, where)

    def recently_resolved(self, limit: int) -> Sequence[Incident]:
        with self._reading() as connection:
            return listing.recently_resolved(connection, limit)

    def list_incidents(self, *, resolved: bool | None = None, limit: int = 100) -> list[Incident]:
        """The first page alone."""
        return list(self.page_of_incidents(resolved=resolved, limit=limit).items)

    def open_counts(self) -> dict[Severity, tuple[int, int]]:
        with self._reading() as connection:
            return listing.open_counts(connection)

    def page_of_held(self, channel: str, now: datetime, limit: int = 1000, after: str | None = None) -> Page[Incident]:
        with self._reading() as connection:
            return listing.held(connection, channel, now, limit, after)

    def incident(self, number: int) -> Incident | None:
        if number > LARGEST:
            return None
        with self._reading() as connection:
            query = sa.select(incident).where(incident.c.number == number)
            rows = [incident_from(row) for row in connection.execute(query).mappings()]
            return next(iter(complete(connection, rows)), None)

    def alert_counts(self, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
        firing = sa.func.sum(sa.case((alert.c.status == "firing", 1), else_=0))
        query = sa.select(alert.c.incident_number, firing, sa.func.count()).group_by(alert.c.incident_number)
        with self._reading() as connection:
            rows = connection.execute(query.where(alert.c.incident_number.in_(numbers)))
            return {number: (int(fires), int(count)) for number, fires, count in rows}

    def timeline(self, number: int) -> list[Entry]:
        query = sa.select(event).where(event.c.incident_number == number).order_by(event.c.id)
        with self._reading() as connection:
            return [entry_from(row) for row in connection.execute(query).mappings()]

    def deliveries(self, number: int) -> list[DeliveryView]:
        query = (
            sa.select(*DELIVERY, _TROUBLE, DIGEST)
            .outerjoin(channel_state, channel_state.c.channel == delivery.c.channel)
            .outerjoin(storm, SAME_CHANNEL)
            .where(delivery.c.incident_number == number)
            .order_by(delivery.c.channel, delivery.c.recipient)
        )
        with self._reading() as connection:
            added = {each.channel: each.because for each in reversed(added_of(connection, [number]).get(number, ()))}
            rows = connection.execute(query).mappings().all()
        found = [(delivery_from(row), row["digest"], row["trouble"]) for row in rows]
        return [
            _view(known, *status_of(known, digest=digest, trouble=trouble), added.get(known.target.channel, ""))
            for known, digest, trouble in found
        ]

    def context(self, number: int, now: datetime) -> Context | None:
        return StoreContexts(self._engine).context(number, now)

    def measured(self, number: int, now: datetime) -> Measured:
        return StoreContexts(self._engine).measured(number, now)

    def recurrence(self, incident: Incident, window: timedelta) -> Recurrence | None:
        return StoreRecurrences(self._engine).of([incident], window, EARLIER_SHOWN).get(incident.number)

    def page_of_dead_letters(
        self, wanted: DeadLetterFilter, limit: int = 1000, after: str | None = None
    ) -> Page[DeadLetter]:
        return StoreDeadLetters(self._engine).page(wanted, limit, after)

    def health(self, now: datetime) -> Health:
        with self._reading() as connection:
            seen = connection.scalar(sa.select(sa.func.max(worker.c.seen_at, type_=worker.c.seen_at.type)))
            return Health(
                pending=_pending(connection),
                dead=_dead(connection),
                overdue_seconds=_overdue(connection, now),
                paused=_paused(connection, now),
                alone=_alone(connection),
                open_incidents=_open(connection),
                heartbeat_seconds=_heartbeats(connection, now),
                flapping_incidents=_flapping(connection),
                expired_lease_seconds=_expired_leases(connection, now),
                storms=_storms(connection, now),
                worker_seen_seconds=None if seen is None else max(0.0, (now - seen).total_seconds()),
            )


def _heartbeats(connection: sa.Connection, now: datetime) -> dict[str, float]:
    rows = connection.execute(sa.select(heartbeat.c.name, heartbeat.c.seen_at))
    return {row.name: max(0.0, (now - row.seen_at).total_seconds()) for row in rows}


def _expired_leases(connection: sa.Connection, now: datetime) -> dict[str, float]:
    """How long ago the oldest lease ended that no worker has taken over."""
    oldest = sa.func.min(delivery.c.lease_until, type_=delivery.c.lease_until.type)
    expired = delivery.c.pending & (delivery.c.lease_until < now)
    query = sa.select(delivery.c.channel, oldest).where(expired).group_by(delivery.c.channel)
    return {channel: (now - at).total_seconds() for channel, at in connection.execute(query)}


def _flapping(connection: sa.Connection) -> int:
    flapping = sa.select(sa.func.count()).where(UNRESOLVED, incident.c.flapping_since.is_not(None))
    return connection.scalar(flapping) or 0


def _view(known: Delivery, status: str, why: str, because: str) -> DeliveryView:
    added = f"notified because {because}" if because else ""
    return DeliveryView(
        channel=known.target.channel,
        recipient=known.target.recipient,
        status=status,
        wanted=max(known.wanted, known.sent),  # an older version left more sent than was wanted
        sent=known.sent,
        attempts=known.attempts,
        due_at=known.due_at if known.pending else None,
        why="; ".join(part for part in (why, added) if part),
        last_error=known.last_error,
        sent_at=known.sent_at,
        refused=known.refused if known.dead else "",
    )


def _pending(connection: sa.Connection) -> dict[tuple[str, str], int]:
    query = sa.select(delivery.c.channel, delivery.c.rank, sa.func.count()).where(delivery.c.pending)
    rows = connection.execute(query.group_by(delivery.c.channel, delivery.c.rank))
    severities = list(Severity)
    return {(channel, severities[rank].value): count for channel, rank, count in rows}


def _dead(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(delivery.c.channel, sa.func.count()).where(delivery.c.dead).group_by(delivery.c.channel)
    return {row[0]: row[1] for row in connection.execute(query)}


def _overdue(connection: sa.Connection, now: datetime) -> dict[str, float]:
    """Since when the oldest change waits, except behind a mute interval. An outage counts: a responder is not notified.

    What a storm's digest reports is not late; the digest itself can be.
    """
    oldest = sa.func.min(delivery.c.wanted_at, type_=delivery.c.wanted_at.type)
    waiting = delivery.c.pending & (delivery.c.hold_reason == "") & sa.not_(SUPPRESSED)
    joined = sa.select(delivery.c.channel, oldest).outerjoin(storm, SAME_CHANNEL)
    query = joined.where(waiting).group_by(delivery.c.channel)
    return {channel: max(0.0, (now - at).total_seconds()) for channel, at in connection.execute(query)}


def _storms(connection: sa.Connection, now: datetime) -> dict[str, int]:
    """How many incidents each storm suppresses."""
    count = sa.func.count(delivery.c.incident_number.distinct())
    suppressed = sa.and_(SAME_CHANNEL, delivery.c.pending, delivery.c.due_at <= now, SUPPRESSED)
    query = sa.select(storm.c.channel, count).outerjoin(delivery, suppressed).group_by(storm.c.channel)
    return {row[0]: row[1] for row in connection.execute(query)}


def _alone(connection: sa.Connection) -> dict[str, int]:
    """How many fail while others of their channel get through."""
    query = sa.select(delivery.c.channel, sa.func.count())
    failing = (delivery.c.pending, delivery.c.failed_at.is_not(None), delivery.c.alone > 0)
    return {row[0]: row[1] for row in connection.execute(query.where(*failing).group_by(delivery.c.channel))}


def _paused(connection: sa.Connection, now: datetime) -> dict[str, str]:
    query = sa.select(channel_state.c.channel, channel_state.c.pause_reason)
    waiting = sa.or_(channel_state.c.failing, channel_state.c.paused_until > now)
    return {row[0]: row[1] for row in connection.execute(query.where(waiting))}


def _open(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(incident.c.severity, sa.func.count()).where(UNRESOLVED)
    return {row[0]: row[1] for row in connection.execute(query.group_by(incident.c.severity))}
