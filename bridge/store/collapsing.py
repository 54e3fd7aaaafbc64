"""Which deliveries are told in a storm's digest only.

Invariant: asked of the rows each time, never written into them.

So a storm of thousands begins and ends with one row, and what a delivery becomes meanwhile (more severe, over,
acknowledged) decides at once where it belongs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.model import Severity
from bridge.core.storms.detection import Storm
from bridge.core.storms.digests import Held
from bridge.core.timeline import WITH_DIGEST
from bridge.store.tables import delivery, event, incident, storm

LEAST = len(Severity)  #: every rank is below it
#: There is something to tell, and its target has heard nothing of it: not by a try that may have arrived, nor in part.
UNTOLD = sa.and_(
    delivery.c.pending,
    delivery.c.firing,
    delivery.c.sent == 0,
    sa.not_(delivery.c.in_flight),
    delivery.c.handle == {},
)


def collapsed_in(cut_off: Any, number: Any) -> sa.ColumnElement[bool]:
    """cut_off, number: the storm's rank and its digest's incident; values, or columns that may be null."""
    beyond = sa.and_(UNTOLD, delivery.c.rank >= cut_off, delivery.c.incident_number != number)
    return sa.func.coalesce(beyond, sa.false())


#: For queries that join the storm, if there is one, on SAME_CHANNEL.
COLLAPSED = collapsed_in(storm.c.rank, storm.c.incident_number)
SAME_CHANNEL = storm.c.channel == delivery.c.channel


def under_way(connection: sa.Connection) -> dict[str, Storm]:
    """By channel."""
    rows = connection.execute(sa.select(storm)).mappings()
    return {row["channel"]: storm_from(row) for row in rows}


def storm_from(row: sa.RowMapping) -> Storm:
    return Storm(
        **{each.name: row["incident_number" if each.name == "number" else each.name] for each in fields(Storm)}
    )


def storm_row(found: Storm) -> dict[str, Any]:
    row = {each.name: getattr(found, each.name) for each in fields(Storm) if each.name != "number"}
    return {**row, "incident_number": found.number}


def waiting(connection: sa.Connection, channel: str, now: datetime, digest: int = 0) -> dict[int, int]:
    """How many untold messages are due, by rank."""
    mine = sa.and_(
        delivery.c.channel == channel, UNTOLD, delivery.c.due_at <= now, delivery.c.incident_number != digest
    )
    query = sa.select(delivery.c.rank, sa.func.count()).where(mine).group_by(delivery.c.rank)
    return {row[0]: row[1] for row in connection.execute(query)}


def are_waiting(connection: sa.Connection, channel: str, count: int, now: datetime, below: int = LEAST) -> bool:
    """Whether so many untold messages of a rank below that are due; looks at no more of them."""
    mine = sa.and_(delivery.c.channel == channel, UNTOLD, delivery.c.due_at <= now, delivery.c.rank < below)
    first = sa.select(delivery.c.rank).where(mine).limit(count).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(first)) == count


def collapsed_rows(connection: sa.Connection, channel: str, now: datetime) -> Sequence[sa.RowMapping]:
    """The incidents that the digest of this channel stands for, the most severe first; each once."""
    query = (
        sa.select(incident.c.number, incident.c.group_labels, incident.c.title, incident.c.opened_at, delivery.c.rank)
        .join(delivery, delivery.c.incident_number == incident.c.number)
        .join(storm, SAME_CHANNEL)
        .where(delivery.c.channel == channel, delivery.c.pending, delivery.c.due_at <= now, COLLAPSED)
        .order_by(delivery.c.rank, incident.c.number)
    )
    found = connection.execute(query).mappings()
    return list({row["number"]: row for row in found}.values())


def held_of(rows: Sequence[sa.RowMapping]) -> list[Held]:
    """Counted by name and severity."""
    groups: dict[tuple[str, int], list[sa.RowMapping]] = {}
    for row in rows:
        name = row["group_labels"].get("alertname") or row["title"]
        groups.setdefault((name, row["rank"]), []).append(row)
    return [
        Held(name, rank, len(each), min(row["opened_at"] for row in each), max(row["number"] for row in each))
        for (name, rank), each in groups.items()
    ]


class Digests:
    """What targets know through digests, for whoever judges how late a delivery is."""

    def __init__(self, connection: sa.Connection) -> None:
        self._storms = under_way(connection)
        numbers = [each.number for each in self._storms.values()]
        query = sa.select(delivery).where(delivery.c.incident_number.in_(numbers))
        rows = connection.execute(query).mappings().all() if numbers else ()
        self._rows = {(row["channel"], row["recipient"]): row for row in rows}
        self._shown = {key: _shown_until(connection, row, self._storms[key[0]]) for key, row in self._rows.items()}

    def standing(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A collapsed delivery stands as its digest does: told, waiting, or given up."""
        found, key = self._storms.get(row["channel"]), (row["channel"], row["recipient"])
        if found is None or key not in self._rows or not is_collapsed(row, found):
            return row
        if self._rows[key]["dead"]:
            return {**row, "dead": True, "last_error": self._rows[key]["last_error"]}
        shown = self._shown[key]
        return {**row, "pending": False} if shown is not None and row["wanted_at"] <= shown else row


def _shown_until(connection: sa.Connection, row: sa.RowMapping, found: Storm) -> datetime | None:
    """Up to when the target sees, in the digest, what was held back; None when it has not seen all that collapsed."""
    shown = _written_at(connection, row, found) if row["sent"] else None
    return shown if shown is not None and shown >= found.tightened_at else None


def _written_at(connection: sa.Connection, row: sa.RowMapping, found: Storm) -> datetime | None:
    """When what the target shows was true."""
    if not row["pending"]:
        return found.updated_at
    shown = sa.and_(
        event.c.incident_number == found.number,
        event.c.revision <= row["sent"],
        event.c.kind.in_([kind.value for kind in WITH_DIGEST]),
    )
    at: datetime | None = connection.scalar(sa.select(sa.func.max(event.c.at, type_=event.c.at.type)).where(shown))
    return at


def is_collapsed(row: Mapping[str, Any], found: Storm) -> bool:
    """COLLAPSED, of a row that has been read."""
    untold = row["pending"] and row["firing"] and not (row["sent"] or row["in_flight"] or row["handle"])
    return bool(untold) and row["rank"] >= found.rank and row["incident_number"] != found.number
