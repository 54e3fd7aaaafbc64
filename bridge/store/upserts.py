"""INSERT ... ON CONFLICT, which each of SQLAlchemy's dialects has in a statement of its own, with the same methods."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def inserting(table: sa.Table, without: Collection[str] = ()) -> Callable[[str], postgresql.Insert | sqlite.Insert]:
    """By the dialect's name: an INSERT whose parameters are the table's columns. without: those that it leaves out."""
    values: dict[str, Any] = {
        column.name: sa.bindparam(column.name) for column in table.columns if column.name not in without
    }
    return lambda dialect: insert_into(table, dialect).values(values)


def insert_into(table: sa.Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """The statement for a database of this dialect's name: `sqlite` or `postgresql`."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
