"""When each heartbeat was last seen, and the incident that a missing one opens. Any number of workers may check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa

from bridge.core.heartbeats import Heartbeat, alarm
from bridge.store.applying import Policy
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from bridge.store.tables import heartbeat
from bridge.store.upserts import insert_into
from bridge.store.waking import Waker


class StoreHeartbeats:
    """Checks the heartbeats of the policy in force."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy]) -> None:
        self._engine, self._policy, self._waker = engine, policy, Waker(engine)

    def watch(self, since: datetime, now: datetime) -> list[str]:
        """Open an incident for each that has become late, end it for each that is there again; their names.

        since: when this worker began. What was missing while no worker ran has its time from then on.
        """
        with transaction(self._engine) as connection:
            expected = self._policy().heartbeats
            _expect(connection, expected, now)
            changed = [each for each in expected if self._has_changed(connection, each, since, now)]
            if changed:
                self._waker.within(connection)
        if changed:
            self._waker.after_commit()
        return [each.name for each in changed]

    def _has_changed(self, connection: sa.Connection, beat: Heartbeat, since: datetime, now: datetime) -> bool:
        """Of several workers that check at the same time, only one changes the row, and notifies."""
        mine = heartbeat.c.name == beat.name
        row = connection.execute(sa.select(heartbeat).where(mine).with_for_update()).mappings().one()
        missing = beat.is_late(max(row["seen_at"], since), now)
        if missing == row["missing"]:
            return False
        connection.execute(sa.update(heartbeat).where(mine).values(missing=missing))
        receive_groups(connection, self._policy(), [alarm(beat, row["seen_at"], now, missing=missing)], now)
        return True


def _expect(connection: sa.Connection, expected: Sequence[Heartbeat], now: datetime) -> None:
    """A row for each, and none for those that are configured no more."""
    names = [each.name for each in expected]
    known = set(connection.scalars(sa.select(heartbeat.c.name)))
    if known - set(names):
        connection.execute(sa.delete(heartbeat).where(heartbeat.c.name.not_in(names)))
    rows = [{"name": name, "seen_at": now, "missing": False} for name in names if name not in known]
    if rows:
        inserted = insert_into(heartbeat, connection.dialect.name)
        connection.execute(inserted.on_conflict_do_nothing(index_elements=["name"]), rows)
