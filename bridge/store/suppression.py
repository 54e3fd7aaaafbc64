"""Which deliveries a storm suppresses: they are reported in its digest only.

Invariant: asked of the rows each time, never written into them.

So a storm of thousands begins and ends with one row, and what a delivery becomes meanwhile (more severe, over,
acknowledged) decides at once where it belongs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.delivery import Delivery
from bridge.core.model import Severity
from bridge.core.storms.detection import Storm
from bridge.core.storms.digests import Suppressed
from bridge.core.timeline import WITH_DIGEST
from bridge.store.prepared import Prepared
from bridge.store.rows import DELIVERY, delivery_from, storm_from, suppressed_from
from bridge.store.tables import delivery, event, incident, storm

LEAST = len(Severity)  #: every rank is below it
#: Delivery.waits_unnotified, for queries over thousands of rows.
WAITS_UNNOTIFIED = sa.and_(
    delivery.c.pending,
    delivery.c.firing,
    delivery.c.sent == 0,
    sa.not_(delivery.c.in_flight),
    delivery.c.handle == {},
)


def suppressed_in(cut_off: Any, number: Any) -> sa.ColumnElement[bool]:
    """cut_off, number: the storm's rank and its digest's incident; values, or columns that may be null."""
    beyond = sa.and_(WAITS_UNNOTIFIED, delivery.c.rank >= cut_off, delivery.c.incident_number != number)
    return sa.func.coalesce(beyond, sa.false())


#: For queries that join the storm, if there is one, on SAME_CHANNEL.
SUPPRESSED = suppressed_in(storm.c.rank, storm.c.incident_number)
SAME_CHANNEL = storm.c.channel == delivery.c.channel


_UNDER_WAY = Prepared(sa.select(storm))


def under_way(connection: sa.Connection) -> dict[str, Storm]:
    """By channel."""
    return {row["channel"]: storm_from(row) for row in _UNDER_WAY.rows(connection)}


def waiting(connection: sa.Connection, channel: str, now: datetime, digest: int = 0) -> dict[int, int]:
    """How many messages are due whose targets are unnotified, by rank."""
    mine = sa.and_(
        delivery.c.channel == channel, WAITS_UNNOTIFIED, delivery.c.due_at <= now, delivery.c.incident_number != digest
    )
    query = sa.select(delivery.c.rank, sa.func.count()).where(mine).group_by(delivery.c.rank)
    return {row[0]: row[1] for row in connection.execute(query)}


_FIRST_WAITING = (
    sa.select(delivery.c.rank)
    .where(
        delivery.c.channel == sa.bindparam("b_channel"),
        WAITS_UNNOTIFIED,
        delivery.c.due_at <= sa.bindparam("b_now"),
        delivery.c.rank < sa.bindparam("b_below"),
    )
    .limit(sa.bindparam("b_count", type_=sa.Integer))
    .subquery()
)
_WAITING = Prepared(sa.select(sa.func.count()).select_from(_FIRST_WAITING))


def are_waiting(connection: sa.Connection, channel: str, count: int, now: datetime, below: int = LEAST) -> bool:
    """Whether so many of them of a rank below that are due; counts no further."""
    asked = {"b_channel": channel, "b_count": count, "b_now": now, "b_below": below}
    return bool(_WAITING.scalar(connection, asked) == count)


def suppressed(connection: sa.Connection, channel: str, now: datetime) -> list[Suppressed]:
    """The incidents that the digest of this channel stands for, the most severe first; each once."""
    query = (
        sa.select(incident.c.number, incident.c.group_labels, incident.c.title, incident.c.opened_at, delivery.c.rank)
        .join(delivery, delivery.c.incident_number == incident.c.number)
        .join(storm, SAME_CHANNEL)
        .where(delivery.c.channel == channel, delivery.c.pending, delivery.c.due_at <= now, SUPPRESSED)
        .order_by(delivery.c.rank, incident.c.number)
    )
    found = (suppressed_from(row) for row in connection.execute(query).mappings())
    return list({each.number: each for each in found}.values())


class Digests:
    """What targets know through digests: it decides how late a delivery is."""

    def __init__(self, connection: sa.Connection) -> None:
        self._storms = under_way(connection)
        numbers = [each.number for each in self._storms.values()]
        query = sa.select(*DELIVERY).where(delivery.c.incident_number.in_(numbers))
        rows = connection.execute(query).mappings() if numbers else ()
        digests = [delivery_from(row) for row in rows]
        self._digests = {each.target: each for each in digests}
        self._shown = {
            each.target: _shown_until(connection, each, self._storms[each.target.channel]) for each in digests
        }

    def as_digest(self, delivery: Delivery) -> Delivery:
        """A suppressed delivery is as its digest is: sent, waiting, or given up. Others are as they are."""
        found, digest = self._storms.get(delivery.target.channel), self._digests.get(delivery.target)
        if found is None or digest is None or not found.suppresses(delivery):
            return delivery
        if digest.dead:
            return replace(delivery, dead=True, last_error=digest.last_error)
        shown = self._shown[delivery.target]
        return replace(delivery, pending=False) if shown is not None and delivery.wanted_at <= shown else delivery


def _shown_until(connection: sa.Connection, digest: Delivery, found: Storm) -> datetime | None:
    """Up to when the target sees, in the digest, what was suppressed; None when it has not seen all of it."""
    shown = _written_at(connection, digest, found) if digest.sent else None
    return shown if shown is not None and shown >= found.tightened_at else None


def _written_at(connection: sa.Connection, digest: Delivery, found: Storm) -> datetime | None:
    """When what the target shows was true."""
    if not digest.pending:
        return found.updated_at
    shown = sa.and_(
        event.c.incident_number == found.number,
        event.c.revision <= digest.sent,
        event.c.kind.in_([kind.value for kind in WITH_DIGEST]),
    )
    at: datetime | None = connection.scalar(sa.select(sa.func.max(event.c.at, type_=event.c.at.type)).where(shown))
    return at
