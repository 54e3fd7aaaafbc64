"""The incidents that a terminal shows: the most severe first, and how many there are in all."""

from __future__ import annotations

import sqlalchemy as sa

from bridge.core.model import Incident, Severity
from bridge.store.database import reading
from bridge.store.rows import incident_from
from bridge.store.tables import incident

_RANK = sa.case({severity.value: severity.rank for severity in Severity}, value=incident.c.severity)
_RESOLVED = incident.c.state == "resolved"


def most_severe(engine: sa.Engine, limit: int, *, everything: bool = False) -> tuple[list[Incident], int]:
    """Open ones by severity, then by the newest change; with everything, resolved ones after them. And their number."""
    wanted = sa.true() if everything else ~_RESOLVED
    order = (_RESOLVED, _RANK, incident.c.updated_at.desc(), incident.c.number.desc())
    query = sa.select(incident).where(wanted).order_by(*order).limit(limit)
    with reading(engine) as connection:
        found = [incident_from(row) for row in connection.execute(query).mappings()]
        total = connection.scalar(sa.select(sa.func.count()).select_from(incident).where(wanted))
    return found, total or 0
