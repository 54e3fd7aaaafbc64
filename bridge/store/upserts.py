"""INSERT ... ON CONFLICT, which each of SQLAlchemy's dialects has in a statement of its own, with the same methods."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(table: sa.Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """The statement for a database of this dialect's name: `sqlite` or `postgresql`."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
