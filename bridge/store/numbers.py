"""Numbers for incidents before they are written, so that many are written with one statement.

Invariant: inside the transaction that writes them; no number is ever given twice.
"""

from __future__ import annotations

from collections import deque

import sqlalchemy as sa

from bridge.store.prepared import Prepared

_SQLITE = Prepared(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'incident'"))
_POSTGRESQL = sa.text("SELECT nextval(pg_get_serial_sequence('incident', 'number')) FROM generate_series(1, :count)")


class Numbers:
    """One that is drawn and not used is a gap on PostgreSQL, as one of a transaction that fails is."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._drawn: deque[int] = deque()
        self._newest: int | None = None  # on SQLite, where no other writer is at work

    def draw(self, count: int) -> None:
        """Have as many ready; more are drawn when they are asked for."""
        if count < 1:
            return
        if self._connection.dialect.name == "postgresql":
            self._drawn.extend(self._connection.scalars(_POSTGRESQL, {"count": count}))
            return
        if self._newest is None:
            self._newest = _SQLITE.scalar(self._connection) or 0
        self._drawn.extend(range(self._newest + 1, self._newest + 1 + count))
        self._newest += count

    def next(self) -> int:
        if not self._drawn:
            self.draw(1)
        return self._drawn.popleft()
