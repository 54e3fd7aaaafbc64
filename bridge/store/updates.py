"""Writing deliveries that are there already: one UPDATE for any number of them.

Invariant: their rows are locked by the transaction that read them.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from bridge.core.delivery.delivery import Delivery
from bridge.store.prepared import Prepared
from bridge.store.rows import delivery_row
from bridge.store.tables import delivery

KEY = ("incident_number", "channel", "recipient")


def updating(names: Sequence[str]) -> sa.Update:
    """Sets columns; its parameters are their names after `b_`."""
    mine = [delivery.c[name] == sa.bindparam(f"b_{name}") for name in KEY]
    return sa.update(delivery).where(*mine).values({name: sa.bindparam(f"b_{name}") for name in names})


def update(
    connection: sa.Connection, statement: Prepared, names: Sequence[str], deliveries: Sequence[Delivery]
) -> None:
    """statement: from updating, of the same columns."""
    rows = [delivery_row(each) for each in deliveries]
    statement.run_many(connection, [{f"b_{name}": row[name] for name in (*KEY, *names)} for row in rows])
