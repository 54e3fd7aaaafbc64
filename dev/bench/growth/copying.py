"""A year's history: a few hundred incidents that really lived, copied by the database itself over the time before.

Each copy has its number, its uid and its times, and all that belongs to it. What is copied is what the schema says, so
a column that is new is copied too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa

from bridge.store.tables import UtcDateTime, alert, delivery, event, incident

TABLES = (incident, alert, event, delivery)
CHUNK = 100  #: copies of every incident in one transaction
KEYS = ("key", "dedup_key", "group_key")  #: of the group: an open incident must have its own


def copy(engine: sa.Engine, seeds: int, copies: int, over: timedelta, *, own_groups: bool = False) -> int:
    """seeds: the incidents 1 to so many. copies: of each. Returns the newest number.

    own_groups: each copy is of a group of its own, so that it may be open.
    """
    with _unhurried(engine) as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE seed_{table.name} AS SELECT * FROM {table.name}")
        for first in range(0, copies, CHUNK):
            given = {"first": first, "last": min(first + CHUNK, copies), "seeds": seeds, "copies": copies}
            for table in TABLES:
                statement = copying(table, engine.dialect.name, own_groups=own_groups)
                connection.execute(sa.text(statement), {**given, "seconds": over.total_seconds()})
            connection.commit()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "SELECT setval(pg_get_serial_sequence('incident', 'number'), (SELECT max(number) FROM incident))"
            )
            connection.commit()
        return int(connection.scalar(sa.select(sa.func.max(incident.c.number))) or 0)


def copying(table: sa.Table, dialect: str, *, own_groups: bool) -> str:
    """The statement for some copies: those from :first up to :last, of :copies in all, over :seconds."""
    columns = [column for column in table.columns if not (column.primary_key and column.name == "id")]
    values = ", ".join(_value(column, dialect, own_groups) for column in columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    number = "number" if table is incident else "incident_number"
    order = f"copies.k, seed.{number}" + (", seed.id" if table is event else "")
    source = f"FROM {_series(dialect)}, seed_{table.name} AS seed WHERE seed.{number} <= :seeds ORDER BY {order}"
    return f"INSERT INTO {table.name} ({names}) SELECT {values} {source}"


def _series(dialect: str) -> str:
    if dialect == "postgresql":
        return "generate_series(CAST(:first AS integer), CAST(:last AS integer) - 1) AS copies(k)"
    series = "WITH RECURSIVE every(k) AS (SELECT :first UNION ALL SELECT k + 1 FROM every WHERE k + 1 < :last)"
    return f"({series} SELECT k FROM every) AS copies"


def _value(column: sa.Column[object], dialect: str, own_groups: bool) -> str:
    name = f'seed."{column.name}"'
    if column.name in ("number", "incident_number"):
        return f"{name} + (copies.k + 1) * :seeds"
    if column.name == "uid" or (own_groups and column.name in KEYS):
        return f"substr({name}, 1, 50) || '-' || copies.k"
    if not isinstance(column.type, UtcDateTime):
        return name
    earlier = "(1.0 - (copies.k + 1.0) / (:copies + 1)) * :seconds"
    if dialect == "postgresql":
        return f"{name} - make_interval(secs => {earlier})"
    moved = f"strftime('%Y-%m-%dT%H:%M:%f000+00:00', {name}, '-' || CAST({earlier} AS integer) || ' seconds')"
    return f"CASE WHEN {name} IS NOT NULL THEN {moved} END"


@contextmanager
def _unhurried(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Nothing has to be on disk yet, and every reference is right as it is copied."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
            connection.exec_driver_sql("SET synchronous_commit = off")
        else:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("PRAGMA synchronous = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # again: inside a transaction the first would do nothing
        yield connection
        connection.invalidate()  # with its settings
