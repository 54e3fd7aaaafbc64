"""What the reconciler reads and writes. Any number of workers may try; for each source one of them asks at a time.

Invariant: a finding is written as a webhook would be, and only while its incident is as it was when it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.heartbeats import split
from bridge.core.model import Group, Incident, State
from bridge.core.reconciliation import Finding
from bridge.store.applying import Policy, newest_by_key
from bridge.store.database import reading, transaction
from bridge.store.leases import Lease
from bridge.store.receiving import receive_groups
from bridge.store.rows import incident_from, with_alerts
from bridge.store.tables import alert, incident, reconciling
from bridge.store.waking import Waker

BATCH = 100  #: findings a transaction, so that webhooks need not wait long for theirs
_LEASE = Lease(reconciling.c.source, reconciling.c.held_until, reconciling.c.holder)


class StoreReconciliation:
    """The reconciler's side of the store."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy], holder: str) -> None:
        self._engine, self._policy, self._holder, self._waker = engine, policy, holder, Waker(engine)

    def acquire(self, source: str, lease_seconds: float, now: datetime) -> bool:
        """Whether this worker is the one that asks now; asking again renews its lease."""
        with transaction(self._engine) as connection:
            return _LEASE.acquire(connection, source, timedelta(seconds=lease_seconds), now, self._holder)

    def release(self) -> None:
        """Another worker may ask at once."""
        with transaction(self._engine) as connection:
            _LEASE.release(connection, self._holder)

    def verified_addresses(self, source: str) -> str:
        """The addresses that were verified to be this source's; empty when none were."""
        with reading(self._engine) as connection:
            query = sa.select(reconciling.c.recognised).where(reconciling.c.source == source)
            return connection.scalar(query) or ""

    def save_verified(self, source: str, addresses: str) -> None:
        """The source has a row: this worker has acquired its lease."""
        with transaction(self._engine) as connection:
            mine = sa.update(reconciling).where(reconciling.c.source == source)
            connection.execute(mine.values(recognised=addresses))

    def unresolved(self, source: str) -> list[Incident]:
        """Every open incident of the source, with its alerts."""
        mine = (incident.c.source == source, incident.c.state != State.RESOLVED.value)
        numbers = sa.select(incident.c.number).where(*mine)
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(incident).where(*mine).order_by(incident.c.number)).mappings()
            found = [incident_from(row) for row in rows]
            alerts = sa.select(alert).where(alert.c.incident_number.in_(numbers))
            return with_alerts(found, connection.execute(alerts).mappings())

    def write(self, findings: Sequence[Finding], now: datetime) -> list[Finding]:
        """Those that were written; an incident that changed meanwhile is examined again next time."""
        written: list[Finding] = []
        for start in range(0, len(findings), BATCH):
            written += self._write(findings[start : start + BATCH], now)
        return written

    def _write(self, findings: Sequence[Finding], now: datetime) -> list[Finding]:
        with transaction(self._engine) as connection:
            newest = newest_by_key(connection, {found.group.key for found in findings})
            valid = [found for found in findings if _as_it_was(found, newest.get(found.group.key))]
            groups = [self._without_heartbeats(found.group) for found in valid]
            receive_groups(connection, self._policy(), groups, now)
            if valid:
                self._waker.within(connection)
        if valid:
            self._waker.after_commit()
        return valid

    def _without_heartbeats(self, group: Group) -> Group:
        """What is found here is no sign of life: it did not come by itself."""
        return split(group, self._policy().heartbeats)[0]


def _as_it_was(found: Finding, now: Incident | None) -> bool:
    before = found.incident
    if now is None or now.resolved:
        return False
    return (now.number, now.revision, now.seen_at) == (before.number, before.revision, before.seen_at)
