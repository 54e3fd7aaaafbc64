"""What golden texts were answered after each deploy and in incidents, and when each address may be asked again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.context.probe import Baseline, Probed
from bridge.core.facts import Context
from bridge.core.model import State, Status
from bridge.rendering.context_file import ContextFault, context_of, written
from bridge.store.database import reading, transaction
from bridge.store.leases import Lease
from bridge.store.tables import UtcDateTime, alert, change, incident, metadata
from bridge.store.upserts import insert_into

MOST_BASELINES = 50  #: of one service, the newest
MOST_ALERTS = 2000  #: of the open incidents that are looked through
_FORGOTTEN = timedelta(days=1)  #: a lease that expired so long ago is of an address that is gone

probe_baseline = sa.Table(
    "probe_baseline",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),  # of the golden texts
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("wrong", sa.Integer, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("confidence", sa.Float),
)

incident_probe = sa.Table(
    "incident_probe",
    metadata,
    sa.Column("incident_number", sa.Integer, sa.ForeignKey("incident.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("data", sa.Text),  # null: it is being asked, or the worker that asked died
)

probe_lease = sa.Table(
    "probe_lease",
    metadata,
    sa.Column("target", sa.String(64), primary_key=True),  # the digest of its address, which may have a password
    sa.Column("due_at", UtcDateTime, nullable=False),
)
_LEASE = Lease(probe_lease.c.target, probe_lease.c.due_at)


class StoreProbes:
    """See bridge.worker.probing.ProbeStore. Any number of workers may use it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin_probe(self, number: int, now: datetime) -> bool:
        there = sa.select(incident.c.number).where(incident.c.number == number)
        with transaction(self._engine) as connection:
            if connection.scalar(there) is None:
                return False
            row = {"incident_number": number, "at": now}
            begun = insert_into(incident_probe, connection.dialect.name).values(row).on_conflict_do_nothing()
            return connection.execute(begun.returning(incident_probe.c.incident_number)).first() is not None

    def save_probe(self, number: int, probed: Probed, now: datetime) -> None:
        unknown = (probed.unknown,) if probed.unknown is not None else ()
        data = written(Context(now, probed.facts, unknown))
        mine = incident_probe.c.incident_number == number
        with transaction(self._engine) as connection:
            connection.execute(sa.update(incident_probe).where(mine).values(at=now, data=data))

    def probed(self, number: int, now: datetime) -> Context | None:
        """None, too, for one that another version wrote and this one cannot read."""
        query = sa.select(incident_probe.c.data).where(incident_probe.c.incident_number == number)
        with reading(self._engine) as connection:
            data = connection.scalar(query)
        try:
            return None if data is None else context_of(data, now)
        except ContextFault:
            return None

    def baselines(self, service: str, digest: str) -> Sequence[Baseline]:
        mine = (probe_baseline.c.service == service, probe_baseline.c.digest == digest)
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(probe_baseline).where(*mine).order_by(probe_baseline.c.at)).all()
        return [Baseline(row.version, row.wrong, row.asked, row.at, row.confidence) for row in rows]

    def keep_baseline(self, service: str, digest: str, found: Baseline) -> None:
        row: dict[str, Any] = {
            "service": service,
            "digest": digest,
            "version": found.version,
            "at": found.at,
            "wrong": found.wrong,
            "asked": found.asked,
            "confidence": found.confidence,
        }
        with transaction(self._engine) as connection:
            connection.execute(
                insert_into(probe_baseline, connection.dialect.name).values(row).on_conflict_do_nothing()
            )
            _forget_oldest(connection, service)

    def lease_addresses(self, urls: Iterable[str], every: timedelta, now: datetime) -> Mapping[str, datetime]:
        wanted = {hashlib.sha256(url.encode()).hexdigest(): url for url in urls}
        refused: dict[str, datetime] = {}
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(probe_lease).where(probe_lease.c.due_at < now - _FORGOTTEN))
            for key in sorted(wanted):  # two workers must not wait for each other
                if not _LEASE.acquire(connection, key, every, now):
                    due = connection.scalar(sa.select(probe_lease.c.due_at).where(probe_lease.c.target == key))
                    refused[wanted[key]] = due or now
        return refused

    def open_labels(self) -> Sequence[Mapping[str, str]] | None:
        open_ones = incident.c.state != State.RESOLVED.value
        query = sa.select(alert.c.labels).join(incident, incident.c.number == alert.c.incident_number)
        query = query.where(open_ones, alert.c.status == Status.FIRING.value).limit(MOST_ALERTS + 1)
        with reading(self._engine) as connection:
            found = list(connection.scalars(query))
        return found if len(found) <= MOST_ALERTS else None

    def changed_at(self, service: str) -> datetime | None:
        newest = sa.func.max(change.c.recorded_at, type_=change.c.recorded_at.type)
        with reading(self._engine) as connection:
            at: datetime | None = connection.scalar(sa.select(newest).where(change.c.service == service))
        return at


def _forget_oldest(connection: sa.Connection, service: str) -> None:
    mine = sa.select(probe_baseline.c.at).where(probe_baseline.c.service == service)
    oldest = connection.scalar(mine.order_by(probe_baseline.c.at.desc()).offset(MOST_BASELINES - 1).limit(1))
    if oldest is not None:
        old = (probe_baseline.c.service == service, probe_baseline.c.at < oldest)
        connection.execute(sa.delete(probe_baseline).where(*old))
