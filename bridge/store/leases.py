"""Leases on rows: what one of any number of processes does at a time. A delivery's own lease is in store.claiming.

Invariant: acquiring is writing, so a store that cannot be written grants no lease; and every lease expires by itself,
after a clock was set back as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.store.upserts import insert_into


@dataclass(frozen=True, slots=True)
class Lease:
    """The columns that make a table's rows leases: each, named by `name`, has one holder at a time until it expires.

    Without a column for the holder no process can renew it: it is free for all once it has expired.
    """

    name: sa.Column[Any]  #: unique
    until: sa.Column[datetime]
    holder: sa.Column[str] | None = None

    def acquire(
        self, connection: sa.Connection, name: Any, duration: timedelta, now: datetime, holder: str = ""
    ) -> bool:
        """Take the lease if it is free or has expired, or renew one's own; False: another process has it."""
        values: dict[str, Any] = {self.until.name: now + duration}
        if self.holder is not None:
            values[self.holder.name] = holder
        statement = insert_into(self.name.table, connection.dialect.name).values({self.name.name: name, **values})
        statement = statement.on_conflict_do_update(
            index_elements=[self.name.name], set_=values, where=self._is_free(duration, now, holder)
        )
        return connection.execute(statement.returning(self.name)).first() is not None

    def release(self, connection: sa.Connection, holder: str) -> None:
        """All that this holder has: another process need not wait until they expire."""
        assert self.holder is not None
        free = {self.holder.name: None, self.until.name: None}
        connection.execute(sa.update(self.name.table).where(self.holder == holder).values(free))

    def _is_free(self, duration: timedelta, now: datetime, holder: str) -> sa.ColumnElement[bool]:
        # None ends so far ahead, unless the clock was set back or the duration was changed. Not just one duration
        # ahead: a process that waited for another transaction has an older `now`.
        free = self.until.is_(None) | (self.until <= now) | (self.until > now + 2 * duration)
        return free if self.holder is None else free | self.holder.is_(None) | (self.holder == holder)
